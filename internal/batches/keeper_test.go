package batches_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/batches"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// world is a store with one batch, and the provider.
type world struct {
	batches.Store
	batches.API

	batch   results.Batch
	members []string
	// away is why requests cannot be read, of one job if awayOf is set; damaged is the job whose
	// record cannot be; and held is how long a step takes.
	away            error
	awayOf, damaged jobs.ID
	held            time.Duration
	// ended is the batch at the provider.
	ended jobs.Batch

	// looks are the classes of failure of the next looks at it.
	looks []jobs.Class

	// answers are what the batch has written, and refuse says why a job does not take its
	// answer.
	answers []jobs.BatchAnswer
	refuse  func(jobs.ID) error

	// cut are the downloads that break off after half of the answers, by their number from 1.
	cut []int

	// listed is whether the provider's list has the batch.
	listed bool

	// left are the lines that nobody wants any more.
	left []string

	// moved and few are what has become of the record of a create: it is another's by now,
	// and not on enough servers.
	moved bool
	few   error

	events, again, creates, downloads int
}

func (w *world) Now() time.Time { return time.Now() }

func (w *world) Load(_ context.Context, id jobs.ID) (jobs.Job, error) {
	if id == w.damaged {
		return jobs.Job{}, errors.New("decode record")
	}
	return jobs.Job{ID: id, State: jobs.StateRunning, Current: 1, Attempts: []jobs.Attempt{{Number: 1, ResponseID: jobs.LineID(jobs.Try{Job: id, Attempt: 1})}}}, nil
}

func (w *world) Request(_ context.Context, j jobs.Job) (jobs.Request, error) {
	if w.awayOf == "" || w.awayOf == j.ID {
		return jobs.Request{}, w.away
	}
	return jobs.ParseRequest([]byte(`{"input":"x"}`), "gpt-5")
}

func (w *world) Upload(context.Context, string, []byte) (string, error) { return "file-1", nil }

func (w *world) Step(_ context.Context, id jobs.ID, _ jobs.Event) (jobs.Job, error) {
	if w.refuse != nil {
		if err := w.refuse(id); err != nil {
			return jobs.Job{}, err
		}
	}
	w.events++
	return jobs.Job{ID: id}, nil
}

func (w *world) Answers(_ context.Context, file string, visit func(jobs.BatchAnswer) error) error {
	w.downloads++
	answers := slices.DeleteFunc(slices.Clone(w.answers), func(a jobs.BatchAnswer) bool {
		return w.ended.OutputFileID != "" && w.ended.ErrorFileID != "" && (a.Failure != nil) != (file == w.ended.ErrorFileID)
	})
	for i, a := range answers {
		if i == len(answers)/2 && slices.Contains(w.cut, w.downloads) {
			return &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable, Message: "a body that was cut"}}
		}
		if err := visit(a); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) KeepBatches(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

func (w *world) OpenLines(context.Context, string) ([]results.OpenLines, error) { return nil, nil }

func (w *world) Batches(context.Context, string) ([]results.Batch, error) {
	return []results.Batch{w.batch}, nil
}

func (w *world) BatchLines(context.Context, string, int64) ([]string, error) { return w.members, nil }

func (w *world) StepBatch(_ context.Context, _ string, b results.Batch) (results.Batch, bool, error) {
	w.batch = b
	time.Sleep(w.held)
	return b, true, nil
}

func (w *world) LineState(_ context.Context, _, id string) (results.LineState, error) {
	if slices.Contains(w.left, id) {
		return results.LineLeft, nil
	}
	return results.LineSent, nil
}

func (w *world) ConfirmBatch(context.Context, string, results.Batch) (bool, error) {
	return !w.moved && w.few == nil, w.few
}

func (w *world) LeaveBatch(_ context.Context, _ string, _ results.Batch, again time.Time, ids ...string) (int, error) {
	if !again.IsZero() {
		w.again += len(ids)
	}
	w.members = slices.DeleteFunc(slices.Clone(w.members), func(id string) bool { return slices.Contains(ids, id) })
	return len(w.members), nil
}

func (w *world) Batch(context.Context, string) (jobs.Batch, error) {
	if len(w.looks) > 0 {
		class := w.looks[0]
		w.looks = w.looks[1:]
		return jobs.Batch{}, &jobs.Error{Failure: jobs.Failure{Class: class}}
	}
	return w.ended, nil
}

func (w *world) CreateBatch(context.Context, string, map[string]string) (jobs.Batch, error) {
	w.creates++
	return jobs.Batch{ID: "batch_1", Status: "validating"}, nil
}

func (w *world) FindBatch(context.Context, time.Time, map[string]string) (jobs.Batch, bool, error) {
	return jobs.Batch{ID: "batch_1", Status: "in_progress"}, w.listed, nil
}

func (w *world) Effects(context.Context, jobs.Job) error { return nil }

// round has a keeper do one round.
func (w *world) round(t *testing.T) {
	t.Helper()
	w.rounds(t, time.Hour, 2*time.Minute)
}

// rounds has a keeper do rounds for a while.
func (w *world) rounds(t *testing.T, tick, while time.Duration) {
	t.Helper()
	for i := range 2 {
		w.members = append(w.members, jobs.LineID(jobs.Try{Job: jobs.NewID(time.Now(), i), Attempt: 1}))
	}
	w.run(t, tick, while)
}

// run is rounds with the lines that there are.
func (w *world) run(t *testing.T, tick, while time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), while)
		defer cancel()
		k := batches.NewKeeper(w, w, w, batches.Config{Endpoint: "main", Worker: "w", Wait: time.Minute, MaxLines: 10, MaxBytes: 1 << 20, Tick: tick, Look: time.Minute, CreateTimeout: time.Minute},
			batches.NewMetrics(prometheus.NewPedanticRegistry()), slog.New(slog.DiscardHandler))
		if err := k.Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A worker dies after some lines of a refused file have left their batch. The numbers that
