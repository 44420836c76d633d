package parents_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/parents"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const joined = "[[[a][b]][[c]]]"

// TestTreeOfPhases goes through three phases, one step each and one for the end, and
// waits without a step in between.
//
// Guarantee: G30.
func TestTreeOfPhases(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{Group: "run"})
	s.step()
	if got := s.load(j.ID); got.Plan.Phase != 1 || got.Plan.Parts != 3 || got.State != jobs.StateWaiting {
		t.Fatalf("%s, %+v", got.State, got.Plan)
	}
	asked := s.planner.asked.Load()
	s.step()
	s.advance(30 * time.Second)
	s.step()
	if s.planner.asked.Load() != asked {
		t.Error("the planner was asked although nothing had ended")
	}
	s.finish("")
	if got := s.load(j.ID); got.State != jobs.StateSucceeded || s.summary(j.ID) != joined || got.Plan.Phase != 3 {
		t.Errorf("%s, %q, %+v, %v", got.State, s.summary(j.ID), got.Plan, got.Failure)
	}
	if n := len(s.responses()); n != 6 {
		t.Errorf("%d parts were made, want 6", n)
	}
	if n := s.planner.asked.Load(); n != 1+2+3+4 {
		t.Errorf("the planner was asked %d times, want 10", n)
	}
}

// TestStepsSurviveACrashAtEachCall: whatever call of the store was the last that a worker
// made, carried out or not, the next worker brings the parent to the same end with the
// same parts, each of them one job.
//
// Guarantee: G30.
func TestStepsSurviveACrashAtEachCall(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for _, phase := range []int{0, 1, 2, 3} {
			t.Run(fmt.Sprintf("after %t, phase %d", after, phase), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				for n, over := int64(1), false; !over; n++ {
					j := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{Tenant: fmt.Sprint("t", n)})
					before := len(s.responses())
					for range phase {
						s.step()
						s.answer("")
						s.advance(time.Second)
					}
					f := &faulty{Store: s.Store, after: after}
					f.left.Store(n)
					s.crash(f, s.config())
					over = !f.down.Load()
					s.advance(3 * time.Minute) // the lease is over, and it asks by itself
					s.finish("")
					s.advance(3 * time.Minute)
					s.finish("")
					if got := s.load(j.ID); got.State != jobs.StateSucceeded || s.summary(j.ID) != joined {
						t.Fatalf("a crash at call %d: %s, %q, %v", n, got.State, s.summary(j.ID), got.Failure)
					}
					if made := len(s.responses()) - before; made != 6 {
						t.Fatalf("a crash at call %d: %d parts were made, want 6", n, made)
					}
					if n > 40 {
						t.Fatal("there is no end to the calls of a step")
					}
				}
			})
		}
	}
	// Each part was attempted once, which the ledger of the end-to-end test has as well.
}

// crash takes a due step on a store that fails, and drops the claim as a dead worker
// does.
func (s *shop) crash(f *faulty, config parents.Config) {
	s.t.Helper()
	ctx, die := context.WithCancel(s.t.Context())
	defer die()
	f.die = die
	runner := s.runner(f, config)
	claimed, err := s.ClaimPlans(s.t.Context(), jobs.ParentKinds(), 1, time.Minute)
	if err != nil || len(claimed) != 1 {
		s.t.Fatalf("claimed %v, %v", claimed, err)
	}
	parents.Handle(ctx, runner, claimed[0])
}

// TestTwoWorkersAtTheSameStep do no harm.
//
// Guarantee: G30.
func TestTwoWorkersAtTheSameStep(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	texts := make([]string, 100)
	for i := range texts {
		texts[i] = fmt.Sprint("text ", i)
	}
	j := s.submit(treeRequest{Texts: texts}, jobs.Options{})
	for s.load(j.ID).State == jobs.StateWaiting {
		claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			for _, c := range claimed {
				runner := s.runner(s.Store, s.config())
				all.Go(func() { parents.Handle(t.Context(), runner, c) })
			}
		}
		all.Wait()
		s.answer("")
		s.advance(time.Second)
	}
	if got := s.load(j.ID); got.State != jobs.StateSucceeded {
		t.Errorf("%s, %v", got.State, got.Failure)
	}
	if n := len(s.responses()); n != 100+50+25+13+7+4+2+1 {
		t.Errorf("%d parts were made", n)
	}
}

