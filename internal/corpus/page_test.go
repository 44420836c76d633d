//go:build corpus

package corpus_test

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// reader is a page that reads the report as somebody would, in a frame: it has it show more
// until there is no more, selects what is said, unfolds all, and writes down what it sees.
const reader = `<!doctype html><meta charset="utf-8"><iframe id="report" src="%s" width="1280" height="1600"></iframe><pre id="seen"></pre>
<script>
document.getElementById("report").addEventListener("load", (e) => {
  const page = e.target.contentDocument, get = (id) => page.getElementById(id), count = (what) => page.querySelectorAll(what).length;
  const all = () => { for (let i = 0; i < 1000 && !get("more").hidden; i++) get("more").click(); };
  const choose = (id, value) => { get(id).value = value; get(id).dispatchEvent(new Event("change")); all(); };
  all();
  const seen = { rows: count(".card"), paths: [...page.querySelectorAll(".card .path")].map((p) => p.textContent) };
  get("unfold").click();
  seen.bodies = count(".card .body");
  seen.unverified = count(".sources li.unverified");
  seen.unchecked = count(".sources li.unchecked");
  seen.sources = count(".sources li");
  seen.failed = count(".card .note.failed");
  choose("status", "failed");
  seen.failedRows = count(".card");
  choose("status", "");
  get("query").value = "%s";
  get("query").dispatchEvent(new Event("input"));
  setTimeout(() => { all(); seen.found = count(".card"); document.getElementById("seen").textContent = JSON.stringify(seen); }, 2000);
});
</script>`

// look is what can be seen of a report.
type look struct {
	Paths      []string `json:"paths"`
	Rows       int      `json:"rows"`
	Bodies     int      `json:"bodies"`
	Sources    int      `json:"sources"`
	Unverified int      `json:"unverified"`
	Unchecked  int      `json:"unchecked"`
	Failed     int      `json:"failed"`
	FailedRows int      `json:"failedRows"`
	Found      int      `json:"found"`
}

// shown opens the report in a browser and holds what it shows against the records. Pictures
// of it are left in LONGHAUL_SCREENSHOTS, or in a folder of the system's that is printed, to
// be looked at.
func (s *show) shown(entries []summarize.Entry) {
	s.t.Helper()
	page := "file://" + filepath.Join(s.out, report.HTMLName)
	var want, got look
	for _, e := range entries {
		want.Paths = append(want.Paths, e.Document)
		if e.Status == summarize.StatusFailed {
			want.FailedRows++
			continue
		}
		summary := s.summary(e)
		for _, statement := range slices.Concat(summary.KeyPoints, summary.OpenQuestions) {
			for _, c := range statement.Sources {
				want.Sources++
				switch of := summary.Coverage; {
				case c.Verified:
				case of.File && (of.Sections == 0 || c.Number <= of.Sections):
					want.Unchecked++ // nobody here has read the file
				default:
					want.Unverified++
				}
			}
		}
	}
	want.Rows, want.Bodies, want.Failed, want.Found = len(entries), len(entries), want.FailedRows, 1

	file := filepath.Join(s.t.TempDir(), "reader.html")
	if err := os.WriteFile(file, fmt.Appendf(nil, reader, page, filepath.Base(entries[len(entries)/2].Document)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	_, seen, _ := strings.Cut(browser(s.t, "--dump-dom", "--disable-web-security", "file://"+file), `<pre id="seen">`)
	seen, _, _ = strings.Cut(seen, "</pre>")
	if err := json.Unmarshal([]byte(html.UnescapeString(seen)), &got); err != nil {
		s.t.Fatalf("the page could not be read: %v: %.500q", err, seen)
	}
	slices.Sort(got.Paths) // the page has its own order
	slices.Sort(want.Paths)
	got.Found = min(got.Found, 1) // other documents may name it
	if !reflect.DeepEqual(got, want) {
		s.t.Errorf("the page shows %+v\nwant %+v", got, want)
	}
	s.t.Logf("the page shows %d documents, %d of them failed, and %d sources, %d of them unverified and %d not checked", got.Rows, got.FailedRows, got.Sources, got.Unverified, got.Unchecked)
	dir := os.Getenv("LONGHAUL_SCREENSHOTS")
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "longhaul-report-"); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"light.png": {"--window-size=1280,1600"},
		"dark.png":  {"--window-size=1280,1600", "--blink-settings=preferredColorScheme=0"},
		"phone.png": {"--window-size=500,1400"},
	} {
		picture := filepath.Join(dir, name)
		browser(s.t, slices.Concat(args, []string{"--hide-scrollbars", "--screenshot=" + picture, page})...)
		if info, err := os.Stat(picture); err != nil || info.Size() < 10_000 {
			s.t.Errorf("%s is no picture of the page: %v", picture, err)
		}
	}
	s.t.Logf("pictures of the report are in %s", dir)
}

// browser runs Chromium without a window and returns what it prints.
func browser(t *testing.T, args ...string) string {
	t.Helper()
	base := []string{"--headless", "--disable-gpu", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=20000"}
	if os.Geteuid() == 0 {
		base = append(base, "--no-sandbox") // it refuses to start otherwise, and the page is our own
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), "chromium", slices.Concat(base, args)...)
	cmd.Stderr = &stderr
	cmd.WaitDelay = 10 * time.Second // what it has started may outlive it
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}