// tell which line is at fault are those of the file, so that nobody is blamed by them now.
func TestRefusedFileOfWhichLinesHaveLeft(t *testing.T) {
	t.Parallel()
	w := &world{
		batch: results.Batch{Number: 1, Stage: results.BatchRunning, Lines: 3, BatchID: "batch_1"},
		ended: jobs.Batch{Status: jobs.BatchFailed, Errors: jobs.BatchFaults{Data: []jobs.BatchFault{{Code: "invalid_request", Line: 1}}}},
	}
	w.round(t)
	if w.events != 0 || w.again != 2 || w.batch.Stage != results.BatchDone {
		t.Errorf("%d jobs are told of a fault, %d lines go into another batch, and it is %s", w.events, w.again, w.batch.Stage)
	}
}

// While the blob store is away, no job fails for it: the batch is built later.
func TestRequestsThatAreAway(t *testing.T) {
	t.Parallel()
	w := &world{
		batch: results.Batch{Number: 1, Stage: results.BatchFormed, Lines: 2},
		away:  &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable, Code: "blobs_away"}},
	}
	w.round(t)
	if w.events != 0 || w.batch.Stage != results.BatchFormed || w.batch.Tries != 1 || w.batch.Problem == "" {
		t.Errorf("%d jobs are told, and it is %+v", w.events, w.batch)
	}
}

// A worker that is held up between its intent and the call does not make the batch, which
// another may have made by then.
//
// Guarantee: G31.
func TestCreateAfterAPause(t *testing.T) {
	t.Parallel()
	for held, want := range map[time.Duration]int{0: 1, time.Minute: 0} {
		w := &world{batch: results.Batch{Number: 1, Stage: results.BatchUploaded, Lines: 2, FileID: "file-1"}, held: held}
		w.round(t)
		if w.creates != want {
			t.Errorf("held up for %s: %d creates, want %d", held, w.creates, want)
		}
	}
}

// A batch is given up when it is not found time and again, and not because looks at it
// have failed for other reasons.
func TestBatchThatIsNotFound(t *testing.T) {
	t.Parallel()
	away := slices.Repeat([]jobs.Class{jobs.ClassUnavailable}, 8)
	for name, test := range map[string]struct {
		looks []jobs.Class
		stage results.BatchStage
	}{
		"once, after others":  {append(slices.Clone(away), jobs.ClassLost), results.BatchRunning},
		"for ten minutes":     {slices.Repeat([]jobs.Class{jobs.ClassLost}, 8), results.BatchRunning},
		"again and again":     {slices.Repeat([]jobs.Class{jobs.ClassLost}, 20), results.BatchDone},
		"only for some looks": {slices.Concat(slices.Repeat([]jobs.Class{jobs.ClassLost}, 4), away), results.BatchRunning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{
				batch: results.Batch{Number: 1, Stage: results.BatchRunning, Lines: 2, BatchID: "batch_1"},
				ended: jobs.Batch{Status: "in_progress"}, looks: test.looks,
			}
			w.rounds(t, time.Second, 3*time.Hour)
			if w.batch.Stage != test.stage {
				t.Errorf("it is %s, want %s", w.batch.Stage, test.stage)
			}
		})
	}
}

