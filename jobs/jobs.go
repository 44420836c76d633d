// Package jobs is the vocabulary of Longhaul: what a job is, which states it
// passes through, what may happen to it, and what its result looks like. It
// decides; it never acts. Nothing in it talks to a network, a clock or a store,
// and it imports nothing but the standard library, so that every rule about
// money and about the end of a job can be read, and tested, in one place.
//
// The life of a job:
//
//	accept          admit, submit                 watch                  effects
//	waiting ──────► submitting ──────────────────► running ────────────► succeeded
//	   ▲ │              │  answer lost                │  terminal body   incomplete
//	   │ │              ▼                             │                  failed
//	   │ │          uncertain (the provider's word    │                  cancelled
//	   │ │              │      or a person decides)   │
//	   │ │              │                             │                  expired
//	   └─┼── next attempt, not before …  ◄────────────┘                     ▲
//	     └───────────── cancel, deadline ───────────────────────────────────┘
//
// [Transition] is the one function that moves a job from one state to the next;
// [Class.Verdict] is the one table that says what an error does to it, and
// [Job.Due] says when it wants attention next.
package jobs

// Schema is the highest version of a record that this build reads. A record with a
// higher number belongs to a newer worker and is left alone.
const Schema = schemaParent

// The versions of records that this build writes. Those of parents and of requests that go
// through batches are apart, so that a worker which has no planners, or would look for a
// line at the provider, leaves them alone, and reads all others as before.
const (
	schemaResponse = 1
	schemaParent   = 2
	schemaBatch    = 2
)

// DefaultModel is the model of a request that names none.
const DefaultModel = "gpt-4.1"

// DefaultLane is the lane of a job that names none.
const DefaultLane = "default"

// Kind says what sort of job this is.
type Kind string

// The kinds of jobs.
const (
	// KindResponse is a job of one request.
	KindResponse Kind = "response"
	// KindSummarize is the parent of the requests that summarize one document; see
	// [Planner].
	KindSummarize Kind = "summarize"
)

// MetadataJob and MetadataAttempt are the two of OpenAI's sixteen metadata
// pairs that Longhaul keeps for itself, so that a response can be traced back
// to the attempt that made it.
const (
	MetadataJob     = "longhaul_job"
	MetadataAttempt = "longhaul_attempt"
)
