package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestRunsAreListedAndWatched(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	l.put("bad.md", "Please refuse")
	l.summarize("--name", "contracts").want(t, 1)
	l.summarize("--name", "contracts").want(t, 1) // the same document counts once
	row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout)
	if row.Name != "contracts" || row.Documents != 2 || row.Succeeded != 1 || row.Failed != 1 || row.Open != 0 || row.Cost == nil || *row.Cost != jobs.Money(80_000) {
		t.Errorf("the list says %+v", row)
	}
	shows(t, l.call("", "runs").want(t, 0).stdout, "contracts  2          1           1       0     ")
	got := decode[runReport](t, l.call("", "run", "contracts", "--json").want(t, 1).stdout)
	if got.Run != "contracts" || got.Total != 2 || got.Succeeded != 1 || len(got.Failures) != 1 || !strings.HasSuffix(got.Failures[0].Name, "bad.md") || got.InputTokens != 20 {
		t.Errorf("the run says %+v", got)
	}
	l.call("", "run", "nothing").want(t, 2).says(t, "there is no run nothing")
	l.call("", "run", "a b").want(t, 2).says(t, "no name of a run")
}

func TestSummarizeFetchesAddresses(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<title>Tides</title><p>High water at noon.")
	}))
	t.Cleanup(server.Close)
	address := server.URL + "/tides"
	l.call("", "summarize", address, "--out", l.out).want(t, 1)
	if status := l.statuses()["tides"]; !strings.Contains(status, "private address") {
		t.Errorf("the manifest says %q", status)
	}
	l.call("", "summarize", address, "--out", l.out, "--allow-private").want(t, 0)
	if s := l.summary(address); !strings.HasPrefix(s, "# Tides\n") {
		t.Errorf("the summary is %q", s)
	}
}
