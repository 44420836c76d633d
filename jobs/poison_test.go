package jobs_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func workerLost(attempt int) jobs.WorkerLost {
	return jobs.WorkerLost{Attempt: attempt, Worker: testWorker}
}

// A job that is present at two crashes is run alone, and set aside only if it
// crashes a worker then.
func TestPoison(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), workerLost(1))
	if j.Alone {
		t.Fatal("run alone after one crash")
	}
	j = apply(t, j, submit(2), workerLost(2))
	if j.State != jobs.StateWaiting || !j.Alone {
		t.Fatalf("after two crashes: %s, alone %t", j.State, j.Alone)
	}
	j = apply(t, j, submit(3))
	if a, _ := j.CurrentAttempt(); !a.Alone {
		t.Fatalf("attempt 3 = %+v, want it alone", a)
	}
	t.Run("innocent", func(t *testing.T) {
		if j := apply(t, j, created(3, jobs.StatusCompleted)); j.State != jobs.StateSucceeded {
			t.Errorf("%s", j.State)
		}
	})
	t.Run("guilty", func(t *testing.T) {
		j := apply(t, j, workerLost(3))
		if j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassPoison {
			t.Fatalf("%s, %+v", j.State, j.Failure)
		}
		for _, a := range j.Attempts {
			if a.Outcome != jobs.OutcomeUncertain || a.Failure == nil || a.Failure.Code != "worker_lost" {
				t.Errorf("the evidence of attempt %d is %+v", a.Number, a)
			}
		}
		if j = apply(t, j, jobs.RetryRequested{}, submit(4)); !j.Attempts[3].Alone {
			t.Error("retried by hand, and not alone")
		}
	})
	t.Run("a stop wins", func(t *testing.T) {
		if j := apply(t, j, cancel, workerLost(3)); j.State != jobs.StateCancelled {
			t.Errorf("%s", j.State)
		}
	})
}

// A response over which a worker crashed is kept by its id and not asked for
// again by itself.
func TestCrashedAlone(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusQueued), jobs.CrashedAlone{Worker: "worker-b"})
	a, _ := j.CurrentAttempt()
	if j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassPoison || a.ResponseID != responseID(1) || a.Outcome != jobs.OutcomeFailed {
		t.Errorf("%s, %+v, attempt %+v", j.State, j.Failure, a)
	}
}
