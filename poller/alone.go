package poller

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// lapsesBeforeAlone is how many workers in a row may have claimed a look and
// neither finished it nor given it back before one looks at it alone.
const lapsesBeforeAlone = 2

// runsAlone reports whether a job was present at repeated crashes.
func runsAlone(j jobs.Job) bool { return j.Alone || j.Lapsed >= lapsesBeforeAlone }

// enter waits until a look may begin, beside others or, for a job that was present
// at repeated crashes, alone. It returns false when there is nothing to look at
// now: the job crashed a worker that ran nothing else and is set aside, has moved
// on, or was not let in.
func (p *Poller) enter(ctx context.Context, log *slog.Logger, j jobs.Job) (leave func(), ok bool) {
	if p.config.Enter == nil {
		return func() {}, true
	}
	if j.AloneBy != "" && p.guilty(ctx, log, j) {
		return nil, false
	}
	alone := runsAlone(j)
	leave, err := p.config.Enter(ctx, alone)
	if err != nil {
		log.WarnContext(ctx, "look put off", slog.Bool("alone", alone), slog.Any("err", err))
		p.back <- PutBack{Job: j, Due: p.records.Now().Add(p.config.Schedule.interval(0, rand.Float64())), Looks: j.Looks}
		return nil, false
	}
	if !alone {
		return leave, true
	}
	current, err := p.records.LookAlone(ctx, j, p.config.Worker)
	if err != nil || !current {
		// Without the note on record a crash would go unnoticed. It may be there all the
		// same; who puts the job back takes it off again.
		leave()
		if err != nil {
			log.WarnContext(ctx, "look alone not recorded", slog.Any("err", err))
		}
		p.again(j, j.Looks)
		return nil, false
	}
	log.InfoContext(ctx, "look alone: the job was there when workers crashed", slog.Int("lapsed", j.Lapsed))
	return leave, true
}

// guilty sets a job aside if the worker that looked at it alone is gone.
func (p *Poller) guilty(ctx context.Context, log *slog.Logger, j jobs.Job) bool {
	gone, err := p.others.Gone(ctx, j.AloneBy)
	if err != nil {
		log.WarnContext(ctx, "not known whether a worker lives", slog.Any("err", err))
		return true // the lease runs out, and it is asked again
	}
	if !gone {
		return false // Redis was away, or the look was slow
	}
	if _, err := p.records.Advance(ctx, j, jobs.CrashedAlone{Worker: j.AloneBy}); err != nil && !errors.Is(err, jobs.ErrUnchanged) {
		log.WarnContext(ctx, "job not set aside", slog.Any("err", err))
		return true
	}
	log.ErrorContext(ctx, "job set aside: it crashed a worker that ran nothing else", slog.String("worker", j.AloneBy))
	return true
}
