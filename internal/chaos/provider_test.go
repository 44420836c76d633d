//go:build chaos

package chaos_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// settle waits until all jobs have ended, holds the ledger against the records,
// and goes on only if all have succeeded.
func settle(t *testing.T, r *row, in *installation.Installation, n int) ([]jobs.Job, installation.Account) {
	t.Helper()
	ended := in.WaitEnded(n, 10*time.Minute)
	a := installation.Compare(ended, in.Ledger())
	r.add(t, a)
	if a.Jobs != n {
		t.Errorf("%d jobs are there, want %d", a.Jobs, n)
	}
	in.Succeeded(ended)
	if t.Failed() {
		t.FailNow() // what follows takes for granted that each job has a result
	}
	return ended, a
}

// lostAnswers has one create in ten accepted and its answer lost, in one of three
// ways.
func lostAnswers() string {
	rule := func(share float64, action string) string {
		return fmt.Sprintf(`{"match":{"op":"create","probability":%.5f},"action":{"accept":true,%s}}`, share, action)
	}
	return fmt.Sprintf(`{"seed":%d,"rules":[%s]}`, seed, strings.Join([]string{
		rule(1./30, `"reset":"after"`), rule(1./29, `"status":500`), rule(1./28, `"hang":true`),
	}, ","))
}

// TestLostAnswers accepts one create in ten and loses its answer, with nobody to
// tell of it: what was paid for beyond one for each job is what is on record as
// uncertain and asked again, to the last one.
//
// Guarantees: G1, G6.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	const n = 2000
	r := tell(t, 42, "one create in ten accepted, its answer lost", fmt.Sprintf("%d jobs, no webhooks", n))
	in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "800ms")
	in.Faults(lostAnswers())
	in.SubmitMany(n, question, jobs.Options{MaxAttempts: 20})
	in.Worker("LONGHAUL_OPENAI_CREATE_TIMEOUT=2s")
	ended, a := settle(t, r, in, n)
	uncertain, again := 0, 0
	for _, j := range ended {
		for i, attempt := range j.Attempts {
			if attempt.Outcome != jobs.OutcomeUncertain {
				continue
			}
			uncertain++
			if i+1 < len(j.Attempts) && j.Attempts[i+1].Reason == string(jobs.ClassAmbiguous) {
				again++
			}
		}
	}
	lost := in.Totals().AnswersLost
	if extra := a.Creates - n; extra != uncertain || extra != again || extra != lost || extra < n/20 {
		t.Errorf("%d creates beyond one for each job, %d answers lost, %d attempts uncertain, %d asked again; want as many of each, and many",
			extra, lost, uncertain, again)
	}
	r.note = fmt.Sprintf("%d answers lost, %d on record as uncertain and resubmitted", lost, again)
}

// TestBadLooks gives a third of the looks an answer of no use.
//
// Guarantees: G6, G7.
func TestBadLooks(t *testing.T) {
	t.Parallel()
	const n = 1000
	r := tell(t, 40, "looks answer HTML 502, cut, empty, 500, 404 at first, stale", fmt.Sprintf("%d jobs, a third of the looks", n))
	in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "3500ms")
	in.Faults(fmt.Sprintf(`{"seed":%d,"rules":[
		{"match":{"op":"get","probability":%.5f},"action":{"status":502,"body":"html"}},
		{"match":{"op":"get","probability":%.5f},"action":{"status":200,"body":"cut"}},
		{"match":{"op":"get","probability":%.5f},"action":{"status":200,"body":"empty"}},
		{"match":{"op":"get","probability":%.5f},"action":{"status":500}},
		{"match":{"op":"create","every":3},"action":{"missing":{"for":"3s"}}},
		{"match":{"op":"create","every":2},"action":{"stale":{"for":"6s"}}}
	]}`, seed, 1./12, 1./11, 1./10, 1./9))
	in.SubmitMany(n, question, jobs.Options{})
	in.Worker()
	ended, a := settle(t, r, in, n)
	for _, j := range ended {
		if len(j.Attempts) != 1 {
			t.Errorf("%s was attempted %d times", j.ID, len(j.Attempts))
		}
	}
	var faults struct {
		Hits []int `json:"hits"`
	}
	in.Call(http.MethodGet, "/_sim/faults", "", &faults)
	bad, looks := 0, in.Totals().Polls
	for _, hits := range faults.Hits[:4] {
		bad += hits
	}
	if least := slices.Min(faults.Hits); least < n/10 {
		t.Errorf("hits of each kind: %v; want many of each", faults.Hits)
	}
	if share := float64(bad) / float64(looks); a.Creates != n || share < 0.3 || share > 0.37 {
		t.Errorf("%d creates for %d jobs, %d of %d looks were of no use; want one for each, and about a third", a.Creates, n, bad, looks)
	}
	r.note = fmt.Sprintf("%d of %d looks were of no use, %d responses missing and %d stale at first", bad, looks, faults.Hits[4], faults.Hits[5])
}