// TestFailedPart is the planner's to judge; what it keeps comes with the failure. With
// the parent tried again by hand, what failed is tried once more, and nothing else.
//
// Guarantee: G30.
func TestFailedPart(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{})
	s.finish("b")
	failed := s.load(j.ID)
	body, err := s.Body(t.Context(), j.ID)
	if err != nil || failed.State != jobs.StateFailed || failed.Failure.Message != "phase 1, part 2 of 3" || string(body) != `{"done":1}` {
		t.Fatalf("%s, %v, kept %s, %v", failed.State, failed.Failure, body, err)
	}
	s.advance(time.Second)
	s.happens(j.ID, jobs.RetryRequested{})
	s.finish("b") // once more in vain
	if got := s.load(j.ID); got.State != jobs.StateFailed {
		t.Fatalf("%s, %v", got.State, got.Failure)
	}
	s.advance(time.Second)
	s.happens(j.ID, jobs.RetryRequested{})
	s.finish("")
	if got := s.load(j.ID); got.State != jobs.StateSucceeded || s.summary(j.ID) != joined {
		t.Fatalf("%s, %q, %v", got.State, s.summary(j.ID), got.Failure)
	}
	attempts := 0
	for _, part := range s.responses() {
		attempts += len(part.Attempts)
	}
	if attempts != 6+2 {
		t.Errorf("%d attempts, want one for each of 6 parts and 2 more of the one that failed", attempts)
	}
}

// TestPartsOfOthers are found: those that succeeded are used, one that failed for another
// parent is tried once, one that is gone is made anew, and one that runs is waited for.
//
// Guarantee: G30.
func TestPartsOfOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.submit(treeRequest{Texts: []string{"a", "b"}}, jobs.Options{Group: "one"})
	s.finish("b")
	if s.load(first.ID).State != jobs.StateFailed {
		t.Fatal("the first did not fail")
	}
	s.advance(time.Second)
	second := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{Group: "one"})
	third := s.submit(treeRequest{Texts: []string{"c", "a", "b"}}, jobs.Options{Group: "one"})
	s.finish("")
	for id, want := range map[jobs.ID]string{second.ID: joined, third.ID: "[[[c][a]][[b]]]"} {
		if got := s.load(id); got.State != jobs.StateSucceeded || s.summary(id) != want {
			t.Errorf("%s, %q, %v", got.State, s.summary(id), got.Failure)
		}
	}
	if n := len(s.responses()); n != 3+3+3 {
		t.Errorf("%d parts, want a, b and c once and three merges of each", n)
	}
	for _, part := range s.responses() {
		if part.Part == "phase 1, part 1 of 2" {
			s.happens(part.ID, jobs.DeleteRequested{})
		}
	}
	before := len(s.responses())
	forth := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{})
	s.finish("")
	if got := s.load(forth.ID); got.State != jobs.StateSucceeded || len(s.responses()) != before+1 {
		t.Errorf("%s, %d parts were made anew, want 1", got.State, len(s.responses())-before)
	}
}

// TestPartsOfADeletedParent are not paid for again by one that is under way and has found
// them.
//
// Guarantee: G30.
func TestPartsOfADeletedParent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.submit(treeRequest{Texts: []string{"a", "b"}}, jobs.Options{})
	s.finish("")
	s.advance(time.Second)
	second := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{})
	s.step()
	for _, part := range s.responses(jobs.StateSucceeded) {
		dependents, err := s.Dependents(t.Context(), part.ID, 10)
		if err != nil || part.Parent != first.ID {
			t.Fatalf("%+v, %v", part, err)
		}
		if phase, needed := part.Part[:len("phase 1")], slices.Contains(dependents, second.ID); needed != (phase == "phase 1") {
			t.Errorf("%s of the first parent is needed by the second: %t", part.Part, needed)
		}
	}
	third := s.submit(treeRequest{Texts: []string{"b"}}, jobs.Options{})
	claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 1, time.Minute)
	if err != nil || len(claimed) != 1 || claimed[0].ID != third.ID {
		t.Fatalf("claimed %v, %v", claimed, err)
	}
	parents.Handle(t.Context(), s.runner(&vanishing{Store: s.Store, shop: s}, s.config()), claimed[0])
	if got := s.load(third.ID); got.Nudge != 1 || got.Plan.Phase != 0 {
		t.Errorf("a step whose parts vanish goes on: %+v", got.Plan)
	}
	s.advance(time.Minute)
	s.finish("")
	if got := s.load(third.ID); got.State != jobs.StateSucceeded {
		t.Errorf("%s, %v", got.State, got.Failure)
	}
}

