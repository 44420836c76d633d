package jobs_test

import (
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestDue(t *testing.T) {
	timing := jobs.Timing{Submit: 10 * time.Second, Check: 2 * time.Second}
	running := []jobs.Event{submit(1), created(1, jobs.StatusQueued)}
	for _, tt := range []struct {
		name    string
		options jobs.Options
		events  []jobs.Event
		beside  func(*jobs.Job) // what the store keeps beside the record
		want    time.Time       // zero: nothing is owed
	}{
		{"waiting: at its deadline", jobs.Options{Deadline: at(60)}, nil, func(j *jobs.Job) { j.Admitted = time.Time{} }, at(60)},
		{"waiting without a deadline: never", jobs.Options{}, nil, func(j *jobs.Job) { j.Admitted, j.Deadline = time.Time{}, time.Time{} }, time.Time{}},
		{"admitted: when its submit is overdue", jobs.Options{}, nil, nil, at(10)},
		{"admitted and nudged: later each time", jobs.Options{}, nil, func(j *jobs.Job) { j.Nudge = 2 }, at(30)},
		{"admitted: at its deadline if that is sooner", jobs.Options{Deadline: at(5)}, nil, nil, at(5)},
		{"submitting: when its worker is checked", jobs.Options{Deadline: at(2)}, []jobs.Event{submit(1)}, nil, at(3)},
		{"running: at its first look", jobs.Options{}, running, nil, at(1001)},
		{"running: at its next look", jobs.Options{}, running, func(j *jobs.Job) { j.Looks.Next = at(2000) }, at(2000)},
		{"running: at its deadline if that is sooner", jobs.Options{Deadline: at(500)}, running, nil, at(500)},
		{"running and stopped: the deadline is over", jobs.Options{Deadline: at(500)}, append(running, deadline), func(j *jobs.Job) { j.Looks.Next = at(600) }, at(600)},
		{"held: at its deadline", jobs.Options{Deadline: at(60), Uncertain: jobs.UncertainHold}, []jobs.Event{submit(1), createFailed(1, jobs.ClassAmbiguous)}, nil, at(60)},
		{"held without a deadline: never", jobs.Options{Uncertain: jobs.UncertainHold}, []jobs.Event{submit(1), createFailed(1, jobs.ClassAmbiguous)}, func(j *jobs.Job) { j.Deadline = time.Time{} }, time.Time{}},
		{"ended: never", jobs.Options{Deadline: at(60)}, append(running, looked(1, jobs.StatusCompleted)), nil, time.Time{}},
		{"ended and owing", jobs.Options{}, append(running, cancel, jobs.StopGivenUp{ResponseID: "resp_1"}), nil, at(14)},
		{"ended and owing, nudged", jobs.Options{}, append(running, cancel, jobs.StopGivenUp{ResponseID: "resp_1"}), func(j *jobs.Job) { j.Nudge = 1 }, at(24)},
		{"to be deleted: at once", jobs.Options{}, append(running, looked(1, jobs.StatusCompleted), jobs.DeleteRequested{}), nil, at(4)},
		{"to be deleted and owing", jobs.Options{}, append(running, looked(1, jobs.StatusCompleted), jobs.DeleteRequested{Remote: true}), nil, at(4)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := apply(t, newJob(t, tt.options), tt.events...)
			if tt.beside != nil {
				tt.beside(&j)
			}
			got, ok := j.Due(timing)
			if !got.Equal(tt.want) || ok == tt.want.IsZero() {
				t.Errorf("Due = %s, %t; want %s", got, ok, tt.want)
			}
		})
	}
	if d := jobs.DefaultTiming(); d.Submit <= 0 || d.Check <= 0 {
		t.Errorf("DefaultTiming = %+v", d)
	}
}
