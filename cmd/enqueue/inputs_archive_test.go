package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// packed is a zip archive of files, each a name and what it holds.
func packed(t *testing.T, files ...string) []byte {
	t.Helper()
	return []byte(zipped(t, files...))
}

// bucket is the address of a store whose bucket archive has these objects.
func bucket(t *testing.T, objects map[string][]byte) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("archive"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	for key, content := range objects {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/archive/"+key, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("put %s: status %d, %v", key, response.StatusCode, err)
		}
	}
	return server.URL
}

// depot is a server of files, which counts how often each was asked for.
type depot struct {
	address string

	mu    sync.Mutex
	files map[string][]byte
	asked map[string]int
}

func newDepot(t *testing.T) *depot {
	t.Helper()
	s := &depot{files: make(map[string][]byte), asked: make(map[string]int)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.address = server.URL
	return s
}

func (s *depot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.URL.Path]++
	content, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_, _ = w.Write(content)
}

// times is how often a file was asked for.
func (s *depot) times(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

func (s *depot) put(path string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = content
}

// An archive of the web is one by the name that its address has. Its documents go by that
// name and their own, what is refused of one on disk is refused of it, and nothing of it is
// paid for twice.
func TestSummarizeOpensArchivesOfTheWeb(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	s := newDepot(t)
	s.put("/minutes.zip", packed(t, "may.md", "# May\n\nWe met.", "deep/june.txt", "We met again.", "inner.zip", "PK", "logo.png", "x", ".hidden.md", "x", "../out.md", "Out."))
	s.put("/bomb.zip", packed(t, "zeros.txt", strings.Repeat("0", 8<<20)))
	s.put("/download", packed(t, "a.md", "One."))
	args := func(names ...string) []string {
		all := []string{"summarize", "--out", l.out, "--allow-private"}
		for _, name := range names {
			all = append(all, s.address+name)
		}
		return all
	}
	got := l.call("", args("/minutes.zip", "/bomb.zip", "/gone.zip", "/download", "/minutes.zip")...).want(t, 1)
	shows(t, got.stdout, "succeeded  2\n")
	got.says(t, "passed over "+s.address+"/minutes.zip/inner.zip: ", "passed over "+s.address+"/minutes.zip/logo.png: ")
	if text := l.summary(s.address + "/minutes.zip/may.md"); !strings.HasPrefix(text, "# May\n") {
		t.Errorf("the summary is %q", text)
	}
	want := map[string]string{
		"may.md": "succeeded", "june.txt": "succeeded",
		"out.md":   "failed: invalid: unsafe name: its name in the archive takes detours",
		"bomb.zip": "failed: invalid: the file is too large to read: the archive unpacks to more than 200 times its size",
		"gone.zip": "failed: invalid: was answered with status 404",
		"download": "failed: invalid: unsupported type of file: the server sent an archive, which is opened only at an address whose path ends in .zip",
	}
	if diff := cmp.Diff(want, l.statuses()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if n := s.times("/minutes.zip"); n != 1 {
		t.Errorf("the archive was fetched %d times", n)
	}

	// The same command submits nothing, and what was mended is a failure no more.
	jobs := l.total()
	s.put("/bomb.zip", packed(t))
	s.put("/gone.zip", packed(t, "back.md", "# May\n\nWe met."))
	s.put("/minutes.zip", packed(t, "may.md", "# May\n\nWe met.", "deep/june.txt", "We met again."))
	l.call("", args("/minutes.zip", "/bomb.zip", "/gone.zip")...).want(t, 0)
	if n := l.total(); n != jobs {
		t.Errorf("%d jobs after %d, though no content is new", n, jobs)
	}
	got.stdout = l.call("", args("/minutes.zip", "/bomb.zip", "/gone.zip")...).want(t, 0).stdout
	shows(t, got.stdout, "nothing was submitted")
	want = map[string]string{"may.md": "succeeded", "june.txt": "succeeded", "back.md": "succeeded", "download": want["download"]}
	if diff := cmp.Diff(want, l.statuses()); diff != "" {
		t.Errorf("manifest of what was mended (-want +got):\n%s", diff)
	}
}

// An archive at a private address is not fetched, and fails by name as a document there does.
func TestSummarizeOpensNoArchiveOfAPrivateAddress(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	s := newDepot(t)
	s.put("/minutes.zip", packed(t, "may.md", "We met."))
	shows(t, l.call("", "summarize", s.address+"/minutes.zip", "--out", l.out).want(t, 1).stdout, "minutes.zip: invalid: leads to a private address; --allow-private is for an intranet")
	if n := s.times("/minutes.zip"); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// Archives below a prefix of a bucket are opened, too. With more of them than are kept, each
// document is still that of its own archive.
func TestSummarizeOpensArchivesOfBuckets(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var a asked
	l.employ(a.reads)
	want := map[string]string{"taken.md": "succeeded", "report.zip": "succeeded", "broken.zip": "failed: invalid: malformed document: the archive is damaged: zip: not a valid zip file"}
	objects := map[string][]byte{
		"minutes/broken.zip": []byte("no archive"), "minutes/x.zip/taken.md": []byte("In the bucket."), "minutes/x.zip": packed(t, "taken.md", "In the archive."),
		"minutes/report.zip": packed(t, "word/document.xml", `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Words.</w:t></w:r></w:p></w:body></w:document>`),
	}
	for _, name := range []string{"one", "two", "three", "four"} {
		objects["minutes/"+name+".zip"] = packed(t, name+".md", "About "+name+".")
		want[name+".md"] = "succeeded"
	}
	l.env = append(l.env, "LONGHAUL_BLOBS_ACCESS_KEY=key", "LONGHAUL_BLOBS_SECRET_KEY=secret")
	args := []string{"summarize", "s3://archive/minutes?region=eu-central-1&endpoint=" + url.QueryEscape(bucket(t, objects)), "--out", l.out}
	l.call("", args...).want(t, 1).says(t, "passed over s3://archive/minutes/x.zip/taken.md: unsafe name: another document goes by this path")
	if len(a.with("In the bucket.")) != 1 || len(a.with("In the archive.")) != 0 {
		t.Error("it was not the object that was read")
	}
	if diff := cmp.Diff(want, l.statuses()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	for _, name := range []string{"one", "two", "three", "four"} {
		if l.summary("s3://archive/minutes/"+name+".zip/"+name+".md") == "" || len(a.with("About "+name+".")) != 1 {
			t.Errorf("%s.md was not summarized once", name)
		}
	}
	jobs := l.total()
	l.call("", args...).want(t, 1)
	if n := l.total(); n != jobs {
		t.Errorf("%d jobs after %d, though nothing is new", n, jobs)
	}
}
