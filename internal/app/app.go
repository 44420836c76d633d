// Package app is the composition root: it builds every part of a worker from a
// configuration, starts the parts in order and drains them in order. What the
// parts do is theirs; here they are only wired.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/api"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/doctor"
	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Options are what an App is built from.
type Options struct {
	Config  config.Config
	Log     *slog.Logger
	Version string
	// Embedded says that Redis is the one in this process.
	Embedded bool
	// Planners plan the parents of each kind; nil for those of this build.
	Planners map[jobs.Kind]jobs.Planner
}

// App is a worker.
type App struct {
	options   Options
	log       *slog.Logger
	registry  *prometheus.Registry
	rdb       redis.UniversalClient
	pulse     redis.UniversalClient // for heartbeats and health, whatever the other is busy with
	endpoints []endpoint
	estimator *Estimator
	tasks     *queue.Client
	verifier  *responses.Webhooks // nil when no endpoint has a webhook secret
	doorbell  doorbell
	listeners []*api.Server
	health    health
	store     *results.Store
	blobs     results.Blobs // nil for none
	gate      *gate

	httpAddr, webhooksAddr string
}

// New builds a worker. Nothing is dialled and nothing runs yet, but the HTTP
// address is bound, so that a port in use is known at once.
func New(ctx context.Context, options Options) (*App, error) {
	cfg := options.Config
	if options.Planners == nil {
		options.Planners = planners()
	}
	a := &App{options: options, log: options.Log, registry: newRegistry(options.Version), gate: newGate()}
	var err error
	if a.estimator, err = NewEstimator(cfg); err != nil {
		return nil, err
	}
	if a.endpoints, err = openEndpoints(cfg, options.Version, a.registry); err != nil {
		return nil, err
	}
	if a.rdb, err = NewRedis(cfg, options.Log); err != nil {
		return nil, err
	}
	small := cfg
	small.Redis.PoolSize = pulsePool
	if a.pulse, err = NewRedis(small, options.Log); err != nil {
		return nil, errors.Join(err, a.rdb.Close())
	}
	a.health.rdb = a.pulse
	if a.blobs, err = OpenBlobs(ctx, cfg); err != nil {
		return nil, errors.Join(err, a.closeRedis())
	}
	// Asynq ends the context of a submit some time after the create should be over.
	a.tasks = queue.NewClient(a.rdb, queue.Names{Prefix: cfg.Redis.Prefix}, createTimeout(a.endpoints)+time.Minute)
	if a.verifier, err = newVerifier(a.endpoints); err == nil {
		err = a.listen(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.closeRedis())
	}
	return a, nil
}

// pulsePool is how many connections the heartbeats and the health have.
const pulsePool = 2

func (a *App) closeRedis() error { return errors.Join(a.rdb.Close(), a.pulse.Close()) }

// NewRedis returns a client for the configured Redis. It dials nothing.
func NewRedis(cfg config.Config, log *slog.Logger) (redis.UniversalClient, error) {
	redis.SetLogger(redisLogger{log})
	rdb, err := results.Connect(cfg.Redis.URL.Reveal(), cfg.Redis.PoolSize)
	if err != nil {
		return nil, jobs.Invalid("redis.url", "%v", err)
	}
	return rdb, nil
}

// StoreConfig is the store's part of the configuration.
func StoreConfig(cfg config.Config, blobs results.Blobs, embedded bool) (results.Config, error) {
	table, err := Prices(cfg)
	if err != nil {
		return results.Config{}, err
	}
	return results.Config{
		Prices: table, Regional: regional(cfg), Lanes: slices.Sorted(maps.Keys(cfg.Lanes)), LedgerRetention: cfg.Ledger.Retention,
		Prefix: cfg.Redis.Prefix, CompressBytes: cfg.Jobs.CompressBytes, MaxRequestBytes: cfg.Jobs.MaxRequestBytes,
		Blobs: blobs, BlobsOver: cfg.Blobs.Over, MaxInlineBytes: cfg.Jobs.MaxInlineBytes,
		Timing: timing(cfg), Embedded: embedded, Weights: weights(cfg), Routes: routes(cfg),
		ProgressEvents: cfg.Stream.MaxEvents, ProgressKept: cfg.Stream.Keep,
		Durability: results.Durability{
			Replicas: cfg.Redis.WaitReplicas, Disk: cfg.Redis.WaitDisk, Patience: cfg.Redis.WaitTimeout,
		},
	}, nil
}

// weights are what the priorities weigh in those lanes that say so.
func weights(cfg config.Config) map[string][]int {
	all := make(map[string][]int)
	for name, lane := range cfg.Lanes {
		if len(lane.PriorityWeights) > 0 {
			all[name] = lane.PriorityWeights
		}
	}
	return all
}

// routes are the lanes that have models, by name.
func routes(cfg config.Config) []results.Route {
	var all []results.Route
	for _, name := range slices.Sorted(maps.Keys(cfg.Lanes)) {
		if models := cfg.Lanes[name].Models; len(models) > 0 {
			all = append(all, results.Route{Lane: name, Models: models})
		}
	}
	return all
}

func timing(cfg config.Config) jobs.Timing {
	return jobs.Timing{Submit: cfg.Watchdog.SubmitAfter, Check: cfg.Watchdog.CheckEvery}
}

