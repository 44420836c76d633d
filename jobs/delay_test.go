package jobs_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// nearlyOne is the largest number that a random source in [0, 1) gives.
var nearlyOne = math.Nextafter(1, 0)

func TestRetryDelay(t *testing.T) {
	for _, tt := range []struct {
		name     string
		failure  jobs.Failure
		failures int
		min, max time.Duration // with random 0 and with random just below 1
	}{
		{"the first failure", jobs.Failure{Class: jobs.ClassUnavailable}, 1, 0, 2 * time.Second},
		{"none yet", jobs.Failure{Class: jobs.ClassUnavailable}, 0, 0, 2 * time.Second},
		{"the second", jobs.Failure{Class: jobs.ClassUnavailable}, 2, 0, 8 * time.Second},
		{"the fourth", jobs.Failure{Class: jobs.ClassUnavailable}, 4, 0, 128 * time.Second},
		{"the fifth", jobs.Failure{Class: jobs.ClassUnavailable}, 5, 0, 5 * time.Minute},
		{"any later one", jobs.Failure{Class: jobs.ClassUnavailable}, 1 << 40, 0, 5 * time.Minute},
		{"rate limited without a word when", jobs.Failure{Class: jobs.ClassRateLimited}, 3, 0, 32 * time.Second},
		{"unclassified", jobs.Failure{}, 1, 0, 2 * time.Second},
		{"bad key", jobs.Failure{Class: jobs.ClassUnauthorized}, 7, time.Second, 2 * time.Second},
		{"no quota", jobs.Failure{Class: jobs.ClassQuota}, 1, time.Second, 2 * time.Second},
		{"conflict", jobs.Failure{Class: jobs.ClassConflict}, 7, 2 * time.Second, 4 * time.Second},
		{"told when", jobs.Failure{Class: jobs.ClassRateLimited, RetryAfter: 20 * time.Second}, 7, 20 * time.Second, 22 * time.Second},
		{"told when, with no quota", jobs.Failure{Class: jobs.ClassQuota, RetryAfter: 10 * time.Second}, 1, 10 * time.Second, 11 * time.Second},
		{"told a moment", jobs.Failure{Class: jobs.ClassRateLimited, RetryAfter: 20 * time.Millisecond}, 1, time.Second, 1100 * time.Millisecond},
		{"told an absurd time", jobs.Failure{Class: jobs.ClassRateLimited, RetryAfter: math.MaxInt64}, 1, time.Hour, 66 * time.Minute},
		{"told a time in the past", jobs.Failure{Class: jobs.ClassUnavailable, RetryAfter: -time.Second}, 1, 0, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := jobs.RetryDelay(tt.failure, tt.failures, 0); got != tt.min {
				t.Errorf("with random 0: %s, want %s", got, tt.min)
			}
			if got := jobs.RetryDelay(tt.failure, tt.failures, nearlyOne); got > tt.max || got < tt.max-time.Millisecond {
				t.Errorf("with random just below 1: %s, want %s", got, tt.max)
			}
		})
	}
}

// FuzzRetryDelay: never negative, never much longer than the longest, never
// sooner than the server said (up to the hour that it may ask for), and never
// shorter for more failures.
func FuzzRetryDelay(f *testing.F) {
	f.Add(0, int64(0), 1, 0.5)
	f.Add(4, int64(time.Minute), 100, 0.999)
	f.Add(5, int64(math.MaxInt64), math.MaxInt, 0.0)
	f.Add(99, int64(-1), math.MinInt, 1.5)
	f.Fuzz(func(t *testing.T, class int, retryAfter int64, failures int, random float64) {
		_, random = math.Modf(math.Abs(random))
		if math.IsNaN(random) {
			random = 0
		}
		classes := slices.Concat(jobs.Classes(), []jobs.Class{"", "a class of tomorrow"})
		failure := jobs.Failure{Class: classes[uint(class)%uint(len(classes))], RetryAfter: time.Duration(retryAfter)}
		d := jobs.RetryDelay(failure, failures, random)
		if d < 0 || d > 66*time.Minute {
			t.Errorf("RetryDelay(%+v, %d, %v) = %s, want 0 to 66 minutes", failure, failures, random, d)
		}
		if least := min(failure.RetryAfter, time.Hour); d < least {
			t.Errorf("RetryDelay(%+v, %d, %v) = %s, want at least what the server said", failure, failures, random, d)
		}
		if failures < math.MaxInt {
			if next := jobs.RetryDelay(failure, failures+1, random); next < d {
				t.Errorf("RetryDelay(%+v, %v) = %s after %d failures, and %s after one more", failure, random, d, failures, next)
			}
		}
	})
}

func TestFailuresInRow(t *testing.T) {
	fail := func(n int) []jobs.Event { return []jobs.Event{submit(n), createFailed(n, jobs.ClassUnavailable)} }
	for _, tt := range []struct {
		name   string
		events []jobs.Event
		want   int
	}{
		{"no attempt", nil, 0},
		{"one that is failing now", []jobs.Event{submit(1)}, 1},
		{"one that failed", fail(1), 1},
		{"one failed, one lost", append(fail(1), submit(2), createFailed(2, jobs.ClassAmbiguous)), 2},
		{"two failed, one failing now", append(append(fail(1), fail(2)...), submit(3)), 3},
		{"retried by hand", append(fail(1), cancel, jobs.RetryRequested{}), 0},
		{"retried by hand, failed again", append(fail(1), cancel, jobs.RetryRequested{}, submit(2)), 1},
		{"after a response was lost", []jobs.Event{
			submit(1), created(1, jobs.StatusQueued),
			jobs.ResponseLost{ResponseID: "resp_1", Failure: failure(jobs.ClassLost)},
		}, 0},
		{"while an earlier one is being cancelled", []jobs.Event{
			submit(1), createFailed(1, jobs.ClassAmbiguous), submit(2), created(1, jobs.StatusQueued),
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := apply(t, newJob(t, jobs.Options{}), tt.events...).FailuresInRow(); got != tt.want {
				t.Errorf("FailuresInRow = %d, want %d", got, tt.want)
			}
		})
	}
}
