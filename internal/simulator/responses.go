package simulator

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// get handles GET /responses/{id}, as an object or as a stream.
func (e *exchange) get(ctx context.Context, id string) {
	if !e.limitPoll() {
		return
	}
	v, gets, found := e.sim.store.poll(e.project, id, e.started)
	if e.prevented(ctx, "get", v.record) || e.misbehave(ctx) {
		return
	}
	if found && e.fault != nil { // which may have taken its time
		v, found = e.sim.store.find(e.project, id, time.Now())
	}
	if found && v.quirks != nil {
		age := e.started.Sub(time.Unix(0, v.created))
		if v.quirks.missing.open(gets, age) {
			found = false
		} else if v.quirks.stale.open(gets, age) {
			v.recede()
		}
	}
	if found && e.fault != nil && e.fault.Body == bodyStale {
		v.recede()
	}
	if !found {
		e.refuse(errResponseNotFound(clip(id, 128)))
		return
	}
	query := e.r.URL.Query()
	if streamed, _ := strconv.ParseBool(query.Get("stream")); streamed {
		e.streamAgain(ctx, v, query.Get("starting_after"), query.Get("include_obfuscation"))
		return
	}
	e.replyView(v)
}

// prevented chooses the fault of a request about a response, and reports whether it has already
// been the answer. Otherwise what was asked for is to be done.
func (e *exchange) prevented(ctx context.Context, op string, r *record) bool {
	var meta metadata
	if r != nil {
		meta = r.metadata
	}
	if _, err := e.chooseFault(occasion{op: op, project: e.project, metadata: meta}, r); err != nil {
		e.refuse(err)
		return true
	}
	if e.fault == nil {
		return false
	}
	if e.wait(ctx, time.Duration(e.fault.Delay), nil) != nil {
		e.reset()
		return true
	}
	return e.fault.refuses() && e.misbehave(ctx)
}

// cancel handles POST /responses/{id}/cancel. A response that has ended is returned as it is.
func (e *exchange) cancel(ctx context.Context, id string) {
	before, _ := e.sim.store.find(e.project, id, e.started)
	if e.prevented(ctx, "cancel", before.record) {
		return
	}
	v, ok, tell := e.sim.store.cancel(e.project, id, time.Now())
	if tell {
		e.sim.courier.tell(v.record)
	}
	switch {
	case e.misbehave(ctx):
	case !ok:
		e.refuse(errResponseNotFound(clip(id, 128)))
	case !v.background:
		e.refuse(invalid("", "", "Cannot cancel a synchronous response."))
	default:
		e.replyView(v)
	}
}

// delete handles DELETE /responses/{id}.
func (e *exchange) delete(ctx context.Context, id string) {
	before, _ := e.sim.store.find(e.project, id, e.started)
	if e.prevented(ctx, "delete", before.record) {
		return
	}
	deleted := e.sim.store.remove(e.project, id, time.Now())
	switch {
	case e.misbehave(ctx):
	case !deleted:
		e.refuse(errResponseNotFound(clip(id, 128)))
	default:
		e.reply(http.StatusOK, append(appendQuoted([]byte(`{"id":`), id), `,"object":"response","deleted":true}`...))
	}
}

// countTokens handles POST /responses/input_tokens.
func (e *exchange) countTokens() {
	b, err := e.readBody()
	if err != nil {
		e.refuse(err)
		return
	}
	q, err := parseRequest(b, e.settings)
	if err == nil {
		err = e.resolveInput(q)
	}
	if err != nil {
		e.refuse(err)
		return
	}
	e.reply(http.StatusOK, append(appendInt([]byte(`{"object":"response.input_tokens","input_tokens":`), q.inputTokens), '}'))
}
