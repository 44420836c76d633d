package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// happens has an event happen to a job.
func (b *bench) happens(id jobs.ID, event jobs.Event) {
	b.t.Helper()
	if _, err := b.store.Step(b.t.Context(), id, event); err != nil {
		b.t.Fatalf("%s of %s: %v", event.Name(), id, err)
	}
}

// creates is how many attempts of a job are on record.
func (b *bench) creates(id jobs.ID) int {
	b.t.Helper()
	j, err := b.store.Load(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(j.Attempts)
}

// sole is the only job in a state, once there is one.
func (b *bench) sole(state jobs.State) jobs.Job {
	b.t.Helper()
	var found []string
	until(b.t, "a job that is "+string(state), func() bool {
		text := b.call("", "list", "--all", "--json", "--state", string(state)).want(b.t, 0).stdout
		found = lines(text)
		return text != ""
	})
	if len(found) != 1 {
		b.t.Fatalf("%d jobs are %s, want 1", len(found), state)
	}
	return decode[jobs.Job](b.t, found[0])
}

// whole is the job that a part is of.
func (b *bench) whole(part jobs.ID) jobs.ID {
	b.t.Helper()
	j, err := b.store.Load(b.t.Context(), part)
	if err != nil {
		b.t.Fatal(err)
	}
	if j.Parent == "" {
		b.t.Fatalf("%s is no part", part)
	}
	return j.Parent
}

// lose makes the provider forget the response of the one running job.
func (b *bench) lose() jobs.ID {
	b.t.Helper()
	j := b.sole(jobs.StateRunning)
	a, _ := j.CurrentAttempt()
	b.happens(j.ID, jobs.ResponseLost{ResponseID: a.ResponseID, Failure: jobs.Failure{Class: jobs.ClassLost, Message: "the provider does not know it"}})
	return j.ID
}

// A job that is held is followed, told of, and paid for again only when a person
// says so.
func TestSummarizeLeavesAHeldJobToAPerson(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	l.put("held.md", "Please lose")
	l.summarize("--uncertain", "hold").want(t, 1)
	held := l.sole(jobs.StateUncertain).ID
	want := fmt.Sprintf("held.md: uncertain: held for a person, since the answer to its create was lost: "+
		"enqueue release %s asks again, fail gives it up, adopt takes the response over that was made", held)

	for _, args := range [][]string{nil, {"--uncertain", "hold"}, {"--uncertain", "resubmit"}, {"--force"}} {
		got := l.summarize(args...).want(t, 1)
		if !strings.Contains(got.stdout, want) || !strings.Contains(got.stdout, "held       1\n") {
			t.Errorf("again with %q: stdout does not say %q:\n%s", args, want, got.stdout)
		}
		if n := l.creates(held); n != 1 {
			t.Fatalf("again with %q: %d creates of the held job, want 1", args, n)
		}
		if status := l.statuses()["held.md"]; !strings.HasPrefix(status, "uncertain: uncertain: held for a person") {
			t.Errorf("again with %q: the manifest says %q", args, status)
		}
	}
	if n := l.total(); n != 6 { // --force asked anew for the other one
		t.Errorf("%d jobs, want three summaries with a request each", n)
	}

	l.call("", "retry", string(held)).want(t, 0)
	l.summarize().want(t, 0)
	if n := l.creates(held); n != 2 {
		t.Errorf("%d creates after the retry by hand, want 2", n)
	}
}

func TestSummarizeDoesNotRetryAJobThatEndedWhileItWasHeld(t *testing.T) {
	t.Parallel()
	for _, reason := range []jobs.StopReason{jobs.StopDeadline, jobs.StopCancel} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			l.employ(reads)
			l.put("held.md", "Please lose")
			l.summarize("--uncertain", "hold").want(t, 1)
			held := l.sole(jobs.StateUncertain).ID
			l.happens(held, jobs.StopRequested{Reason: reason})
			for range 2 {
				got := l.summarize().want(t, 1)
				if want := fmt.Sprintf("it is not tried again unless enqueue retry %s or summarize --force asks for it", l.whole(held)); !strings.Contains(got.stdout, want) {
					t.Errorf("stdout does not say %q:\n%s", want, got.stdout)
				}
			}
			if n, total := l.creates(held), l.total(); n != 1 || total != 2 {
				t.Errorf("%d creates and %d jobs, want one, and the summary with its request", n, total)
			}
		})
	}
}

