package results_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestKeysAgreeWithTheRecordsWhateverHappens does what comes to mind to a few
// jobs, sensible or not, loses an answer now and then, and compares all keys
// with the records after every operation.
func TestKeysAgreeWithTheRecordsWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			onEach(t, results.Config{Shards: 2}, func(t *testing.T, h *harness) { playAlone(t, h, seed) })
		})
	}
}

func playAlone(t *testing.T, h *harness, seed uint64) {
	const operations = 250
	p := newPlayer(h, seed)
	for n := range operations {
		if p.random.IntN(8) == 0 {
			h.loser.loseNext(nil)
		}
		p.play()
		if t.Failed() {
			t.Fatalf("operation %d, %s", n, p.last)
		}
		h.check()
	}
	if n := h.audit(); n != 0 {
		t.Errorf("Audit found %d entries to repair", n)
	}
	if p.done < operations/3 || h.loser.count() < 10 {
		t.Errorf("%d of %d operations changed something, %d answers were lost: too few to tell anything",
			p.done, operations, h.loser.count())
	}
	p.end()
	h.empty()
}

// TestKeysAgreeWithTheRecordsAfterManyWorkers lets several processes do the
// same at once.
func TestKeysAgreeWithTheRecordsAfterManyWorkers(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 2}, playTogether)
}

func playTogether(t *testing.T, h *harness) {
	first := newPlayer(h, 0)
	for range 10 {
		first.accept()
	}
	var all sync.WaitGroup
	for worker := range uint64(4) {
		p := newPlayer(h.another(), 100+worker)
		p.ids = append(p.ids, first.ids...)
		all.Go(func() {
			for range 250 {
				p.play()
			}
		})
	}
	all.Wait()
	h.check()
	if n := h.audit(); n != 0 {
		t.Errorf("Audit found %d entries to repair", n)
	}
	// What the workers accepted is not in first's list.
	first.ids = h.pages(results.Filter{Limit: 1000}, nil)
	first.end()
	h.empty()
}

// player plays with the jobs of a store at random.
type player struct {
	*harness

	random *rand.Rand
	ids    []jobs.ID
	last   string
	done   int // operations that changed something
}

func newPlayer(h *harness, seed uint64) *player {
	return &player{harness: h, random: rand.New(rand.NewPCG(seed, seed))}
}

// play does one operation.
func (p *player) play() {
	switch n := p.random.IntN(20); {
	case n < 2 || len(p.ids) == 0:
		p.accept()
	case n < 5:
		p.admitOne()
	case n == 5 || n == 8:
		p.watch()
	case n == 6:
		p.last = "shift"
		p.ShiftClock(time.Duration(p.random.Int64N(int64(5 * time.Minute))))
	case n == 7 && p.random.IntN(4) == 0:
		p.last = "expire"
		_, err := p.Expire(p.t.Context(), 10)
		p.report(err)
	default:
		p.stepOne()
	}
}

func (p *player) report(err error) {
	if err == nil {
		p.done++
		return
	}
	if p.config.Blobs != nil && jobs.FailureOf(err).Code == "blobs_away" {
		return
	}
	if p.last == "accept" && strings.Contains(err.Error(), "there is no such job") {
		return // another player has deleted it
	}
	_, refused := errors.AsType[*jobs.RefusedError](err)
	_, conflict := errors.AsType[*jobs.ConflictError](err)
	if !refused && !conflict && !results.Unchanged(err) && !errors.Is(err, results.ErrNotFound) {
		p.t.Errorf("%s: %v", p.last, err)
	}
}

func (p *player) pick() jobs.ID { return p.ids[p.random.IntN(len(p.ids))] }