// TestBadCreates answers the first creates with each kind of fault in turn, and
// holds what follows against the table of classes.
//
// Guarantee: G6.
func TestBadCreates(t *testing.T) {
	t.Parallel()
	r := tell(t, 41, "creates answer 429, 500, 503, HTML, empty, cut, resets, hang", "")
	const each = 10
	kinds := []struct {
		name, action string
		class        jobs.Class
		accepted     bool
	}{
		{"cut", `"body":"cut"`, "", true}, // the id is in what came of it
		{"429", `"status":429,"headers":{"Retry-After":"1"}`, jobs.ClassRateLimited, false},
		{"500", `"status":500`, jobs.ClassAmbiguous, false},
		{"503", `"status":503,"headers":{"Retry-After":"1"}`, jobs.ClassRateLimited, false},
		{"html", `"status":502,"body":"html"`, jobs.ClassAmbiguous, false},
		{"empty", `"status":200,"body":"empty"`, jobs.ClassAmbiguous, false},
		{"reset before", `"reset":"before"`, jobs.ClassAmbiguous, false},
		{"reset after", `"reset":"after"`, jobs.ClassAmbiguous, true},
		{"hang", `"hang":true`, jobs.ClassAmbiguous, false},
		{"401", `"status":401,"headers":{"Retry-After":"1"}`, jobs.ClassUnauthorized, false},
		{"no credit", `"status":429,"code":"insufficient_quota","headers":{"Retry-After":"1"}`, jobs.ClassQuota, false},
	}
	r.done = fmt.Sprintf("%d jobs meet each of %d kinds", each, len(kinds))
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "300ms")
	var rules []string
	for _, k := range kinds {
		rules = append(rules, fmt.Sprintf(`{"match":{"op":"create","metadata":{"meets":%q},"attempt":1},"action":{%s}}`, k.name, k.action))
	}
	in.Faults(`{"rules":[` + strings.Join(rules, ",") + `]}`)
	for _, k := range kinds {
		in.Submit(each, `{"input":"Document %d. The harbour was rebuilt.","metadata":{"meets":"`+k.name+`"}}`,
			jobs.Options{Metadata: map[string]string{"meets": k.name}})
	}
	in.Worker("LONGHAUL_OPENAI_CREATE_TIMEOUT=2s")
	ended, _ := settle(t, r, in, each*len(kinds))
	ledger := in.Ledger()
	for _, j := range ended {
		for _, k := range kinds {
			if k.name != j.Metadata["meets"] {
				continue
			}
			first, creates := j.Attempts[0], 1
			if k.class == "" {
				if len(j.Attempts) != 1 || len(ledger[j.ID]) != 1 {
					t.Errorf("%s: %d attempts, %d creates; want one", k.name, len(j.Attempts), len(ledger[j.ID]))
				}
				continue
			}
			if k.accepted {
				creates = 2
			}
			if len(j.Attempts) != 2 || first.Failure == nil || first.Failure.Class != k.class || j.Attempts[1].Reason != string(k.class) ||
				first.Free != (k.class.Verdict().Action == jobs.ActionWait) || len(ledger[j.ID]) != creates {
				t.Errorf("%s: %d attempts, the first %+v for %v, %d creates", k.name, len(j.Attempts), first, first.Failure, len(ledger[j.ID]))
			}
		}
	}
}

// TestNeverEnds has jobs whose responses never end: at their deadline they are
// cancelled, looked at a last time, and expire.
//
// Guarantee: G8.
func TestNeverEnds(t *testing.T) {
	t.Parallel()
	const n = 50
	r := tell(t, 60, "provider never finishes", fmt.Sprintf("%d jobs with a deadline of 5 s", n))
	in := installation.New(t)
	in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"never_ends":true}}]}`)
	in.SubmitMany(n, question, jobs.Options{Deadline: in.Store.Now().Add(5 * time.Second)})
	in.Worker()
	ended := in.WaitEnded(n, 2*time.Minute)
	ledger := in.Ledger()
	a := installation.Compare(ended, ledger)
	r.add(t, a)
	for _, j := range ended {
		if j.State != jobs.StateExpired {
			t.Errorf("%s ended as %s: %v", j.ID, j.State, j.Failure)
		}
		for _, e := range ledger[j.ID] {
			if e.Status != simulator.StatusCancelled || e.Cancels == 0 || !e.LastPoll.After(e.Ended) {
				t.Errorf("%s is %s after %d cancels and %d looks, the last %v after its end",
					e.ID, e.Status, e.Cancels, e.Polls, e.LastPoll.Sub(e.Ended))
			}
		}
	}
	if a.Creates != n {
		t.Errorf("%d creates for %d jobs", a.Creates, n)
	}
}
