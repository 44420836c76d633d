package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TierBatch is the service_tier of a request that is to go through OpenAI's Batch API:
// the same work at half the price, within a day. OpenAI has no tier of that name; the
// member never leaves this program.
const TierBatch = "batch"

// DefaultBatchDeadline is the deadline of a job that names none and whose request goes
// through the Batch API: a batch has a day, and waits to be filled before.
const DefaultBatchDeadline = BatchWindow + 6*time.Hour

// linePrefix begins what stands for the id of a response while a request is a line of a
// batch.
const linePrefix = "line_"

// LineID names the line of a batch that an attempt is. It stands in the record for the id
// of the response, which is known at the end.
func LineID(t Try) string { return linePrefix + string(t.Job) + "." + strconv.Itoa(t.Attempt) }

// ParseLine returns the attempt that a line is of, and false for the id of a response.
func ParseLine(id string) (Try, bool) {
	rest, ok := strings.CutPrefix(id, linePrefix)
	job, number, cut := strings.Cut(rest, ".")
	attempt, err := strconv.Atoi(number)
	if !ok || !cut || err != nil || attempt < 1 {
		return Try{}, false
	}
	if _, err := ParseID(job); err != nil {
		return Try{}, false
	}
	return Try{Job: ID(job), Attempt: attempt}, true
}

// Line is a response that stands for the line of a batch: it has the line's id, and what
// it came to so far. Of one that was never sent it is known that nothing was used.
func Line(id, status string, unsent bool) (Response, error) {
	usage := "null"
	if unsent {
		usage = `{"input_tokens":0,"output_tokens":0,"total_tokens":0}`
	}
	return ParseResponse(fmt.Appendf(nil, `{"id":%s,"object":"response","status":%s,"usage":%s}`, quote(id), quote(status), usage))
}

// Batched reports whether a body is to go through the Batch API.
func Batched(body json.RawMessage) bool {
	if !bytes.Contains(body, []byte(`"`+TierBatch+`"`)) {
		return false // as hardly any has
	}
	o, err := parseObject(body)
	if err != nil {
		return false
	}
	var tier string
	return json.Unmarshal(o.values["service_tier"], &tier) == nil && tier == TierBatch
}

// BatchBody is what a line of a batch carries of a body: all but what batches decide by
// themselves.
func BatchBody(body json.RawMessage) (json.RawMessage, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, Invalid("request", "%s", err.Error())
	}
	for _, name := range []string{"service_tier", "background", "stream"} {
		o.drop(name)
	}
	return o.encode(), nil
}

// Collected is what came of the line of a batch. It is accepted in every state: what was
// paid for is never dropped.
type Collected struct {
	// Line is the one that the attempt had, and Endpoint whose batch it was.
	Line     string
	Endpoint string
	// Reply is the response, nil if there is none and Failure says why.
	Reply   *Reply
	Failure *Failure
	// Delay is the wait before a next attempt, if there is one.
	Delay time.Duration
}

// Name implements [Event].
func (Collected) Name() string { return "collected" }

func (m *move) collected(ev Collected) error {
	t, ok := ParseLine(ev.Line)
	if !ok {
		return m.refuse(ev.Name(), fmt.Sprintf("%.64q is no line of a batch", ev.Line))
	}
	a := m.attempt(t.Attempt)
	if m.job.State != StateRunning || a == nil || a.Number != m.job.Current || a.ResponseID != ev.Line {
		return m.collectedLate(a, t, ev)
	}
	if ev.Reply == nil {
		f := *ev.Failure
		if f.Class.Verdict().Action == ActionUncertain {
			f.Class = ClassUnavailable // a batch leaves nothing in doubt
		}
		if ev.Failure.Class.free() {
			a.Usage = &Usage{}
		}
		m.failed(a, f, ev.Delay)
		return nil
	}
	a.Line, a.ResponseID, a.RequestID = ev.Line, ev.Reply.Response.ID, ev.Reply.RequestID
	m.forgetCancel(ev.Line)
	if !ev.Reply.Response.Terminal() {
		m.job.LookAt, m.job.Looks = m.now, Looks{} // as no answer in a batch should be
		return nil
	}
	m.finish(a, *ev.Reply, ev.Delay)
	return nil
}

// collectedLate is what came of a line whose job has gone on without it, or was stopped
// while the batch could not be. The answer is the attempt's, which so has one cost and not
// two; that there is none says that it has cost nothing.
func (m *move) collectedLate(a *Attempt, t Try, ev Collected) error {
	known := a != nil && a.ResponseID == ev.Line && (a.Outcome == "" || a.Wasted())
	if ev.Reply == nil || ev.Reply.Response.ID == ev.Line {
		if !known || a.Outcome == "" || a.Usage != nil || ev.Failure != nil && !ev.Failure.Class.free() {
			return ErrUnchanged
		}
		a.Usage = &Usage{}
		m.forgetCancel(ev.Line)
		return nil
	}
	created := Created{Attempt: t.Attempt, Reply: *ev.Reply, Endpoint: ev.Endpoint, Delay: ev.Delay}
	if !known {
		return m.created(created)
	}
	m.forgetCancel(ev.Line)
	answered := a.Answered
	a.Line, a.ResponseID = ev.Line, ""
	err := m.created(created)
	a.Answered = answered
	return err
}

// forgetCancel takes back that a line is to be cancelled: its end is known.
func (m *move) forgetCancel(line string) {
	m.job.Outbox = slices.DeleteFunc(m.job.Outbox, func(e Effect) bool { return e.Kind == EffectCancel && e.ResponseID == line })
}

// free reports whether a line that failed so has certainly cost nothing.
func (c Class) free() bool {
	switch c {
	case ClassInvalid, ClassRejected, ClassUnauthorized, ClassRateLimited, ClassCapacity, ClassQuota, ClassUnreachable, ClassUnavailable:
		return true
	case ClassInternal, ClassAmbiguous, ClassConflict, ClassLost, ClassOversized, ClassExpired, ClassDependency, ClassPoison:
	}
	return false
}
