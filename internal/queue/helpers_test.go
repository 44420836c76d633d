package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	lane     = "Bulk"
	endpoint = "eu:1"
)

// owed is an outbox with something to do at the endpoint.
func owed() []jobs.Effect { return []jobs.Effect{{ID: 1, Endpoint: endpoint}} }

// handler is a Submitter and an Effector that does what a test says, and
// remembers what it was given.
type handler struct {
	mu    sync.Mutex
	calls []string
	do    func(ctx context.Context, job jobs.ID, n int) error // the nth call
}

func (h *handler) Submit(ctx context.Context, job jobs.ID, attempt int) error {
	return h.call(ctx, job, fmt.Sprintf("submit %s %d", job, attempt))
}

func (h *handler) Effect(ctx context.Context, job jobs.ID) error {
	return h.call(ctx, job, fmt.Sprintf("effects %s", job))
}

func (h *handler) call(ctx context.Context, job jobs.ID, text string) error {
	h.mu.Lock()
	h.calls = append(h.calls, text)
	n := len(h.calls)
	h.mu.Unlock()
	if h.do == nil {
		return nil
	}
	return h.do(ctx, job, n)
}

func (h *handler) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.calls)
}

// world is an installation's queues on an empty Redis.
type world struct {
	t         *testing.T
	rdb       *redis.Client
	names     queue.Names
	client    *queue.Client
	inspector *asynq.Inspector
	asynq     *asynq.Client
	reg       *prometheus.Registry
	metrics   *queue.Metrics
	log       *testlog.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rdb := redistest.Client(t)
	names := queue.Names{Prefix: "longhaul"}
	reg := prometheus.NewPedanticRegistry()
	return &world{
		t: t, rdb: rdb, names: names, client: queue.NewClient(rdb, names, time.Minute),
		inspector: asynq.NewInspectorFromRedisClient(rdb), asynq: asynq.NewClientFromRedisClient(rdb),
		reg: reg, metrics: queue.NewMetrics(reg), log: &testlog.Buffer{},
	}
}

func (w *world) config() queue.Config {
	return queue.Config{Concurrency: 4, Grace: 20 * time.Second, Idle: 5 * time.Millisecond}
}

// serve runs a server until the test ends, or until stop, which waits for it.
func (w *world) serve(s *queue.Server) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) serveSubmits(h *handler, c queue.Config) (stop func()) {
	w.t.Helper()
	return w.serve(queue.NewSubmitServer(w.rdb, w.names, lane, h, c, w.metrics, w.logger()))
}

func (w *world) serveEffects(h *handler) (stop func()) {
	w.t.Helper()
	return w.serve(queue.NewEffectsServer(w.rdb, w.names, endpoint, h, w.config(), w.metrics, w.logger()))
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// submit enqueues the first attempt of a job.
func (w *world) submit(id jobs.ID, nudge int) {
	w.t.Helper()
	if err := w.client.Submit(w.t.Context(), id, lane, 1, nudge); err != nil {
		w.t.Fatalf("Submit: %v", err)
	}
}

// task is what Asynq knows of a task, nil if nothing.
func (w *world) task(queueName, id string) *asynq.TaskInfo {
	w.t.Helper()
	info, err := w.inspector.GetTaskInfo(queueName, id)
	if err != nil {
		return nil
	}
	return info
}

// left is the number of tasks that a queue holds, in whatever state.
func (w *world) left(queueName string) int {
	w.t.Helper()
	keys, err := w.rdb.Keys(w.t.Context(), "asynq:{"+queueName+"}:t:*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	return len(keys)
}

// tasks is the value of the metric.
func (w *world) tasks(kind, outcome string) float64 {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if family.GetName() == "longhaul_queue_tasks_total" && labels["type"] == kind && labels["outcome"] == outcome {
				return m.GetCounter().GetValue()
			}
		}
	}
	w.t.Fatalf("no metric of %s tasks that are %s", kind, outcome)
	return 0
}

func newID() jobs.ID { return jobs.NewID(time.Now(), 0) }

func submitID(id jobs.ID, nudge int) string { return fmt.Sprintf("submit:%s:1:%d", id, nudge) }

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
