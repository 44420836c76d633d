package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Where the provider tells the ends of responses, looks are a safety net; what
// goes wrong, and what is to stop, is looked at as everywhere.
func TestNextWhenTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	wishes := response(jobs.StatusInProgress)
	wishes.reply.PollAfter = time.Second
	stopped := running(now, time.Minute)
	stopped.Stop = &jobs.Stop{At: now}
	for _, tt := range []struct {
		name string
		job  jobs.Job
		got  answer
		wait time.Duration
	}{
		{"in progress", running(now, time.Second), response(jobs.StatusInProgress), 4 * time.Minute},
		{"in progress for hours", running(now, 5*time.Hour), response(jobs.StatusInProgress), 4 * time.Minute},
		{"the provider's wish", running(now, time.Second), wishes, 4 * time.Minute},
		{"a failed look", running(now, time.Second), failure(jobs.ClassUnavailable), 2 * time.Second},
		{"to be stopped", stopped, response(jobs.StatusInProgress), 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := next(now, tt.job, tt.got, testSchedule, nil, true, half).due.Sub(now); got != tt.wait {
				t.Errorf("looked at again in %v, want %v", got, tt.wait)
			}
		})
	}
}

// Word that does not come several times in a row is not waited for, for a while.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var none *Announcements
		if none.Expected() {
			t.Error("something is expected where no webhook is configured")
		}
		a := new(Announcements)
		for range enoughMissed - 1 {
			a.miss()
		}
		a.Heard()
		a.miss()
		if !a.Expected() {
			t.Error("missed once since the last word, and nothing is expected any more")
		}
		for range enoughMissed - 1 {
			a.miss()
		}
		time.Sleep(distrust - time.Nanosecond)
		if a.Expected() {
			t.Error("expected although three in a row were missed")
		}
		time.Sleep(time.Nanosecond)
		if !a.Expected() {
			t.Error("not expected again after a while")
		}
		for range enoughMissed {
			a.miss()
		}
		if a.Heard(); !a.Expected() {
			t.Error("not expected though word has come")
		}
	})
}
