package app

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/batches"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/dispatch"
	"github.com/longhaul-jobs/longhaul/internal/effects"
	"github.com/longhaul-jobs/longhaul/internal/limits"
	"github.com/longhaul-jobs/longhaul/internal/parents"
	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/internal/watchdog"
	"github.com/longhaul-jobs/longhaul/internal/webhooks"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/poller"
	"github.com/longhaul-jobs/longhaul/results"
)

// What the adapters are to those who call them.
var (
	_ submit.API      = (*responses.Client)(nil)
	_ effects.API     = (*responses.Client)(nil)
	_ poller.API      = (*responses.Client)(nil)
	_ submit.Records  = (*results.Store)(nil)
	_ effects.Records = (*results.Store)(nil)
	_ watchdog.Store  = (*results.Store)(nil)
	_ dispatch.Store  = (*results.Store)(nil)
	_ limits.Store    = (*results.Store)(nil)
	_ poller.Streamer = (*responses.Client)(nil)
	_ poller.Progress = progress{}
	_ submit.Breaker  = (*limits.Breaker)(nil)
	_ submit.Pacer    = (*limits.Pacer)(nil)
	_ limits.Rates    = (*results.Store)(nil)
	_ limits.Purse    = (*results.Store)(nil)
	_ submit.Budgets  = (*limits.Budgets)(nil)
	_ poller.Records  = pollerRecords{}
	_ watchdog.Queue  = (*queue.Client)(nil)
	_ dispatch.Queue  = (*queue.Client)(nil)
	_ submit.Effects  = (*queue.Client)(nil)
	_ poller.Effects  = (*queue.Client)(nil)
	_ poller.Others   = (*watchdog.Watchdog)(nil)
	_ parents.Store   = (*results.Store)(nil)

	_ submit.API        = (*batches.Client)(nil)
	_ effects.API       = (*batches.Client)(nil)
	_ poller.API        = (*batches.Client)(nil)
	_ batches.Responses = (*responses.Client)(nil)
	_ batches.API       = (*responses.Client)(nil)
	_ batches.Lines     = (*results.Store)(nil)
	_ batches.Store     = (*results.Store)(nil)

	_ webhooks.Verifier = (*responses.Webhooks)(nil)
	_ webhooks.Records  = (*results.Store)(nil)
	_ webhooks.API      = (*responses.Client)(nil)
	_ webhooks.Effects  = (*queue.Client)(nil)
)

// dispatchTick is how often a lane is asked for jobs whose time has come.
const dispatchTick = 50 * time.Millisecond

// planConcurrency is how many steps of parents a worker takes at once: they use its
// processors and its memory, and do not wait for anybody.
const planConcurrency = 2

// batchTick is how often it is asked whether there is a batch to be made, or to be seen
// to.
const batchTick = time.Second

// parts are the running parts of a worker.
type parts struct {
	worker   results.Worker
	watchdog *watchdog.Watchdog
	breaker  *limits.Breaker
	submits  map[string]*submit.Submitter // by endpoint
	// loops run until their context is done and then finish what they have begun.
	loops map[string]func(context.Context) error
}

