package limits

import (
	"context"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Paused reports whether a lane is paused, and if so, whether the time has come for
// one of its jobs to find out whether it need be. It asks nobody.
func (b *Breaker) Paused(lane string) (paused, due bool) {
	p := b.known(lane)
	return p.On(), p.On() && !b.store.Now().Before(p.Next())
}

// Pass reports whether a job may be submitted: its lane is not paused, or it is the
// one that finds out. While Redis is away, what was known last holds.
func (b *Breaker) Pass(ctx context.Context, lane string, t jobs.Try) bool {
	p := b.known(lane)
	if !p.On() {
		return true
	}
	// The task of a probe whose intent could not be recorded comes again.
	if b.store.Now().Before(p.Next()) && !p.IsProbe(t) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	verdict, p, err := b.store.ProbeLane(ctx, lane, t, createLease)
	if err != nil {
		b.log.DebugContext(ctx, "probe not sent", slog.String("lane", lane), slog.Any("err", err))
		return false
	}
	b.learn(lane, p)
	if verdict == results.LaneProbe {
		b.metrics.probes.WithLabelValues(lane).Inc()
		b.log.InfoContext(ctx, "probe of a paused lane", slog.String("lane", lane), slog.String("job_id", string(t.Job)),
			slog.Int("attempt", t.Attempt), slog.Int("probes", p.Probes))
	}
	return !p.On() || verdict == results.LaneProbe
}

// Created notes what a create came to; the failure is nil if it was accepted.
func (b *Breaker) Created(ctx context.Context, lane string, t jobs.Try, began time.Time, failure *jobs.Failure) {
	e := results.Evidence{Try: t, Began: began, By: results.PausedByCreate, Failure: failure}
	b.note(ctx, lane, e, failure == nil)
}

// Ended notes what a response came to: how it ended and, if that is failed, why.
func (b *Breaker) Ended(ctx context.Context, lane string, t jobs.Try, began time.Time, r jobs.Response) {
	e := results.Evidence{Try: t, Began: began, By: results.PausedByResponse, Failure: r.Failure()}
	b.note(ctx, lane, e, r.Status == jobs.StatusCompleted || r.Status == jobs.StatusIncomplete)
}

// Unused notes that a job that was let pass was not submitted after all.
func (b *Breaker) Unused(ctx context.Context, lane string, t jobs.Try) {
	b.note(ctx, lane, results.Evidence{Try: t, By: results.PausedByCreate}, false)
}

// note takes up what a try tells of the account. While its lane goes on, only that
// it is at fault is news.
func (b *Breaker) note(ctx context.Context, lane string, e results.Evidence, well bool) {
	if e.Failure != nil && !e.Failure.Class.Verdict().Pause {
		e.Failure = nil // the try's own, which tells nothing of the account
	}
	if e.Failure == nil && !b.known(lane).On() {
		return
	}
	// What follows is about all jobs of the lane, and not for this one's end to cut
	// short.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var verdict results.LaneVerdict
	var p results.Pause
	var err error
	if well {
		verdict, p, err = b.store.MendLane(ctx, lane, e, responseLease)
	} else {
		verdict, p, err = b.store.TripLane(ctx, lane, e, results.ProbeWaits{First: firstWait, Most: mostWait})
	}
	if err != nil {
		b.log.WarnContext(ctx, "not noted what a job tells of its account", slog.String("lane", lane), slog.Any("err", err))
		return
	}
	b.tell(ctx, lane, verdict, p)
	if verdict == results.LaneResumed {
		p = results.Pause{}
	}
	b.learn(lane, p)
}

// tell writes the one line about a pause, and the one about its end: whoever caused
// it in Redis does.
func (b *Breaker) tell(ctx context.Context, lane string, verdict results.LaneVerdict, p results.Pause) {
	attrs := []slog.Attr{slog.String("lane", lane), slog.String("class", string(p.Class)), slog.String("message", p.Message)}
	switch verdict {
	case results.LaneOpened:
		b.log.LogAttrs(ctx, slog.LevelError, "lane paused", append(attrs, slog.String("advice", advice(p.Class)))...)
	case results.LaneChanged:
		b.log.LogAttrs(ctx, slog.LevelError, "lane still paused, for another reason", append(attrs, slog.String("advice", advice(p.Class)))...)
	case results.LaneResumed:
		b.log.LogAttrs(ctx, slog.LevelInfo, "lane resumes", append(attrs, slog.Int("probes", p.Probes),
			slog.String("elapsed", b.store.Now().Sub(p.Since).Round(time.Millisecond).String()))...)
	case results.LaneClosed, results.LanePaused, results.LaneProbe:
	}
}

// advice says what a person is to do about a pause.
func advice(class jobs.Class) string {
	const then = "; its jobs wait and keep their attempts, and the lane resumes by itself"
	if class == jobs.ClassQuota {
		return "add credit, or raise the limit of the project" + then
	}
	return "set a key that is valid and has the permission" + then
}
