package results_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// limitMemory sets the server's maxmemory so that it is used to the given part.
func (h *harness) limitMemory(used float64) {
	h.t.Helper()
	limit := int64(float64(h.usedMemory()) / used)
	if err := h.rdb.ConfigSet(h.t.Context(), "maxmemory", strconv.FormatInt(limit, 10)).Err(); err != nil {
		h.t.Fatal(err)
	}
}

func TestAcceptIsRefusedWhenRedisIsNearlyFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, test := range []struct {
		used    float64
		refused bool
	}{{0.5, false}, {0.8, false}, {0.93, true}} {
		h := onURL(t, server.URL(), results.Config{})
		h.limitMemory(test.used)
		_, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{})
		if !test.refused && err != nil {
			t.Errorf("memory used to %v: err %v", test.used, err)
		}
		if !test.refused {
			continue
		}
		f := jobs.FailureOf(err)
		if f.Class != jobs.ClassUnavailable || f.Code != "redis_full" || !strings.Contains(err.Error(), "maxmemory") ||
			!strings.Contains(err.Error(), "90%") {
			t.Errorf("memory used to %v: err %v; want it to say what is full and what to do", test.used, err)
		}
	}
}

// When Redis is completely full, nothing new is accepted or admitted, but all
// that was paid for is still written down, and room can be made.
func TestFullRedisStillTakesWhatWasPaidFor(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := onURL(t, server.URL(), results.Config{CompressBytes: math.MaxInt})
	running := h.in(jobs.StateRunning, jobs.Options{})
	submitting := h.in(jobs.StateSubmitting, jobs.Options{})
	old := h.in(jobs.StateFailed, jobs.Options{Retention: time.Millisecond})
	deleted := h.in(jobs.StateFailed, jobs.Options{})
	waiting := h.accept(jobs.Options{})

	rdb := server.Client(t)
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.Set(t.Context(), "x", "y", 0).Err(); err == nil {
		t.Fatal("the server takes writes: it is not full")
	}

	for range 2 { // the second time the store has not yet asked again
		if _, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{}); jobs.FailureOf(err).Code != "redis_full" {
			t.Errorf("Accept: err %v, want Redis said to be full", err)
		}
	}
	if admitted, err := h.Admit(t.Context(), jobs.DefaultLane, 100); err == nil {
		t.Errorf("admitted %v, want an error", admitted)
	}
	h.step(submitting.ID, jobs.Created{Attempt: 1, Reply: reply(t, "resp_late", jobs.StatusQueued), FirstLook: h.Now()})
	due := h.claim(time.Minute)
	if len(due) != 2 {
		t.Errorf("%d jobs claimed, want two", len(due))
	}
	h.settle(results.Settlement{Job: due[submitting.ID], Due: h.Now(), Looks: &jobs.Looks{Count: 1}, Nudge: true})

	// Progress is not paid for; that it cannot be kept keeps nobody from following.
	if _, err := h.AddProgress(t.Context(), running.ID, deltas(1, 0, 3)); err == nil {
		t.Error("progress is kept in a Redis that is full")
	}
	if held, err := h.TakeClaim().Renew(t.Context(), due[running.ID], jobs.Looks{Count: 1}, time.Minute, true); err != nil || !held {
		t.Errorf("Renew: %t, %v", held, err)
	}

	done := reply(t, "resp_"+string(running.ID), jobs.StatusCompleted)
	done.Response.Raw = bytes.Repeat([]byte("0123456789"), 300_000)
	h.step(running.ID, jobs.Looked{Reply: done})
	if body, err := h.Body(t.Context(), running.ID); err != nil || !bytes.Equal(body, done.Response.Raw) {
		t.Errorf("body of %d bytes, err %v; want the %d that were paid for", len(body), err, len(done.Response.Raw))
	}
	h.ShiftClock(time.Second)
	if n := h.expire(); n != 1 {
		t.Errorf("%d jobs expired, want 1", n)
	}
	h.gone(old.ID)
	h.step(deleted.ID, jobs.DeleteRequested{})
	h.gone(deleted.ID)
	h.step(waiting.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	h.audit()
	h.check()
}

