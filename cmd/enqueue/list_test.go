package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// accept accepts a job in the store.
func (b *bench) accept(options jobs.Options) jobs.Job {
	b.t.Helper()
	request, err := jobs.ParseRequest([]byte(`{"input":"hello"}`), jobs.DefaultModel)
	if err != nil {
		b.t.Fatal(err)
	}
	j, _, err := b.store.Accept(b.t.Context(), request, options)
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// late makes jobs whose deadline has passed, many at once.
func (b *bench) late(n int, options jobs.Options) {
	b.t.Helper()
	err := inParallel(b.t.Context(), submitters, n, func(ctx context.Context, _ int) error {
		_, err := b.store.Advance(ctx, b.accept(options), jobs.StopRequested{Reason: jobs.StopDeadline})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// begun makes a job whose first create is on the way.
func (b *bench) begun(options jobs.Options) jobs.ID {
	b.t.Helper()
	j := b.accept(options)
	if _, err := b.store.Admit(b.t.Context(), j.Lane, 100_000); err != nil {
		b.t.Fatal(err)
	}
	b.happens(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w_test", Endpoint: "default"})
	return j.ID
}

// failed makes a job that has failed, with a response if its id is not empty.
func (b *bench) failed(f jobs.Failure, response string, options jobs.Options) jobs.ID {
	b.t.Helper()
	options.MaxAttempts = 1
	id := b.begun(options)
	if response == "" {
		b.happens(id, jobs.CreateFailed{Attempt: 1, Failure: f})
		return id
	}
	b.happens(id, created(1, fmt.Sprintf(`{"id":%q,"status":"in_progress"}`, response)))
	b.happens(id, jobs.ResponseLost{ResponseID: response, Failure: f})
	return id
}

// ids are the first columns of the lines of a table, its header left out.
func ids(table string) []string {
	list := []string{}
	for _, line := range lines(table)[1:] {
		list = append(list, strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' })[0])
	}
	return list
}

func TestListFindsFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.accept(jobs.Options{})
	down := string(b.failed(jobs.Failure{Class: jobs.ClassUnavailable, Code: "server_error", Message: "The server had an error"}, "", jobs.Options{Lane: "night"}))
	lost := string(b.failed(jobs.Failure{Class: jobs.ClassLost, Message: "gone"}, "resp_gone", jobs.Options{Group: "g"}))
	b.late(1, jobs.Options{Metadata: map[string]string{"ticket": "Order 17"}})
	late := ids(b.call("", "list", "--state", "expired").want(t, 0).stdout)[0]
	held := string(b.begun(jobs.Options{Uncertain: jobs.UncertainHold}))
	b.happens(jobs.ID(held), jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
	called := b.begun(jobs.Options{})
	b.happens(called, created(1, `{"id":"resp_part","status":"incomplete"}`))
	part := string(called)
	b.happens(b.accept(jobs.Options{}).ID, jobs.StopRequested{Reason: jobs.StopCancel})

	for _, tt := range []struct {
		args string
		want []string
	}{
		{"--failed", []string{part, late, lost, down}},
		{"--failed --class unavailable", []string{down}},
		{"--failed --class lost,expired", []string{late, lost}},
		{"--state failed,expired", []string{late, lost, down}},
		{"--failed --lane night --since 1h", []string{down}},
		{"--failed --since 2000-01-01 --until 2000-01-02T03:04:05Z", []string{}},
		{"--created-since 1h --failed --group g", []string{lost}},
		{"--failed --text ORDER", []string{late}},
		{"--response resp_gone", []string{lost}},
		{"--response resp_gone --endpoint other", []string{}},
		{"--held", []string{held}},
		{"--failed --limit 1 --class unavailable", []string{down}},
	} {
		got := b.call("", append([]string{"list"}, strings.Fields(tt.args)...)...).want(t, 0)
		if diff := cmp.Diff(tt.want, ids(got.stdout)); diff != "" {
			t.Errorf("list %s (-want +got):\n%s", tt.args, diff)
		}
	}
	got := b.call("", "list", "--failed", "--all", "--class", "lost").want(t, 0)
	if got.stderr != "1 job listed, 4 looked at\n" {
		t.Errorf("stderr is %q", got.stderr)
	}
}

// A search that reads records does not know whether those behind the last one that it
// lists are selected as well, unless it looks ahead.
func TestListSaysWhetherThereAreMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(8*wholePage, jobs.Options{})
	b.accept(jobs.Options{Group: "early"})
	b.late(1, jobs.Options{})
	for range 2 {
		b.accept(jobs.Options{Group: "wanted"})
	}
	for args, want := range map[string]string{
		"--limit 2 --text wanted":             "There may be more: --cursor ",
		"--limit 1 --text wanted":             "There are more: --cursor ",
		"--limit 2 --group wanted":            "",
		"--limit 1 --group wanted":            "There are more: --cursor ",
		"--limit 2 --state waiting --text wa": "",
	} {
		got := b.call("", append([]string{"list"}, strings.Fields(args)...)...).want(t, 0)
		if !strings.HasPrefix(got.stderr, want) || want == "" && got.stderr != "" {
			t.Errorf("list %s: stderr is %q, want %q", args, got.stderr, want)
		}
	}
}

func TestListRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for args, want := range map[string]string{
		"--class unavailabel":             "is no class of failures; one of [internal",
		"--state done":                    "is no state; one of [waiting",
		"--failed --held":                 "--failed and --held exclude each other",
		"--failed --state failed":         "--failed and --state exclude each other",
		"--all --limit 3":                 "--all and --limit exclude each other",
		"--csv --count":                   "--csv and --count exclude each other",
		"--csv --json":                    "--csv and --json exclude each other",
		"--limit 0":                       "it goes from 1 to 1000, and --all has no limit",
		"--limit 1001":                    "it goes from 1 to 1000",
		"--since yesterday":               "since: \"yesterday\" is neither a length of time ago such as",
		"--until -2h":                     "until: \"-2h\" is neither",
		"--since 1h --until 2h":           "until: is not after since",
		"--cursor job_1":                  "is no cursor",
		"--created-since x --until later": "until: \"later\" is neither",
	} {
		b.call("", append([]string{"list"}, strings.Fields(args)...)...).want(t, 2).says(t, want)
	}
}

func TestListExportsCommaSeparatedValues(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.failed(jobs.Failure{Class: jobs.ClassLost, Code: "gone", Message: "two,\n\"lines\""}, "resp_1", jobs.Options{Lane: "night", Group: "g", Tenant: "acme"})
	second := b.begun(jobs.Options{})
	b.happens(second, created(1, `{"id":"resp_2","status":"completed","usage":{"input_tokens":1200,"output_tokens":34,"total_tokens":1234}}`))
	b.accept(jobs.Options{})
	out := b.call("", "list", "--all", "--csv").want(t, 0)
	if n := len(lines(out.stdout)); n != 4 {
		t.Errorf("%d lines, want a header and one for each of 3 jobs:\n%s", n, out.stdout)
	}
	read, err := csv.NewReader(strings.NewReader(out.stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$`)
	for _, line := range read[1:] {
		for i, column := range []int{16, 17} {
			if times.MatchString(line[column]) {
				line[column] = []string{"created", "ended"}[i]
			}
		}
	}
	want := [][]string{
		csvHeader(),
		{read[1][0], "waiting", "", "", "", "default", "", "", jobs.DefaultModel, "0", "0", "0", "0", "0", "0", "", "created", "", ""},
		{string(second), "succeeded", "", "", "", "default", "", "", jobs.DefaultModel, "1", "1200", "0", "0", "34", "0", "0.002672", "created", "ended", "resp_2"},
		{string(first), "failed", "lost", "gone", `two, "lines"`, "night", "g", "acme", jobs.DefaultModel, "1", "0", "0", "0", "0", "0", "", "created", "ended", "resp_1"},
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	help := strings.Join(strings.Fields(b.call("", "list", "--help").want(t, 0).stdout), " ")
	if columns := strings.Join(csvHeader()[:18], ", ") + " and response_ids"; !strings.Contains(help, columns) {
		t.Errorf("the help does not name the columns %s", columns)
	}
}

func TestListCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.failed(jobs.Failure{Class: jobs.ClassUnavailable, Message: "first"}, "", jobs.Options{})
	moment := b.store.Now()
	until(t, "the next moment", func() bool { return b.store.Now().Sub(moment) > 10*time.Millisecond })
	b.failed(jobs.Failure{Class: jobs.ClassUnavailable, Message: "se\x1bcond"}, "", jobs.Options{})
	b.late(3, jobs.Options{})
	b.accept(jobs.Options{})
	got := b.call("", "list", "--count").want(t, 0).says(t, "6 jobs counted, 6 looked at")
	stamp := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	want := `STATE    CLASS        JOBS  OLDEST  NEWEST  LAST MESSAGE
expired  expired      3     *  *  the deadline passed
failed   unavailable  2     *  *  se cond
waiting  -            1     *  *  -
`
	squeezed := regexp.MustCompile(`(OLDEST|NEWEST) +`).ReplaceAllString(stamp.ReplaceAllString(got.stdout, "*"), "$1  ")
	if diff := cmp.Diff(want, squeezed); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	var rows []tally
	for _, line := range lines(b.call("", "list", "--count", "--failed", "--json").want(t, 0).stdout) {
		rows = append(rows, decode[tally](t, line))
	}
	if len(rows) != 2 || rows[1].Jobs != 2 || rows[1].State != jobs.StateFailed || rows[1].Class != jobs.ClassUnavailable ||
		rows[1].LastMessage != "se\x1bcond" || rows[1].Oldest.IsZero() || rows[1].Newest.Before(rows[1].Oldest) {
		t.Errorf("rows are %+v", rows)
	}
}

// stopAfter is a writer that ends a command while it prints.
type stopAfter struct {
	io.Writer
	left atomic.Int64
	stop func()
}

func (w *stopAfter) Write(p []byte) (int, error) {
	if w.left.Add(-1) == 0 {
		w.stop()
	}
	return w.Writer.Write(p)
}

// An export that is stopped must not look like a whole one.
func TestListSaysThatItWasStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(2*wholePage+1, jobs.Options{})
	for _, form := range []string{"--csv", "--json"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var stdout, stderr testlog.Buffer
		w := &stopAfter{Writer: &stdout, stop: func() { cancel(errInterrupt) }}
		w.left.Store(1)
		code := run(ctx, []string{"list", "--all", "--failed", form}, system{
			stdin: strings.NewReader(""), stdout: w, stderr: &stderr, environ: b.env,
		})
		outcome{code, stdout.String(), stderr.String()}.want(t, 1).
			says(t, "stopped: interrupt signal received", "This is not all: 1,000 jobs found, 1,000 looked at")
	}
	broken := &failingWriter{}
	var stderr testlog.Buffer
	code := run(t.Context(), []string{"list", "--all", "--csv"}, system{stdin: strings.NewReader(""), stdout: broken, stderr: &stderr, environ: b.env})
	outcome{code, "", stderr.String()}.want(t, 1).says(t, "list after 1,000 jobs: write to stdout: no space left")
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestPast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"90m":                       now.Add(-90 * time.Minute),
		"3d":                        now.Add(-72 * time.Hour),
		"2026-11-20T10:00:00+02:00": time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC),
		"2026-11-20":                time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := past("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("past(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"-1h", "soon", "2026-13-01", "3"} {
		if _, err := past("since", text, now); jobs.FailureOf(err).Param != "since" {
			t.Errorf("past(%q): %v, want the flag named", text, err)
		}
	}
}
