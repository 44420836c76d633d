package client_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// fail ends a job with a failure.
func (w *worker) fail(id jobs.ID, class jobs.Class) {
	w.t.Helper()
	w.start(id)
	w.step(id, jobs.ResponseLost{ResponseID: "resp_1", Failure: jobs.Failure{Class: class}})
}

// TestAllGoesThroughEveryJob retries jobs while it goes through them, in pages
// that are smaller than what there is.
func TestAllGoesThroughEveryJob(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	want := []jobs.ID{}
	for range 7 {
		id := submit(t, c, jobs.Options{})
		w.fail(id, jobs.ClassLost)
		want = append(want, id)
	}
	slices.Sort(want)
	slices.Reverse(want)
	failed := results.Filter{States: []jobs.State{jobs.StateFailed}, Until: c.Now(), Limit: 2}
	got := []jobs.ID{}
	for j, err := range c.All(t.Context(), failed) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, j.ID)
		if _, err := c.Retry(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	for j, err := range c.All(t.Context(), failed) {
		t.Errorf("once more: %s, %v; want none", j.ID, err)
	}
}

func TestAllEndsWithItsError(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	for range 3 {
		submit(t, c, jobs.Options{})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, failed := 0, 0
	for _, err := range c.All(ctx, results.Filter{Limit: 2}) {
		if seen++; err != nil {
			failed++
		}
		cancel()
	}
	if seen != 3 || failed != 1 {
		t.Errorf("%d returned, %d of them errors; want a page of 2 and an error", seen, failed)
	}
	for _, err := range c.All(t.Context(), results.Filter{Lane: "no lane"}) {
		if jobs.FailureOf(err).Param != "lane" {
			t.Errorf("error %v, want the lane named", err)
		}
	}
}

func TestCaution(t *testing.T) {
	t.Parallel()
	minded := map[jobs.Class]bool{jobs.ClassLost: true, jobs.ClassOversized: true, jobs.ClassAmbiguous: true, jobs.ClassPoison: true}
	for _, class := range jobs.Classes() {
		j := jobs.Job{State: jobs.StateFailed, Failure: &jobs.Failure{Class: class}}
		if why := client.Caution(j); (why != "") != minded[class] {
			t.Errorf("class %s: %q", class, why)
		}
	}
	if why := client.Caution(jobs.Job{State: jobs.StateIncomplete}); why == "" {
		t.Error("a part of an answer is dropped without a word")
	}
	if why := client.Caution(jobs.Job{State: jobs.StateExpired}); why != "" {
		t.Errorf("a job that was never tried: %q", why)
	}
}