// An answer that its job does not take, because a newer worker has written its record or
// the blob store has no room for it, keeps no other from its job, and the batch is not done before.
//
// Guarantee: G31.
func TestAnswersThatAreNotTaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cause error
		fails func(i int) bool
		left  int // lines that have no answer after a while, of 50
	}{
		"one of a newer schema":     {jobs.ErrNewerSchema, func(i int) bool { return i == 0 }, 1},
		"many of a newer schema":    {jobs.ErrNewerSchema, func(i int) bool { return i < 30 }, 30},
		"one that cannot be kept":   {&jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable, Code: "blobs_away"}}, func(i int) bool { return i == 0 }, 1},
		"one that cannot be read":   {errors.New("decode record"), func(i int) bool { return i == 0 }, 1},
		"none, while redis is away": {errors.New("connection refused"), func(int) bool { return true }, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{
				batch: results.Batch{Number: 1, Stage: results.BatchRunning, Lines: 50, BatchID: "batch_1"},
				ended: jobs.Batch{Status: jobs.BatchCompleted, OutputFileID: "file-2"},
			}
			failing := make(map[jobs.ID]bool)
			for i := range 50 {
				id := jobs.NewID(time.Now(), i)
				failing[id] = test.fails(i)
				line := jobs.LineID(jobs.Try{Job: id, Attempt: 1})
				w.members = append(w.members, line)
				w.answers = append(w.answers, jobs.BatchAnswer{CustomID: line, Failure: &jobs.Failure{Class: jobs.ClassInvalid}})
			}
			w.refuse = func(id jobs.ID) error {
				if failing[id] {
					return test.cause
				}
				return nil
			}
			w.run(t, time.Second, 10*time.Minute)
			if len(w.members) != test.left || w.batch.Stage != results.BatchRunning {
				t.Errorf("%d lines are left, want %d; it is %s", len(w.members), test.left, w.batch.Stage)
			}
			if w.downloads > 20 {
				t.Errorf("its answers were read %d times within ten minutes", w.downloads)
			}
			clear(failing)
			w.run(t, time.Second, time.Hour)
			if len(w.members) != 0 || w.batch.Stage != results.BatchDone || w.batch.Failed != 50 {
				t.Errorf("in the end %d lines are left, %d failed, and it is %s", len(w.members), w.batch.Failed, w.batch.Stage)
			}
		})
	}
}

// Of two files of answers the one that can be read is, and a batch is done once each was
// read to its end, be it in different rounds.
//
// Guarantee: G31.
func TestAnswersOfWhichOneFileIsCut(t *testing.T) {
	t.Parallel()
	w := &world{
		batch: results.Batch{Number: 1, Stage: results.BatchRunning, Lines: 8, BatchID: "batch_1"},
		ended: jobs.Batch{Status: jobs.BatchCompleted, OutputFileID: "file-2", ErrorFileID: "file-3"},
		cut:   []int{1, 4}, // the first file at first, then the second one
	}
	for i := range 8 {
		line := jobs.LineID(jobs.Try{Job: jobs.NewID(time.Now(), i), Attempt: 1})
		w.members = append(w.members, line)
		a := jobs.BatchAnswer{CustomID: line, Failure: &jobs.Failure{Class: jobs.ClassInvalid}}
		if i < 4 {
			a = jobs.BatchAnswer{CustomID: line, Reply: &jobs.Reply{}}
		}
		w.answers = append(w.answers, a)
	}
	w.run(t, time.Hour, time.Second)
	if len(w.members) != 2 {
		t.Errorf("%d lines are left after the first round, want the 2 that were cut off", len(w.members))
	}
	w.batch.Due = time.Time{}
	w.run(t, time.Hour, time.Second)
	if w.batch.Stage != results.BatchDone || w.downloads != 4 || w.batch.Answered != 4 || w.batch.Failed != 4 {
		t.Errorf("it is %s after %d downloads, with %d answered and %d failed of 4 and 4; want done after 4", w.batch.Stage, w.downloads, w.batch.Answered, w.batch.Failed)
	}
}

