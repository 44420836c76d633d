package installation

import (
	"slices"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Account compares the ledger with the records. Every create that the provider
// accepted is an attempt on record, and for every attempt on record there is a
// create, except for attempts recorded as uncertain, whose POST may never have
// left. It returns the creates and the attempts beyond the first.
func (in *Installation) Account(ended []jobs.Job) (creates, resubmissions, neverArrived int) {
	in.tb.Helper()
	ledger := in.Ledger()
	for _, j := range ended {
		entries := ledger[j.ID]
		creates += len(entries)
		resubmissions += len(j.Attempts) - 1
		arrived := make(map[int]int)
		for _, e := range entries {
			arrived[e.Attempt]++
		}
		for number, times := range arrived {
			onRecord := slices.ContainsFunc(j.Attempts, func(a jobs.Attempt) bool { return a.Number == number })
			if !onRecord || times != 1 {
				in.tb.Errorf("%s: attempt %d was created %d times and %d attempts are on record", j.ID, number, times, len(j.Attempts))
			}
		}
		for _, a := range j.Attempts {
			switch {
			case arrived[a.Number] == 0 && a.Outcome != jobs.OutcomeUncertain && a.Outcome != jobs.OutcomeFailed:
				in.tb.Errorf("%s: attempt %d is on record as %q and the provider never saw it", j.ID, a.Number, a.Outcome)
			case arrived[a.Number] == 0:
				neverArrived++
			}
			if a.Number > 1 && a.Reason == "" {
				in.tb.Errorf("%s: attempt %d has no reason on record", j.ID, a.Number)
			}
		}
	}
	if creates != len(ended)+resubmissions-neverArrived {
		in.tb.Errorf("%d creates for %d jobs, %d resubmissions and %d attempts that never arrived",
			creates, len(ended), resubmissions, neverArrived)
	}
	return creates, resubmissions, neverArrived
}