// TestPartsThatWouldExpire before a parent that has found them stay as long as it does.
//
// Guarantee: G30.
func TestPartsThatWouldExpire(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	brief := jobs.Options{Retention: time.Hour, Deadline: s.Now().Add(time.Minute)}
	first := s.submit(treeRequest{Texts: []string{"a", "b"}}, brief)
	s.finish("")
	s.advance(50 * time.Minute)
	second := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{Deadline: s.Now().Add(48 * time.Hour)})
	s.step()
	s.advance(24 * time.Hour)
	if _, err := s.Expire(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), first.ID); !errors.Is(err, results.ErrNotFound) {
		t.Errorf("the first parent is still there: %v", err)
	}
	s.finish("")
	texts := 0
	for _, part := range s.responses() {
		if strings.HasPrefix(part.Part, "phase 1") && part.Parent == second.ID {
			texts++
		}
	}
	if got := s.load(second.ID); got.State != jobs.StateSucceeded || texts != 1 {
		t.Errorf("%s, %v; %d texts were paid for, want c alone", got.State, got.Failure, texts)
	}
}

// vanishing is a store whose parts are deleted after they were found.
type vanishing struct {
	parents.Store

	shop *shop
}

func (v *vanishing) FindParts(ctx context.Context, keys []string) ([]jobs.Job, error) {
	found, err := v.Store.FindParts(ctx, keys)
	for _, part := range found {
		v.shop.happens(part.ID, jobs.DeleteRequested{})
	}
	return found, err
}

// TestStoppedParent takes no more parts, and those that a step brings too late are
// cancelled with it.
//
// Guarantee: G30.
func TestStoppedParent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a", "b", "c"}}, jobs.Options{})
	claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s.happens(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	parents.Handle(t.Context(), s.runner(s.Store, s.config()), claimed[0])
	if n := len(s.responses()); n != 3 || len(s.responses(jobs.StateCancelled)) != 3 {
		t.Errorf("of %d parts %d were cancelled", n, len(s.responses(jobs.StateCancelled)))
	}
	late := s.submit(treeRequest{Texts: []string{"x"}}, jobs.Options{Deadline: s.Now().Add(time.Minute)})
	s.step()
	s.advance(2 * time.Minute)
	s.step()
	if got := s.load(late.ID); got.State != jobs.StateExpired || got.LocalEffect() == nil {
		t.Errorf("a late parent is %s and owes %+v", got.State, got.Outbox)
	}
}

// full is a store that has no room for some parts.
type full struct {
	parents.Store

	without string
}

func (f *full) AcceptPart(ctx context.Context, parent jobs.Job, name string, request jobs.Request, instead jobs.ID) (jobs.Job, bool, error) {
	if strings.Contains(string(request.Raw), f.without) {
		return jobs.Job{}, false, errDown
	}
	return f.Store.AcceptPart(ctx, parent, name, request, instead)
}

// TestStoppedParentOfWhichAPartIsRefused leaves none of the others behind, nor one that was
// tried again for it.
//
// Guarantee: G30.
func TestStoppedParentOfWhichAPartIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{Group: "g"})
	s.finish("a")
	s.advance(time.Second)
	j := s.submit(treeRequest{Texts: []string{"a", "b", "no room"}}, jobs.Options{Group: "g"})
	claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 1, time.Minute)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %v, %v", claimed, err)
	}
	s.happens(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	parents.Handle(t.Context(), s.runner(&full{Store: s.Store, without: "no room"}, s.config()), claimed[0])
	if all, cancelled := len(s.responses()), len(s.responses(jobs.StateCancelled)); all != 2 || cancelled != 2 {
		t.Errorf("of %d parts %d were cancelled, want both", all, cancelled)
	}
}

// TestRetryWhilePartsAreBeingCancelled: what was stopped for the parent as it was before,
// or for another one, is no end for the parent as it is now, whenever that comes.
//
// Guarantee: G30.
func TestRetryWhilePartsAreBeingCancelled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	s.step()
	part := s.responses()[0]
	if _, err := s.Admit(t.Context(), part.Lane, 10); err != nil {
		t.Fatal(err)
	}
	response := func(status string) jobs.Reply {
		r, err := jobs.ParseResponse(fmt.Appendf(nil, `{"id":"resp_1","status":%q}`, status))
		if err != nil {
			t.Fatal(err)
		}
		return jobs.Reply{Response: r}
	}
	s.happens(part.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "main"})
	s.happens(part.ID, jobs.Created{Attempt: 1, Endpoint: "main", Reply: response(jobs.StatusInProgress)})
	s.happens(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	s.advance(time.Second)
	s.happens(j.ID, jobs.RetryRequested{})
	s.advance(time.Second)
	s.happens(part.ID, jobs.StopRequested{Reason: jobs.StopCancel, Parent: j.ID}) // by one that was at it already
	s.step()
	s.advance(time.Second)
	s.happens(part.ID, jobs.Looked{Reply: response(jobs.StatusCancelled)})
	s.tell(part.ID)
	s.finish("")
	if got := s.load(j.ID); got.State != jobs.StateSucceeded {
		t.Errorf("%s, %v", got.State, got.Failure)
	}
}

