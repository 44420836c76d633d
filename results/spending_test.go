package results_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const november = "november"

func bounded(amount jobs.Money) results.Budget {
	return results.Budget{Amount: &amount, Per: results.PerMonth, Unknown: results.UnknownRefuse}
}

// hold asks for a part of the budget.
func (h *harness) hold(b results.Budget, t jobs.Try, cost jobs.Money) results.HoldVerdict {
	h.t.Helper()
	verdict, _, err := h.Hold(h.t.Context(), november, b, results.Part{Try: t, Cost: cost, Lease: time.Minute})
	if err != nil {
		h.t.Fatal(err)
	}
	return verdict
}

// tally reads the ledger for the budget.
func (h *harness) tally(b results.Budget) {
	h.t.Helper()
	err := h.Tally(h.t.Context(), november, b, func(ctx context.Context, since, until time.Time) ([]results.Summed, error) {
		return h.Usage(ctx, results.Period{Since: since, Until: until})
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// release gives back what is held for the first attempt of a job.
func (h *harness) release(j jobs.Job) {
	h.t.Helper()
	if err := h.Release(h.t.Context(), jobs.Try{Job: j.ID, Attempt: 1}, november); err != nil {
		h.t.Fatal(err)
	}
}

// spends checks how the budget stands.
func (h *harness) spends(when string, spent, held, doubt jobs.Money) {
	h.t.Helper()
	st, err := h.Spending(h.t.Context(), november)
	if err != nil {
		h.t.Fatal(err)
	}
	if st.Spent != spent || st.Held != held || st.Doubt != doubt {
		h.t.Fatalf("%s: %s spent, %s of it in doubt, %s held; want %s, %s, %s", when, st.Spent, st.Doubt, st.Held, spent, doubt, held)
	}
}

// submitting starts an attempt for which the budget holds something.
func (h *harness) submitting(b results.Budget, cost jobs.Money) jobs.Job {
	h.t.Helper()
	j := h.accept(jobs.Options{})
	h.admit()
	if got := h.hold(b, jobs.Try{Job: j.ID, Attempt: 1}, cost); got != results.HoldGranted {
		h.t.Fatalf("hold: %s", got)
	}
	return h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai", UncertainWait: time.Hour, Budgets: []string{november}})
}

// TestBudgetHoldsAndSpends: what is under way is held at what it may cost, what is over
// counts for what it did cost, at the moment when that is on record, and when the
// ledger is read nothing changes.
//
// Guarantee: G25.
func TestBudgetHoldsAndSpends(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		b := bounded(2 * price)
		j := h.accept(jobs.Options{})
		if got := h.hold(b, jobs.Try{Job: j.ID, Attempt: 1}, price); got != results.HoldUnread {
			t.Fatalf("before the ledger was read: %s", got)
		}
		h.Remove(t.Context(), j) //nolint:errcheck // it is in nobody's way
		h.tally(b)
		h.loser.loseNext(nil)
		first := h.submitting(b, price*3/2)
		h.spends("one under way", 0, price*3/2, 0)
		second := h.accept(jobs.Options{})
		h.admit()
		if got := h.hold(b, jobs.Try{Job: second.ID, Attempt: 1}, price); got != results.HoldRefused {
			t.Fatalf("beyond the budget: %s", got)
		}
		h.step(first.ID, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued), FirstLook: h.Now()})
		h.loser.loseNext(nil)
		h.step(first.ID, jobs.Looked{Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted))})
		h.spends("one over", price, 0, 0)
		h.tally(b)
		h.spends("one over, and read", price, 0, 0)
		if got := h.hold(b, jobs.Try{Job: second.ID, Attempt: 1}, price); got != results.HoldGranted {
			t.Fatalf("what is left: %s", got)
		}
		if got := h.hold(b, jobs.Try{Job: second.ID, Attempt: 1}, price); got != results.HoldGranted {
			t.Fatalf("once more: %s", got)
		}
		h.spends("both", price, price, 0)
		h.step(second.ID, jobs.Postponed{Attempt: 1, Admitted: h.load(second.ID).Admitted})
		h.release(second)
		h.spends("the second was not made", price, 0, 0)
		if h.loser.count() != 2 {
			t.Errorf("%d answers were lost", h.loser.count())
		}
	})
}

