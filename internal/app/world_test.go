package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const question = `{"input":"The harbour was rebuilt after the storm. Trade came back within a year."}`

// world is an installation without workers: a real Redis, the simulator, and a
// client. Workers come and go.
type world struct {
	t        *testing.T
	redisURL string
	rdb      *redis.Client
	sim      *simulator.Simulator
	simURL   string
	conns    atomic.Int64 // that are open to the simulator
	store    *results.Store
	client   *client.Client
	tasks    *queue.Client
	planners map[jobs.Kind]jobs.Planner // nil for those of the build
}

// newWorld starts everything that workers talk to.
func newWorld(t *testing.T, c simulator.Config) *world {
	t.Helper()
	return newWorldOn(t, redistest.URL(t), c)
}

func newWorldOn(t *testing.T, redisURL string, c simulator.Config) *world {
	t.Helper()
	sim, err := simulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, redisURL: redisURL, sim: sim}
	server := httptest.NewUnstartedServer(sim)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			w.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			w.conns.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	server.Start()
	w.simURL = server.URL + "/v1"
	t.Cleanup(func() {
		_ = sim.Close()
		server.Close()
	})
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	w.rdb = redis.NewClient(options)
	t.Cleanup(func() { _ = w.rdb.Close() })
	// What the test itself writes is as soon overdue as what workers write.
	timing := jobs.Timing{Submit: 200 * time.Millisecond, Check: 100 * time.Millisecond}
	w.store, err = results.Open(t.Context(), w.rdb, results.Config{Timing: timing}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.client = client.New(w.store, jobs.DefaultModel)
	w.tasks = queue.NewClient(w.rdb, queue.Names{Prefix: "longhaul"}, time.Minute)
	return w
}

// quick is a simulator that answers almost at once.
func quick() simulator.Config {
	return simulator.Config{Queued: 5 * time.Millisecond, Running: 20 * time.Millisecond}
}

// config is a configuration with quick looks and an impatient watchdog, given
// the way a user would. Settings of the test win.
func (w *world) config(environ ...string) config.Config {
	w.t.Helper()
	cfg, err := config.Load(config.Sources{Environ: append([]string{
		"LONGHAUL_REDIS_URL=" + w.redisURL, "OPENAI_BASE_URL=" + w.simURL, "OPENAI_API_KEY=sk-test",
		"LONGHAUL_HTTP_ADDR=127.0.0.1:0", "LONGHAUL_SHUTDOWN_GRACE=10s",
		"LONGHAUL_POLL_FLOOR=20ms", "LONGHAUL_POLL_CEILING=100ms", "LONGHAUL_POLL_TICK=10ms",
		// What a look brought while Redis was away is brought again after a lease.
		"LONGHAUL_OPENAI_LOOK_TIMEOUT=2s", "LONGHAUL_POLL_LEASE=5s",
		"LONGHAUL_WATCHDOG_SUBMIT_AFTER=200ms", "LONGHAUL_WATCHDOG_CHECK_EVERY=100ms", "LONGHAUL_WATCHDOG_AUDIT_EVERY=200ms",
		"LONGHAUL_WATCHDOG_HEARTBEAT=200ms", "LONGHAUL_WATCHDOG_DEAD_AFTER=1s",
	}, environ...)})
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg
}

// runner is a worker at work in this process.
type runner struct {
	*app.App

	t    *testing.T
	log  *logBuffer
	stop func() error // may be called twice
}

