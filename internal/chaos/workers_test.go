//go:build chaos

package chaos_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestManyWorkers has two workers, and then ten, share the jobs: each transition
// happens once, and each response is created once.
//
// Guarantees: G1, G6.
func TestManyWorkers(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{2, 10} {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			t.Parallel()
			const n = 1000
			r := tell(t, 80+workers, fmt.Sprintf("%d workers", workers), fmt.Sprintf("%d jobs", n))
			in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "800ms")
			in.SubmitMany(n, question, jobs.Options{})
			var all []string
			for range workers {
				addr := installation.FreeAddr(t)
				in.StartWorker("LONGHAUL_HTTP_ADDR="+addr, "LONGHAUL_LOG_LEVEL=error")
				all = append(all, addr)
			}
			ended, a := settle(t, r, in, n)
			once(t, ended, a)
			submitted, succeeded, at := 0., 0., 0
			for _, addr := range all {
				one := installation.Metric(t, addr, `longhaul_results_transitions_total{state="submitting"}`)
				if one > 0 {
					at++
				}
				submitted += one
				succeeded += installation.Metric(t, addr, `longhaul_results_transitions_total{state="succeeded"}`)
			}
			if submitted != n || succeeded != n || at < 2 {
				t.Errorf("%d workers wrote %v intents and %v ends for %d jobs", at, submitted, succeeded, n)
			}
			r.note = fmt.Sprintf("%d workers submitted; %.0f intents and %.0f ends written", at, submitted, succeeded)
		})
	}
}

// once checks that no job was attempted or created more than once.
func once(t *testing.T, ended []jobs.Job, a installation.Account) {
	t.Helper()
	for _, j := range ended {
		if len(j.Attempts) != 1 {
			t.Errorf("%s was attempted %d times", j.ID, len(j.Attempts))
		}
	}
	if a.Creates != a.Jobs {
		t.Errorf("%d creates for %d jobs", a.Creates, a.Jobs)
	}
}

// skewVariable is how far the clock of a skewed worker is off, in seconds.
const skewVariable = "CHAOS_SKEW"

// buildSkewed builds the worker on a standard library whose clock is off by as
// many seconds as the environment says. All of the process sees that clock:
// ours, Asynq's and the Redis client's, with nothing of it in production code.
func buildSkewed(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), reading) != 1 {
		t.Fatalf("%s does not read the clock where it did; adapt this test", original)
	}
	skewed := strings.Replace(string(source), reading, reading+"\tsec += skew\n", 1) + `
var skew = readSkew()

func readSkew() (seconds int64) {
	text, _ := syscall.Getenv("` + skewVariable + `")
	sign := int64(1)
	for i := range len(text) {
		if text[i] == '-' {
			sign = -1
		} else {
			seconds = seconds*10 + int64(text[i]-'0')
		}
	}
	return sign * seconds
}
`
	skewed = strings.Replace(skewed, "import (\n", "import (\n\t\"syscall\"\n", 1)
	dir := t.TempDir()
	replacement, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	mapping, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{replacement: []byte(skewed), overlay: mapping} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := installation.BuildWith(dir, []string{"-overlay", overlay}, "cmd/worker"); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "worker")
}

// TestSkewedClocks has workers whose clocks are seconds off share the jobs with
// one whose clock is right, and kills the one that is an hour ahead with creates
// in flight: those are taken over, and nobody who lives is taken for dead.
//
// Guarantees: G1, G3, G6.
func TestSkewedClocks(t *testing.T) {
	t.Parallel()
	const n = 1000
	r := tell(t, 95, "workers whose clocks are off",
		fmt.Sprintf("%d jobs; clocks right, 9 s ahead, 9 s behind, an hour ahead; the last of them killed", n))
	skewed := buildSkewed(t)
	in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "800ms")
	in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"500ms"}}]}`)
	in.SubmitMany(n, question, jobs.Options{Deadline: in.Store.Now().Add(10 * time.Minute)})
	began := in.Store.Now()
	in.Worker()
	var last *installation.Process
	for _, seconds := range []int{9, -9, 3600} {
		last = installation.StartFile(t, slices.Concat(in.Environ(), []string{
			fmt.Sprintf("%s=%d", skewVariable, seconds), "LONGHAUL_POLL_FLOOR=200ms", "LONGHAUL_POLL_CEILING=1s",
		}), skewed, "run")
		said := last.Find(last.Stderr, `"time":"([^"]+)","level":"INFO","msg":"worker started"`)
		clock, err := time.Parse(time.RFC3339Nano, said)
		if off := time.Until(clock); err != nil || (off-time.Duration(seconds)*time.Second).Abs() > 3*time.Second {
			t.Fatalf("the clock of the worker is off by %v, want %d s (%v)", off, seconds, err)
		}
	}
	dead := killAtCreates(t, in, last, 8)
	ended, _ := settle(t, r, in, n)
	byWorker := make(map[string]int)
	again := 0
	over := in.Store.Now()
	for _, j := range ended {
		byWorker[j.Attempts[0].Worker]++
		times := []time.Time{j.Ended}
		for _, attempt := range j.Attempts {
			times = append(times, attempt.Started, attempt.Answered)
			if attempt.Outcome == jobs.OutcomeUncertain {
				again++
			}
			if attempt.Outcome == jobs.OutcomeUncertain && attempt.Worker != dead {
				t.Errorf("%s: attempt %d is uncertain and its worker lives", j.ID, attempt.Number)
			}
		}
		for _, at := range times {
			if !at.IsZero() && (at.Before(began.Add(-time.Second)) || at.After(over.Add(time.Second))) {
				t.Errorf("%s has a time by a clock that is off: %v is not between %v and %v", j.ID, at, began, over)
			}
		}
	}
	if len(byWorker) < 4 {
		t.Errorf("only %d workers submitted", len(byWorker))
	}
	if again == 0 || r.account.Resubmissions != again {
		t.Errorf("%d attempts are uncertain and %d were resubmitted; want as many, and some", again, r.account.Resubmissions)
	}
	r.note = fmt.Sprintf("%d workers submitted; the %d creates of the dead one asked again; no time on record is off", len(byWorker), again)
}

