package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
	"unique"
)

// Names under which a single request can carry a fault of its own, besides the plan.
const (
	faultHeader   = "X-Simulator-Fault"
	faultMetadata = "simulator_fault"
)

// create handles POST /responses.
func (e *exchange) create(ctx context.Context) {
	b, err := e.readBody()
	if err != nil {
		e.refuseCreate(err)
		return
	}
	aside, err := e.chooseFault(occasion{op: opCreate, project: e.project, tier: b.tier(), metadata: b.metadata}, nil)
	if err != nil {
		e.refuseCreate(err)
		return
	}
	if e.fault != nil && e.wait(ctx, e.fault.earlyDelay(), nil) != nil {
		e.sim.store.count(func(t *Totals) { t.CreatesRefused++ })
		e.reset()
		return
	}
	if e.fault != nil && e.fault.refuses() {
		e.sim.store.count(func(t *Totals) { t.CreatesRefused++ })
		e.misbehave(ctx)
		return
	}
	q, err := e.accept(b)
	if err != nil {
		e.refuseCreate(err)
		return
	}
	r := e.admit(q, aside)
	if e.fault != nil {
		if e.fault.replaces() {
			e.sim.store.lose(r)
			_ = e.wait(ctx, e.fault.lateDelay(), nil)
			e.misbehave(ctx)
			return
		}
		if e.wait(ctx, e.fault.lateDelay(), nil) != nil {
			e.sim.store.lose(r)
			e.reset()
			return
		}
	}
	e.answer(ctx, r)
}

// refuseCreate answers a create that was not accepted.
func (e *exchange) refuseCreate(err *apiError) {
	e.sim.store.count(func(t *Totals) { t.CreatesRefused++ })
	e.refuse(err)
}

// body is the body of a request: a JSON object.
type body struct {
	members map[string]json.RawMessage
	// metadata is read before everything else, because it may carry a fault and rules match on it.
	// What is wrong with it is reported when its turn comes.
	metadata      metadata
	metadataFault *apiError
}

// tier returns the service tier that a create asks for, if it is one.
func (b *body) tier() string {
	var tier string
	if json.Unmarshal(b.members["service_tier"], &tier) != nil {
		return "" // is refused when its turn comes
	}
	return tier
}

func (e *exchange) readBody() (*body, *apiError) {
	if kind := e.r.Header.Get("Content-Type"); kind != "" && kind != "application/json" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return nil, invalid("", "unsupported_content_type",
				"Unsupported content type: '%s'. This API method only accepts 'application/json' requests, "+
					"but you specified the header 'Content-Type: %s'. Please try again with a supported content type.",
				clip(kind, 64), clip(kind, 64))
		}
	}
	buf := e.sim.buffers.get()
	defer e.sim.buffers.put(buf)
	raw, err := readAll(http.MaxBytesReader(e.w, e.r.Body, e.settings.MaxBodyBytes), *buf)
	*buf = raw
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, errBodyTooLarge(e.settings.MaxBodyBytes)
	}
	if err != nil {
		return nil, errInvalidJSON()
	}
	members, ok := decodeObject(raw) // copies what it keeps
	if !ok {
		return nil, errInvalidJSON()
	}
	b := &body{members: members}
	b.metadata, b.metadataFault = parseMetadata(members["metadata"])
	return b, nil
}

// readAll reads r to its end into buf, which it may replace by a larger one.
func readAll(r io.Reader, buf []byte) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// chooseFault decides about the request's fault: the header comes first, then what the metadata
// of the response says, then the plan. aside is the rule from the metadata, or else from the
// header, if it is about something else than this create: other requests, or the webhook.
func (e *exchange) chooseFault(o occasion, r *record) (aside *liveRule, err *apiError) {
	if text := e.r.Header.Get(faultHeader); text != "" {
		rule, parseErr := parseFaultRule(text)
		if parseErr != nil {
			return nil, invalid(faultHeader, "invalid_value", "Invalid header '%s': %s.", faultHeader, parseErr)
		}
		if rule.Match.Op == opWebhook {
			aside = rule
		}
		if e.fault = rule.choose(o); e.fault != nil {
			return nil, nil
		}
	}
	if text := o.metadata.value(faultMetadata); text != "" && o.op == opCreate {
		rule, parseErr := parseFaultRule(text)
		if parseErr != nil {
			return nil, invalid("metadata."+faultMetadata, "invalid_value", "Invalid 'metadata.%s': %s.", faultMetadata, parseErr)
		}
		if rule.Match.Op == "" || rule.Match.Op == opCreate {
			e.fault = rule.choose(o)
		} else {
			aside = rule
		}
	}
	if r != nil && r.quirks != nil && r.quirks.later != nil {
		e.fault = r.quirks.later.choose(o)
	}
	if e.fault == nil {
		e.fault = e.sim.faults.Load().choose(o)
	}
	return aside, nil
}

