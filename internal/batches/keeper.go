package batches

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Timings of a keeper.
const (
	lease = 15 * time.Second // of the worker that looks after an endpoint's batches
	// findGrace is how long after a create that lost its answer the list is asked for the
	// batch before another one is made, beside the time that the create may take.
	findGrace = 30 * time.Second
	findEvery = 10 * time.Second
	// findBefore is how far back the list is read: the provider's clock may be behind.
	findBefore = time.Hour

	firstPause, maxPause = 5 * time.Second, 10 * time.Minute
	// fullPause is what a batch waits that was more than the account may have enqueued.
	fullPause = 15 * time.Minute
)

// API is what the provider does for batches. Its errors are [*jobs.Error].
type API interface {
	Upload(ctx context.Context, name string, content []byte) (fileID string, err error)
	CreateBatch(ctx context.Context, fileID string, metadata map[string]string) (jobs.Batch, error)
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	CancelBatch(ctx context.Context, id string) (jobs.Batch, error)
	FindBatch(ctx context.Context, since time.Time, metadata map[string]string) (jobs.Batch, bool, error)
	Answers(ctx context.Context, fileID string, visit func(jobs.BatchAnswer) error) error
}

// Store is the part of the store that a keeper needs; see [results.Store].
type Store interface {
	Now() time.Time
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Request(ctx context.Context, j jobs.Job) (jobs.Request, error)
	Step(ctx context.Context, id jobs.ID, ev jobs.Event) (jobs.Job, error)

	KeepBatches(ctx context.Context, endpoint, worker string, lease time.Duration) (bool, error)
	OpenLines(ctx context.Context, endpoint string) ([]results.OpenLines, error)
	FormBatch(ctx context.Context, endpoint, model string, maxLines, maxBytes int) (results.Batch, bool, error)
	Batches(ctx context.Context, endpoint string) ([]results.Batch, error)
	BatchLines(ctx context.Context, endpoint string, number int64) ([]string, error)
	LineState(ctx context.Context, endpoint, id string) (results.LineState, error)
	ConfirmBatch(ctx context.Context, endpoint string, b results.Batch) (still bool, err error)
	StepBatch(ctx context.Context, endpoint string, b results.Batch) (results.Batch, bool, error)
	LeaveBatch(ctx context.Context, endpoint string, b results.Batch, again time.Time, ids ...string) (left int, err error)
}

// Effects enqueues the outbox of a job; when it cannot, the watchdog will.
type Effects interface {
	Effects(ctx context.Context, j jobs.Job) error
}

// Config says how batches are made. All fields must be set.
type Config struct {
	Endpoint string
	Worker   string
	// Wait is how long the first line waits for others, MaxLines and MaxBytes bound a batch.
	Wait               time.Duration
	MaxLines, MaxBytes int
	// Tick is the pause between two rounds, Look that between two looks at a batch.
	Tick, Look time.Duration
	// CreateTimeout is how long a create may take.
	CreateTimeout time.Duration
}

// Keeper looks after the batches of one endpoint, if no other worker does.
type Keeper struct {
	store   Store
	api     API
	effects Effects
	config  Config
	metrics *Metrics
	log     *slog.Logger
}

// NewKeeper returns a keeper. The metrics are shared by those of all endpoints.
func NewKeeper(store Store, api API, effects Effects, config Config, metrics *Metrics, log *slog.Logger) *Keeper {
	metrics.start(config.Endpoint)
	return &Keeper{store: store, api: api, effects: effects, config: config, metrics: metrics, log: log.With(slog.String("endpoint", config.Endpoint))}
}