// slow is a store that takes an hour to find parts.
type slow struct {
	parents.Store

	shop *shop
}

func (s *slow) FindParts(ctx context.Context, keys []string) ([]jobs.Job, error) {
	s.shop.advance(time.Hour)
	return s.Store.FindParts(ctx, keys)
}

// TestDeadlineThatPassesDuringAStep expires the parent, although it is its parts that are
// refused for it.
//
// Guarantees: G8, G30.
func TestDeadlineThatPassesDuringAStep(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{Deadline: s.Now().Add(time.Minute)})
	s.stepWith(&slow{Store: s.Store, shop: s})
	if got := s.load(j.ID); got.State != jobs.StateExpired || len(s.responses()) != 0 {
		t.Errorf("%s, %v, %d parts", got.State, got.Failure, len(s.responses()))
	}
}

// TestLostWordsOnlyDelay: a parent that nobody tells of the ends of its parts asks for
// them by itself, ever more rarely and without its planner.
//
// Guarantee: G30.
func TestLostWordsOnlyDelay(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	s.step()
	asked := s.planner.asked.Load()
	for i := range 3 {
		s.advance(time.Duration(i+1) * time.Minute)
		s.step()
	}
	if got := s.load(j.ID); got.Nudge != 3 || s.planner.asked.Load() != asked {
		t.Errorf("it asked %d times, its planner %d times", got.Nudge, s.planner.asked.Load()-asked)
	}
	part := s.responses()[0]
	s.happens(part.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	s.advance(10 * time.Minute)
	s.step()
	if got := s.load(j.ID); got.State != jobs.StateFailed {
		t.Errorf("%s, %v", got.State, got.Failure)
	}
}

// TestPlannersThatAreWrong fail their parents and not their workers, and no part of a
// document is told.
//
// Guarantees: G12, G30.
func TestPlannersThatAreWrong(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	many := make([]string, jobs.MaxParts+1)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	for code, request := range map[string]treeRequest{
		"plan_panicked": {Texts: []string{"a secret"}, Panic: true}, "part_invalid": {Bad: "request"}, "plan_malformed": {Bad: "result"},
		"plan_refused": {Bad: "error"}, "too_many_parts": {Texts: many},
	} {
		j := s.submit(request, jobs.Options{})
		s.step()
		if got := s.load(j.ID); got.State != jobs.StateFailed || got.Failure.Code != code || got.Result != nil {
			t.Errorf("%s: %s, %v", code, got.State, got.Failure)
		}
	}
	endless := s.submit(treeRequest{Bad: "endless"}, jobs.Options{})
	for s.load(endless.ID).State == jobs.StateWaiting {
		s.step()
		s.answer("")
		s.advance(time.Second)
	}
	if got := s.load(endless.ID); got.Failure.Code != "too_many_phases" || got.Plan.Phase != jobs.MaxPhases {
		t.Errorf("%v, %+v", got.Failure, got.Plan)
	}
	if strings.Contains(s.logged(), "secret") || !strings.Contains(s.logged(), "planner panicked") {
		t.Errorf("the log says\n%s", s.logged())
	}
}

// TestCrashingPlan is taken alone after two workers did not finish it, and fails after
// ten.
//
// Guarantees: G18, G30.
func TestCrashingPlan(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	var alone []bool
	config := s.config()
	config.Enter = func(_ context.Context, a bool) (func(), error) {
		alone = append(alone, a)
		return nil, errDown
	}
	for i := range 10 {
		if got := s.load(j.ID); got.Lapsed != max(0, i-1) {
			t.Fatalf("%d lapses after %d crashes", got.Lapsed, i)
		}
		s.crash(&faulty{Store: s.Store}, config) // at once: it cannot even put it back
		s.advance(2 * time.Minute)
	}
	if fmt.Sprint(alone) != "[false false true true true true true true true true]" {
		t.Errorf("taken alone: %v", alone)
	}
	s.step()
	if got := s.load(j.ID); got.State != jobs.StateFailed || got.Failure.Class != jobs.ClassPoison {
		t.Errorf("%s, %v", got.State, got.Failure)
	}
}

// TestRequestThatIsMissing fails its parent once it was looked for long enough.
//
// Guarantees: G9, G30.
func TestRequestThatIsMissing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	key := fmt.Sprintf("longhaul:{s%02x}:job:%s", j.ID.Shard(), j.ID)
	if err := s.rdb.HDel(t.Context(), key, "request").Err(); err != nil {
		t.Fatal(err)
	}
	tries := 0
	for ; s.load(j.ID).State == jobs.StateWaiting && tries < 20; tries++ {
		s.step()
		s.advance(time.Minute)
	}
	if got := s.load(j.ID); tries != 11 || got.State != jobs.StateFailed || got.Failure.Code != "request_missing" {
		t.Errorf("after %d tries: %s, %v", tries, got.State, got.Failure)
	}
}