// accept validates a create and takes it from the limits.
func (e *exchange) accept(b *body) (*request, *apiError) {
	q, err := e.understand(b)
	if err != nil {
		return nil, err
	}
	if err := e.limit(q); err != nil {
		return nil, err
	}
	return q, nil
}

// understand validates a create.
func (e *exchange) understand(b *body) (*request, *apiError) {
	q, err := parseRequest(b, e.settings)
	if err != nil {
		return nil, err
	}
	if err := e.resolveInput(q); err != nil {
		return nil, err
	}
	if q.format.kind == "json_object" && !mentionsJSON(q) {
		return nil, invalid("input", "",
			"Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.")
	}
	if room := q.model.context - q.maxOutput; q.inputTokens > room {
		if !q.truncate {
			return nil, invalid("input", "context_length_exceeded",
				"Your input exceeds the context window of this model. Please adjust your input and try again.")
		}
		q.inputTokens = max(room, 0)
	}
	return q, nil
}

// resolveInput checks what the request says about other responses, and adds the tokens of the
// one that it continues.
func (e *exchange) resolveInput(q *request) *apiError {
	calls := make(map[string]bool) // function calls without an output
	if q.previous != "" {
		previous, ok := e.sim.store.find(e.project, q.previous, e.started)
		if !ok || !previous.store {
			return invalid("previous_response_id", "previous_response_not_found",
				"Previous response with id '%s' not found.", clip(q.previous, 128))
		}
		// What OpenAI does with one that still runs or has no answer is not documented; here it cannot
		// be continued.
		if previous.status != StatusCompleted && previous.status != StatusIncomplete {
			return invalid("previous_response_id", "",
				"Previous response with id '%s' is %s and cannot be continued.", clip(q.previous, 128), previous.status)
		}
		// All earlier tokens are billed again, the older part of them from the cache.
		q.inputTokens += previous.total()
		q.carried = previous.total()
		if previous.output.function != "" && previous.status == StatusCompleted {
			calls[callID(previous.id)] = true
		}
	}
	for _, item := range q.input {
		switch item.kind {
		case "function_call":
			calls[item.callID] = true
		case "function_call_output":
			if !calls[item.callID] {
				return invalid("input", "", "No tool call found for function call output with call_id %s.", clip(item.callID, 64))
			}
			delete(calls, item.callID)
		case "item_reference":
			if _, ok := e.sim.store.find(e.project, responseOfItem(item.id), e.started); !ok {
				err := notFound("Item with id '%s' not found.", clip(item.id, 128))
				err.param = "input"
				return err
			}
		}
	}
	for id := range calls {
		return invalid("input", "", "No tool output found for function call %s.", clip(id, 64))
	}
	return nil
}

// admit makes the response. From here on it exists, whatever becomes of the answer.
func (e *exchange) admit(q *request, aside *liveRule) *record {
	r := e.newRecord(q)
	now := time.Now() // a fault may have delayed the request
	e.plan(r, aside, now)
	e.cache(q, r)
	e.sim.store.add(r, now)
	e.sim.courier.expect(r, aside)
	return r
}

// newRecord makes a response whose life is still to be planned.
func (e *exchange) newRecord(q *request) *record {
	id := newResponseID()
	words := 0
	if e.fault != nil {
		words = e.fault.Words
	}
	text, function := standIn(q, e.settings.WrongCitations, words)
	out := newOutput(q, text, function)
	return &record{
		entry: &entry{
			id: id, project: e.project, model: q.model.snapshot, metadata: q.metadata, background: q.background,
			inputTokens: clampTokens(q.inputTokens), outputTokens: clampTokens(out.tokens),
		},
		echo:   unique.Make(string(q.appendEcho(nil))),
		output: out, stream: q.stream, store: q.store, obfuscate: q.obfuscate,
		input: keepInput(q, e.sim.store.keepable()),
	}
}