// HTTPAddr is the address of the HTTP side, "" when it is off.
func (a *App) HTTPAddr() string { return a.httpAddr }

// WebhooksAddr is the address of the listener for webhooks alone, "" when there is
// none.
func (a *App) WebhooksAddr() string { return a.webhooksAddr }

// Store is the store, nil before [App.Connect].
func (a *App) Store() *results.Store { return a.store }

// Connect opens the store. While Redis does not answer it tries again every
// second, until ctx is done. A blob store that cannot work is an error.
func (a *App) Connect(ctx context.Context) error {
	if a.store != nil {
		return nil
	}
	config, err := StoreConfig(a.options.Config, a.blobs, a.options.Embedded)
	if err != nil {
		return err
	}
	config.Pulse = a.pulse
	for {
		store, err := results.Open(ctx, a.rdb, config, a.log, a.registry)
		if err == nil {
			a.store = store
			a.registry.MustRegister(newCollector(store, a.tasks))
			a.warnOfRedis(ctx)
			return a.inspectBlobs(ctx)
		}
		if jobs.ClassOf(err) == jobs.ClassInvalid {
			return err // it would be the same again
		}
		if ctx.Err() != nil {
			return fmt.Errorf("connect to redis: %w", context.Cause(ctx))
		}
		if advice := doctor.Refusal(err); advice != "" {
			a.health.refused.Store(&advice)
			a.log.WarnContext(ctx, "redis refuses; trying again", slog.Any("err", err), slog.String("advice", advice))
		} else {
			a.health.refused.Store(nil)
			a.log.WarnContext(ctx, "redis does not answer; trying again", slog.Any("err", err))
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Run works until ctx is done and then drains: it is no longer ready, takes
// nothing new, lets what is in flight finish within the grace, says good-bye to
// the other workers, and closes. The error is that of what failed, not ctx's.
func (a *App) Run(ctx context.Context) error {
	var web sync.WaitGroup
	webCtx, stopWeb := context.WithCancel(context.WithoutCancel(ctx))
	failures := make([]error, len(a.listeners))
	for i, server := range a.listeners {
		web.Go(func() { failures[i] = server.Run(webCtx) })
	}
	err := a.work(ctx)
	stopWeb()
	web.Wait()
	for _, e := range a.endpoints {
		e.api.Close()
	}
	return errors.Join(err, errors.Join(failures...), a.closeRedis())
}

// work runs between the first contact with Redis and the good-bye.
func (a *App) work(ctx context.Context) error {
	if err := a.Connect(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before Redis ever answered
		}
		return err
	}
	a.tellEndpoints(ctx)
	parts := a.assemble()
	// The heartbeat outlives the drain: while a create is in flight this worker
	// is alive, and nobody may take its intent for lost.
	watchCtx, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatch()
	var watch sync.WaitGroup
	ready := make(chan struct{})
	watch.Go(func() { _ = parts.watchdog.Run(watchCtx, func() { close(ready) }) })
	<-ready
	// A worker that starts while a lane is paused must not find out by itself.
	if err := parts.breaker.Refresh(ctx); err != nil {
		a.log.WarnContext(ctx, "not known which lanes are paused", slog.Any("err", err))
	}

	var running sync.WaitGroup
	failed := make(chan error, len(parts.loops))
	workCtx, stopWork := context.WithCancel(ctx)
	defer stopWork()
	for name, loop := range parts.loops {
		running.Go(func() {
			if err := loop(workCtx); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
				stopWork()
			}
		})
	}
	a.health.set(healthReady)
	a.log.InfoContext(ctx, "worker started", slog.String("worker", parts.worker.ID),
		slog.String("version", a.options.Version), slog.Any("lanes", parts.worker.Lanes),
		slog.Any("endpoints", parts.worker.Endpoints))
	<-workCtx.Done()

	a.health.set(healthDraining)
	a.log.InfoContext(ctx, "draining", slog.Any("cause", context.Cause(workCtx)))
	// A create that the grace ended has an outcome too, and its slot is given back
	// before that is on record.
	abort := time.AfterFunc(a.options.Config.Shutdown.Grace, parts.abortSubmits)
	defer abort.Stop()
	drained := within(a.options.Config.Shutdown.Grace+2*time.Second, func() { running.Wait(); parts.waitForSubmits() })
	if !drained {
		a.log.WarnContext(ctx, "not everything in flight has finished within the grace")
	}
	stopWatch()
	watch.Wait()
	if drained {
		a.leave(ctx, parts)
	}
	a.log.InfoContext(ctx, "worker stopped", slog.String("worker", parts.worker.ID))
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// leave tells the other workers that nothing of this one is in flight. One whose
// grace was over too early lets them find out by its silence.
func (a *App) leave(ctx context.Context, parts parts) {
	leaveCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := parts.watchdog.Leave(leaveCtx); err != nil {
		a.log.WarnContext(ctx, "no leave taken; the others will notice", slog.Any("err", err))
	}
}

// within reports whether wait returned in time.
func within(d time.Duration, wait func()) bool {
	done := make(chan struct{})
	go func() { wait(); close(done) }()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func newRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "longhaul", Name: "build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// hostname is this machine's name, for people.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// redisLogger takes over what go-redis would print.
type redisLogger struct{ log *slog.Logger }

// Printf implements go-redis' logger.
func (l redisLogger) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "go-redis says", slog.String("text", fmt.Sprintf(format, v...)))
}