// TestBudgetOfAnAttemptInTwoHands: of two workers that have the same task, the one that
// comes too late gives nothing back of what the other's attempt holds or has cost.
//
// Guarantee: G25.
func TestBudgetOfAnAttemptInTwoHands(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		b := bounded(100 * price)
		h.tally(b)
		j := h.accept(jobs.Options{})
		h.admit()
		try := jobs.Try{Job: j.ID, Attempt: 1}
		for range 2 {
			if got := h.hold(b, try, 2*price); got != results.HoldGranted {
				t.Fatalf("hold: %s", got)
			}
		}
		h.release(j)
		h.spends("one of them gave up, the other may go on", 0, 2*price, 0)
		h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai", Budgets: []string{november}})
		h.release(j)
		h.spends("one of them came too late", 0, 2*price, 0)
		h.step(j.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted)), Endpoint: "openai"})
		h.spends("it ended", price, 0, 0)
		h.release(j)
		h.hold(b, try, 2*price)
		h.release(j)
		h.spends("one of them came after the end", price, 0, 0)
	})
}

// TestBudgetCountsWhatIsNotKnown at what it was taken to cost, until it is known or the
// period is over; what certainly cost nothing is given back.
//
// Guarantee: G25.
func TestBudgetCountsWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		b := bounded(100 * price)
		h.tally(b)
		refused := h.submitting(b, price)
		h.step(refused.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
		h.spends("refused", 0, 0, 0)

		lost := h.submitting(b, 2*price)
		h.step(lost.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
		h.spends("the answer lost", 2*price, 0, 2*price)
		h.tally(b)
		h.spends("the answer lost, and read", 2*price, 0, 2*price)
		h.step(lost.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted)), Endpoint: "openai"})
		h.spends("it came", price, 0, 0)
		h.tally(b)
		h.spends("it came, and read", price, 0, 0)

		cancelled := h.submitting(b, 3*price)
		h.step(cancelled.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, `{"id":"resp_2","status":"cancelled"}`), Endpoint: "openai"})
		h.spends("cancelled", 4*price, 0, 3*price)
		h.ShiftClock(40 * 24 * time.Hour)
		if got := h.hold(b, jobs.Try{Job: lost.ID, Attempt: 9}, price); got != results.HoldUnread {
			t.Fatalf("in the next month: %s", got)
		}
		h.tally(b)
		h.spends("the next month", 0, 0, 0)
	})
}

// TestBudgetThatIsChanged counts what it is about now from the first attempt on, and what
// is in doubt stays as long as its day is part of the period, whoever has taken it for
// what period in between.
//
// Guarantee: G25.
func TestBudgetThatIsChanged(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		b, acme := bounded(100*price), bounded(100*price)
		acme.Tenant = "acme"
		h.tally(acme)
		key := "longhaul:{budget:november}:"
		if ttl := h.rdb.PTTL(t.Context(), key+"state").Val(); ttl <= 0 {
			t.Errorf("what is known of a budget that holds nothing stays for %v", ttl)
		}
		if got := h.hold(b, jobs.Try{Job: jobs.NewID(h.Now(), 0), Attempt: 1}, price); got != results.HoldUnread {
			t.Fatalf("of all jobs, when those of one tenant were summed up: %s", got)
		}
		h.tally(b)
		failed := h.submitting(b, 3*price)
		h.step(failed.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, `{"id":"resp_1","status":"cancelled"}`), Endpoint: "openai"})
		daily := b
		daily.Per = results.PerDay
		for range 2 {
			h.tally(daily)
			h.spends("for a day", 3*price, 0, 3*price)
			h.tally(b)
			h.spends("for the month", 3*price, 0, 3*price)
		}
		h.tally(daily)
		h.ShiftClock(24 * time.Hour)
		// It ends in the new day, before anybody has read what was spent in that.
		late := h.accept(jobs.Options{})
		h.admit()
		h.rdb.HSet(t.Context(), key+"held", string(late.ID)+":1", fmt.Sprintf("h,%d", price))
		h.rdb.HSet(t.Context(), key+"state", "held", int64(price))
		h.step(late.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai", Budgets: []string{november}})
		h.step(late.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, `{"id":"resp_2","status":"cancelled"}`), Endpoint: "openai"})
		h.tally(daily)
		h.spends("the next day", price, 0, price)
	})
}