// work starts a worker. It ends with the test at the latest.
func (w *world) work(environ ...string) *runner {
	w.t.Helper()
	r := &runner{t: w.t, log: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.App, err = app.New(w.t.Context(), app.Options{Config: w.config(environ...), Log: log, Version: "test", Planners: w.planners}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			w.t.Errorf("Run: %v", err)
		}
		if w.t.Failed() {
			text := r.log.String()
			w.t.Logf("the end of the worker's log:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return r
}

// started waits until the worker is at work.
func (r *runner) started() *runner {
	r.t.Helper()
	eventually(r.t, "it has started", func() bool { return strings.Contains(r.log.String(), "worker started") })
	return r
}

// get asks the worker's HTTP side, and returns status and body.
func (r *runner) get(path string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.HTTPAddr()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Close = true
	return do(r.t, request)
}

// do makes a request and returns the status and the body of its answer.
func do(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	return answer.StatusCode, string(body)
}

// metric is the value of a metric, its labels given in pairs.
func (r *runner) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := app.Gatherer(r.App).Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetName(), l.GetValue())
			}
			if slices.Equal(got, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	r.t.Fatalf("no metric %s with %v", name, labels)
	return 0
}

// submit hands over a job.
func (w *world) submit(body string, options jobs.Options) jobs.ID {
	w.t.Helper()
	s, err := w.client.Submit(w.t.Context(), []byte(body), options)
	if err != nil {
		w.t.Fatalf("Submit: %v", err)
	}
	return s.Job.ID
}

func (w *world) load(id jobs.ID) jobs.Job {
	w.t.Helper()
	j, err := w.store.Load(w.t.Context(), id)
	if err != nil {
		w.t.Fatalf("Load: %v", err)
	}
	return j
}

// step applies an event, which must bring something new.
func (w *world) step(id jobs.ID, ev jobs.Event) jobs.Job {
	w.t.Helper()
	j, err := w.store.Step(w.t.Context(), id, ev)
	if err != nil {
		w.t.Fatalf("%s: %v", ev.Name(), err)
	}
	return j
}

// admit takes all jobs out of their lane, as a dispatcher that then dies.
func (w *world) admit() {
	w.t.Helper()
	if _, err := w.store.Admit(w.t.Context(), jobs.DefaultLane, 1000); err != nil {
		w.t.Fatalf("Admit: %v", err)
	}
}

// create sends an attempt of a job to the simulator, as a worker would, and
// returns the answer, as it is from a provider that does not hurry.
func (w *world) create(j jobs.Job, attempt int) jobs.Reply {
	w.t.Helper()
	request, err := w.store.Request(w.t.Context(), j)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := request.Body(j.ID, attempt, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := jobs.ParseResponse(w.call(http.MethodPost, "/responses", body))
	if err != nil {
		w.t.Fatal(err)
	}
	response.Status = jobs.StatusQueued
	return jobs.Reply{Response: response}
}

// call calls the simulator.
func (w *world) call(method, path string, body []byte) []byte {
	w.t.Helper()
	url := w.simURL + path
	if strings.HasPrefix(path, "/_sim/") { // what steers it is no part of the API
		url = strings.TrimSuffix(w.simURL, "/v1") + path
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer sk-test")
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !json.Valid(raw) {
		w.t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, raw, err)
	}
	return raw
}

// faults sets the simulator's fault plan.
func (w *world) faults(rules ...simulator.FaultRule) {
	w.t.Helper()
	if err := w.sim.SetFaults(simulator.FaultPlan{Rules: rules}); err != nil {
		w.t.Fatal(err)
	}
}

// wait returns a job when it has ended.
func (w *world) wait(id jobs.ID) jobs.Job {
	w.t.Helper()
	return wait(w.t, w.client, id)
}

// creates is the ledger of a job: what the provider accepted, and was paid for.
func (w *world) creates(id jobs.ID) []simulator.Entry {
	w.t.Helper()
	var entries []simulator.Entry
	for _, e := range w.sim.Ledger().Entries {
		if e.Metadata[jobs.MetadataJob] == string(id) {
			entries = append(entries, e)
		}
	}
	return entries
}

// account wants each create in the ledger to be the attempt of that number on
// record, made once, and for each attempt but those that are known not to have
// been accepted a create in the ledger.
func (w *world) account(j jobs.Job) {
	w.t.Helper()
	made := make(map[int]string)
	for _, e := range w.creates(j.ID) {
		if other, twice := made[e.Attempt]; twice {
			w.t.Errorf("%s: attempt %d was created twice, as %s and %s", j.ID, e.Attempt, other, e.ID)
		}
		made[e.Attempt] = e.ID
	}
	for _, a := range j.Attempts {
		response, accepted := made[a.Number]
		delete(made, a.Number)
		switch {
		case a.ResponseID != "" && a.ResponseID != response:
			w.t.Errorf("%s: attempt %d has %s on record and %s in the ledger", j.ID, a.Number, a.ResponseID, response)
		case accepted && a.ResponseID == "" && a.Outcome != jobs.OutcomeUncertain:
			w.t.Errorf("%s: attempt %d was accepted as %s and is on record as %q", j.ID, a.Number, response, a.Outcome)
		}
		if a.Number > 1 && a.Reason == "" {
			w.t.Errorf("%s: attempt %d has no reason on record", j.ID, a.Number)
		}
	}
	for number, response := range made {
		w.t.Errorf("%s: %s is in the ledger as attempt %d, which is not on record", j.ID, response, number)
	}
}

// key is the full name of a key of the job's shard.
func (w *world) key(id jobs.ID, rest string) string {
	return fmt.Sprintf("longhaul:{s%02x}:%s", id.Shard(), rest)
}

// lose takes a job out of sets of its shard, as a person with a Redis shell
// might.
func (w *world) lose(id jobs.ID, sets ...string) {
	w.t.Helper()
	for _, set := range sets {
		n, err := w.rdb.ZRem(w.t.Context(), w.key(id, set), string(id)).Result()
		if err != nil || n != 1 {
			w.t.Fatalf("take %s out of %s: %d, %v", id, set, n, err)
		}
	}
}

// loseTasks deletes everything that Asynq keeps, and returns how many tasks were
// among it.
func (w *world) loseTasks() int {
	w.t.Helper()
	ctx := w.t.Context()
	keys, err := w.rdb.Keys(ctx, "asynq:*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	tasks, err := w.rdb.Keys(ctx, "asynq:*:t:*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	if len(keys) > 0 {
		if err := w.rdb.Del(ctx, keys...).Err(); err != nil {
			w.t.Fatal(err)
		}
	}
	return len(tasks)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
