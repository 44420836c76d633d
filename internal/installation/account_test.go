package installation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// once is a job of one attempt that succeeded, and its create.
func once() (jobs.Job, []simulator.Entry) {
	j := jobs.Job{ID: "job_1", State: jobs.StateSucceeded, Ended: time.Unix(1, 0), Attempts: []jobs.Attempt{
		{Number: 1, ResponseID: "resp_1", Outcome: jobs.OutcomeSucceeded},
	}}
	return j, []simulator.Entry{{ID: "resp_1", Attempt: 1}}
}

// twice is a job whose first attempt is uncertain.
func twice() (jobs.Job, []simulator.Entry) {
	j, entries := once()
	j.Attempts[0].Number, j.Attempts[0].Reason = 2, "ambiguous"
	j.Attempts = append([]jobs.Attempt{{Number: 1, Outcome: jobs.OutcomeUncertain}}, j.Attempts...)
	entries[0].Attempt = 2
	return j, entries
}

func TestCompareCounts(t *testing.T) {
	t.Parallel()
	j, entries := twice()
	a := installation.Compare([]jobs.Job{j}, map[jobs.ID][]simulator.Entry{j.ID: entries})
	if a.Succeeded != 1 || a.Creates != 1 || a.Resubmissions != 1 || a.NeverArrived != 1 || a.Unknown != 0 || a.PaidTwice != 0 {
		t.Errorf("a resubmission whose first try never arrived: %+v", a)
	}
	entries = append(entries, simulator.Entry{ID: "resp_0", Attempt: 1})
	a = installation.Compare([]jobs.Job{j}, map[jobs.ID][]simulator.Entry{j.ID: entries})
	if a.Creates != 2 || a.Resubmissions != 1 || a.NeverArrived != 0 || a.Unknown != 1 || a.PaidTwice != 1 {
		t.Errorf("a resubmission whose first try was accepted: %+v", a)
	}
	if len(a.Problems) > 0 {
		t.Errorf("both are as they should be: %q", a.Problems)
	}
}

func TestCompareFindsWhatIsOfNoJob(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		of   jobs.ID
		want string
	}{
		"no record":   {"job_2", `resp_9, are of job "job_2"`},
		"no metadata": {"", `resp_9, are of job ""`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, entries := once()
			a := installation.Compare([]jobs.Job{j}, map[jobs.ID][]simulator.Entry{j.ID: entries, tt.of: {{ID: "resp_9", Attempt: 1}}})
			if len(a.Problems) != 1 || !strings.Contains(a.Problems[0], tt.want) {
				t.Errorf("problems %q, want one with %q", a.Problems, tt.want)
			}
		})
	}
}

func TestCompareFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(j *jobs.Job, entries *[]simulator.Entry)
		want  string
	}{
		"not ended":       {func(j *jobs.Job, _ *[]simulator.Entry) { j.State = jobs.StateRunning }, "has not ended"},
		"created twice":   {func(_ *jobs.Job, e *[]simulator.Entry) { *e = append(*e, (*e)[0]) }, "attempt 2 was created 2 times"},
		"never created":   {func(_ *jobs.Job, e *[]simulator.Entry) { *e = nil }, "the provider never saw it"},
		"without reason":  {func(j *jobs.Job, _ *[]simulator.Entry) { j.Attempts[1].Reason = "" }, "no reason"},
		"not on record":   {func(j *jobs.Job, _ *[]simulator.Entry) { j.Attempts = j.Attempts[:1] }, "is not on record"},
		"other response":  {func(j *jobs.Job, _ *[]simulator.Entry) { j.Attempts[1].ResponseID = "resp_2" }, `with "resp_2"`},
		"id not recorded": {func(j *jobs.Job, _ *[]simulator.Entry) { j.Attempts[1].ResponseID = "" }, `as "succeeded" with ""`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, entries := twice()
			tt.spoil(&j, &entries)
			a := installation.Compare([]jobs.Job{j}, map[jobs.ID][]simulator.Entry{j.ID: entries})
			if got := strings.Join(a.Problems, "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("problems %q, want one with %q", a.Problems, tt.want)
			}
		})
	}
}
