package blobs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// fill puts objects into the server's bucket, as another program would.
func fill(t *testing.T, s *s3, objects map[string]string) {
	t.Helper()
	for key, text := range objects {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/"+bucketName+"/"+key, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		// Only the test's own requests are not signed with more than this.
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+accessKey+"/")
		request.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("put %s: status %d", key, response.StatusCode)
		}
	}
}

func openReader(t *testing.T, s *s3, prefix string) *blobs.Reader {
	t.Helper()
	r, err := blobs.OpenReader(s.config("s3://" + bucketName + prefix))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keysOf(t *testing.T, r *blobs.Reader) []string {
	t.Helper()
	var keys []string
	for o, err := range r.Objects(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func TestReaderListsWhatIsBelowAPrefix(t *testing.T) {
	t.Parallel()
	s := newS3(t)
	fill(t, s, map[string]string{"contracts/a.pdf": "a", "contracts/2026/b%20c.md": "b", "contracts-old/x.md": "x", "top.md": "t"})
	for prefix, want := range map[string][]string{
		"":                 {"contracts-old/x.md", "contracts/2026/b c.md", "contracts/a.pdf", "top.md"},
		"/contracts":       {"contracts/2026/b c.md", "contracts/a.pdf"},
		"/contracts/":      {"contracts/2026/b c.md", "contracts/a.pdf"},
		"/contracts/a.pdf": {"contracts/a.pdf"},
		"/none":            nil,
	} {
		if diff := cmp.Diff(want, keysOf(t, openReader(t, s, prefix))); diff != "" {
			t.Errorf("below %q (-want +got):\n%s", prefix, diff)
		}
	}
}

func TestReaderListsManyPages(t *testing.T) {
	t.Parallel()
	s := newS3(t)
	objects := make(map[string]string)
	var want []string
	for i := range 2*blobs.PageSize + 3 {
		key := "many/" + string(rune('a'+i/676)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
		objects[key], want = "x", append(want, key)
	}
	fill(t, s, objects)
	slices.Sort(want)
	if diff := cmp.Diff(want, keysOf(t, openReader(t, s, "/many"))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestReaderGets(t *testing.T) {
	t.Parallel()
	s := newS3(t)
	fill(t, s, map[string]string{"a b/ü.md": "hello", "large": strings.Repeat("x", 101)})
	r := openReader(t, s, "")
	if got, err := r.Get(t.Context(), "a b/ü.md", 100); err != nil || !bytes.Equal(got, []byte("hello")) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := r.Get(t.Context(), "large", 100); !errors.Is(err, blobs.ErrOversize) {
		t.Errorf("err %v, want ErrOversize", err)
	}
	if _, err := r.Get(t.Context(), "none", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v, want that there is none", err)
	}
}

func TestReaderRefusesWhatIsNoBucket(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"file:///etc", "s3://", "s3:bucket", "https://example.com", "s3://b?secret_key=canary", "s3://me:canary@b"} {
		_, err := blobs.OpenReader(blobs.Config{URL: address, AccessKey: accessKey, SecretKey: secretKey})
		if jobs.ClassOf(err) != jobs.ClassInvalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: err %v, want it refused and nothing repeated", address, err)
		}
	}
}