// G7: a lost response is never submitted again by itself.
func TestSummarizeDoesNotRetryALostResponse(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		t.Run(fmt.Sprintf("force %v", force), func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			l.employ(reads)
			l.put("lost.md", "Please hang")
			var first []string
			if force {
				first = []string{"--force"}
			}
			ended := make(chan outcome)
			go func() {
				ended <- call(t.Context(), l.env, "", append([]string{"summarize", l.dir, "--out", l.out}, first...)...)
			}()
			lost := l.lose()
			want := fmt.Sprintf("lost.md: lost: the document: the provider does not know it: it is not tried again unless enqueue retry %s or summarize --force asks for it", l.whole(lost))
			for i, got := range []outcome{<-ended, l.summarize(), l.summarize()} {
				if got.want(t, 1); !strings.Contains(got.stdout, want) {
					t.Errorf("run %d does not say %q:\n%s", i+1, want, got.stdout)
				}
			}
			group, err := groupOf(l.out)
			if err != nil {
				t.Fatal(err)
			}
			shows(t, l.call("", "run", group).want(t, 1).stdout, want) // which has no --force
			if n, total := l.creates(lost), l.total(); n != 1 || total != 2 {
				t.Fatalf("%d creates and %d jobs, want one, and the summary with its request", n, total)
			}

			go func() {
				ended <- call(t.Context(), l.env, "", "summarize", l.dir, "--out", l.out, "--force")
			}()
			if again := l.lose(); again == lost {
				t.Errorf("--force tried %s again, want a new job", lost)
			}
			(<-ended).want(t, 1)
		})
	}
}

func TestBatchLeavesHeldLinesToAPerson(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("one", "lose two", "three"))
	stem := strings.TrimSuffix(file, ".jsonl")
	b.call("", "batch", file, "--uncertain", "hold").want(t, 1)
	held := b.sole(jobs.StateUncertain).ID
	advice := fmt.Sprintf("held for a person, since the answer to its create was lost: "+
		"enqueue release %s asks again, fail gives it up, adopt takes the response over that was made", held)
	for _, args := range [][]string{nil, {"--uncertain", "resubmit"}, {"--retry-failed"}} {
		got := b.call("", append([]string{"batch", file}, args...)...).want(t, 1)
		if !strings.Contains(got.stdout, "lose two: uncertain: "+advice) || !strings.Contains(got.stdout, "held       1\n") {
			t.Errorf("again with %q: stdout is\n%s", args, got.stdout)
		}
		if n := b.attempts(); n != 3 {
			t.Fatalf("again with %q: %d attempts, want 3", args, n)
		}
		if diff := cmp.Diff([]string{"lose two: error uncertain: " + advice}, resultLines(t, readText(t, stem+".errors.jsonl"))); diff != "" {
			t.Errorf("again with %q: errors (-want +got):\n%s", args, diff)
		}
	}
	report := decode[batchReport](t, b.call("", "batch", file, "--json").want(t, 1).stdout)
	if report.Held != 1 || report.Succeeded != 2 || len(report.Failures) != 1 || report.Failures[0].State != jobs.StateUncertain {
		t.Errorf("report is %+v", report)
	}

	b.happens(held, jobs.StopRequested{Reason: jobs.StopDeadline})
	b.call("", "batch", file, "--retry-failed").want(t, 1)
	if n := b.attempts(); n != 3 {
		t.Fatalf("%d attempts after the deadline of the held line, want 3", n)
	}
	b.call("", "retry", string(held)).want(t, 0)
	b.call("", "batch", file).want(t, 0)
	if n := b.attempts(); n != 4 {
		t.Errorf("%d attempts after the retry by hand, want 4", n)
	}
}

func TestBatchRetriesALostResponseOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("hang one"))
	ended := make(chan outcome)
	go func() { ended <- call(t.Context(), b.env, "", "batch", file) }()
	lost := b.lose()
	(<-ended).want(t, 1)
	got := b.call("", "batch", file).want(t, 1)
	if want := fmt.Sprintf("unless enqueue retry %s or --retry-failed asks for it", lost); !strings.Contains(got.stdout, want) || b.creates(lost) != 1 {
		t.Errorf("stdout does not say %q, or it was tried again:\n%s", want, got.stdout)
	}
	go func() { ended <- call(t.Context(), b.env, "", "batch", file, "--retry-failed") }()
	if again := b.lose(); again != lost || b.creates(lost) != 2 {
		t.Errorf("--retry-failed made %d creates of %s and %s", b.creates(lost), lost, again)
	}
	(<-ended).want(t, 1)
}

func TestFollowerLeavesHeldJobs(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"", "g"} {
		t.Run("group "+group, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				f := newFollower(s)
				f.group, f.leaveHeld = group, true
				ids := s.fill(f, 200)
				for _, id := range ids[1:] {
					s.state(id, jobs.StateUncertain)
				}
				done := make(chan error, 1)
				go func() { done <- f.run(t.Context()) }()
				time.Sleep(time.Minute)
				s.state(ids[1], jobs.StateRunning) // a person has taken it up
				s.state(ids[0], jobs.StateSucceeded)
				time.Sleep(time.Minute)
				select {
				case err := <-done:
					t.Fatalf("run ended with %v while a job ran", err)
				default:
				}
				s.state(ids[1], jobs.StateSucceeded)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				got := f.account.totals(time.Now(), true)
				if got.Held != 198 || got.Succeeded != 2 || got.done() != 200 || got.clean() || len(got.Failures) != 198 {
					t.Errorf("totals are %d held, %d succeeded, %d done, %d failures", got.Held, got.Succeeded, got.done(), len(got.Failures))
				}
				if states := f.standing().states; len(states) != 0 {
					t.Errorf("the standing still has %v", states)
				}
			})
		})
	}
}

// A job that waits for the provider's word is not held yet: its run goes on until
// it is, without a change of its state that the counts could tell.
func TestFollowerLeavesJobsOnceTheyAreHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		f := newFollower(s)
		f.group, f.leaveHeld = "g", true
		ids := s.fill(f, 100)
		word := time.Now().Add(time.Hour)
		for _, id := range ids {
			s.set(id, func(j *jobs.Job) { j.State, j.DecideAt = jobs.StateUncertain, word })
		}
		done := make(chan error, 1)
		go func() { done <- f.run(t.Context()) }()
		time.Sleep(time.Until(word) - time.Second)
		select {
		case err := <-done:
			t.Fatalf("run ended with %v while the provider's word was waited for", err)
		default:
		}
		if note := f.standing().note; !strings.Contains(note, ": the answer to a create was lost, and it may have been accepted: the provider's webhook is waited for until "+
			word.UTC().Format(time.RFC3339)+", then it is asked again") {
			t.Errorf("note is %q", note)
		}
		for _, id := range ids {
			s.set(id, func(j *jobs.Job) { j.DecideAt = time.Time{} })
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if late := time.Since(word); late > 10*time.Second {
			t.Errorf("the run ended %v after the last job was held", late)
		}
		if got := f.account.totals(time.Now(), true); got.Held != 100 {
			t.Errorf("%d held, want 100", got.Held)
		}
	})
}

// Nobody can wait for what a person has to decide: the command says so, and what to do.
func TestWaitLeavesAHeldJobToAPerson(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	got := b.call("", "submit", "--wait", "--input", "lose me", "--uncertain", "hold").want(t, 1).
		says(t, "held for a person", "enqueue release job_", "adopt takes the response over")
	if got.stdout != "" {
		t.Errorf("stdout is %q", got.stdout)
	}
	held := string(b.sole(jobs.StateUncertain).ID)
	good := b.submit("hello")
	b.call("", "wait", held, good).want(t, 1).says(t, held+": uncertain: held for a person")
	if view := decode[jobView](t, b.call("", "wait", "--json", held).want(t, 1).stdout); !strings.Contains(string(view.Job), `"state":"uncertain"`) || view.Advice == "" {
		t.Errorf("the object says %s and %q", view.Job, view.Advice)
	}
	b.call("", "release", held).want(t, 0)
	b.call("", "wait", held).want(t, 0)
}
