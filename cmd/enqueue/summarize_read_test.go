package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// Documents are read before anything is handed over, and how far that is shows from the
// beginning, in a dry run as well.
func TestSummarizeShowsHowFarItHasRead(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--name=progress", "--dry-run"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			l.employ(reads)
			l.put("a.md", "One.")
			gate := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				<-gate
				_, _ = fmt.Fprint(w, "Two.")
			}))
			t.Cleanup(server.Close)
			var stdout, stderr testlog.Buffer
			c := &cli{
				system:  system{stdout: &stdout, stderr: &stderr, environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, l.env...)},
				console: newConsole(&stderr), args: []string{"summarize", l.dir, server.URL + "/b.txt", "--allow-private", "--out", l.out, flag},
				start: localStarters(), patience: time.Minute, watched: func() bool { return false },
			}
			code := make(chan int, 1)
			go func() { code <- c.run(t.Context()) }()
			shown := func() bool {
				return strings.Contains(stderr.String(), "reading the documents: 0 of 2 (") || strings.Contains(stderr.String(), "reading the documents: 1 of 2 (")
			}
			until(t, "how far it is", shown)
			if n := l.total(); n != 0 {
				t.Errorf("%d jobs before the documents are read", n)
			}
			close(gate)
			if got := <-code; got != 0 {
				t.Errorf("exit code %d; stderr:\n%s", got, stderr.String())
			}
			shows(t, stderr.String(), "reading the documents: 2 of 2 (")
		})
	}
}

// Of a form whose fields cannot be read, its page says so.
func TestSummarizeSaysThatAFormWasNotRead(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	form := l.put("form.pdf", string(pdftest.Document{Pages: []pdftest.Page{{Lines: []string{"Please wait"}}}, XFA: true}.Bytes()))
	l.summarize().want(t, 0)
	const want = "it is a form of XFA; what is filled in was not read"
	shows(t, l.summary(form), want)
	shows(t, readText(t, filepath.Join(l.out, report.HTMLName)), want)
}
