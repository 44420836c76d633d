package parents_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/parents"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestPartsThatFailedInAnotherGroup are asked for anew by the group that needs them, which
// pays for them, and once: by whoever needs them next, they are found.
//
// Guarantee: G30.
func TestPartsThatFailedInAnotherGroup(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	groups := func() map[string]int {
		t.Helper()
		n := make(map[string]int)
		for _, part := range s.responses() {
			n[part.Group] += len(part.Attempts)
		}
		return n
	}
	first := s.submit(treeRequest{Texts: []string{"a", "b"}}, jobs.Options{Group: "one"})
	s.finish("b")
	s.advance(time.Second)
	second := s.submit(treeRequest{Texts: []string{"a", "b"}}, jobs.Options{Group: "other"})
	third := s.submit(treeRequest{Texts: []string{"b", "a"}}, jobs.Options{Group: "third"})
	s.finish("")
	s.happens(first.ID, jobs.RetryRequested{})
	s.finish("")
	for id, want := range map[jobs.ID]string{first.ID: "[[a][b]]", second.ID: "[[a][b]]", third.ID: "[[b][a]]"} {
		if got := s.load(id); got.State != jobs.StateSucceeded || s.summary(id) != want {
			t.Errorf("%s, %q, %v", got.State, s.summary(id), got.Failure)
		}
	}
	// Each pays for its merge, and one of the two that need it anew for b.
	if n := groups(); n["one"] != 2 || n["other"]+n["third"] != 3 || n["other"] == 0 || n["third"] == 0 {
		t.Errorf("attempts by group %v, want 2 of the first, and 3 of the two others", n)
	}
}

// overtaken is a store at which others come first, once, when a part is to be had.
type overtaken struct {
	parents.Store

	others func()
}

func (o *overtaken) first() {
	others := o.others
	if o.others = func() {}; others != nil {
		others()
	}
}

func (o *overtaken) AcceptPart(ctx context.Context, parent jobs.Job, name string, request jobs.Request, instead jobs.ID) (jobs.Job, bool, error) {
	o.first()
	return o.Store.AcceptPart(ctx, parent, name, request, instead)
}

func (o *overtaken) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	if _, again := ev.(jobs.RetryRequested); again {
		o.first()
	}
	return o.Store.Advance(ctx, j, ev)
}

// TestFailedPartIsPaidForOnce by whichever comes first of those that need it: the parent
// that has it tried again, or one of another group that takes its place. What the other
// finds then may have gone as well, or been cancelled, and is asked for anew.
//
// Guarantee: G30.
func TestFailedPartIsPaidForOnce(t *testing.T) {
	t.Parallel()
	const cancelled, deleted = "cancelled", "deleted"
	for _, tt := range []struct {
		slow, fast, then string         // groups, and what becomes of the part before the slow one is at it
		want             map[string]int // attempts by group
	}{
		{"other", "one", "", map[string]int{"one": 2}},
		{"one", "other", "", map[string]int{"one": 1, "other": 1}},
		{"other", "third", "", map[string]int{"one": 1, "third": 1}},
		{"one", "other", cancelled, map[string]int{"one": 2, "other": 0}},
		{"other", "third", cancelled, map[string]int{"one": 1, "other": 1, "third": 0}},
		{"one", "other", deleted, map[string]int{"one": 2}},
		{"one", "", deleted, map[string]int{"one": 1}},
	} {
		t.Run(fmt.Sprintf("%s after %s, %s", tt.slow, tt.fast, tt.then), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			request := treeRequest{Texts: []string{"a"}}
			first := s.submit(request, jobs.Options{Group: "one"})
			s.finish("a")
			s.advance(time.Second)
			due := make(map[string]jobs.Job)
			for _, group := range []string{tt.slow, tt.fast} {
				switch group {
				case "":
				case "one":
					s.happens(first.ID, jobs.RetryRequested{})
				default:
					s.submit(request, jobs.Options{Group: group})
				}
			}
			claimed, err := s.ClaimPlans(t.Context(), jobs.ParentKinds(), 10, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range claimed {
				due[j.Group] = j
			}
			o := &overtaken{Store: s.Store, others: func() {
				if tt.fast != "" {
					parents.Handle(t.Context(), s.runner(s.Store, s.config()), due[tt.fast])
				}
				parts := s.responses()
				part := parts[len(parts)-1].ID
				if tt.fast != "" && tt.then != "" {
					s.happens(part, jobs.StopRequested{Reason: jobs.StopCancel})
					s.tell(part)
				}
				if tt.then == deleted {
					s.happens(part, jobs.DeleteRequested{})
				}
				s.advance(time.Second)
			}}
			parents.Handle(t.Context(), s.runner(o, s.config()), due[tt.slow])
			s.finish("")
			for group, j := range due {
				if got := s.load(j.ID); got.State != jobs.StateSucceeded || s.summary(j.ID) != "[a]" {
					t.Errorf("that of group %s: %s, %q, %v", group, got.State, s.summary(j.ID), got.Failure)
				}
			}
			attempts := make(map[string]int)
			for _, part := range s.responses() {
				attempts[part.Group] += len(part.Attempts)
			}
			if !maps.Equal(attempts, tt.want) {
				t.Errorf("attempts by group %v, want %v", attempts, tt.want)
			}
		})
	}
}
