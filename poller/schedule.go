package poller

import "time"

// Schedule says when to look, as long as nothing is known of how long such
// responses take; see [Plan] for when there is. An interval grows with the age of the response, a
// tenth of it, between a floor and a ceiling: a response of minutes is looked
// at every few seconds, one of hours every ceiling.
type Schedule struct {
	Floor   time.Duration
	Ceiling time.Duration
	// NotFoundGrace is how long after its create a response may be unknown to
	// the provider before it counts as lost.
	NotFoundGrace time.Duration
	// StopGrace is how long a stopped response may refuse to end before its job
	// ends without it.
	StopGrace time.Duration
	// SafetyNet is the wait between two looks at a response whose end the provider
	// will tell. It should be well below ten minutes: for so long OpenAI keeps a
	// response at least.
	SafetyNet time.Duration
	// LookCost is how much lag a look is worth that is saved: by it a [Plan] weighs
	// the one against the other.
	LookCost time.Duration
}

// First is the wait between a create and the first look. The provider's own wish
// counts, unless it will tell the end; without one, a plan if there is one.
func (s Schedule) First(plan *Plan, wish time.Duration, told bool) time.Duration {
	switch {
	case told:
		return s.SafetyNet
	case wish > 0:
		return wish
	case plan != nil:
		return plan.First()
	}
	return s.Floor
}

// After is the wait between two looks at a response of the given age, by a plan if
// there is one, spread by a tenth to both sides; random is in [0, 1).
func (s Schedule) After(plan *Plan, age time.Duration, random float64) time.Duration {
	if plan != nil {
		return spread(plan.After(age), random)
	}
	return s.interval(age, random)
}

// interval is the wait before the next look at a response of the given age,
// spread by a tenth to both sides; random is in [0, 1).
func (s Schedule) interval(age time.Duration, random float64) time.Duration {
	return spread(min(max(age/10, s.Floor), s.Ceiling), random)
}

// spread is a wait, a tenth more or less.
func spread(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*random))
}

// afterFailure is the wait after looks that brought no status, failures of them
// in a row: the interval, doubled with each up to the ceiling.
func (s Schedule) afterFailure(age time.Duration, failures int, random float64) time.Duration {
	d := s.interval(age, random)
	for range min(failures, 16) {
		d = min(2*d, s.Ceiling)
	}
	return d
}