// TestBudgetOfTheDead: what a worker that is gone has held is given back if its attempt
// was never made, and settled by the record if nobody told the budget of its end.
//
// Guarantee: G25.
func TestBudgetOfTheDead(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		b := bounded(100 * price)
		h.tally(b)
		under := h.submitting(b, price)
		before := h.accept(jobs.Options{})
		h.admit()
		try := jobs.Try{Job: before.ID, Attempt: 1}
		h.hold(b, try, 2*price)
		untold := h.submitting(b, 4*price)
		key := "longhaul:{budget:november}:"
		kept := h.rdb.HGetAll(t.Context(), key+"held").Val()
		h.step(untold.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted)), Endpoint: "openai"})
		// As if that had not reached the budget.
		id := string(untold.ID) + ":1"
		h.rdb.HDel(t.Context(), key+"settled", id)
		h.rdb.HSet(t.Context(), key+"held", id, kept[id])
		h.rdb.HSet(t.Context(), key+"state", "settled", 0, "held", int64(7*price))
		h.rdb.ZAdd(t.Context(), key+"open", redis.Z{Score: float64(h.Now().Add(time.Minute).UnixMilli()), Member: id})
		h.spends("as the dead left it", 0, 7*price, 0)

		reconcile := func() int {
			over, err := h.Reconcile(t.Context(), november, 5*time.Minute, 100)
			if err != nil {
				t.Fatal(err)
			}
			return over
		}
		if n := reconcile(); n != 0 {
			t.Errorf("%d were over before their lease was", n)
		}
		h.ShiftClock(2 * time.Minute)
		if n := reconcile(); n != 1 { // the admitted one may still be made
			t.Errorf("%d were over, want the one that ended", n)
		}
		h.spends("looked at", price, 3*price, 0)
		j := h.load(before.ID)
		h.step(before.ID, jobs.Postponed{Attempt: 1, Admitted: j.Admitted})
		h.ShiftClock(6 * time.Minute)
		if n := reconcile(); n != 1 {
			t.Errorf("%d were over, want the one that went back", n)
		}
		h.spends("looked at again", price, price, 0)
		h.step(under.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, fmt.Sprintf(priced, "resp_2", jobs.StatusCompleted)), Endpoint: "openai"})
		h.spends("all over", 2*price, 0, 0)
	})
}

// TestReadingsOfTheLedgerDoNotOvertake: what is settled while the ledger is read counts
// beside what was read, and an older reading changes nothing after a newer one.
//
// Guarantee: G25.
func TestReadingsOfTheLedgerDoNotOvertake(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		b := bounded(100 * price)
		h.tally(b)
		n := 0
		end := func() {
			n++
			j := h.submitting(b, 2*price)
			h.step(j.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, fmt.Sprintf(priced, fmt.Sprint("resp_", n), jobs.StatusCompleted)), Endpoint: "openai"})
		}
		end()
		during := func(between func()) {
			err := h.Tally(t.Context(), november, b, func(ctx context.Context, since, until time.Time) ([]results.Summed, error) {
				sums, err := h.Usage(ctx, results.Period{Since: since, Until: until})
				between()
				return sums, err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		during(end)
		h.spends("one ended after the reading", 2*price, 0, 0)
		during(func() {
			end()
			h.tally(b) // a newer one, which has all
		})
		h.spends("after both readings", 3*price, 0, 0)
	})
}

// TestParkedJobsComeBack: a job that waits for a budget is not admitted, whatever looks
// at it, and has its place in its lane again when there is room.
//
// Guarantee: G25.
func TestParkedJobsComeBack(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 2}, func(t *testing.T, h *harness) {
		var want []jobs.ID
		for i := range 6 {
			j := h.accept(jobs.Options{Priority: new(i)})
			want = append(want, j.ID)
		}
		slices.Reverse(want)
		for _, a := range h.admit() {
			h.step(a.Job, jobs.Postponed{Attempt: 1, Admitted: h.load(a.Job).Admitted, Reason: jobs.WaitBudget, Budget: november, Needs: price})
		}
		h.check()
		if n := h.audit(); n != 0 || len(h.admit()) != 0 || len(h.claim(time.Minute)) != 0 {
			t.Errorf("the audit repaired %d entries", n)
		}
		parked, err := h.Parked(t.Context(), november, nil, 100)
		if err != nil || parked.All != 6 || !slices.Equal(parked.IDs, want) {
			t.Fatalf("%d wait: %v, %v; want %v", parked.All, parked.IDs, err, want)
		}
		var paged []jobs.ID
		for page := (results.ParkedPage{}); len(paged) < 6; paged = append(paged, page.IDs...) {
			if page, err = h.Parked(t.Context(), november, page.Next, 2); err != nil || len(page.IDs) != 2 {
				t.Fatalf("a page: %v, %v", page.IDs, err)
			}
		}
		if !slices.Equal(paged, want) {
			t.Errorf("page by page: %v, want %v", paged, want)
		}
		h.step(want[0], jobs.RoomFound{Budget: november})
		h.step(want[1], jobs.StopRequested{Reason: jobs.StopCancel})
		h.check()
		if admitted := h.admit(); len(admitted) != 1 || admitted[0].Job != want[0] || admitted[0].Attempt != 1 {
			t.Errorf("admitted %v, want the one that was sent on", admitted)
		}
		h.rdb.Del(t.Context(), h.key(want[2], "parked:"+november))
		if n := h.audit(); n == 0 {
			t.Error("the audit did not find the lost set")
		}
		h.check()
	})
}
