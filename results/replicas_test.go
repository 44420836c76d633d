package results_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// replicated starts a master with one replica that is in step.
func replicated(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	master = redistest.StartWith(t, redistest.Config{TCP: true, Args: []string{"--repl-diskless-sync-delay", "0"}})
	_, port, _ := strings.Cut(master.Addr(), ":")
	replica = redistest.StartWith(t, redistest.Config{TCP: true, Args: []string{"--replicaof", "127.0.0.1", port}})
	rdb := replica.Client(t)
	await(t, "the replica to be in step", func() bool {
		return strings.Contains(rdb.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	return master, replica
}

// admitted accepts a job and admits it.
func (h *harness) admitted() jobs.Job {
	h.t.Helper()
	j := h.accept(jobs.Options{})
	h.admit()
	return h.load(j.ID)
}

// intent is what a worker records before it sends anything.
func intent(attempt int) jobs.SubmitStarted {
	return jobs.SubmitStarted{Attempt: attempt, Worker: "worker", Endpoint: "openai"}
}

// TestIntentIsOnTheReplicaBeforeAnythingIsSent asks the replica for the record
// at the moment at which the create would leave.
//
// Guarantees: G2, G5.
func TestIntentIsOnTheReplicaBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	h := onURL(t, master.URL(), results.Config{Durability: results.Durability{Replicas: 1, Patience: 20 * time.Second}})
	there := replica.Client(t)
	for range 50 {
		j := h.admitted()
		next, err := h.Advance(t.Context(), j, intent(1))
		if err != nil || next.State != jobs.StateSubmitting {
			t.Fatalf("the job is %s, %v", next.State, err)
		}
		record := there.HGet(t.Context(), h.key(j.ID, "job:"+string(j.ID)), "record").Val()
		if !strings.Contains(record, `"submitting"`) {
			t.Fatalf("the replica has %q", record)
		}
	}
	if n := h.metric("longhaul_results_intents_withdrawn_total"); n != 0 {
		t.Errorf("%v intents were withdrawn", n)
	}
}

// TestIntentThatNoReplicaHasIsWithdrawn has the replica hang: nothing may be
// sent, the attempt costs the job nothing, and the record says why.
//
// Guarantee: G5.
func TestIntentThatNoReplicaHasIsWithdrawn(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	h := onURL(t, master.URL(), results.Config{Durability: results.Durability{Replicas: 1, Patience: 600 * time.Millisecond}})
	j := h.admitted()
	replica.Pause()
	next, err := h.Advance(t.Context(), j, intent(1))
	if err != nil || next.State != jobs.StateWaiting || next.Counted() != 0 {
		t.Fatalf("the job is %s with %d counted attempts, %v; want it waiting", next.State, next.Counted(), err)
	}
	a := next.Attempts[0]
	if !a.Free || a.Outcome != jobs.OutcomeFailed || a.Failure.Code != "intent_not_replicated" ||
		!strings.Contains(a.Failure.Message, "0 of 1 replicas") {
		t.Errorf("the attempt is %+v with %+v", a, a.Failure)
	}
	if n := h.metric("longhaul_results_intents_withdrawn_total"); n != 1 {
		t.Errorf("the metric counts %v", n)
	}
	if stored := h.load(j.ID); stored.State != jobs.StateWaiting || !stored.Admitted.IsZero() {
		t.Errorf("on record it is %s, admitted %v", stored.State, stored.Admitted)
	}
	replica.Resume()
	await(t, "the next attempt to be made", func() bool {
		h.ShiftClock(time.Minute)
		h.admit()
		j = h.load(j.ID)
		if j.Admitted.IsZero() {
			return false
		}
		next, err := h.Advance(t.Context(), j, intent(j.NextAttempt()))
		return err == nil && next.State == jobs.StateSubmitting
	})
}

// TestBatchIsOnTheReplicaBeforeItIsMade, or is not made at all.
//
// Guarantees: G5, G31.
func TestBatchIsOnTheReplicaBeforeItIsMade(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	h := onURL(t, master.URL(), results.Config{Durability: results.Durability{Replicas: 1, Patience: 20 * time.Second}})
	h.waiting("gpt-5", 1, 10)
	b, _, err := h.FormBatch(t.Context(), atMain, "gpt-5", 10, 1000)
	if err != nil {
		t.Fatal(err)
	}
	earlier := b
	b.Stage = results.BatchCreating
	if b, _, err = h.StepBatch(t.Context(), atMain, b); err != nil {
		t.Fatal(err)
	}
	if still, err := h.ConfirmBatch(t.Context(), atMain, b); err != nil || !still {
		t.Errorf("still %t, %v", still, err)
	}
	if still, err := h.ConfirmBatch(t.Context(), atMain, earlier); err != nil || still {
		t.Errorf("of an earlier version: still %t, %v", still, err)
	}
	replica.Pause()
	hasty := onURL(t, master.URL(), results.Config{Durability: results.Durability{Replicas: 1, Patience: 600 * time.Millisecond}})
	if still, err := hasty.ConfirmBatch(t.Context(), atMain, b); still || jobs.ClassOf(err) != jobs.ClassUnreachable {
		t.Errorf("without the replica: still %t, %v", still, err)
	}
	replica.Resume()
}

func TestEachMasterOfAClusterWaitsForItsOwnReplicas(t *testing.T) {
	t.Parallel()
	h := onCluster(t, redistest.StartCluster(t), results.Config{Durability: results.Durability{Replicas: 1, Patience: 50 * time.Millisecond}})
	for range 8 { // some on each master
		next, err := h.Advance(t.Context(), h.admitted(), intent(1))
		if err != nil || next.State != jobs.StateWaiting || next.Failure == nil || next.Failure.Code != "intent_not_replicated" {
			t.Fatalf("the job is %s for %v, %v; want the intent withdrawn, since there are no replicas", next.State, next.Failure, err)
		}
	}
}

// before is a hook that does something once, before a pipeline that waits for
// replicas is sent.
type before struct {
	once sync.Once
	f    func()
	// wait, if set, answers in the place of the server.
	wait func(cmd redis.Cmder)
}

func (b *before) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if b.wait != nil && cmd.Name() == "waitaof" {
			b.wait(cmd)
			return nil
		}
		return next(ctx, cmd)
	}
}

