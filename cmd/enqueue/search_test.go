package main

import (
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A long search says how far it is, and of how much.
func TestSearchReports(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(3, jobs.Options{})
	b.accept(jobs.Options{})
	for _, tt := range []struct {
		filter results.Filter
		also   func() string
		want   string
	}{
		{results.Filter{States: failedStates()}, nil, "list: 1 job found, 2 looked at of about 3\n"},
		{results.Filter{}, nil, "list: 1 job found, 2 looked at of about 4\n"},
		{results.Filter{Group: "none"}, nil, "list: 1 job found, 2 looked at\n"},
		{results.Filter{Held: true}, func() string { return "1 retried" }, "list: 1 job found, 2 looked at, 1 retried\n"},
	} {
		var stderr testlog.Buffer
		s := &search{
			cli: &cli{console: newConsole(&stderr)}, session: b.session(), title: "list", filter: tt.filter, also: tt.also,
			found: 1, looked: 2, said: time.Now().Add(-searchEvery),
		}
		s.measure(t.Context())
		s.report()
		s.report() // too soon to say it again
		if got := stderr.String(); got != tt.want {
			t.Errorf("%+v: it says %q, want %q", tt.filter, got, tt.want)
		}
	}
}

func TestSearchSaysWhatItLeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.accept(jobs.Options{}).ID
	rdb := redistest.Client(t)
	keys, err := rdb.Keys(t.Context(), "*job:"+string(id)).Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("the record is at %v, %v", keys, err)
	}
	if err := rdb.HSet(t.Context(), keys[0], "record", `{"schema":99}`).Err(); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"list", "list --all", "list --count", "cancel --all"} {
		b.call("", strings.Fields(args)...).want(t, 0).says(t, "left out: 1 record that this build cannot read")
	}
}
