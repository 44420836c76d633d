package main

import (
	"cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// spent is what a job has cost so far, as far as its attempts have ended.
type spent struct {
	cost, saved jobs.Money
	// known and unknown are how many attempts cost something that is known, and not.
	known, unknown int
	// why is the reason for the last of those that are not.
	why string
}

func spentOn(j jobs.Job) spent {
	var s spent
	for _, a := range j.Attempts {
		switch {
		case a.Bill == nil:
		case a.Bill.Cost != nil:
			s.known++
			s.cost += *a.Bill.Cost
			s.saved += a.Bill.Saved
		default:
			s.unknown++
			s.why = a.Bill.Unknown
		}
	}
	return s
}

// and adds what another job has cost.
func (s spent) and(more spent) spent {
	s.cost += more.cost
	s.saved += more.saved
	s.known += more.known
	s.unknown += more.unknown
	s.why = cmp.Or(more.why, s.why)
	return s
}

// whole is the cost, nil if not all of it is known.
func (s spent) whole() *jobs.Money {
	if s.unknown > 0 {
		return nil
	}
	return &s.cost
}

// part is what is known of a cost that is not known as a whole, nil if that is nothing, or all.
func (s spent) part() *jobs.Money {
	if s.unknown == 0 || s.known == 0 {
		return nil
	}
	return &s.cost
}

// String says it to people, "" before there is anything to say.
func (s spent) String() string {
	switch {
	case s.known == 0 && s.unknown == 0:
		return ""
	case s.known == 0:
		return "unknown: " + printable(s.why)
	case s.unknown > 0:
		return s.cost.String() + " and what is unknown: " + printable(s.why)
	}
	return s.cost.String()
}

// short says it in a column, "-" before there is anything to say.
func (s spent) short() string {
	if s.known+s.unknown == 0 {
		return "-"
	}
	return cost(s.cost, int64(s.known+s.unknown), int64(s.unknown))
}

// cacheSaved says what the prompt cache has brought, "" for nothing. What was written
// into it and not yet read has cost something.
func cacheSaved(m jobs.Money) string {
	switch {
	case m > 0:
		return "saved " + dollars(m)
	case m < 0:
		return "cost " + dollars(-m) + " more than it has saved so far"
	}
	return ""
}

// spending is what the jobs of a run have cost together.
type spending struct {
	// Cost is null where it is not known of any of them.
	Cost *jobs.Money `json:"cost_usd"`
	// CostUnknown is how many jobs cost something that is not known, beside that; where the
	// ledger tells it, how many responses did.
	CostUnknown int      `json:"cost_unknown"`
	CostWhy     []reason `json:"cost_unknown_why,omitempty"`
	// Saved is by how much more it would have been without the prompt cache.
	Saved jobs.Money `json:"saved_usd"`
	// EarlierCost is what of it was spent before this run began.
	EarlierCost jobs.Money `json:"earlier_cost_usd,omitempty"`
	// EarlierCostUnknown is of how many of the CostUnknown jobs all that is not known was
	// spent before.
	EarlierCostUnknown int `json:"earlier_cost_unknown,omitempty"`
	// responses says that they are what is counted, and not jobs.
	responses bool
}

// count is a number of what is counted.
func (s spending) count(n int) string {
	if s.responses {
		return plural(n, "response", "responses")
	}
	return plural(n, "job", "jobs")
}

// text says what it was and why more is not known.
func (s spending) text() string {
	why := ""
	if len(s.CostWhy) > 0 {
		why = ": " + printable(s.CostWhy[0].Why)
	}
	if len(s.CostWhy) > 1 {
		why += ", and others"
	}
	var known jobs.Money
	if s.Cost != nil {
		known = *s.Cost
	}
	text := dollars(known)
	if fresh := s.CostUnknown - s.EarlierCostUnknown; fresh > 0 {
		if s.Cost == nil {
			return "unknown" + why
		}
		text += ", and what is unknown of " + s.count(fresh) + why
		why = "" // it is said
	}
	unknown := "what is unknown of " + s.count(s.EarlierCostUnknown) + why
	switch {
	case s.EarlierCost > 0 && s.EarlierCostUnknown > 0:
		text += "; " + dollars(s.EarlierCost) + " of that, and " + unknown + ", before this command"
	case s.EarlierCost > 0:
		text += "; " + dollars(s.EarlierCost) + " of that before this command"
	case s.EarlierCostUnknown > 0:
		text += "; " + unknown + ", was before this command"
	}
	return text
}