// assemble builds the parts on an open store.
func (a *App) assemble() parts {
	cfg, store := a.options.Config, a.store
	worker := results.Worker{
		ID: "w_" + string(jobs.NewID(store.Now(), 0))[len(jobs.IDPrefix):], Host: hostname(), PID: os.Getpid(),
		Version: a.options.Version, Started: store.Now(),
		Lanes: servedLanes(cfg, a.endpoints), Endpoints: names(a.endpoints), Rates: limited(rates(cfg)), Budgets: Budgets(cfg),
		Kinds: slices.Sorted(maps.Keys(a.options.Planners)),
	}
	store.ClaimAs(worker.ID)
	names, tasks := queue.Names{Prefix: cfg.Redis.Prefix}, a.tasks
	submits := make(map[string]*submit.Submitter, len(a.endpoints))
	dog := watchdog.New(store, tasks, worker, watchdog.Config{
		Timing: timing(cfg), Heartbeat: cfg.Watchdog.Heartbeat, DeadAfter: cfg.Watchdog.DeadAfter,
		Audit: cfg.Watchdog.AuditEvery, Lease: cfg.Poll.Lease,
		Resume: func(ctx context.Context, j jobs.Job) (bool, error) {
			attempt, _ := j.CurrentAttempt()
			if submitter, served := submits[attempt.Endpoint]; served {
				return submitter.Resume(ctx, j)
			}
			return true, nil
		},
	}, a.registry, a.log)
	schedule := poller.Schedule{
		Floor: cfg.Poll.Floor, Ceiling: cfg.Poll.Ceiling,
		NotFoundGrace: cfg.Poll.NotFoundGrace, StopGrace: cfg.Poll.StopGrace, SafetyNet: cfg.Webhooks.SafetyNet,
		LookCost: cfg.Poll.LookCost,
	}
	var lengths *poller.Lengths
	if cfg.Poll.Learn {
		lengths = poller.NewLengths(sharedDurations{store}, schedule, a.log)
	}
	told := announcements(a.endpoints)
	breaker := limits.NewBreaker(store, slices.Sorted(maps.Keys(cfg.Lanes)), a.registry, a.log)
	pacer := limits.NewPacer(store, rates(cfg), a.registry, a.log)
	hold := func(j jobs.Job, body json.RawMessage) (jobs.Money, error) {
		return a.estimator.Hold(j, body, store.Now())
	}
	purse := limits.NewBudgets(store, worker.ID, worker.Budgets, hold, a.registry, a.log)
	ended := func(ctx context.Context, j jobs.Job, attempt jobs.Attempt, r jobs.Response) {
		pacer.Ended(ctx, j, attempt, r.Usage())
		breaker.Ended(ctx, j.Lane, jobs.Try{Job: j.ID, Attempt: attempt.Number}, attempt.Started, r)
		lengths.Ended(j, attempt, r, store.Now())
	}
	looks := poller.New(pollerRecords{store, cfg.Poll.MaxLooksPerSecond}, byName(a.endpoints, func(e endpoint) poller.API { return a.batched(e) }), dog, tasks, poller.Config{
		Worker: worker.ID, Enter: a.gate.Enter, Ended: ended, Schedule: schedule, Lengths: lengths, Announcements: told, Concurrency: cfg.Poll.Concurrency, Tick: cfg.Poll.Tick, Lease: cfg.Poll.Lease,
		Sweep: cfg.Watchdog.AuditEvery, Following: a.following(),
	}, a.registry, a.log)
	metrics := queue.NewMetrics(a.registry)
	p := parts{
		worker: worker, watchdog: dog, breaker: breaker, submits: submits,
		loops: map[string]func(context.Context) error{"poller": looks.Run, "listener": store.Listen, "breaker": breaker.Run, "pacer": pacer.Run, "budgets": purse.Run},
	}
	p.loops["parents"] = parents.New(store, parents.Config{
		Planners: a.options.Planners, Concurrency: planConcurrency, Tick: dispatchTick, Sweep: cfg.Watchdog.AuditEvery,
		Lease: cfg.Poll.Lease, Enter: a.gate.Enter,
	}, a.registry, a.log).Run
	if lengths != nil {
		p.loops["durations"] = lengths.Run
	}
	for _, e := range a.endpoints {
		p.submits[e.Name] = submit.New(store, a.batched(e), tasks, submit.Config{
			Worker: worker.ID, Endpoint: e.Name, Enter: a.gate.Enter, Breaker: breaker, Pacer: pacer, Budgets: purse, UncertainWait: uncertainWait(cfg, told[e.Name]),
			FirstLook: func(j jobs.Job, wish time.Duration) time.Duration {
				if j.Stream && cfg.Stream.MaxOpen > 0 {
					return 0 // it is followed from its first event on
				}
				return schedule.First(lengths.Plan(poller.SortOf(j)), wish, told[e.Name].Expected())
			},
		}, a.log)
		p.loops["effects of "+e.Name] = queue.NewEffectsServer(a.rdb, names, e.Name, effects.New(store, a.batched(e), effects.Config{Endpoint: e.Name, Enter: a.gate.Enter}, a.log), queue.Config{
			Concurrency: cfg.Effects.Concurrency, Grace: cfg.Shutdown.Grace,
		}, metrics, a.log).Run
	}
	counted := batches.NewMetrics(a.registry)
	for _, e := range a.endpoints {
		p.loops["batches of "+e.Name] = batches.NewKeeper(store, e.api, tasks, batches.Config{
			Endpoint: e.Name, Worker: worker.ID, Wait: cfg.Batch.Wait, MaxLines: cfg.Batch.MaxLines, MaxBytes: cfg.Batch.MaxBytes,
			Tick: batchTick, Look: cfg.Batch.LookEvery, CreateTimeout: e.CreateTimeout,
		}, counted, a.log).Run
	}
	lanes := make([]dispatch.Lane, 0, len(worker.Lanes))
	for _, name := range worker.Lanes {
		lane := cfg.Lanes[name]
		lanes = append(lanes, dispatch.Lane{
			Name: name, Window: lane.Window, Paused: func() (paused, due bool) { return breaker.Paused(name) },
			Room: func(ctx context.Context) int { return pacer.Room(ctx, name) },
		})
		p.loops["lane "+name] = queue.NewSubmitServer(a.rdb, names, name, p.submits[lane.Endpoint], queue.Config{
			Concurrency: lane.Concurrency, Grace: cfg.Shutdown.Grace,
		}, metrics, a.log).Run
	}
	receiver := a.newReceiver(schedule, told, ended) // its metrics are there, at zero, without webhooks as well
	if a.verifier != nil {
		p.loops["webhooks"] = receiver.Run
		a.doorbell.receiver.Store(receiver)
	}
	p.loops["dispatcher"] = dispatch.New(store, tasks, lanes, dispatchTick, a.registry, a.log).Run
	return p
}