// killAtCreates kills a worker when it has at least n creates in flight, and
// returns its id.
func killAtCreates(t *testing.T, in *installation.Installation, p *installation.Process, n int) string {
	t.Helper()
	workers, err := in.Store.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(workers, func(w results.Worker) bool { return w.PID == p.PID() })
	if i < 0 {
		t.Fatalf("no worker has the process %d: %+v", p.PID(), workers)
	}
	id := workers[i].ID
	for range 1000 {
		creates := 0
		for _, j := range in.All(results.Filter{States: []jobs.State{jobs.StateSubmitting}}) {
			if a, ok := j.CurrentAttempt(); ok && a.Worker == id {
				creates++
			}
		}
		if creates >= n {
			p.Kill()
			return id
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("worker %s never had %d creates in flight", id, n)
	return ""
}

// TestNewerSchema leaves a record alone that a newer worker has written.
//
// Guarantee: G15.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	r := tell(t, 90, "a record of a newer schema", "20 of 40 jobs rewritten as schema 99")
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "300ms")
	newer := in.Submit(20, question, jobs.Options{})
	before := make(map[jobs.ID]map[string]string)
	for _, id := range newer {
		before[id] = rewrite(t, in, id)
	}
	ours := in.Submit(20, question, jobs.Options{})
	addr := installation.FreeAddr(t)
	in.Worker("LONGHAUL_HTTP_ADDR=" + addr)
	ended := in.WaitAll(ours, time.Minute)
	r.add(t, installation.Compare(ended, in.Ledger()))
	if met := installation.Metric(t, addr, "longhaul_results_newer_schema_total"); met == 0 {
		t.Error("no metric tells of them")
	}
	ledger := in.Ledger()
	for _, id := range newer {
		after, err := in.RDB.HGetAll(t.Context(), key(t, in, id)).Result()
		if err != nil || fmt.Sprint(after) != fmt.Sprint(before[id]) || len(ledger[id]) != 0 {
			t.Errorf("%s was changed, or submitted %d times (%v)", id, len(ledger[id]), err)
		}
	}
	r.note = "unchanged, not submitted, in a metric; the 20 others succeeded"
}

// rewrite makes a record one of a newer schema and returns it.
func rewrite(t *testing.T, in *installation.Installation, id jobs.ID) map[string]string {
	t.Helper()
	k := key(t, in, id)
	fields, err := in.RDB.HGetAll(t.Context(), k).Result()
	if err != nil {
		t.Fatal(err)
	}
	const old = `"schema":1,` // that of a response
	if !strings.Contains(fields["record"], old) || !strings.HasPrefix(fields["head"], "1 ") {
		t.Fatalf("the record does not look like one: %v", fields)
	}
	fields["record"] = strings.Replace(fields["record"], old, `"schema":99,"soul":{"n":1.0},`, 1)
	fields["head"] = "99" + strings.TrimPrefix(fields["head"], "1")
	if err := in.RDB.HSet(t.Context(), k, fields).Err(); err != nil {
		t.Fatal(err)
	}
	return fields
}

// key is where a job's record is.
func key(t *testing.T, in *installation.Installation, id jobs.ID) string {
	t.Helper()
	keys, err := in.RDB.Keys(t.Context(), "*:job:"+string(id)).Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("the record of %s has keys %v, %v", id, keys, err)
	}
	return keys[0]
}

// TestUnservedEndpoint leaves responses to the workers that have their endpoint.
//
// Guarantee: G15.
func TestUnservedEndpoint(t *testing.T) {
	t.Parallel()
	const n = 30
	r := tell(t, 91, "responses of an endpoint that no worker serves", fmt.Sprintf("%d jobs, their worker gone, then back", n))
	in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "5s")
	in.Submit(n, question, jobs.Options{})
	first := in.Worker("LONGHAUL_OPENAI_ENDPOINT=eu")
	in.WaitCount(jobs.StateRunning, n)
	first.Kill()
	polls := looks(in)
	addr := installation.FreeAddr(t)
	in.Worker("LONGHAUL_HTTP_ADDR=" + addr)
	ours := in.Submit(10, question, jobs.Options{})
	in.WaitAll(ours, time.Minute)
	in.WaitMetric(addr, `longhaul_unserved_jobs{debt="look",endpoint="eu"}`, n)
	if after := looks(in); after["eu"] != polls["eu"] {
		t.Errorf("a worker that does not serve the endpoint looked at its responses %d times", after["eu"]-polls["eu"])
	}
	in.Worker("LONGHAUL_OPENAI_ENDPOINT=eu")
	ended, a := settle(t, r, in, n+len(ours))
	once(t, ended, a)
	r.note = "not looked at, in a metric, taken up by a worker that has it"
}

// looks counts the looks at the responses of each endpoint, as the ledger has
// them.
func looks(in *installation.Installation) map[string]int {
	n := make(map[string]int)
	ledger := in.Ledger()
	for _, j := range in.All(results.Filter{}) {
		for _, e := range ledger[j.ID] {
			n[j.Attempts[0].Endpoint] += e.Polls
		}
	}
	return n
}
