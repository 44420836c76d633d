package e2e_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// aclLine is the rules of the user that docs/operations.md describes.
func aclLine(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^user longhaul .*$`).FindString(string(page))
	if line == "" {
		t.Fatal("docs/operations.md has no ACL line")
	}
	return strings.Fields(strings.Replace(line, ">PASSWORD", ">hush", 1))
}

// TestUserWithNoMoreThanItNeeds lets a worker, a client and a doctor do
// everything as the user that docs/operations.md describes, with TLS.
func TestUserWithNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	rules := aclLine(t)
	server := redistest.StartWith(t, redistest.Config{
		TLS: true, AppendDir: t.TempDir(), Args: append([]string{"--" + rules[0]}, rules[1:]...),
	})
	admin := server.Client(t)
	address := strings.Replace(server.URL(), "rediss://", "rediss://longhaul:hush@", 1)
	w := installation.NewOn(t, address, "--simulator-queued", "50ms", "--simulator-running", "200ms")
	w.Faults(`{"rules":[{"match":{"op":"create","every":7},"action":{"reset":"after"}}]}`)
	worker := w.Worker("LONGHAUL_WATCHDOG_AUDIT_EVERY=200ms")
	brief := w.Submit(1, question, jobs.Options{Retention: 100 * time.Millisecond})[0]
	kept := w.Submit(1, question, jobs.Options{Group: "kept", DedupeKey: "once"})
	streamed := w.Submit(1, question, jobs.Options{Stream: true})
	w.Account(w.WaitAll(slices.Concat(w.Submit(30, question, jobs.Options{Group: "g"}), kept, streamed), time.Minute), brief)
	told := 0
	for _, err := range w.Client.Watch(t.Context(), streamed[0], jobs.Place{}) {
		if told++; err != nil {
			t.Error(err)
		}
	}
	if told == 0 {
		t.Error("a streamed job told nothing")
	}
	for range 300 {
		if _, err := w.Client.Get(t.Context(), brief); errors.Is(err, results.ErrNotFound) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	later := w.Submit(1, question, jobs.Options{NotBefore: w.Store.Now().Add(time.Hour)})[0]
	if _, err := w.Client.Cancel(t.Context(), later); err != nil {
		t.Error(err)
	}
	if _, err := w.Client.Retry(t.Context(), later); err != nil {
		t.Error(err)
	}
	if _, err := w.Client.Delete(t.Context(), kept[0], true); err != nil {
		t.Error(err)
	}
	if _, err := w.Client.List(t.Context(), results.Filter{Group: "g"}); err != nil {
		t.Error(err)
	}
	if _, err := w.Client.Counts(t.Context(), "g"); err != nil {
		t.Error(err)
	}
	period := results.Period{Since: w.Store.Now().AddDate(0, 0, -1), Until: w.Store.Now()}
	if sums, err := w.Client.Usage(t.Context(), period); err != nil || len(sums) == 0 {
		t.Errorf("%d sums of the ledger, %v", len(sums), err)
	}
	lines := 0
	if err := w.Client.UsageLines(t.Context(), period, func(results.Line) error { lines++; return nil }); err != nil || lines == 0 {
		t.Errorf("%d lines of the ledger, %v", lines, err)
	}
	if _, err := w.Store.Audit(t.Context()); err != nil {
		t.Error(err)
	}
	doctor := installation.Start(t, w.Environ(), "worker", "doctor")
	<-doctor.Gone()
	said := doctor.Stdout.String()
	if !regexp.MustCompile(`ok +redis permissions +user longhaul may do all that is needed`).MatchString(said) || strings.Contains(said, "hush") {
		t.Errorf("the doctor says:\n%s", said)
	}
	if code := worker.Terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	denied, err := admin.ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range denied {
		t.Errorf("refused to %s, %s: %s (%d times)", entry.Username, entry.Context, entry.Object, entry.Count)
	}
	if err := w.Store.Beat(t.Context(), results.Worker{ID: "w"}, time.Minute); err != nil {
		t.Error(err)
	}
}