// batched is the client of an endpoint to which a line of a batch is a response as any
// other.
func (a *App) batched(e endpoint) *batches.Client { return batches.New(e.api, a.store, e.Name) }

// rates are what the lanes are configured to send.
func rates(cfg config.Config) map[string]results.Rates {
	all := make(map[string]results.Rates, len(cfg.Lanes))
	for name, lane := range cfg.Lanes {
		all[name] = results.Rates{Requests: lane.RequestsPerMinute, Tokens: lane.TokensPerMinute, InFlight: lane.InFlight, Paused: lane.Paused}
	}
	return all
}

// limited are those that limit anything.
func limited(all map[string]results.Rates) map[string]results.Rates {
	maps.DeleteFunc(all, func(_ string, r results.Rates) bool { return r == results.Rates{} })
	return all
}

// ending is told how the response of an attempt has ended.
type ending = func(ctx context.Context, j jobs.Job, a jobs.Attempt, r jobs.Response)

// uncertainWait is how long the provider's word is waited for at an endpoint.
func uncertainWait(cfg config.Config, told *poller.Announcements) time.Duration {
	if told == nil {
		return 0
	}
	return cfg.Uncertain.Wait
}

// abortSubmits cuts the creates short that are in flight.
func (p parts) abortSubmits() {
	for _, submitter := range p.submits {
		submitter.Abort()
	}
}

// waitForSubmits blocks until each create in flight has its outcome on record.
func (p parts) waitForSubmits() {
	for _, submitter := range p.submits {
		submitter.Wait()
	}
}

// pollerRecords is the store as the poller sees it.
type pollerRecords struct {
	*results.Store

	perSecond int // the most looks of all workers; 0 is no bound
}

// ClaimLooks implements [poller.Records].
func (r pollerRecords) ClaimLooks(ctx context.Context, limits map[string]int, lease time.Duration) ([]jobs.Job, error) {
	if r.perSecond > 0 {
		return r.ClaimOldestLooks(ctx, limits, lease, r.perSecond)
	}
	return r.Store.ClaimLooks(ctx, limits, lease)
}

// PutBack implements [poller.Records].
func (r pollerRecords) PutBack(ctx context.Context, back []poller.PutBack) error {
	settlements := make([]results.Settlement, len(back))
	for i, b := range back {
		settlements[i] = results.Settlement{Job: b.Job, Due: b.Due, Looks: &b.Looks}
	}
	_, err := r.Settle(ctx, settlements...)
	return err
}

// sharedDurations is what the store keeps of durations, as the poller sees it.
type sharedDurations struct{ *results.Store }

// AddEnds implements [poller.Shared].
func (d sharedDurations) AddEnds(ctx context.Context, ends poller.Ends) error {
	sorts := make(map[results.Sort]map[int]int, len(ends))
	for sort, buckets := range ends {
		sorts[results.Sort(sort)] = buckets
	}
	return d.Store.AddEnds(ctx, poller.Memory, sorts)
}

// Durations implements [poller.Shared].
func (d sharedDurations) Durations(ctx context.Context) (map[poller.Sort]poller.Histogram, error) {
	sorts, err := d.Ends(ctx)
	if err != nil {
		return nil, err
	}
	durations := make(map[poller.Sort]poller.Histogram, len(sorts))
	for sort, buckets := range sorts {
		var h poller.Histogram
		for bucket, ends := range buckets {
			h.Add(bucket, ends)
		}
		durations[poller.Sort(sort)] = h
	}
	return durations, nil
}
