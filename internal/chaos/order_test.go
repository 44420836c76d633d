//go:build chaos

package chaos_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// killSometimes kills one worker a few times while another lives, and starts it again.
func killSometimes(t *testing.T, r *rand.Rand, in *installation.Installation, kills int, environ ...string) {
	t.Helper()
	in.StartWorker(environ...)
	p := in.StartWorker(environ...)
	for range kills {
		time.Sleep(time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
		p.Kill()
		p = in.StartWorker(environ...)
	}
}

// TestOrderThroughKills has jobs wait for one another, in chains that continue one
// another's responses and in threads, and kills a worker now and then: none begins before
// the one that it waits for has ended, by the provider's clock, and each continues the
// response that counts.
//
// Guarantees: G1, G2, G28, G29.
func TestOrderThroughKills(t *testing.T) {
	t.Parallel()
	const (
		chains, links  = 60, 3
		threads, turns = 20, 5
		n              = chains*links + threads*turns
		kills          = 8
	)
	r := tell(t, 54, "jobs that wait for one another, one of two workers killed",
		fmt.Sprintf("%d chains of %d and %d threads of %d, %d kills", chains, links, threads, turns, kills))
	in := installation.New(t, "--simulator-queued", "300ms", "--simulator-running", "1s")
	in.Faults(slowCreates)
	before := make(map[jobs.ID]jobs.ID, n)
	for range chains {
		var last jobs.ID
		for range links {
			o := jobs.Options{ContinueFrom: last}
			if last != "" {
				o.After = []jobs.ID{last}
			}
			id := in.Submit(1, question, o)[0]
			before[id], last = last, id
		}
	}
	for i := range threads {
		var last jobs.ID
		for range turns {
			id := in.Submit(1, question, jobs.Options{Thread: fmt.Sprint("thread-", i)})[0]
			before[id], last = last, id
		}
	}
	killSometimes(t, random(t), in, kills, quick()...)
	ended, a := settle(t, r, in, n)
	byID := make(map[jobs.ID]jobs.Job, n)
	for _, j := range ended {
		byID[j.ID] = j
	}
	ledger := in.Ledger()
	for id, other := range before {
		if other == "" {
			continue
		}
		winner := entry(t, ledger, byID[other])
		for _, e := range ledger[id] {
			if e.Created.Before(winner.Ended) {
				t.Errorf("%s was sent %s before the end of %s", id, winner.Ended.Sub(e.Created), other)
			}
		}
		body, err := in.Client.Response(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Previous string `json:"previous_response_id"`
		}
		if err := json.Unmarshal(body, &got); err != nil || got.Previous != winner.ID {
			t.Errorf("%s continues %q, want %q of %s; %v", id, got.Previous, winner.ID, other, err)
		}
	}
	r.note = fmt.Sprintf("none was sent before its turn; %d paid twice, each on record", a.PaidTwice)
}

// entry is the provider's own account of the response that a job has as its result.
func entry(t *testing.T, ledger map[jobs.ID][]simulator.Entry, j jobs.Job) simulator.Entry {
	t.Helper()
	i := slices.IndexFunc(ledger[j.ID], func(e simulator.Entry) bool { return j.Result != nil && e.ID == j.Result.ResponseID })
	if i < 0 {
		t.Fatalf("the provider does not know the result of %s", j.ID)
	}
	return ledger[j.ID][i]
}
