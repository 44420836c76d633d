//go:build chaos

package chaos_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
)

// TestManySummariesThroughKills kills the command and the worker with -9 in the middle of
// a run over two thousand documents, and calls the same command again: nothing is paid
// for twice, and the files are those of a run that nobody has disturbed.
func TestManySummariesThroughKills(t *testing.T) {
	t.Parallel()
	const documents, kills = 2000, 10
	r := tell(t, 95, "enqueue summarize and its worker killed (kill -9)", fmt.Sprintf("%d documents, both killed %d times, the same command again", documents, kills))
	in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "1s")
	requests := in.SummariesThroughKills(documents, kills, 4*time.Second,
		"LONGHAUL_WATCHDOG_HEARTBEAT=300ms", "LONGHAUL_WATCHDOG_DEAD_AFTER=2s", "LONGHAUL_WATCHDOG_SUBMIT_AFTER=3s")
	r.add(t, installation.Account{Jobs: requests, Succeeded: requests, Creates: requests})
	r.note = "each request of a part or a merge is paid for once; the files are those of an undisturbed run"
}