func (p *player) accept() {
	p.last = "accept"
	options := jobs.Options{
		Lane: choose(p, "a", "b:c"), Group: choose(p, "", "g", "h:failed"), Priority: new(p.random.IntN(10)),
		Uncertain: choose(p, jobs.UncertainHold, jobs.UncertainResubmit), MaxAttempts: 1 + p.random.IntN(4),
		Retention: time.Duration(1+p.random.IntN(60)) * time.Minute, DedupeKey: choose(p, "", "", "k1", "k2", "k3"),
	}
	if p.random.IntN(3) == 0 {
		options.NotBefore = p.Now().Add(time.Duration(p.random.IntN(600)-100) * time.Second)
	}
	if p.random.IntN(3) == 0 {
		options.Deadline = p.Now().Add(time.Duration(600+p.random.IntN(3600)) * time.Second)
	}
	if len(p.ids) > 0 && p.random.IntN(3) == 0 {
		options.After = []jobs.ID{p.pick(), p.pick()}
	}
	if p.random.IntN(4) == 0 {
		options.Thread = choose(p, "t", "u")
	} else if len(p.ids) > 0 && p.random.IntN(4) == 0 {
		options.ContinueFrom = p.pick()
	}
	r := request(p.t, choose(p, "x", "y"))
	if p.random.IntN(4) == 0 {
		r.Kind, options.Thread, options.ContinueFrom = jobs.KindSummarize, "", ""
	}
	instead := jobs.ID("")
	if len(p.ids) > 0 && options.DedupeKey != "" {
		instead = p.pick()
	}
	j, fresh, err := p.AcceptInstead(p.t.Context(), r, options, instead)
	p.report(err)
	if err == nil && fresh {
		p.ids = append(p.ids, j.ID)
	}
}

func (p *player) admitOne() {
	p.last = "admit"
	admitted, err := p.Admit(p.t.Context(), choose(p, "a", "b:c"), 1+p.random.IntN(20))
	p.report(err)
	for _, a := range admitted {
		switch p.random.IntN(6) {
		case 0, 1:
		case 2:
			if j, err := p.Load(p.t.Context(), a.Job); err == nil {
				p.do(a.Job, jobs.Postponed{Attempt: a.Attempt, Admitted: j.Admitted, Reason: jobs.WaitBudget, Budget: choose(p, "x", "y:z"), Needs: 5})
			}
		default:
			p.do(a.Job, jobs.SubmitStarted{Attempt: a.Attempt, Worker: "w", Endpoint: choose(p, "e", "f:g")})
		}
	}
}

// watch claims what is due and does, mostly, what a worker would do.
func (p *player) watch() {
	p.last = "watch"
	due, err := p.ClaimLooks(p.t.Context(), map[string]int{"e": 5, "f:g": 5}, time.Minute)
	p.report(err)
	others, err := p.ClaimDue(p.t.Context(), 5, time.Minute)
	p.report(err)
	due = append(due, others...)
	p.plan()
	for _, j := range due {
		switch {
		case p.random.IntN(5) == 0: // the worker dies
		case !j.State.Terminal() && j.Late(p.Now()) && j.Stop == nil:
			p.do(j.ID, jobs.StopRequested{Reason: jobs.StopDeadline})
		case j.State == jobs.StateRunning && p.random.IntN(3) == 0:
			p.follow(j)
		case j.Telling() != nil:
			p.tell(j)
		case j.Aside() && !j.Parked():
			p.ask(j)
		case j.Deleting && len(j.Outbox) == 0:
			_, err := p.Remove(p.t.Context(), j)
			p.report(err)
		default:
			t := results.Settlement{Job: j, Due: p.Now().Add(time.Minute), Nudge: j.State != jobs.StateRunning}
			if j.State == jobs.StateRunning {
				t.Looks = &jobs.Looks{Count: j.Looks.Count + 1, Next: t.Due, Status: jobs.StatusQueued}
			}
			if j.State == jobs.StateUncertain || (j.State == jobs.StateWaiting && j.Admitted.IsZero()) {
				t.Due, t.Nudge = j.Deadline, false
			}
			_, err := p.Settle(p.t.Context(), t)
			p.report(err)
		}
	}
}

