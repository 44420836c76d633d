package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// The hash tags of a lane's queue and of the workers, under the usual prefix.
const (
	queueTag   = "{longhaul:submit:default}"
	workersTag = "{workers}"
)

// TestNodeThatHangs pauses one node of a Cluster under load: what the others
// have goes on and ends meanwhile, and all of it ends when the node goes on.
//
// Guarantees: G1, G5, G6.
func TestNodeThatHangs(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	w := installation.NewOn(t, cluster.URL(), "--simulator-queued", "200ms", "--simulator-running", "1s")
	rdb := cluster.Client(t)
	place := func(key string) int {
		slot, err := rdb.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		return int(slot) * len(cluster.Nodes()) / 16384
	}
	// A lane whose queue is on the node rests with it, and the workers' word that
	// they live as well; the third node has neither.
	third := 3 - place(queueTag) - place(workersTag)
	hung := cluster.Nodes()[third]
	ids := w.Submit(150, question, jobs.Options{})
	var there, elsewhere []jobs.ID
	for _, id := range ids {
		if place(fmt.Sprintf("{s%02x}", id.Shard())) == third {
			there = append(there, id)
		} else {
			elsewhere = append(elsewhere, id)
		}
	}
	// What the node was asked for while it hung it does when it goes on, for
	// nobody: the leases that it gave have to run out.
	worker := w.Worker("LONGHAUL_POLL_LEASE=5s", "LONGHAUL_OPENAI_LOOK_TIMEOUT=2s")
	w.WaitCount(jobs.StateRunning, 10)
	hung.Pause()
	paused := time.Now()
	w.WaitAll(elsewhere, time.Minute)
	t.Logf("%d jobs of the other nodes ended within %v of the pause", len(elsewhere), time.Since(paused).Round(time.Millisecond))
	hung.Resume()
	cluster.Wait()
	ended := w.WaitAll(ids, 2*time.Minute)
	w.Succeeded(ended)
	creates, resubmissions, _ := w.Account(ended)
	if creates != len(ids)+resubmissions {
		t.Errorf("%d creates and %d resubmissions for %d jobs", creates, resubmissions, len(ids))
	}
	t.Logf("%d jobs of the node ended %v after the pause; %d creates for %d jobs", len(there), time.Since(paused).Round(time.Millisecond), creates, len(ids))
	worker.StaysUp()
}
