package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestHandlersAreCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	submits, effects := &handler{}, &handler{}
	w.serveSubmits(submits, w.config())
	w.serveEffects(effects)
	a, b := newID(), newID()
	if err := w.client.Submit(t.Context(), a, lane, 7, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Effects(t.Context(), jobs.Job{ID: b, Effects: 3, Nudge: 2, Outbox: owed()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are done", func() bool { return w.left(w.names.Submit(lane))+w.left(w.names.Effects(endpoint)) == 0 })
	if diff := cmp.Diff([]string{fmt.Sprintf("submit %s 7", a)}, submits.calls); diff != "" {
		t.Errorf("submits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("effects %s", b)}, effects.calls); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	for _, kind := range []string{"submit", "effects"} {
		eventually(t, kind+" is counted", func() bool { return w.tasks(kind, "done") == 1 })
	}
}

// TestTaskCarriesNoPayload keeps requests and results out of Asynq's keys.
func TestTaskCarriesNoPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	w.submit(id, 4)
	info := w.task("longhaul:submit:Bulk", submitID(id, 4))
	if info == nil {
		t.Fatal("no such task")
	}
	if want := fmt.Sprintf(`{"job":%q,"attempt":1}`, id); string(info.Payload) != want {
		t.Errorf("payload %s, want %s", info.Payload, want)
	}
	// What Asynq would do by default: archive after 25 failures, end the context
	// after half an hour.
	if info.MaxRetry < 1<<30 || info.Timeout != time.Minute || info.Retention != 0 {
		t.Errorf("max retry %d, timeout %v, retention %v", info.MaxRetry, info.Timeout, info.Retention)
	}
}

// TestSameIDTwiceIsOneTask holds as long as the first is not done.
func TestSameIDTwiceIsOneTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	for range 3 {
		w.submit(id, 0)
	}
	owing := jobs.Job{ID: id, Effects: 2, Outbox: owed()}
	for range 3 {
		if err := w.client.Effects(t.Context(), owing); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := w.left(w.names.Submit(lane)), w.left(w.names.Effects(endpoint)); n != 1 || m != 1 {
		t.Fatalf("%d submits and %d effects are enqueued, want one of each", n, m)
	}
	owing.Effects++ // another effect is owed: another task
	if err := w.client.Effects(t.Context(), owing); err != nil {
		t.Fatal(err)
	}
	if n := w.left(w.names.Effects(endpoint)); n != 2 {
		t.Errorf("%d effects are enqueued, want two", n)
	}
	h := &handler{}
	w.serveSubmits(h, w.config())
	eventually(t, "it is done", func() bool { return w.left(w.names.Submit(lane)) == 0 })
	if n := h.count(); n != 1 {
		t.Errorf("the handler was called %d times, want once", n)
	}
	w.submit(id, 0) // the first is done: its id is free
	eventually(t, "it is done again", func() bool { return h.count() == 2 })
}

func TestRedisAwayIsAnError(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := queue.NewClient(server.Client(t), queue.Names{Prefix: "longhaul"}, time.Minute)
	server.Stop()
	id := newID()
	if err := client.Submit(t.Context(), id, lane, 1, 0); err == nil || !strings.Contains(err.Error(), "enqueue submit:"+string(id)) {
		t.Errorf("Submit: %v; want an error that names the task", err)
	}
	if err := client.Effects(t.Context(), jobs.Job{ID: id, Outbox: owed()}); err == nil || !strings.Contains(err.Error(), "enqueue effects:"+string(id)) {
		t.Errorf("Effects: %v; want an error that names the task", err)
	}
}

// TestSubmitThatFailsIsPutBack wants it neither archived nor counted, and
// nothing of the error in Asynq's own records.
//
// Guarantees: G1, G12.
func TestSubmitThatFailsIsPutBack(t *testing.T) {
	t.Parallel()
	const canary = "canary-do-not-store"
	tests := []struct {
		name string
		fail func() error
		log  string
	}{
		{"an error", func() error { return errors.New("load record: " + canary) }, "load record"},
		{"an error that Asynq would take for the end", func() error { return fmt.Errorf("%s: %w", canary, asynq.SkipRetry) }, "skip retry"},
		{"an error that Asynq would take for success", func() error { return fmt.Errorf("%s: %w", canary, asynq.RevokeTask) }, "revoke"},
		{"a long error", func() error { return errors.New(strings.Repeat(canary, 1000)) }, canary},
		{"a panic", func() error { panic(canary) }, "handler panicked"},
		{"a panic with an error", func() error { panic(errors.New(canary)) }, "handler panicked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			const failures = 3
			h := &handler{do: func(_ context.Context, _ jobs.ID, n int) error {
				if n <= failures {
					return tt.fail()
				}
				return nil
			}}
			w.serveSubmits(h, w.config())
			id := newID()
			w.submit(id, 0)
			name := w.names.Submit(lane)
			for n := 1; n <= failures; n++ {
				var info *asynq.TaskInfo
				eventually(t, "it is put back", func() bool {
					info = w.task(name, submitID(id, 0))
					return h.count() == n && info != nil && info.State == asynq.TaskStateRetry
				})
				if info.Retried != 0 || info.LastErr != "put back; see the worker's log" {
					t.Errorf("after failure %d Asynq has counted %d and keeps %.100q", n, info.Retried, info.LastErr)
				}
				if wait := time.Until(info.NextProcessAt); wait > 5*time.Second {
					t.Errorf("it is repeated in %v", wait)
				}
				// Not to wait for it; it may have begun by itself.
				if err := w.inspector.RunTask(name, submitID(id, 0)); err != nil {
					t.Logf("run at once: %v", err)
				}
			}
			eventually(t, "it is done in the end", func() bool { return w.left(name) == 0 })
			w.nowhere(canary)
			if !strings.Contains(w.log.String(), tt.log) || !strings.Contains(w.log.String(), string(id)) {
				t.Errorf("the log does not say what failed:\n%.2000s", w.log)
			}
			if got := w.tasks("submit", "retried"); got != failures {
				t.Errorf("the metric counts %v retries, want %d", got, failures)
			}
			if info, err := w.inspector.GetQueueInfo(name); err != nil || info.Archived != 0 || info.Failed != 0 {
				t.Errorf("queue %+v, %v; want nothing archived and nothing failed", info, err)
			}
		})
	}
}

// nowhere fails the test if a text is in any key of the database.
func (w *world) nowhere(text string) {
	w.t.Helper()
	keys, err := w.rdb.Keys(w.t.Context(), "*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		dump, err := w.rdb.Dump(w.t.Context(), key).Result()
		if err == nil && strings.Contains(key+dump, text) {
			w.t.Errorf("key %s has %q in it", key, text)
		}
	}
}

// TestPanicsAreLoggedWithoutTheirValue, which may hold anything.
//
// Guarantee: G12.
func TestPanicsAreLoggedWithoutTheirValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const canary = "canary-do-not-log"
	h := &handler{do: func(_ context.Context, _ jobs.ID, n int) error {
		if n == 1 {
			panic(fmt.Errorf("prompt %s", canary))
		}
		return nil
	}}
	w.serveEffects(h)
	if err := w.client.Effects(t.Context(), jobs.Job{ID: newID(), Outbox: owed()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is counted", func() bool { return w.tasks("effects", "retried") == 1 })
	if log := w.log.String(); strings.Contains(log, canary) || !strings.Contains(log, "fmt.wrapError") && !strings.Contains(log, "queue_test.go") {
		t.Errorf("want the place of the panic in the log, and not its value:\n%s", log)
	}
}

// TestEffectsThatFailAreLeftToTheWatchdog wants one task for each nudge at the
// most: put back, they would go round side by side.
func TestEffectsThatFailAreLeftToTheWatchdog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := &handler{do: func(context.Context, jobs.ID, int) error { return errors.New("the provider is away") }}
	w.serveEffects(h)
	j := jobs.Job{ID: newID(), Effects: 1, Outbox: owed()}
	for nudge := range 4 {
		j.Nudge = nudge
		if err := w.client.Effects(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is over", func() bool { return h.count() == nudge+1 && w.left(w.names.Effects(endpoint)) == 0 })
	}
	if got := w.tasks("effects", "retried"); got != 4 {
		t.Errorf("the metric counts %v, want 4", got)
	}
	if !strings.Contains(w.log.String(), "the provider is away") {
		t.Errorf("the log does not say why:\n%s", w.log)
	}
}

// TestEffectsGoToTheQueueOfTheirEndpoint has a job with effects at two endpoints,
// one of which is not served: its task waits, and is counted.
//
// Guarantee: G15.
func TestEffectsGoToTheQueueOfTheirEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := &handler{}
	w.serveEffects(h)
	j := jobs.Job{ID: newID(), Effects: 3, Outbox: append(owed(), jobs.Effect{ID: 2, Endpoint: "us"}, jobs.Effect{ID: 3, Endpoint: endpoint})}
	for range 2 { // the second time it is the same tasks
		if err := w.client.Effects(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the served ones are done", func() bool { return h.count() > 0 && w.left(w.names.Effects(endpoint)) == 0 })
	for name, want := range map[string]int{"us": 1, endpoint: 0, "nobody": 0} {
		if n, err := w.client.Waiting(name); err != nil || n != want {
			t.Errorf("%d tasks wait at %s, %v; want %d", n, name, err, want)
		}
	}
}

// TestBadPayloadIsDropped has tasks in our queues that are not ours.
func TestBadPayloadIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := &handler{}
	payloads := []string{"", "{", `{"job":7}`, `{}`, `[]`, "canary-do-not-log"}
	for _, payload := range payloads {
		for _, name := range []string{w.names.Submit(lane), w.names.Effects(endpoint)} {
			kind := map[bool]string{true: "longhaul:effects", false: "longhaul:submit"}[name == w.names.Effects(endpoint)]
			if _, err := w.asynq.EnqueueContext(t.Context(), asynq.NewTask(kind, []byte(payload)), asynq.Queue(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.serveSubmits(h, w.config())
	w.serveEffects(h)
	eventually(t, "both queues are empty", func() bool { return w.left(w.names.Submit(lane))+w.left(w.names.Effects(endpoint)) == 0 })
	if n := h.count(); n != 0 {
		t.Errorf("the handlers were called %d times", n)
	}
	for _, kind := range []string{"submit", "effects"} {
		if got := w.tasks(kind, "dropped"); got != float64(len(payloads)) {
			t.Errorf("%v %s tasks are counted as dropped, want %d", got, kind, len(payloads))
		}
	}
	if strings.Contains(w.log.String(), "canary") {
		t.Error("the log has the payload in it")
	}
}

// TestShutdownWaitsForWhatIsInWork drains with a handler at work.
//
// Guarantee: G4.
func TestShutdownWaitsForWhatIsInWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun, release := make(chan struct{}), make(chan struct{})
	h := &handler{do: func(ctx context.Context, _ jobs.ID, n int) error {
		if n == 1 {
			close(begun)
		}
		<-release
		return ctx.Err() // the drain must not end it
	}}
	c := w.config()
	c.Concurrency = 1
	stop := w.serveSubmits(h, c)
	id, next := newID(), newID()
	w.submit(id, 0)
	<-begun
	w.submit(next, 0)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	eventually(t, "it stops fetching", w.draining)
	select {
	case <-stopped:
		t.Fatal("Run returned with a handler in work")
	default:
	}
	close(release)
	<-stopped
	if n := h.count(); n != 1 {
		t.Errorf("%d tasks were begun, want one: a drain takes nothing new", n)
	}
	if w.task(w.names.Submit(lane), submitID(id, 0)) != nil {
		t.Error("the task that was finished is still there")
	}
	if info := w.task(w.names.Submit(lane), submitID(next, 0)); info == nil || info.State != asynq.TaskStatePending {
		t.Errorf("the task that was not begun is %+v; want it pending for another worker", info)
	}
}

// draining reports whether the server has stopped fetching.
func (w *world) draining() bool {
	servers, err := w.inspector.Servers()
	return err == nil && len(servers) == 1 && servers[0].Status != "active"
}

// TestGraceEnds gives a task back that does not end.
//
// Guarantee: G4.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun, cause := make(chan struct{}), make(chan error, 1)
	h := &handler{do: func(ctx context.Context, _ jobs.ID, n int) error {
		if n > 1 {
			return nil
		}
		close(begun)
		<-ctx.Done()
		cause <- ctx.Err()
		return nil
	}}
	c := w.config()
	c.Grace = 50 * time.Millisecond
	stop := w.serveSubmits(h, c)
	id := newID()
	w.submit(id, 0)
	<-begun
	stop()
	if err := <-cause; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
	if info := w.task(w.names.Submit(lane), submitID(id, 0)); info == nil || info.State != asynq.TaskStatePending || info.Retried != 0 {
		t.Fatalf("the task is %+v; want it pending again, and not counted", info)
	}
	w.serveSubmits(h, w.config())
	eventually(t, "another worker does it", func() bool { return w.left(w.names.Submit(lane)) == 0 })
}

// TestQueuesDoNotBlockOneAnother has one lane that is full of work without end.
func TestQueuesDoNotBlockOneAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	defer close(release)
	stuck := &handler{do: func(context.Context, jobs.ID, int) error { <-release; return nil }}
	c := w.config()
	c.Concurrency = 1
	w.serveSubmits(stuck, c)
	for range 5 {
		w.submit(newID(), 0)
	}
	eventually(t, "the lane is stuck", func() bool { return stuck.count() == 1 })

	other, effects := &handler{}, &handler{}
	w.serve(queue.NewSubmitServer(w.rdb, w.names, "other", other, c, w.metrics, w.logger()))
	w.serveEffects(effects)
	const n = 20
	for range n {
		if err := w.client.Submit(t.Context(), newID(), "other", 1, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Effects(t.Context(), jobs.Job{ID: newID(), Outbox: owed()}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the other queues are empty", func() bool { return other.count() == n && effects.count() == n })
	if got := stuck.count(); got != 1 {
		t.Errorf("%d tasks of a lane with one slot were begun", got)
	}
}

// TestConcurrencyIsBounded, and used.
func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	now, most := 0, 0
	full := make(chan struct{})
	h := &handler{do: func(context.Context, jobs.ID, int) error {
		mu.Lock()
		now++
		if most = max(most, now); most == 4 {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}}
	for range 20 {
		w.submit(newID(), 0)
	}
	w.serveSubmits(h, w.config())
	eventually(t, "all are done", func() bool { return w.left(w.names.Submit(lane)) == 0 })
	if most != 4 {
		t.Errorf("%d tasks were in work at once, want 4", most)
	}
}

// TestOrphanIsPassedByANudge leaves a task as a killed worker does: active, with
// a lease that nobody takes away for a minute or two.
//
// Guarantees: G3, G11.
func TestOrphanIsPassedByANudge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	w.submit(id, 0)
	name := w.names.Submit(lane)
	prefix := "asynq:{" + name + "}:"
	orphan := submitID(id, 0)
	ctx := t.Context()
	if got, err := w.rdb.LMove(ctx, prefix+"pending", prefix+"active", "RIGHT", "LEFT").Result(); err != nil || got != orphan {
		t.Fatalf("take the task as a worker does: %q, %v", got, err)
	}
	if err := w.rdb.HSet(ctx, prefix+"t:"+orphan, "state", "active").Err(); err != nil {
		t.Fatal(err)
	}
	if err := w.rdb.Do(ctx, "zadd", prefix+"lease", time.Now().Add(30*time.Second).Unix(), orphan).Err(); err != nil {
		t.Fatal(err)
	}

	h := &handler{}
	w.serveSubmits(h, w.config())
	w.submit(id, 0) // its own id is blocked
	if n := w.left(name); n != 1 {
		t.Fatalf("%d tasks, want the orphan alone", n)
	}
	w.submit(id, 1)
	eventually(t, "the nudge is done", func() bool { return h.count() == 1 && w.left(name) == 1 })
	if info := w.task(name, orphan); info == nil || info.State != asynq.TaskStateActive {
		t.Errorf("the orphan is %+v; want it as it was", info)
	}
}

// TestTwoInstallationsShareARedis under different prefixes.
func TestTwoInstallationsShareARedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours, theirs := &handler{}, &handler{}
	w.serveSubmits(ours, w.config())
	other := queue.Names{Prefix: "other"}
	w.serve(queue.NewSubmitServer(w.rdb, other, lane, theirs, w.config(), w.metrics, w.logger()))
	id := newID()
	w.submit(id, 0)
	if err := queue.NewClient(w.rdb, other, time.Minute).Submit(t.Context(), id, lane, 2, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are done", func() bool { return ours.count()+theirs.count() == 2 })
	if !slices.Equal(ours.calls, []string{fmt.Sprintf("submit %s 1", id)}) || !slices.Equal(theirs.calls, []string{fmt.Sprintf("submit %s 2", id)}) {
		t.Errorf("ours %v, theirs %v", ours.calls, theirs.calls)
	}
}

// TestServerOutlivesRedis restarts Redis under a server.
//
// Guarantee: G5.
func TestServerOutlivesRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := redistest.Start(t)
	w.rdb = server.Client(t)
	w.client = queue.NewClient(w.rdb, w.names, time.Minute)
	h := &handler{}
	w.serveSubmits(h, w.config())
	w.submit(newID(), 0)
	eventually(t, "the first is done", func() bool { return h.count() == 1 })
	server.Restart()
	eventually(t, "Redis takes tasks again", func() bool { return w.client.Submit(t.Context(), newID(), lane, 1, 0) == nil })
	eventually(t, "the second is done", func() bool { return h.count() == 2 })
}

func TestRetryDelayIsBounded(t *testing.T) {
	t.Parallel()
	seen := make(map[time.Duration]bool)
	for n := range 1000 {
		d := queue.RetryDelay(n)
		if d < time.Second || d >= 5*time.Second {
			t.Fatalf("a repeat waits %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 500 {
		t.Errorf("1000 repeats have only %d different waits: they would come back together", len(seen))
	}
}
