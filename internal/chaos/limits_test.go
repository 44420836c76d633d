//go:build chaos

package chaos_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestLimitThroughKills sends as many jobs as an account takes in eight minutes, from
// two workers, one of which is killed twice. The provider enforces the limit, and its
// log is looked through: in no window is more sent than the limit allows, and no time
// is lost.
//
// Guarantee: G20.
func TestLimitThroughKills(t *testing.T) {
	t.Parallel()
	const (
		n   = 5000
		rpm = 600
	)
	r := tell(t, 53, "a limit of requests a minute, one of two workers killed twice", fmt.Sprintf("%d jobs under %d requests a minute", n, rpm))
	in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "2s", "--simulator-requests-per-minute", strconv.Itoa(rpm))
	lanes := fmt.Sprintf(`LONGHAUL_LANES={"default":{"requests_per_minute":%d}}`, rpm)
	in.SubmitMany(n, question, jobs.Options{})
	first := in.Worker(lanes)
	in.Worker(lanes)
	for _, part := range []int64{3, 2} {
		in.WaitCountFor(jobs.StateSucceeded, n/part-n/12, 10*time.Minute)
		first.Kill()
		first = in.Worker(lanes)
	}
	_, a := settle(t, r, in, n)
	sent := created(in)
	// What a process that was held up sends late comes closer together, two seconds'
	// worth at most; in a minute there is room for that.
	const late = 2 * rpm / 60
	for window, most := range map[time.Duration]int{time.Minute: rpm, 10 * time.Second: rpm/6 + late, time.Second: rpm/60 + late} {
		if got := densest(sent, window); got > most {
			t.Errorf("%d creates within %s, at most %d may be", got, window, most)
		}
	}
	if refused := in.Totals().CreatesRefused; refused > 0 {
		t.Errorf("%d creates were refused", refused)
	}
	took := sent[len(sent)-1].Sub(sent[0])
	ideal := time.Duration(float64(a.Creates) / rpm * float64(time.Minute))
	r.note = fmt.Sprintf("%.0f s from the first create to the last, %.1f %% over the ideal; at most %d creates in a minute, none refused",
		took.Seconds(), 100*(took.Seconds()/ideal.Seconds()-1), densest(sent, time.Minute))
	if took > ideal*105/100 {
		t.Errorf("it took %s, the ideal is %s; the longest times without a create: %s", took, ideal, longestGaps(sent))
	}
}

// longestGaps tells the ten longest times between two of some times, in order, and
// how long after the first they began.
func longestGaps(times []time.Time) string {
	type gap struct{ after, lasted time.Duration }
	var gaps []gap
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, gap{times[i-1].Sub(times[0]), times[i].Sub(times[i-1])})
	}
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(b.lasted, a.lasted) })
	var told []string
	for _, g := range gaps[:min(10, len(gaps))] {
		told = append(told, fmt.Sprintf("%.2f s after %.0f s", g.lasted.Seconds(), g.after.Seconds()))
	}
	return strings.Join(told, ", ")
}

// created are the times of all creates by the provider's log, in order.
func created(in *installation.Installation) []time.Time {
	var times []time.Time
	for _, entries := range in.Ledger() {
		for _, e := range entries {
			times = append(times, e.Created)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// densest is how many of some times, in order, lie in one window at most.
func densest(times []time.Time, window time.Duration) int {
	most, from := 0, 0
	for i, at := range times {
		for at.Sub(times[from]) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}
