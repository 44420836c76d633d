package jobs

import "encoding/json"

// Part is a request whose answer a parent needs.
type Part struct {
	// Name says which part it is, on one line, such as "part 3 of 12".
	Name string
	// Request is the body of a POST /v1/responses.
	Request json.RawMessage
}

// PartEnd is how a part ended.
type PartEnd struct {
	// Job is the part's own job, at its end.
	Job Job
	// Text is the text of its answer, "" without one.
	Text string
}

// Next is what comes next for a parent: more parts, or its end.
type Next struct {
	// Parts are the requests of the next phase, none at the end.
	Parts []Part
	// Result is the parent's result, a JSON object; nil unless it succeeded, or failed
	// with something worth keeping.
	Result json.RawMessage
	// Failure is why the parent failed, nil unless it did.
	Failure *Failure
}

// Planner decides what comes next for the parents of a kind. It is a pure function:
// the same request and ends give the same parts, byte for byte, so that it can be asked
// again after a crash and from the beginning.
type Planner interface {
	// Next is given the request that the parent carries and the ends of the parts of
	// each phase so far, in the order in which they were asked for. It is called with
	// no phase first, and again when all parts of a phase have ended, however they did.
	// An error says that the request cannot be planned, and fails the parent.
	Next(request json.RawMessage, phases [][]PartEnd) (Next, error)
}