func (b *before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		last := cmds[len(cmds)-1]
		if !strings.HasPrefix(last.Name(), "wait") {
			return next(ctx, cmds)
		}
		if b.f != nil {
			b.once.Do(b.f)
		}
		if b.wait == nil {
			return next(ctx, cmds)
		}
		b.wait(last)
		return next(ctx, cmds[:len(cmds)-1])
	}
}

// hooked opens a store whose client has a hook.
func hooked(t *testing.T, url string, config results.Config, hook redis.Hook) *harness {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return openWith(t, config, func(dialer) redis.UniversalClient {
		rdb := redis.NewClient(options)
		rdb.AddHook(hook)
		return rdb
	})
}

// TestIntentThatAFailOverLosesIsNotSent has another server take over between
// the intent and the replica's word, one that has never heard of it.
//
// Guarantee: G5.
func TestIntentThatAFailOverLosesIsNotSent(t *testing.T) {
	t.Parallel()
	master, _ := replicated(t)
	hook := &before{}
	h := hooked(t, master.URL(), results.Config{Durability: results.Durability{Replicas: 1, Patience: 20 * time.Second}}, hook)
	j := h.admitted()
	rdb := master.Client(t)
	key := h.key(j.ID, "job:"+string(j.ID))
	old := rdb.Dump(t.Context(), key).Val()
	hook.f = func() { rdb.RestoreReplace(t.Context(), key, 0, old) }
	next, err := h.Advance(t.Context(), j, intent(1))
	if err != nil || next.State != jobs.StateWaiting || len(next.Attempts) != 0 {
		t.Fatalf("the job is %s after %d attempts, %v; want it as the new server has it", next.State, len(next.Attempts), err)
	}
}