// Who makes room, or looks at what there is, opens the store first.
func TestStoreOpensWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string][2]string{
		"full":              {"maxmemory", "1"},
		"without a replica": {"min-replicas-to-write", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			ended := onURL(t, server.URL(), results.Config{}).in(jobs.StateFailed, jobs.Options{})
			if err := server.Client(t).ConfigSet(t.Context(), setting[0], setting[1]).Err(); err != nil {
				t.Fatal(err)
			}
			h := onURL(t, server.URL(), results.Config{})
			if page, err := h.List(t.Context(), results.Filter{}); err != nil || len(page.Jobs) != 1 {
				t.Errorf("List: %d jobs, %v", len(page.Jobs), err)
			}
			if counts, err := h.Counts(t.Context(), ""); err != nil || counts.Total() != 1 {
				t.Errorf("Counts: %v, %v", counts, err)
			}
			h.load(ended.ID)
			if name == "full" {
				h.step(ended.ID, jobs.DeleteRequested{})
				h.gone(ended.ID)
			}
		})
	}
}

// A full Redis without an installation cannot begin one, and says what to do.
func TestInstallationDoesNotBeginInAFullRedis(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := results.Open(t.Context(), rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if f := jobs.FailureOf(err); f.Code != "redis_full" || !strings.Contains(err.Error(), "more memory") {
		t.Errorf("err %v, want Redis said to be full", err)
	}
}

// The watermark is looked at every few seconds: a Redis that fills up meanwhile
// refuses by itself, and the error is the same.
func TestFullRedisRefusesByItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := onURL(t, server.URL(), results.Config{})
	h.accept(jobs.Options{}) // the store has asked now
	if err := server.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	_, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{DedupeKey: "k"})
	if f := jobs.FailureOf(err); f.Code != "redis_full" || f.Class != jobs.ClassUnavailable {
		t.Errorf("err %v, want Redis said to be full", err)
	}
	h.check()
}

// The embedded server stands for any that lacks script flags.
func TestServerWithoutScriptFlagsIsServedWithoutBeingAnnounced(t *testing.T) {
	t.Parallel()
	h := openAt(t, &redis.Options{Addr: miniredis.RunT(t).Addr()}, results.Config{Embedded: false})
	if j := h.in(jobs.StateSucceeded, jobs.Options{}); j.Result == nil {
		t.Error("job has no result")
	}
	h.check()
}

func TestForgottenScriptsAreSentAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := onURL(t, server.URL(), results.Config{Shards: 4})
	forget := func() {
		t.Helper()
		if err := h.rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	j := h.accept(jobs.Options{Retention: time.Second})
	forget()
	if n := len(h.admit()); n != 1 {
		t.Errorf("%d jobs admitted", n)
	}
	forget()
	h.step(j.ID, jobs.SubmitStarted{Attempt: 1})
	forget()
	h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued)})
	forget()
	due := h.claim(time.Minute)
	if len(due) != 1 {
		t.Fatalf("%d jobs claimed", len(due))
	}
	forget()
	if got := h.settle(results.Settlement{Job: due[j.ID], Due: h.Now(), Nudge: true}); got[0] != 1 {
		t.Errorf("nudge %d", got[0])
	}
	forget()
	h.audit()
	h.step(j.ID, jobs.Looked{Reply: reply(t, "resp_1", jobs.StatusCompleted)})
	h.ShiftClock(time.Minute)
	forget()
	if n := h.expire(); n != 1 {
		t.Errorf("%d jobs expired", n)
	}
	h.empty()
}

