package installation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// Account is what the comparison of the provider's ledger with the records of
// ended jobs shows.
type Account struct {
	Jobs, Succeeded int
	// Creates are those that the provider accepted.
	Creates int
	// Resubmissions are the attempts on record beyond the first of each job.
	Resubmissions int
	// NeverArrived are the attempts on record that the provider never accepted.
	NeverArrived int
	// Unknown are the accepted creates whose attempt is on record as uncertain
	// without their id: waste that nobody saw.
	Unknown int
	// Unrecorded are the accepted creates whose id is in no attempt: those that are
	// unknown, and those that contradict the records.
	Unrecorded int
	// PaidTwice are the jobs with more than one accepted create.
	PaidTwice int
	// Problems are contradictions between ledger and records, each in a sentence.
	Problems []string
}

// Compare holds the ledger against the records. Every accepted create must be an
// attempt on record of one of the jobs, with its id or as uncertain; every attempt
// on record must have been accepted once, unless it is on record as uncertain or
// failed; every attempt beyond the first must have its reason on record. So the
// jobs must be all that the ledger has to do with: take [Installation.LedgerOf]
// for less.
func Compare(ended []jobs.Job, ledger map[jobs.ID][]simulator.Entry) Account {
	a := Account{Jobs: len(ended)}
	known := make(map[jobs.ID]bool, len(ended))
	for _, j := range ended {
		a.add(j, ledger[j.ID])
		known[j.ID] = true
	}
	for _, id := range slices.Sorted(maps.Keys(ledger)) {
		if entries := ledger[id]; !known[id] && len(entries) > 0 {
			a.problem("%d creates, the first of them %s, are of job %q, which is none of these %d", len(entries), entries[0].ID, id, len(ended))
		}
	}
	if made := a.Creates + a.NeverArrived; made != a.Jobs+a.Resubmissions {
		a.problem("%d creates for %d jobs, %d resubmissions and %d attempts that never arrived",
			a.Creates, a.Jobs, a.Resubmissions, a.NeverArrived)
	}
	return a
}

func (a *Account) problem(format string, args ...any) {
	a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
}

func (a *Account) add(j jobs.Job, entries []simulator.Entry) {
	if !j.State.Terminal() {
		a.problem("%s has not ended: it is %s", j.ID, j.State)
	}
	if j.State == jobs.StateSucceeded {
		a.Succeeded++
	}
	a.Creates += len(entries)
	a.Resubmissions += len(j.Attempts) - 1
	if len(entries) > 1 {
		a.PaidTwice++
	}
	arrived := make(map[int]int)
	for _, e := range entries {
		arrived[e.Attempt]++
		if !slices.ContainsFunc(j.Attempts, func(t jobs.Attempt) bool { return t.ResponseID == e.ID }) {
			a.Unrecorded++
		}
		i := slices.IndexFunc(j.Attempts, func(t jobs.Attempt) bool { return t.Number == e.Attempt })
		switch {
		case i < 0:
			a.problem("%s: the create of %s, attempt %d, is not on record", j.ID, e.ID, e.Attempt)
		case j.Attempts[i].ResponseID == e.ID:
		case j.Attempts[i].ResponseID == "" && j.Attempts[i].Outcome == jobs.OutcomeUncertain:
			a.Unknown++
		default:
			a.problem("%s: %s was created by attempt %d, which is on record as %q with %q",
				j.ID, e.ID, e.Attempt, j.Attempts[i].Outcome, j.Attempts[i].ResponseID)
		}
	}
	for _, t := range j.Attempts {
		switch {
		case arrived[t.Number] > 1:
			a.problem("%s: attempt %d was created %d times", j.ID, t.Number, arrived[t.Number])
		case arrived[t.Number] == 1:
		case t.Outcome == jobs.OutcomeUncertain, t.Outcome == jobs.OutcomeFailed:
			a.NeverArrived++
		default:
			a.problem("%s: attempt %d is on record as %q and the provider never saw it", j.ID, t.Number, t.Outcome)
		}
		if t.Number > 1 && t.Reason == "" {
			a.problem("%s: attempt %d has no reason on record", j.ID, t.Number)
		}
	}
}

// InFlight counts the creates that were on their way at the given time, by what
// is on record of them.
func InFlight(ended []jobs.Job, at time.Time) int {
	n := 0
	for _, j := range ended {
		for _, t := range j.Attempts {
			if t.Started.Before(at) && t.Answered.After(at) {
				n++
			}
		}
	}
	return n
}

// Succeeded fails the test for each job that has not.
func (in *Installation) Succeeded(ended []jobs.Job) {
	in.tb.Helper()
	for _, j := range ended {
		if j.State != jobs.StateSucceeded {
			in.tb.Errorf("%s ended as %s: %+v", j.ID, j.State, j.Failure)
		}
	}
}

// Account is [Compare] with the simulator's ledger, but for the jobs that are no
// longer there; each problem fails the test. It returns the creates, the attempts
// beyond the first, and those of all that never arrived.
func (in *Installation) Account(ended []jobs.Job, gone ...jobs.ID) (creates, resubmissions, neverArrived int) {
	in.tb.Helper()
	ledger := in.Ledger()
	for _, id := range gone {
		delete(ledger, id)
	}
	a := Compare(ended, ledger)
	for _, problem := range a.Problems {
		in.tb.Error(problem)
	}
	return a.Creates, a.Resubmissions, a.NeverArrived
}
