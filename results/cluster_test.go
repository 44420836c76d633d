package results_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestOnACluster has the store on three masters: a node refuses a script that
// touches keys of two slots, and one that it was never sent.
func TestOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	t.Run("each operation", func(t *testing.T) {
		t.Parallel()
		eachOperation(t, onCluster(t, cluster, results.Config{Prefix: "each", Shards: 5}))
	})
	t.Run("many at random", func(t *testing.T) {
		t.Parallel()
		playAlone(t, onCluster(t, cluster, results.Config{Prefix: "alone", Shards: 7}), 7)
	})
	t.Run("many workers", func(t *testing.T) {
		t.Parallel()
		playTogether(t, onCluster(t, cluster, results.Config{Prefix: "together", Shards: 7}))
	})
	t.Run("blobs", func(t *testing.T) {
		t.Parallel()
		s := newShelf()
		playWithBlobs(t, onCluster(t, cluster, results.Config{Prefix: "blobs", Shards: 5, Blobs: s, BlobsOver: 1}), s, 3)
	})
	t.Run("forgotten scripts", func(t *testing.T) {
		t.Parallel()
		h := onCluster(t, cluster, results.Config{Prefix: "forgotten"})
		for _, node := range cluster.Nodes() {
			if err := node.Client(t).ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		const n = 40
		for range n {
			h.accept(jobs.Options{})
		}
		if admitted := h.admit(); len(admitted) != n {
			t.Errorf("%d of %d jobs admitted", len(admitted), n)
		}
		h.check()
	})
}

func eachOperation(t *testing.T, h *harness) {
	ctx := t.Context()
	for _, state := range jobs.States() {
		h.in(state, jobs.Options{Group: "g", DedupeKey: string(state), Retention: time.Minute})
		h.check()
	}
	for id, j := range h.claim(time.Minute) {
		if got := h.settle(results.Settlement{Job: j, Due: h.Now().Add(time.Hour), Nudge: true}); got[0] != 1 {
			t.Errorf("nudge of %s = %d", id, got[0])
		}
	}
	operationsOfAStream(t, h)
	page, err := h.List(ctx, results.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if counts, err := h.Counts(ctx, ""); err != nil || int(counts.Total()) != len(page.Jobs) || len(page.Jobs) != len(jobs.States()) {
		t.Errorf("counts %v of %d listed, err %v; want one of each state", counts, len(page.Jobs), err)
	}
	for _, id := range []string{"v", "w"} {
		if err := h.Beat(ctx, results.Worker{ID: id}, time.Minute); err != nil {
			t.Errorf("Beat: %v", err)
		}
	}
	if workers, err := h.Workers(ctx); err != nil || len(workers) != 2 {
		t.Errorf("Workers = %v, err %v", workers, err)
	}
	if err := h.Leave(ctx, "v"); err != nil {
		t.Errorf("Leave: %v", err)
	}
	if _, err := h.Backlog(ctx); err != nil {
		t.Errorf("Backlog: %v", err)
	}
	h.ShiftClock(time.Hour)
	if n, err := h.Expire(ctx, 100); err != nil || n == 0 {
		t.Errorf("Expire = %d, %v", n, err)
	}
	if n := h.audit(); n != 0 {
		t.Errorf("Audit repaired %d entries", n)
	}
	h.check()
}

// operationsOfAStream has a job followed, and deletes it.
func operationsOfAStream(t *testing.T, h *harness) {
	t.Helper()
	j := h.in(jobs.StateRunning, jobs.Options{Stream: true})
	h.tell(j.ID, 1, 0, 3)
	wantTold(t, h.progress(j.ID, jobs.Place{}), deltas(1, 0, 3))
	if held, err := h.TakeClaim().Renew(t.Context(), j, jobs.Looks{}, time.Minute, true); err != nil || !held {
		t.Errorf("Renew: %t, %v", held, err)
	}
	h.step(j.ID, jobs.Looked{Reply: reply(t, "resp_"+string(j.ID), jobs.StatusCompleted)})
	h.step(j.ID, jobs.DeleteRequested{})
	h.gone(j.ID)
	h.check()
}

// TestNodeThatHangsHoldsUpNoOther pauses one of three nodes: what travels to all
// shards waits for it once, and then goes on without it until it answers again.
func TestNodeThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	h := onCluster(t, cluster, results.Config{})
	const n = 64
	accepted := make([]jobs.ID, n)
	for i := range accepted {
		accepted[i] = h.accept(jobs.Options{}).ID
	}
	ids := map[jobs.ID]bool{}
	take := func() int {
		admitted, _ := h.Admit(t.Context(), jobs.DefaultLane, 16*n) // the error names the node
		for _, a := range admitted {
			if ids[a.Job] {
				t.Errorf("%s was admitted twice", a.Job)
			}
			ids[a.Job] = true
		}
		return len(admitted)
	}
	// What it is asked while it is paused it will do later, to nobody's knowledge:
	// here nothing, since it has not been sent the script.
	hung := cluster.Nodes()[1]
	hung.Pause()
	if got := take(); got == 0 || got == n {
		t.Errorf("%d of %d jobs admitted from the nodes that answer", got, n)
	}
	// From now on nobody waits for it, whatever is asked. What had waited would say that
	// its time was over.
	quickly := func(what string, f func(ctx context.Context) error) {
		t.Helper()
		if err := f(t.Context()); err == nil || !strings.Contains(err.Error(), hung.Addr()+": this node of the Cluster does not answer") {
			t.Errorf("%s: %v; want an error at once that names %s", what, err, hung.Addr())
		}
	}
	quickly("Admit", func(ctx context.Context) error { _, err := h.Admit(ctx, jobs.DefaultLane, n); return err })
	quickly("ClaimDue", func(ctx context.Context) error {
		due, err := h.ClaimDue(ctx, n, time.Minute)
		if len(due) != 0 {
			t.Errorf("%d jobs are due", len(due))
		}
		return err
	})
	// Each of its shards is refused at once, and those of the others are not.
	for _, id := range accepted {
		if ids[id] {
			h.load(id)
		} else {
			quickly("Load", func(ctx context.Context) error { _, err := h.Load(ctx, id); return err })
		}
	}
	hung.Resume()
	await(t, "the rest to be admitted", func() bool { take(); return len(ids) == n })
	h.check()
}

// TestClockOfAClusterIsThatOfOneNode asks one and the same node for the time.
func TestClockOfAClusterIsThatOfOneNode(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	h := onCluster(t, cluster, results.Config{})
	asked := func() (addrs []string) {
		for _, node := range cluster.Nodes() {
			info, err := node.Client(t).Info(t.Context(), "commandstats").Result()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(info, "cmdstat_time:") {
				addrs = append(addrs, node.Addr())
			}
		}
		return addrs
	}
	for range 5 {
		if err := h.SyncClock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if addrs := asked(); len(addrs) != 1 {
		t.Errorf("%d nodes were asked for the time: %v; want always the same", len(addrs), addrs)
	}
	rdb, ok := h.rdb.(*redis.ClusterClient)
	if !ok {
		t.Fatal("no Cluster")
	}
	keeper, err := rdb.MasterForKey(t.Context(), "longhaul:{meta}:installation")
	if err != nil || keeper.Options().Addr != asked()[0] {
		t.Errorf("%v was asked, which is not the node of the installation's key, %v", asked(), err)
	}
}