// Two servers stand for two nodes of a Cluster, of which one has forgotten the
// scripts: only its calls are repeated. Else the other's claims would be lost
// until their leases ran out.
func TestOneNodeThatForgotTheScriptsCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	nodes := []*redistest.Server{redistest.StartWith(t, redistest.Config{TCP: true}), redistest.StartWith(t, redistest.Config{TCP: true})}
	h := onNodes(t, nodes, results.Config{})
	ids := map[jobs.ID]bool{}
	for range 64 {
		j := h.in(jobs.StateRunning, jobs.Options{})
		ids[j.ID] = true
	}
	for round := range 4 {
		forgetful := nodes[round%2].Client(t)
		if n := forgetful.DBSize(t.Context()).Val(); n < 10 {
			t.Fatalf("node %d has %d keys", round%2, n)
		}
		if err := forgetful.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		due := h.claim(time.Minute)
		if len(due) != len(ids) {
			t.Errorf("round %d: %d jobs claimed, want %d", round, len(due), len(ids))
		}
		h.ShiftClock(2 * time.Minute)
	}
}

// A node that is down takes its own jobs out of sight, and no others.
func TestOneNodeThatIsDownCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	nodes := []*redistest.Server{redistest.StartWith(t, redistest.Config{TCP: true}), redistest.StartWith(t, redistest.Config{TCP: true})}
	h := onNodes(t, nodes, results.Config{})
	onFirst := map[jobs.ID]jobs.Job{}
	var elsewhere []jobs.Job
	for range 64 {
		j := h.in(jobs.StateRunning, jobs.Options{})
		if nodes[0].Client(t).Exists(t.Context(), h.key(j.ID, "job:"+string(j.ID))).Val() == 1 {
			onFirst[j.ID] = j
		} else {
			elsewhere = append(elsewhere, j)
		}
	}
	if len(onFirst) < 10 || len(elsewhere) < 10 {
		t.Fatalf("%d jobs on the first node, %d on the second", len(onFirst), len(elsewhere))
	}
	nodes[1].Kill()
	due, err := h.ClaimLooks(t.Context(), map[string]int{"openai": 100}, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "of 16 calls") {
		t.Errorf("ClaimDue: err %v, want it to say how many shards were missed", err)
	}
	for _, j := range due {
		if _, ok := onFirst[j.ID]; !ok {
			t.Errorf("%s was claimed, whose node is down", j.ID)
		}
	}
	if len(due) != len(onFirst) {
		t.Errorf("%d jobs claimed, want the %d of the node that is up", len(due), len(onFirst))
	}
	settlements := []results.Settlement{{Job: elsewhere[0], Due: h.Now()}, {Job: due[0], Due: h.Now()}, {Job: elsewhere[1], Due: h.Now()}}
	numbers, err := h.Settle(t.Context(), settlements...)
	if err == nil || len(numbers) != 3 || numbers[0] != -1 || numbers[1] != 0 || numbers[2] != -1 {
		t.Errorf("Settle = %v, err %v; want only the second put back", numbers, err)
	}
	nodes[1].Restart()
}

// onNodes opens a store on a Cluster of plain servers.
func onNodes(t *testing.T, nodes []*redistest.Server, config results.Config) *harness {
	t.Helper()
	cluster := redis.NewClusterClient(&redis.ClusterOptions{
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
			var slots []redis.ClusterSlot
			for i, node := range nodes {
				slots = append(slots, redis.ClusterSlot{
					Start: i * 16384 / len(nodes), End: (i+1)*16384/len(nodes) - 1,
					Nodes: []redis.ClusterNode{{Addr: node.Addr()}},
				})
			}
			return slots, nil
		},
		MaxRetries: -1, MaxRedirects: -1, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = cluster.Close() })
	store, err := results.Open(t.Context(), cluster, config, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &harness{Store: store, t: t, config: config, loser: &loser{}}
}

// await waits until something becomes true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestNowIsTheTimeOfRedis(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for _, wrong := range []time.Duration{-7 * time.Hour, 90 * time.Second} {
			h.ShiftClock(wrong)
			if off := time.Until(h.Now()); off.Abs() < time.Minute {
				t.Fatalf("the clock is off by %v only", off)
			}
			if err := h.SyncClock(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := h.rdb.Time(t.Context()).Val()
			now := h.Now()
			after := h.rdb.Time(t.Context()).Val()
			// The measurement is off by less than its round trips took.
			const slack = 5 * time.Second
			if now.Before(before.Add(-slack)) || now.After(after.Add(slack)) {
				t.Errorf("Now is %v, and Redis' time is between %v and %v", now, before, after)
			}
			if now.Location() != time.UTC {
				t.Errorf("Now is in %v, want UTC", now.Location())
			}
		}
	})
}