// TestRunDrains: a worker that is told to stop gives back what it has in hand.
//
// Guarantees: G4, G30.
func TestRunDrains(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	done := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan struct{})
	config := s.config()
	config.Enter = func(ctx context.Context, _ bool) (func(), error) {
		close(entered)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.runner(s.Store, config).Run(ctx) }()
	<-entered
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 1, time.Minute)
	if err != nil || len(claimed) != 1 || claimed[0].ID != done.ID || claimed[0].Lapsed != 0 {
		t.Errorf("claimed %+v, %v", claimed, err)
	}
}

// TestParentsOfOtherKinds are left to workers that have their planner, which is said
// once.
//
// Guarantees: G15, G30.
func TestParentsOfOtherKinds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	config := s.config()
	config.Planners, config.Sweep = map[jobs.Kind]jobs.Planner{"report": s.planner}, time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.runner(s.Store, config).Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(s.logged(), "has no planner for") && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := strings.Count(s.logged(), "has no planner for"); n != 1 || s.load(j.ID).Version != 1 {
		t.Errorf("said %d times; version %d", n, s.load(j.ID).Version)
	}
	if _, err := s.Unplanned(t.Context(), []jobs.Kind{"report"}); err != nil {
		t.Error(err)
	}
}

// TestDeadlineOfParentsThatNobodyPlans is kept by any worker, and so is that of one whose
// planner died with its worker.
//
// Guarantees: G8, G30.
func TestDeadlineOfParentsThatNobodyPlans(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	late := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{Deadline: s.Now().Add(time.Minute)})
	begun := s.submit(treeRequest{Texts: []string{"b"}}, jobs.Options{Deadline: s.Now().Add(time.Minute)})
	s.step()
	early := s.submit(treeRequest{Texts: []string{"c"}}, jobs.Options{})
	s.advance(2 * time.Minute)
	config := s.config()
	config.Planners, config.Sweep = nil, time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.runner(s.Store, config).Run(ctx) }()
	for ctx.Err() == nil && (!s.load(late.ID).State.Terminal() || !s.load(begun.ID).State.Terminal()) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, id := range []jobs.ID{late.ID, begun.ID} {
		if got := s.load(id); got.State != jobs.StateExpired || got.LocalEffect() == nil {
			t.Errorf("%s, and it owes %+v", got.State, got.Outbox)
		}
	}
	if got := s.load(early.ID); got.State != jobs.StateWaiting || got.Version != 1 {
		t.Errorf("one that has time: %s, version %d", got.State, got.Version)
	}
}

// outage is a store that is away for a while: nothing can be read, and for longer nothing
// put back.
type outage struct {
	parents.Store

	settles int // how many of these fail
}

func (o *outage) Request(context.Context, jobs.Job) (jobs.Request, error) {
	return jobs.Request{}, errDown
}

func (o *outage) Settle(ctx context.Context, settlements ...results.Settlement) ([]int, error) {
	if o.settles--; o.settles >= 0 {
		return nil, errDown
	}
	return o.Store.Settle(ctx, settlements...)
}

// TestParentIsPutBackOnceThatIsPossible, and need not wait for its lease to run out.
//
// Guarantees: G5, G30.
func TestParentIsPutBackOnceThatIsPossible(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	j := s.submit(treeRequest{Texts: []string{"a"}}, jobs.Options{})
	claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 1, time.Hour)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %v, %v", claimed, err)
	}
	parents.Handle(t.Context(), s.runner(&outage{Store: s.Store, settles: 1}, s.config()), claimed[0])
	if got := s.load(j.ID); got.Nudge != 1 {
		t.Errorf("put back %d times", got.Nudge)
	}
	s.advance(2 * time.Second)
	s.finish("")
	if got := s.load(j.ID); got.State != jobs.StateSucceeded {
		t.Errorf("%s, %v", got.State, got.Failure)
	}
}