// plan takes the steps of some parents, as a worker would that may die at each call.
func (p *player) plan() {
	ctx := p.t.Context()
	due, err := p.ClaimPlans(ctx, jobs.ParentKinds(), 3, time.Minute)
	p.report(err)
	for _, j := range due {
		if p.random.IntN(4) == 0 {
			continue // the worker dies
		}
		if j.Late(p.Now().Add(time.Hour)) { // the clock may be moved on meanwhile
			p.do(j.ID, jobs.StopRequested{Reason: jobs.StopDeadline})
			continue
		}
		if p.random.IntN(4) == 0 {
			p.do(j.ID, jobs.PlanEnded{Since: j.Plan.Since, Result: []byte(`{"summary":"s"}`)})
			continue
		}
		r := request(p.t, choose(p, "x", "y", "z"))
		before, err := p.FindParts(ctx, []string{j.PartKey(r)})
		p.report(err)
		if err != nil {
			continue
		}
		part, fresh, err := p.AcceptPart(ctx, j, "a part", r, before[0].ID)
		p.report(err)
		if err != nil {
			continue
		}
		if fresh {
			p.ids = append(p.ids, part.ID)
		}
		state, err := p.AttachParts(ctx, j.ID, []results.PlanPart{{ID: part.ID, Phase: 1, Open: !part.State.Terminal()}}, time.Time{}, 0)
		p.report(err)
		if state != jobs.StateWaiting || p.random.IntN(4) == 0 {
			continue
		}
		p.do(j.ID, jobs.Planned{Since: j.Plan.Since, Phase: 1 + p.random.IntN(3), Parts: 1})
		_, err = p.AttachParts(ctx, j.ID, nil, p.Now().Add(time.Minute), p.random.IntN(3))
		p.report(err)
		ended, err := p.Attend(ctx, j.ID, []jobs.ID{part.ID})
		p.report(err)
		_, err = p.PartsEnded(ctx, j.ID, ended)
		p.report(err)
	}
}

// follow keeps a claimed job in hand while it tells of its progress, and lets it lapse.
func (p *player) follow(j jobs.Job) {
	claim, a := p.TakeClaim(), j.Current
	for from := range p.random.Int64N(4) {
		looks := jobs.Looks{Count: j.Looks.Count, Next: p.Now().Add(time.Minute), Status: jobs.StatusQueued, Dry: p.random.IntN(2)}
		held, err := claim.Renew(p.t.Context(), j, looks, time.Minute, p.random.IntN(2) == 0)
		p.report(err)
		if !held {
			return
		}
		_, err = p.AddProgress(p.t.Context(), j.ID, deltas(a, 2*from, 3))
		p.report(err)
	}
}

// tell has those that wait for an ended job know of its end, as a worker would.
func (p *player) tell(j jobs.Job) {
	dependents, err := p.Dependents(p.t.Context(), j.ID, 100)
	p.report(err)
	for _, id := range dependents {
		p.do(id, j.Ending())
		_, err := p.PartsEnded(p.t.Context(), id, []jobs.ID{j.ID})
		p.report(err)
	}
	if p.random.IntN(5) == 0 {
		return // the worker dies
	}
	_, err = p.Told(p.t.Context(), j.ID, dependents)
	p.report(err)
	p.do(j.ID, jobs.EffectDone{ID: j.Telling().ID})
}

// ask finds out how those stand that a job waits for.
func (p *player) ask(j jobs.Job) {
	ended, err := p.Attend(p.t.Context(), j.ID, j.WaitsFor())
	p.report(err)
	for _, id := range ended {
		ending, err := p.Ending(p.t.Context(), id)
		p.report(err)
		p.do(j.ID, ending)
	}
}

func (p *player) stepOne() {
	id := p.pick()
	j, err := p.Load(p.t.Context(), id)
	if errors.Is(err, results.ErrNotFound) {
		return
	}
	p.report(err)
	if ev := p.event(j); ev != nil {
		p.do(id, ev)
	}
}

func (p *player) do(id jobs.ID, ev jobs.Event) {
	p.last = ev.Name() + " of " + string(id)
	_, err := p.Step(p.t.Context(), id, ev)
	p.report(err)
}