// TestIntentWhoseAnswerIsLostWaitsAsWell loses the answer to the step itself and
// what the client would repeat: the record says that the intent is there.
func TestIntentWhoseAnswerIsLostWaitsAsWell(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	h := onURL(t, master.URL(), results.Config{Durability: results.Durability{Replicas: 1, Patience: 600 * time.Millisecond}})
	j := h.admitted()
	replica.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	h.loser.loseNext(cancel) // the client does not repeat what nobody waits for
	next, err := h.Advance(ctx, j, intent(1))
	if h.loser.count() != 1 {
		t.Fatal("no answer was lost")
	}
	if err != nil || next.State != jobs.StateWaiting || len(next.Attempts) != 1 || next.Attempts[0].Outcome != jobs.OutcomeFailed {
		t.Errorf("the job is %s with %+v, %v; want the intent withdrawn", next.State, next.Attempts, err)
	}
}

func TestWaitingForDisksNeedsAServerThatHasIt(t *testing.T) {
	t.Parallel()
	config := results.Config{Durability: results.Durability{Disk: true}}
	server := redistest.Start(t)
	rdb := server.Client(t)
	_, err := results.Open(t.Context(), rdb, config, slog.New(slog.DiscardHandler), nil)
	version := rdb.InfoMap(t.Context(), "server").Val()["Server"]["redis_version"]
	if major, _ := strconv.ParseFloat(version[:3], 64); major >= 7.2 {
		if err != nil {
			t.Errorf("Redis %s is refused: %v", version, err)
		}
		return
	}
	if jobs.ClassOf(err) != jobs.ClassInvalid || !strings.Contains(err.Error(), "redis.wait_disk") || !strings.Contains(err.Error(), "7.2") {
		t.Errorf("Redis %s: %v; want an error that says what is missing", version, err)
	}
}

// TestIntentIsOnDiskBeforeAnythingIsSent answers WAITAOF in the place of a
// server that may be too old for it.
func TestIntentIsOnDiskBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, tt := range []struct {
		local, replicas int64
		sent            bool
	}{{1, 1, true}, {1, 2, true}, {0, 1, false}, {1, 0, false}} {
		hook := &before{wait: func(cmd redis.Cmder) {
			answer, ok := cmd.(*redis.Cmd)
			if !ok {
				t.Fatalf("%T", cmd)
			}
			if args := cmd.Args(); len(args) == 4 && args[1] == 1 && args[2] != 1 {
				t.Errorf("asked for %v", args)
			}
			answer.SetVal([]any{tt.local, tt.replicas})
		}}
		h := hooked(t, server.URL(), results.Config{Durability: results.Durability{Disk: true, Replicas: 1, Patience: 20 * time.Millisecond}}, hook)
		next, err := h.Advance(t.Context(), h.admitted(), intent(1))
		if err != nil || (next.State == jobs.StateSubmitting) != tt.sent {
			t.Errorf("WAITAOF answers %d, %d: the job is %s, %v", tt.local, tt.replicas, next.State, err)
		}
		if !tt.sent && tt.local == 0 && !strings.Contains(next.Failure.Message, "disk") {
			t.Errorf("the job says %s", next.Failure.Message)
		}
	}
}

// A user who may not call what a create waits with is refused when the store is
// opened: each create would ask for ever.
//
// Guarantee: G12.
func TestWaitThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{TCP: true})
	rules := []string{"on", ">hush", "~*", "&*", "+@all", "-wait"}
	if err := server.Client(t).ACLSetUser(t.Context(), "hasty", rules...).Err(); err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(strings.Replace(server.URL(), "://", "://hasty:hush@", 1))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	open := func(d results.Durability) error {
		_, err := results.Open(t.Context(), rdb, results.Config{Durability: d}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		return err
	}
	if err := open(results.Durability{}); err != nil {
		t.Errorf("without replicas to wait for: %v", err)
	}
	err = open(results.Durability{Replicas: 1})
	if jobs.ClassOf(err) != jobs.ClassInvalid || !strings.Contains(err.Error(), "redis.wait_replicas: is set, and the user may not call wait") ||
		!strings.Contains(err.Error(), "give it +wait") {
		t.Errorf("with one: %v", err)
	}
}