// cache has the model read the request, from the moment on at which the response runs.
func (e *exchange) cache(q *request, r *record) {
	// What an earlier response of the conversation has read and written is there.
	cached, written := 0, 0
	if p := e.sim.cache.prompt(q, e.project); p != nil {
		cached, written = e.sim.cache.use(p, r.runs)
		if carried := q.carried / cacheBlock * cacheBlock; carried >= minCachedTokens && carried > cached && !q.marksOnly() {
			written = max(0, written-(carried-cached))
			cached = carried
		}
	}
	r.cachedTokens = clampTokens(cached)
	if q.model.writesCache() {
		r.writtenTokens, r.writtenLong = clampTokens(written), q.cacheTTL() == ttlLong
	}
}

// plan decides the life of a new response.
func (e *exchange) plan(r *record, later *liveRule, now time.Time) {
	queued := jittered(e.settings.Queued, e.settings.Jitter, r.id)
	running := jittered(e.settings.Running, e.settings.Jitter, r.id)
	outcome := r.output.outcome()
	fault := e.fault
	if fault == nil {
		fault = &FaultAction{}
	}
	if fault.Queued != nil {
		queued = time.Duration(*fault.Queued)
	}
	if fault.Running != nil {
		running = time.Duration(*fault.Running)
	}
	if fault.IgnoreBackground {
		queued, running = 0, 0
	}
	if !r.background { // there is no queue for synchronous responses, but they take as long
		queued, running = 0, queued+running
	}
	if fault.Fail != nil {
		outcome, r.failure = StatusFailed, fault.Fail.failure(r.model)
	}
	if fault.Incomplete != "" {
		outcome = StatusIncomplete
		r.output.halve(fault.Incomplete)
		r.outputTokens = clampTokens(r.output.tokens)
	}
	if fault.Answer != "" {
		r.output.spoil(fault.Answer)
		r.outputTokens = clampTokens(r.output.tokens)
	}
	r.life = newLife(now, queued, running, outcome)
	if fault.NeverEnds {
		r.ends = never
	}
	if fault.Stale != nil || fault.Missing != nil || fault.StreamCut > 0 || fault.StreamStall > 0 || fault.StreamRefuse || later != nil {
		r.quirks = &quirks{
			stale: fault.Stale, missing: fault.Missing, later: later,
			streamCut: fault.StreamCut, streamStall: fault.StreamStall, streamRefuse: fault.StreamRefuse,
		}
	}
}

// answer sends what the caller of a create gets.
func (e *exchange) answer(ctx context.Context, r *record) {
	if r.stream {
		e.streamNew(ctx, r)
		return
	}
	if !r.background {
		e.answerSynchronous(ctx, r)
		return
	}
	v, _ := e.sim.store.watch(r, time.Now())
	e.replyView(v)
}

// answerSynchronous answers when the response has ended. A caller who leaves ends it.
func (e *exchange) answerSynchronous(ctx context.Context, r *record) {
	for {
		now := time.Now()
		v, changed := e.sim.store.watch(r, now)
		if v.status.Terminal() {
			e.replyView(v)
			return
		}
		if err := e.wait(ctx, untilChange(&v, now), changed); err != nil {
			e.sim.store.abandon(r, time.Now())
			e.reset()
			return
		}
	}
}

// clampTokens keeps a count within the ledger's type; no real input comes near the bound.
func clampTokens(n int) int32 { return int32(min(n, 1<<30)) } //nolint:gosec // bounded right here

// keepInput returns the input items as JSON for listing them later, with texts shortened so
// that they take no more than limit bytes, or little more where there are many of them.
func keepInput(q *request, limit int) string {
	if len(q.rawInput) <= limit || isNull(q.rawInput) {
		return string(q.rawInput)
	}
	n := parseNode(q.rawInput)
	shorten(n, max(limit/max(len(n.items), 1), 64))
	return string(n.appendJSON(nil))
}

// shorten cuts every long string in n.
func shorten(n *node, limit int) {
	if n.kind == stringNode {
		n.text = clip(n.text, limit)
	}
	for _, item := range n.items {
		shorten(item, limit)
	}
	for _, member := range n.members {
		shorten(member, limit)
	}
}

// untilChange is how long it takes until the status of a response that has not ended changes.
func untilChange(v *view, now time.Time) time.Duration {
	if v.status == StatusQueued {
		return time.Duration(v.runs - now.UnixNano())
	}
	return time.Duration(v.ends - now.UnixNano())
}