// A Redis that has forgotten the last second of what was written may have a batch that was
// made for one that was not sent yet. It is not made again.
//
// Guarantee: G31.
func TestCreateThatRedisHasForgotten(t *testing.T) {
	t.Parallel()
	for listed, want := range map[bool]int{true: 0, false: 1} {
		w := &world{batch: results.Batch{Number: 1, Stage: results.BatchUploaded, Lines: 2, FileID: "file-1"}, listed: listed}
		w.round(t)
		if w.creates != want || w.batch.Stage != results.BatchRunning || w.batch.BatchID != "batch_1" {
			t.Errorf("in the list %t: %d creates, want %d; it is %s", listed, w.creates, want, w.batch.Stage)
		}
	}
}

// No batch is made whose record a fail-over would lose, or that is another's by then.
//
// Guarantees: G5, G31.
func TestCreateThatIsNotReplicated(t *testing.T) {
	t.Parallel()
	few := &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnreachable, Code: "intent_not_replicated"}}
	for name, test := range map[string]struct {
		moved bool
		few   error
		stage results.BatchStage
		tries int
	}{
		"too few servers have it": {few: few, stage: results.BatchUploaded, tries: 1},
		"another one knows less":  {moved: true, stage: results.BatchCreating},
		"redis is away":           {few: errors.New("connection refused"), stage: results.BatchCreating},
	} {
		w := &world{batch: results.Batch{Number: 1, Stage: results.BatchUploaded, Lines: 2, FileID: "file-1"}, moved: test.moved, few: test.few}
		w.run(t, time.Hour, time.Second)
		if w.creates != 0 || w.batch.Stage != test.stage || w.batch.Tries != test.tries {
			t.Errorf("%s: %d creates; it is %s after %d tries", name, w.creates, w.batch.Stage, w.batch.Tries)
		}
		w.moved, w.few = false, nil
		w.run(t, time.Second, time.Hour)
		if w.creates != 1 || w.batch.Stage != results.BatchRunning {
			t.Errorf("%s, and not any more: %d creates; it is %s", name, w.creates, w.batch.Stage)
		}
	}
}

// Of lines that expired only those are told to their jobs that nobody wants any more: that
// they have cost nothing. The others go into another batch, and their jobs notice nothing.
func TestExpiredLinesThatNobodyWants(t *testing.T) {
	t.Parallel()
	w := &world{
		batch: results.Batch{Number: 1, Stage: results.BatchRunning, Lines: 4, BatchID: "batch_1", Unwanted: 1},
		ended: jobs.Batch{Status: jobs.BatchExpired, ErrorFileID: "file-2"},
	}
	for i := range 4 {
		line := jobs.LineID(jobs.Try{Job: jobs.NewID(time.Now(), i), Attempt: 1})
		w.members = append(w.members, line)
		w.answers = append(w.answers, jobs.BatchAnswer{CustomID: line, Failure: &jobs.Failure{Class: jobs.ClassUnavailable, Code: "batch_expired"}})
	}
	w.left = w.members[1:2]
	w.run(t, time.Hour, time.Minute)
	if w.events != 1 || w.again != 4 || w.batch.Stage != results.BatchDone {
		t.Errorf("%d jobs were told, %d lines go on; it is %s", w.events, w.again, w.batch.Stage)
	}
}

// A request that is away for long, or whose record is damaged, goes into another batch: it
// does not keep the others for good.
func TestLinesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	away := &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable, Code: "blobs_away"}}
	id := jobs.NewID(time.Now(), 9)
	for name, w := range map[string]*world{
		"its blob is away":      {away: away, awayOf: id},
		"its record is damaged": {awayOf: id, damaged: id},
	} {
		w.batch = results.Batch{Number: 1, Stage: results.BatchFormed, Lines: 3}
		w.ended = jobs.Batch{Status: "in_progress"}
		w.members = []string{jobs.LineID(jobs.Try{Job: id, Attempt: 1})}
		w.rounds(t, time.Second, time.Hour)
		if w.again != 1 || w.events != 0 || w.batch.Lines != 2 || w.batch.Stage != results.BatchRunning {
			t.Errorf("%s: %d lines go on, %d jobs were told; it is %s with %d lines", name, w.again, w.events, w.batch.Stage, w.batch.Lines)
		}
	}
}