// Run sees batches through until ctx is done. It can be called once.
//
// A crash anywhere leaves the record of a batch at one of its stages, and whoever looks
// after it next goes on from there.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.config.Tick)
	defer tick.Stop()
	for {
		if err := k.keep(ctx); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "batches not seen to", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// errReplaced is why a round ends: another worker looks after the batches now.
var errReplaced = errors.New("another worker looks after the batches")

// keep does one round, if this is the worker that looks after the batches, and stays
// that while it lasts.
func (k *Keeper) keep(ctx context.Context) error {
	is, err := k.store.KeepBatches(ctx, k.config.Endpoint, k.config.Worker, lease)
	if err != nil || !is {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		k.renew(ctx, cancel)
	}()
	defer func() {
		cancel(nil)
		<-renewed
	}()
	return k.round(ctx)
}

// renew keeps the lease while ctx lasts, and ends it when the lease is lost.
func (k *Keeper) renew(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	until := time.Now().Add(lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		is, err := k.store.KeepBatches(ctx, k.config.Endpoint, k.config.Worker, lease)
		switch {
		case err == nil && is:
			until = time.Now().Add(lease)
		case err == nil || time.Now().After(until):
			cancel(errReplaced)
			return
		}
	}
}

// round makes batches of what waits and goes on with each that is due.
func (k *Keeper) round(ctx context.Context) error {
	waiting, err := k.form(ctx)
	if err != nil {
		return err
	}
	all, err := k.store.Batches(ctx, k.config.Endpoint)
	if err != nil {
		return err
	}
	k.metrics.observe(k.config.Endpoint, waiting, all)
	var failed error
	for _, b := range all {
		if b.Due.After(k.store.Now()) {
			continue
		}
		if err := k.advance(ctx, b); err != nil {
			failed = errors.Join(failed, fmt.Errorf("batch %d: %w", b.Number, err))
		}
	}
	return failed
}

// form makes batches of the lines that have waited long enough, or are enough, and
// returns how many wait on.
func (k *Keeper) form(ctx context.Context) (waiting int, err error) {
	open, err := k.store.OpenLines(ctx, k.config.Endpoint)
	if err != nil {
		return 0, err
	}
	for _, lines := range open {
		for lines.Due >= k.config.MaxLines || k.store.Now().Sub(lines.Since) >= k.config.Wait {
			b, formed, err := k.store.FormBatch(ctx, k.config.Endpoint, lines.Model, k.config.MaxLines, k.config.MaxBytes)
			if err != nil {
				return waiting, err
			}
			if !formed {
				break
			}
			lines.Count -= b.Lines
			lines.Due -= b.Lines
			k.log.InfoContext(ctx, "batch formed", slog.Int64("batch", b.Number), slog.String("model", b.Model), slog.Int("lines", b.Lines))
		}
		waiting += max(0, lines.Count)
	}
	return waiting, nil
}

// advance does the next thing for a batch. An error of the provider is on its record,
// and it is tried again later; any other is returned.
func (k *Keeper) advance(ctx context.Context, b results.Batch) error {
	var err error
	switch b.Stage {
	case results.BatchFormed:
		err = k.upload(ctx, b)
	case results.BatchUploaded:
		err = k.create(ctx, b)
	case results.BatchCreating:
		err = k.find(ctx, b)
	case results.BatchRunning:
		err = k.look(ctx, b)
	case results.BatchDone:
	default:
		k.log.WarnContext(ctx, "batch left alone: its stage is one of a newer worker's", slog.Int64("batch", b.Number))
	}
	return err
}

// step writes the record of a batch. That another step came first is no error: the batch
// is read anew in the next round.
func (k *Keeper) step(ctx context.Context, b results.Batch) (results.Batch, bool, error) {
	return k.store.StepBatch(context.WithoutCancel(ctx), k.config.Endpoint, b)
}

// fail notes what went wrong, and when to try again.
func (k *Keeper) fail(ctx context.Context, b results.Batch, failure error) error {
	f := jobs.FailureOf(failure)
	pause := min(maxPause, firstPause<<min(b.Tries, 20))
	b.Tries++
	b.Problem = f.String()
	b.Due = k.store.Now().Add(max(pause, f.RetryAfter))
	level := slog.LevelWarn
	if f.Class.Verdict().Alert {
		level = slog.LevelError
	}
	k.log.LogAttrs(ctx, level, "batch does not go on", slog.Int64("batch", b.Number), slog.String("stage", string(b.Stage)),
		slog.String("class", string(f.Class)), slog.String("code", f.Code), slog.String("message", f.Message), slog.Int("tries", b.Tries))
	_, _, err := k.step(ctx, b)
	return err
}

// metadata is what the provider's list knows a batch of ours by.
func (k *Keeper) metadata(b results.Batch) map[string]string {
	return map[string]string{"longhaul_batch": b.Mark}
}

// create has the provider take a batch. That it may have is on record before; should Redis
// have forgotten that, the provider's list has it.
func (k *Keeper) create(ctx context.Context, b results.Batch) error {
	switch made, found, err := k.api.FindBatch(ctx, b.Formed.Add(-findBefore), k.metadata(b)); {
	case err != nil:
		return k.fail(ctx, b, err)
	case found:
		k.log.WarnContext(ctx, "batch is there already, although its record says that it was never sent: Redis has forgotten something",
			slog.Int64("batch", b.Number), slog.String("batch_id", made.ID))
		return k.run(ctx, b, made)
	}
	b.Stage, b.Creating, b.Due = results.BatchCreating, k.store.Now().UTC(), k.store.Now().Add(findEvery)
	b, first, err := k.step(ctx, b)
	if err != nil || !first || ctx.Err() != nil {
		return err
	}
	still, err := k.store.ConfirmBatch(ctx, k.config.Endpoint, b)
	if _, few := errors.AsType[*jobs.Error](err); few {
		b.Stage, b.Creating = results.BatchUploaded, time.Time{}
		return k.fail(ctx, b, err)
	}
	if err != nil || !still || ctx.Err() != nil {
		return err
	}
	if k.store.Now().Sub(b.Creating) >= findGrace {
		return nil // this worker was held up, and another may have made it by now
	}
	// It may be accepted from here on, so its answer is waited for.
	made, failure := k.api.CreateBatch(context.WithoutCancel(ctx), b.FileID, k.metadata(b))
	switch class := jobs.ClassOf(failure); {
	case failure == nil:
		return k.run(ctx, b, made)
	case class == jobs.ClassAmbiguous:
		b.Lost = true
		return k.fail(ctx, b, failure) // it is looked for
	case class == jobs.ClassInvalid:
		b.Stage, b.FileID, b.Creating = results.BatchFormed, "", time.Time{} // with a file of its own once more
	default:
		b.Stage, b.Creating = results.BatchUploaded, time.Time{}
	}
	return k.fail(ctx, b, failure)
}

// find looks for a batch whose create may have been accepted. Only when it is not in the
// list, and can no longer come into it, is another made.
func (k *Keeper) find(ctx context.Context, b results.Batch) error {
	made, found, err := k.api.FindBatch(ctx, b.Creating.Add(-findBefore), k.metadata(b))
	switch {
	case err != nil:
		return k.fail(ctx, b, err)
	case found:
		k.log.InfoContext(ctx, "batch found although the answer to its create was lost", slog.Int64("batch", b.Number), slog.String("batch_id", made.ID))
		return k.run(ctx, b, made)
	}
	grace := findGrace
	if !b.Lost { // a worker that was held up may be about to send it
		grace += k.config.CreateTimeout
	}
	b.Due = k.store.Now().Add(findEvery)
	if k.store.Now().Sub(b.Creating) >= grace {
		b.Stage, b.Creating, b.Lost, b.Due = results.BatchUploaded, time.Time{}, false, k.store.Now()
		k.log.WarnContext(ctx, "batch was never made: it is made now", slog.Int64("batch", b.Number))
	}
	_, _, err = k.step(ctx, b)
	return err
}

// run notes that the provider has a batch.
func (k *Keeper) run(ctx context.Context, b results.Batch, made jobs.Batch) error {
	b.Stage, b.BatchID, b.Status, b.Counts = results.BatchRunning, made.ID, made.Status, made.Counts
	b.Tries, b.Problem, b.Due = 0, "", k.store.Now().Add(min(k.config.Look, firstPause))
	_, _, err := k.step(ctx, b)
	if err != nil {
		k.log.ErrorContext(ctx, "batch made and not on record yet: it will be found", slog.Int64("batch", b.Number), slog.String("batch_id", made.ID))
		return err
	}
	k.log.InfoContext(ctx, "batch created", slog.Int64("batch", b.Number), slog.String("batch_id", made.ID))
	return nil
}

// look sees how a batch stands, and collects what came of it once it has ended.
func (k *Keeper) look(ctx context.Context, b results.Batch) error {
	now, err := k.api.Batch(ctx, b.BatchID)
	if err != nil && jobs.ClassOf(err) == jobs.ClassLost {
		if b.NotFound++; b.NotFound > enoughLost {
			return k.gone(ctx, b, jobs.FailureOf(err))
		}
	}
	if err != nil {
		return k.fail(ctx, b, err)
	}
	b.Status, b.Counts, b.NotFound = now.Status, now.Counts, 0
	if now.Terminal() {
		return k.collect(ctx, b, now)
	}
	b.Tries, b.Problem = 0, ""
	if b.Unwanted >= b.Lines && !b.Stopped {
		if _, err := k.api.CancelBatch(ctx, b.BatchID); err != nil && jobs.ClassOf(err) != jobs.ClassConflict {
			return k.fail(ctx, b, err)
		}
		b.Stopped = true
	}
	b.Due = k.store.Now().Add(k.config.Look)
	_, _, err = k.step(ctx, b)
	return err
}

// enoughLost is how many looks in a row must not find a batch, or an answer in its files,
// before that is given up: an hour, by the pauses between them. A key of another project, for
// as long as it takes to see that, must not cost a batch that was paid for.
const enoughLost = 12
