package poller

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// keptHands is how many goroutines each loop keeps for its next looks.
const keptHands = 256

// places bound the jobs that are dealt with at once.
type places struct {
	taken  chan struct{} // a token for each job that is dealt with
	inHand atomic.Int64  // how many were claimed and are not done with
}

func newPlaces(n int) *places { return &places{taken: make(chan struct{}, n)} }

// share is how many jobs to claim from each of the shards, 0 when there is no
// place for any. It may be a few too many in all, which then wait for a place.
func (s *places) share(shards int) int {
	free := cap(s.taken) - int(s.inHand.Load())
	if free <= 0 {
		return 0
	}
	return max(1, free/shards)
}

// serveLooks looks at what is due, with as many places for each endpoint.
func (p *Poller) serveLooks(ctx context.Context) {
	at, strays := make(map[string]*places, len(p.endpoints)), newPlaces(debts)
	for endpoint := range p.endpoints {
		at[endpoint] = newPlaces(p.config.Concurrency)
	}
	claim := func(ctx context.Context) ([]jobs.Job, error) {
		limits := make(map[string]int, len(at))
		for endpoint, s := range at {
			if n := s.share(p.records.Shards()); n > 0 {
				limits[endpoint] = n
			}
		}
		due, err := p.records.ClaimLooks(ctx, limits, p.config.Lease)
		now := p.records.Now()
		for _, j := range due {
			p.metrics.lateness.Observe(lateness(now, j).Seconds())
		}
		return due, err
	}
	p.serve(ctx, claim, func(j jobs.Job) *places {
		a, _ := j.CurrentAttempt()
		if s, served := at[a.Endpoint]; served {
			return s
		}
		return strays // the record was written by something that is not ours
	})
}

// serveDebts deals with what else is due.
func (p *Poller) serveDebts(ctx context.Context) {
	all := newPlaces(debts)
	claim := func(ctx context.Context) ([]jobs.Job, error) {
		n := all.share(p.records.Shards())
		if n == 0 {
			return nil, nil
		}
		return p.records.ClaimDue(ctx, n, p.config.Lease)
	}
	p.serve(ctx, claim, func(jobs.Job) *places { return all })
}

// serve claims jobs and handles each in a goroutine of its own and in its place,
// until ctx is done and all of them have returned.
func (p *Poller) serve(ctx context.Context, claim func(context.Context) ([]jobs.Job, error), place func(jobs.Job) *places) {
	var busy sync.WaitGroup
	hands := newCrew(keptHands)
	defer hands.dismiss()
	defer busy.Wait()
	for ctx.Err() == nil {
		due, err := claim(ctx)
		// With an error, some shards may have answered: what they gave is leased.
		for _, j := range due {
			s := place(j)
			s.inHand.Add(1)
			busy.Add(1)
			hands.do(func() {
				defer busy.Done()
				defer s.inHand.Add(-1)
				select {
				case <-ctx.Done(): // and what waits for a place is given back
					p.giveBack(j)
				case s.taken <- struct{}{}:
					// A look that has begun is finished: its answer may be the result.
					p.handle(context.WithoutCancel(ctx), j)
					<-s.taken
				}
			})
		}
		switch {
		case err != nil && ctx.Err() == nil:
			p.log.WarnContext(ctx, "due jobs not claimed", slog.Any("err", err))
			p.metrics.claimErrors.Inc()
			_ = sleep(ctx, time.Second)
		case len(due) == 0:
			_ = sleep(ctx, p.config.Tick)
		}
	}
}

// giveBack makes a claimed job due at once, for another worker. Of one that is not
// running the lease runs out.
func (p *Poller) giveBack(j jobs.Job) {
	if j.State == jobs.StateRunning {
		p.back <- PutBack{Job: j, Due: p.records.Now(), Looks: j.Looks}
	}
}

// sweep ends what has to end at endpoints that no worker serves, until ctx is
// done. It is rare: deadlines are long, and a stop has its grace anyway.
func (p *Poller) sweep(ctx context.Context) {
	for sleep(ctx, p.config.Sweep) == nil {
		late, err := p.records.ClaimUnserved(ctx, p.config.Lease)
		if err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "unserved endpoints not searched", slog.Any("err", err))
			p.metrics.claimErrors.Inc()
		}
		var busy sync.WaitGroup
		all := newPlaces(debts)
		for _, j := range late {
			if ctx.Err() != nil {
				break // the leases of the others run out
			}
			all.taken <- struct{}{}
			busy.Go(func() {
				defer func() { <-all.taken }()
				p.handle(context.WithoutCancel(ctx), j)
			})
		}
		busy.Wait()
	}
}
