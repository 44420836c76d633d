package batches

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// OpenAI's codes for what a batch did not carry out, and for one that was more than the
// account may have enqueued.
const (
	codeExpired   = "batch_expired"
	codeCancelled = "batch_cancelled"
	codeFull      = "token_limit_exceeded"
)

// collectPage is after how many answers it is noted that they are with their jobs.
const collectPage = 500

// collect hands the answers of a batch that has ended to their jobs. Any of it may be
// done again: a job takes its answer once.
func (k *Keeper) collect(ctx context.Context, b results.Batch, ended jobs.Batch) error {
	if ended.Status == jobs.BatchFailed {
		return k.refused(ctx, b, ended)
	}
	before := b
	b.Answered, b.Again, b.Failed = 0, 0, 0 // the files have them all, also those that were handed over before
	c := &collection{keeper: k, batch: b}
	// A file that cannot be read keeps no answer in the other one.
	var unread error
	for _, file := range []string{ended.OutputFileID, ended.ErrorFileID} {
		if file == "" {
			continue
		}
		err := k.api.Answers(ctx, file, func(a jobs.BatchAnswer) error { return c.take(ctx, a) })
		_, theirs := errors.AsType[*jobs.Error](err)
		switch {
		case err != nil && (!theirs || ctx.Err() != nil):
			return c.stop(ctx, err)
		case err != nil:
			unread = err
		}
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	// Each file is read from its beginning: the most of it that was read is all of it.
	c.batch.Answered, c.batch.Again, c.batch.Failed = max(c.batch.Answered, before.Answered), max(c.batch.Again, before.Again), max(c.batch.Failed, before.Failed)
	if c.failed != nil {
		return k.fail(ctx, c.batch, c.failed)
	}
	left, err := k.store.BatchLines(ctx, k.config.Endpoint, b.Number)
	if err != nil {
		return err
	}
	switch {
	case len(left) == 0:
		return k.done(ctx, c.batch)
	case unread == nil:
		// A file may have been cut between two lines. A line that stays without an answer may
		// have been carried out.
		unread = &jobs.Error{
			Failure: jobs.Failure{Class: jobs.ClassLost, Code: "no_answer", Message: "the batch has ended without an answer to it"},
			Op:      "read the answers of a batch",
		}
	case jobs.ClassOf(unread) != jobs.ClassLost:
		return k.fail(ctx, c.batch, unread)
	}
	return k.missing(ctx, c.batch, unread) // or the file is gone
}

// missing has answers that are not there looked for again, and gives them up in the end.
func (k *Keeper) missing(ctx context.Context, b results.Batch, failure error) error {
	if b.Missing++; b.Missing > enoughLost {
		return k.gone(ctx, b, jobs.FailureOf(failure))
	}
	return k.fail(ctx, b, failure)
}

// gone gives up what is left of a batch: a failure for each of its lines.
func (k *Keeper) gone(ctx context.Context, b results.Batch, f jobs.Failure) error {
	ids, err := k.store.BatchLines(ctx, k.config.Endpoint, b.Number)
	if err != nil {
		return err
	}
	c := &collection{keeper: k, batch: b}
	for _, id := range ids {
		if err := c.take(ctx, jobs.BatchAnswer{CustomID: id, Failure: &f}); err != nil {
			return c.stop(ctx, err)
		}
	}
	return c.end(ctx)
}

// refused deals with a batch whose file the provider would not carry out. Nothing of it
// was: lines that are at fault fail, and the others go into another batch.
func (k *Keeper) refused(ctx context.Context, b results.Batch, ended jobs.Batch) error {
	ids, err := k.store.BatchLines(ctx, k.config.Endpoint, b.Number)
	if err != nil {
		return err
	}
	c := &collection{keeper: k, batch: b, pause: fullPause}
	whole, faults := blame(ended.Errors.Data, len(ids))
	if len(ids) != b.Lines {
		// A worker has died at this. Faults go by the number of a line in the file, which those
		// that are left no longer have: another batch will tell of them.
		clear(faults)
	}
	for i, id := range ids {
		f, ok := faults[i+1]
		if !ok && whole != nil {
			f, ok = *whole, true
		}
		if ok {
			err = c.take(ctx, jobs.BatchAnswer{CustomID: id, Failure: &f})
		} else {
			err = c.sendAgain(ctx, id) // it is for the fault of others
		}
		if err != nil {
			return c.stop(ctx, err)
		}
	}
	return c.end(ctx)
}

// blame says which lines of a file are at fault, and what is wrong with it as a whole.
func blame(faults []jobs.BatchFault, lines int) (whole *jobs.Failure, of map[int]jobs.Failure) {
	of = make(map[int]jobs.Failure)
	for _, fault := range faults {
		f := jobs.Failure{Class: jobs.ClassInvalid, Code: fault.Code, Param: fault.Param, Message: fault.Message}
		if fault.Line >= 1 && fault.Line <= lines {
			of[fault.Line] = f
			continue
		}
		f.Class = jobs.ClassifyCode(fault.Code, fault.Message)
		whole = &f
	}
	if whole == nil && len(of) == 0 {
		whole = &jobs.Failure{Class: jobs.ClassUnavailable, Code: "batch_failed", Message: "the batch failed, and does not say why"}
	}
	return whole, of
}

// done ends a batch.
func (k *Keeper) done(ctx context.Context, b results.Batch) error {
	b.Stage, b.Ended, b.Due = results.BatchDone, k.store.Now().UTC(), time.Time{}
	b, first, err := k.step(ctx, b)
	if err != nil || !first {
		return err
	}
	k.metrics.end(k.config.Endpoint, b)
	k.log.InfoContext(ctx, "batch ended", slog.Int64("batch", b.Number), slog.String("batch_id", b.BatchID), slog.String("status", string(b.Status)),
		slog.Int("answered", b.Answered), slog.Int("again", b.Again), slog.Int("failed", b.Failed))
	return nil
}

// collection are the answers of a batch on their way to their jobs.
type collection struct {
	keeper *Keeper
	batch  results.Batch
	// pause is how long what was not carried out waits before it goes into another batch.
	pause time.Duration

	taken, again []string // since the last flush

	// failed is why an answer could not be handed over, the last time, and inRow how many
	// in a row could not.
	failed error
	inRow  int
}

// enoughFailed is how many answers in a row cannot be handed over before the others are
// not tried for now: it is not for them, but for Redis or the blob store.
const enoughFailed = 20

// take hands an answer to its job. What the batch did not carry out goes into another
// one; a job notices nothing of that.
func (c *collection) take(ctx context.Context, a jobs.BatchAnswer) error {
	k := c.keeper
	if a.Failure != nil && (a.Failure.Code == codeExpired || a.Failure.Code == codeFull) {
		if c.batch.Unwanted > 0 {
			if err := c.unwanted(ctx, a); err != nil {
				return c.leave(ctx, a.CustomID, err)
			}
		}
		return c.sendAgain(ctx, a.CustomID)
	}
	ev := jobs.Collected{Line: a.CustomID, Endpoint: k.config.Endpoint, Reply: a.Reply, Failure: a.Failure}
	switch {
	case a.Failure != nil && a.Failure.Code == codeCancelled:
		// Somebody has cancelled the batch at the provider: that is a cancel of its jobs.
		r, err := line(a.CustomID, jobs.StatusCancelled, true)
		if err != nil {
			return err
		}
		ev.Reply, ev.Failure = &r, nil
	case a.Reply != nil:
		ev.Reply.Response.ServiceTier = jobs.TierBatch // which is what it is billed as
	}
	if err := k.deliver(ctx, a.CustomID, ev); err != nil {
		return c.leave(ctx, a.CustomID, err)
	}
	c.inRow = 0
	switch {
	case a.Reply != nil:
		c.batch.Answered++
	case ev.Failure != nil:
		c.batch.Failed++
	}
	c.taken = append(c.taken, a.CustomID)
	return c.page(ctx)
}

// leave has a line stay in the batch whose answer its job does not take, be it that its
// record is a newer worker's. It is handed over again with a later try, and keeps no other
// answer from its job.
func (c *collection) leave(ctx context.Context, id string, cause error) error {
	if c.failed = cause; !errors.Is(cause, jobs.ErrNewerSchema) {
		c.inRow++
	}
	if ctx.Err() != nil || c.inRow >= enoughFailed {
		return cause
	}
	c.keeper.log.WarnContext(ctx, "answer of a batch not handed over; it will be, later", slog.String("line", id), slog.Any("err", cause))
	return nil
}

// unwanted tells a job that was cancelled that its line has cost nothing.
func (c *collection) unwanted(ctx context.Context, a jobs.BatchAnswer) error {
	k := c.keeper
	state, err := k.store.LineState(ctx, k.config.Endpoint, a.CustomID)
	if err != nil || state != results.LineLeft {
		return err
	}
	return k.deliver(ctx, a.CustomID, jobs.Collected{Line: a.CustomID, Endpoint: k.config.Endpoint, Failure: a.Failure})
}

// sendAgain has a line go into another batch.
func (c *collection) sendAgain(ctx context.Context, id string) error {
	c.again = append(c.again, id)
	c.batch.Again++
	return c.page(ctx)
}

// stop breaks off for now, and notes what is done by then.
func (c *collection) stop(ctx context.Context, cause error) error {
	if ctx.Err() != nil || errors.Is(cause, results.ErrBatchMoved) {
		return cause
	}
	if err := c.flush(ctx); err != nil {
		return errors.Join(cause, err)
	}
	return c.keeper.fail(ctx, c.batch, cause)
}

// end ends the batch if every line of it has come to something.
func (c *collection) end(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	if c.failed != nil {
		return c.keeper.fail(ctx, c.batch, c.failed)
	}
	return c.keeper.done(ctx, c.batch)
}

func (c *collection) page(ctx context.Context) error {
	if len(c.taken)+len(c.again) < collectPage {
		return nil
	}
	return c.flush(ctx)
}

// flush notes which lines have come to something.
func (c *collection) flush(ctx context.Context) error {
	k := c.keeper
	for at, ids := range map[time.Time][]string{{}: c.taken, k.store.Now().Add(c.pause): c.again} {
		if len(ids) == 0 {
			continue
		}
		if _, err := k.store.LeaveBatch(ctx, k.config.Endpoint, c.batch, at, ids...); err != nil {
			return err
		}
	}
	c.taken, c.again = c.taken[:0], c.again[:0]
	return nil
}

// deliver writes what came of a line into the record of its job.
func (k *Keeper) deliver(ctx context.Context, id string, ev jobs.Collected) error {
	t, ok := jobs.ParseLine(id)
	if !ok {
		k.log.WarnContext(ctx, "an answer of a batch is to no line of ours", slog.Int("bytes", len(id)))
		return nil
	}
	f := ev.Failure
	if f == nil && ev.Reply != nil {
		f = ev.Reply.Response.Failure()
	}
	if f != nil {
		ev.Delay = jobs.RetryDelay(*f, 1, rand.Float64())
	}
	j, err := k.store.Step(ctx, t.Job, ev)
	refused, is := errors.AsType[*jobs.RefusedError](err)
	switch {
	case is:
		k.log.ErrorContext(ctx, "answer of a batch refused", slog.String("job_id", string(t.Job)), slog.String("why", refused.Why))
		return nil
	case errors.Is(err, results.ErrNotFound):
		k.log.WarnContext(ctx, "answer of a batch to a job that is gone", slog.String("job_id", string(t.Job)))
		return nil
	case errors.Is(err, jobs.ErrUnchanged):
		return nil
	case err != nil:
		return err
	}
	if len(j.Outbox) > 0 {
		if err := k.effects.Effects(ctx, j); err != nil {
			k.log.WarnContext(ctx, "effects not enqueued; the watchdog will", slog.String("job_id", string(j.ID)), slog.Any("err", err))
		}
	}
	return nil
}