// event is something that may happen to a job, whatever its state.
func (p *player) event(j jobs.Job) jobs.Event {
	attempt := 1 + p.random.IntN(len(j.Attempts)+1)
	if j.Current > 0 && p.random.IntN(2) == 0 {
		attempt = j.Current
	}
	response := fmt.Sprintf("resp_%s_%d", j.ID, attempt)
	status := choose(p, jobs.StatusQueued, "in_progress", jobs.StatusCompleted, jobs.StatusIncomplete, jobs.StatusFailed, jobs.StatusCancelled)
	delay := time.Duration(p.random.IntN(300)) * time.Second
	failure := jobs.Failure{Class: choose(p, jobs.Classes()...)}
	if j.Parked() && p.random.IntN(2) == 0 {
		return jobs.RoomFound{Budget: choose(p, j.Budget, "x")}
	}
	switch p.random.IntN(14) {
	case 0, 1, 2:
		return jobs.Created{Attempt: attempt, Reply: reply(p.t, response, status), FirstLook: p.Now().Add(delay), Delay: delay}
	case 3, 4:
		return jobs.Looked{Reply: reply(p.t, response, status), Delay: delay}
	case 5:
		return jobs.CreateFailed{Attempt: attempt, Failure: failure, Delay: delay}
	case 6:
		return jobs.WorkerLost{Attempt: attempt, Worker: "w", Delay: delay}
	case 7:
		return jobs.ResponseLost{ResponseID: response, Failure: jobs.Failure{Class: jobs.ClassLost}}
	case 8:
		return jobs.StopRequested{Reason: choose(p, jobs.StopCancel, jobs.StopDeadline)}
	case 9:
		return jobs.StopGivenUp{ResponseID: response}
	case 10, 11:
		return jobs.RetryRequested{InPlace: p.random.IntN(2) == 0}
	case 12:
		if p.random.IntN(3) == 0 {
			return jobs.DeleteRequested{Remote: p.random.IntN(2) == 0}
		}
	}
	if len(j.Outbox) == 0 {
		return nil
	}
	effect := choose(p, j.Outbox...)
	if effect.Kind == jobs.EffectTell {
		return nil // that is done with the telling, and not without
	}
	done := jobs.EffectDone{ID: effect.ID}
	if !effect.Local() && p.random.IntN(2) == 0 {
		r := reply(p.t, effect.ResponseID, status)
		done.Reply = &r
	}
	return done
}

// end brings every job to its end and forgets it.
func (p *player) end() {
	p.t.Helper()
	for _, id := range p.ids {
		for range 50 {
			j, err := p.Load(p.t.Context(), id)
			if errors.Is(err, results.ErrNotFound) {
				break
			}
			switch {
			case err != nil:
				p.t.Fatalf("Load: %v", err)
			case j.Telling() != nil:
				waited, err := p.Dependents(p.t.Context(), id, 1000)
				p.report(err)
				_, err = p.Told(p.t.Context(), id, waited)
				p.report(err)
				p.do(id, jobs.EffectDone{ID: j.Telling().ID})
			case len(j.Outbox) > 0:
				p.do(id, jobs.EffectDone{ID: j.Outbox[0].ID})
			case j.State.Terminal() && !j.Deleting:
				p.do(id, jobs.DeleteRequested{})
			case j.Deleting:
				_, _ = p.Remove(p.t.Context(), j)
			case j.State == jobs.StateRunning:
				p.do(id, jobs.ResponseLost{ResponseID: j.Attempts[j.Current-1].ResponseID})
			case j.State == jobs.StateSubmitting:
				p.do(id, jobs.CreateFailed{Attempt: j.Current, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
			default:
				p.do(id, jobs.StopRequested{Reason: jobs.StopCancel})
			}
		}
		p.gone(id)
	}
}

// choose returns one of the values.
func choose[T any](p *player, values ...T) T { return values[p.random.IntN(len(values))] }
