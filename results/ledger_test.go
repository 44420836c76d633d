package results_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// lines returns the ledger of today and of the day after, in the order of attempts.
func (h *harness) lines() []results.Line {
	h.t.Helper()
	var lines []results.Line
	err := h.Lines(h.t.Context(), h.period(), func(l results.Line) error {
		lines = append(lines, l)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	slices.SortFunc(lines, func(a, b results.Line) int { return cmp.Or(cmp.Compare(a.Job, b.Job), a.Attempt-b.Attempt) })
	return lines
}

func (h *harness) period() results.Period {
	return results.Period{Since: h.Now().Add(-48 * time.Hour), Until: h.Now().Add(48 * time.Hour)}
}

// usage returns the sum of all accounts.
func (h *harness) usage(p results.Period) results.Sums {
	h.t.Helper()
	accounts, err := h.Usage(h.t.Context(), p)
	if err != nil {
		h.t.Fatal(err)
	}
	var all results.Sums
	for _, a := range accounts {
		all.Add(a.Sums)
	}
	return all
}

const priced = `{"id":%q,"status":%q,"model":"gpt-4.1-2025-04-14","service_tier":"flex","usage":{"input_tokens":1000,
	"input_tokens_details":{"cached_tokens":500},"output_tokens":100,"output_tokens_details":{"reasoning_tokens":60},"total_tokens":1100}}`

// Half of 500 tokens at $2, 500 at $0.50 and 100 at $8 for a million.
const price = jobs.Dollar * 2050 / 2_000_000

// TestLedger: each attempt that was accepted has one line, with what it cost or that
// nobody knows, however it ended; and the sums are those of the lines.
//
// Guarantee: G24.
func TestLedger(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		start := func(o jobs.Options) jobs.Job {
			j := h.accept(o)
			if _, err := h.Admit(t.Context(), j.Lane, 100); err != nil {
				t.Fatal(err)
			}
			return h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai", UncertainWait: time.Hour})
		}
		j := start(jobs.Options{Lane: "bulk", Tenant: "acme", Group: "g"})
		h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued), FirstLook: h.Now()})
		if n := len(h.lines()); n != 0 {
			t.Fatalf("%d lines while it runs", n)
		}
		h.loser.loseNext(nil)
		j = h.step(j.ID, jobs.Looked{Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted))})
		if h.loser.count() != 1 {
			t.Fatal("no answer was lost")
		}
		line := results.Line{
			Account: results.Account{Day: j.Ended.Format(time.DateOnly), Kind: jobs.KindResponse, Lane: "bulk", Tenant: "acme", Group: "g", Model: "gpt-4.1"},
			Sums: results.Sums{
				Responses: 1, Cost: price, Saved: 500 * 1500 / 2,
				InputTokens: 1000, CachedTokens: 500, OutputTokens: 100, ReasoningTokens: 60,
			},
			Job: j.ID, Attempt: 1,
			LineDetails: results.LineDetails{
				Ended: j.Ended, ResponseID: "resp_1", Outcome: jobs.OutcomeSucceeded, Endpoint: "openai",
				Served: "gpt-4.1-2025-04-14", ServiceTier: "flex", Prices: "2026-07-15",
			},
		}
		if diff := gocmp.Diff([]results.Line{line}, h.lines()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff(line.Sums, h.usage(h.period())); diff != "" {
			t.Errorf("usage (-want +got):\n%s", diff)
		}
		if known, unknown := j.Cost(); known != price || unknown != 0 {
			t.Errorf("the record says that it cost %s, and %d unknown", known, unknown)
		}

		// The line outlives its job.
		h.step(j.ID, jobs.DeleteRequested{})
		h.gone(j.ID)
		if diff := gocmp.Diff([]results.Line{line}, h.lines()); diff != "" {
			t.Errorf("lines once the job is gone (-want +got):\n%s", diff)
		}

		// Whatever was not seen is unknown, and counted.
		for _, status := range []string{jobs.StatusFailed, jobs.StatusCancelled, jobs.StatusIncomplete} {
			j := start(jobs.Options{MaxAttempts: 1})
			raw := fmt.Sprintf(`{"id":"resp_%s","status":%q,"usage":null,"error":{"code":"server_error"}}`, status, status)
			h.step(j.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, raw)})
		}
		refused := start(jobs.Options{})
		h.step(refused.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
		sums := h.usage(h.period())
		if sums.Responses != 4 || sums.Unknown != 3 || sums.Wasted != 2 || sums.WastedUnknown != 2 || sums.Cost != price {
			t.Errorf("sums %+v; want 4 responses, three of them unknown, two of those for nothing", sums)
		}
		if sums := h.usage(results.Period{Since: h.Now(), Until: h.Now(), Tenant: "acme"}); sums.Responses != 1 {
			t.Errorf("of one tenant: %+v", sums)
		}
		h.check()
	})
}