// The store goes by the server's clock where that is the one that is off.
func TestNowFollowsAServerWhoseClockIsOff(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	skewed := h.rdb
	const ahead = 3 * time.Hour
	skewed.AddHook(timeHook(ahead))
	store, err := results.Open(t.Context(), skewed, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Until(store.Now()); off < ahead-time.Minute || off > ahead+time.Minute {
		t.Errorf("Now is %v ahead of us, want the server's %v", off, ahead)
	}
	j, _, err := store.Accept(t.Context(), request(t, "hello"), jobs.Options{})
	if err != nil || time.Until(j.Created) < ahead-time.Minute || time.Until(j.Deadline) < ahead+23*time.Hour {
		t.Errorf("created %v, deadline %v, err %v; want Redis' time", j.Created, j.Deadline, err)
	}
}

// timeHook answers TIME as a server whose clock is ahead.
type timeHook time.Duration

func (timeHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (timeHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (ahead timeHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if answer, ok := cmd.(*redis.TimeCmd); ok {
			answer.SetVal(answer.Val().Add(time.Duration(ahead)))
		}
		return err
	}
}

func TestRedisThatIsDownIsAnErrorEverywhere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Network: server.Network(), Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	ctx := t.Context()
	open := func() (*results.Store, error) {
		return results.Open(ctx, rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	}
	store, err := open()
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{Store: store, t: t}
	j := h.in(jobs.StateRunning, jobs.Options{})
	server.Kill()
	for name, call := range map[string]func() error{
		"Open":      func() error { _, err := open(); return err },
		"Accept":    func() error { _, _, err := h.Accept(ctx, request(t, "x"), jobs.Options{}); return err },
		"Load":      func() error { _, err := h.Load(ctx, j.ID); return err },
		"Request":   func() error { _, err := h.Request(ctx, j); return err },
		"Both":      func() error { _, _, err := h.LoadWithRequest(ctx, j.ID); return err },
		"Body":      func() error { _, err := h.Body(ctx, j.ID); return err },
		"Step":      func() error { _, err := h.Step(ctx, j.ID, jobs.StopRequested{}); return err },
		"Advance":   func() error { _, err := h.Advance(ctx, j, jobs.StopRequested{}); return err },
		"Admit":     func() error { _, err := h.Admit(ctx, "default", 1); return err },
		"ClaimDue":  func() error { _, err := h.ClaimDue(ctx, 1, time.Second); return err },
		"Settle":    func() error { _, err := h.Settle(ctx, results.Settlement{Job: j, Due: h.Now()}); return err },
		"Audit":     func() error { _, err := h.Audit(ctx); return err },
		"Expire":    func() error { _, err := h.Expire(ctx, 1); return err },
		"Remove":    func() error { _, err := h.Remove(ctx, j); return err },
		"List":      func() error { _, err := h.List(ctx, results.Filter{}); return err },
		"Counts":    func() error { _, err := h.Counts(ctx, ""); return err },
		"Backlog":   func() error { _, err := h.Backlog(ctx); return err },
		"Beat":      func() error { return h.Beat(ctx, results.Worker{ID: "w"}, time.Second) },
		"Leave":     func() error { return h.Leave(ctx, "w") },
		"Alive":     func() error { _, err := h.Alive(ctx); return err },
		"Workers":   func() error { _, err := h.Workers(ctx); return err },
		"Endpoints": func() error { _, err := h.Endpoints(ctx); return err },
		"Served":    func() error { _, err := h.Served(ctx, "a"); return err },
		"Unserved":  func() error { _, err := h.ClaimUnserved(ctx, time.Second); return err },
		"SyncClock": func() error { return h.SyncClock(ctx) },
	} {
		err := call()
		if err == nil || results.Unchanged(err) || strings.Count(err.Error(), "connect") > 2 {
			t.Errorf("%s of a Redis that is down: err %v, want one short error", name, err)
		}
	}
}