// TestLedgerOfWhatComesToBeKnown: a create whose answer was lost is one line whose cost
// is unknown until the answer comes after all.
func TestLedgerOfWhatComesToBeKnown(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateUncertain, jobs.Options{})
		lines := h.lines()
		if len(lines) != 1 || lines[0].Unknown != 1 || lines[0].ResponseID != "" || lines[0].Outcome != jobs.OutcomeUncertain {
			t.Fatalf("lines of a lost answer: %+v", lines)
		}
		h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued), FirstLook: h.Now()})
		h.check()
		h.ShiftClock(24 * time.Hour)
		h.step(j.ID, jobs.Looked{Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted))})
		h.check()
		lines = h.lines()
		if len(lines) != 1 || lines[0].Unknown != 0 || lines[0].ResponseID != "resp_1" || lines[0].Cost != price {
			t.Errorf("lines once the answer is there: %+v", lines)
		}
		if sums := h.usage(h.period()); sums.Responses != 1 || sums.Unknown != 0 || sums.Wasted != 0 || sums.Cost != price {
			t.Errorf("sums %+v", sums)
		}

		// Or it becomes certain that it was refused.
		k := h.in(jobs.StateUncertain, jobs.Options{})
		h.step(k.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
		h.check()
		if n := len(h.lines()); n != 1 {
			t.Errorf("%d lines; a create that was refused costs nothing", n)
		}
	})
}

// TestLedgerIsForgottenByTheDay: a day goes when its retention is over.
func TestLedgerIsForgottenByTheDay(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 1, LedgerRetention: 10 * 24 * time.Hour})
	j := h.in(jobs.StateSucceeded, jobs.Options{})
	day := j.Ended.Truncate(24 * time.Hour)
	for _, key := range []string{"ledger:", "sums:"} {
		at, err := h.rdb.ExpireTime(t.Context(), h.key(j.ID, key+day.Format(time.DateOnly))).Result()
		if want := day.Add(11 * 24 * time.Hour); err != nil || int64(at/time.Second) != want.Unix() {
			t.Errorf("%s is forgotten at %d, %v; want %d", key, at/time.Second, err, want.Unix())
		}
	}
}

func TestUsageOfBadPeriods(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	now := h.Now()
	for _, p := range []results.Period{{Since: now, Until: now.AddDate(0, 0, -1)}, {Until: now}} {
		_, err := h.Usage(t.Context(), p)
		if jobs.ClassOf(err) != jobs.ClassInvalid {
			t.Errorf("%v: %v", p, err)
		}
		if err := h.Lines(t.Context(), p, nil); jobs.ClassOf(err) != jobs.ClassInvalid {
			t.Errorf("%v: %v", p, err)
		}
	}
	for param, p := range map[string]results.Period{"since": {}, "until": {Since: now}} {
		if _, err := h.Usage(t.Context(), p); jobs.FailureOf(err).Param != param {
			t.Errorf("%v: %v; want %s named", p, err, param)
		}
	}
}

// TestBudgetNamesAllThatIsWrong with it, and not one thing after another.
func TestBudgetNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	err := results.Budget{Amount: new(-jobs.Dollar), Lane: "a b"}.Validate()
	for _, field := range []string{"lane", "amount", "per", "unknown_price"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%v; want %s named", err, field)
		}
	}
	if err := (results.Budget{Per: results.PerDay, Unknown: results.UnknownAllow}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestLinesOfAnotherHand: a line that is none of ours is told of, and keeps no other
// from being read.
func TestLinesOfAnotherHand(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	j := h.in(jobs.StateSucceeded, jobs.Options{})
	key := h.key(j.ID, "ledger:"+j.Ended.Format(time.DateOnly))
	if err := h.rdb.HSet(t.Context(), key, "x/1", "y").Err(); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := h.Lines(t.Context(), h.period(), func(results.Line) error { n++; return nil })
	if n != 1 || err == nil || !strings.Contains(err.Error(), "line x/1 of "+j.Ended.Format(time.DateOnly)) {
		t.Errorf("%d lines, %v", n, err)
	}
}
