package simulator

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"
)

// batches are all that were made, by age.
type batches struct {
	mu  sync.Mutex
	all []*batch
}

// find returns a batch of a project. The mutex must be held.
func (s *batches) findLocked(project, id string) (*batch, bool) {
	i := slices.IndexFunc(s.all, func(b *batch) bool { return b.id == id && b.project == project })
	if i < 0 {
		return nil, false
	}
	return s.all[i], true
}

// enqueued is how many tokens the open batches of a project ask of a model. The mutex must be held.
func (s *batches) enqueuedLocked(project, model string, now int64) int {
	n := 0
	for _, b := range s.all {
		if b.project == project && b.model == model && b.status(now).open() {
			n += b.tokens
		}
	}
	return n
}

// routeBatches serves the routes below /batches.
func (e *exchange) routeBatches(ctx context.Context, id, verb string) {
	switch route := e.r.Method + " " + verb; {
	case route == "POST " && id == "":
		e.createBatch(ctx)
	case route == "GET " && id == "":
		e.listBatches()
	case route == "GET " && id != "":
		e.showBatch(ctx, id, false)
	case route == "POST cancel" && id != "":
		e.showBatch(ctx, id, true)
	default:
		e.refuse(e.errInvalidURL())
	}
}

// createBatch handles POST /batches.
func (e *exchange) createBatch(ctx context.Context) {
	b, err := e.readBatch()
	if err != nil {
		e.refuse(err)
		return
	}
	object := e.runBatch(ctx, b)
	if !e.misbehave(ctx) {
		e.writeJSON(object)
	}
}

// readBatch reads the request for a batch and its file.
func (e *exchange) readBatch() (*batch, *apiError) {
	body, err := e.readBody()
	if err != nil {
		return nil, err
	}
	r := newReader(body.members)
	r.only("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
	input := r.text("input_file_id", 256)
	endpoint := r.text("endpoint", 64)
	window := r.text("completion_window", 16)
	keep := batchFileLife
	if expiry := r.object("output_expires_after"); expiry != nil {
		var err *apiError
		if keep, err = parseExpiry("output_expires_after", expiry.text("anchor", 32), string(expiry.raw("seconds"))); err != nil {
			expiry.fail(err)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	for _, member := range []struct{ name, value string }{{"input_file_id", input}, {"endpoint", endpoint}, {"completion_window", window}} {
		if member.value == "" {
			return nil, errMissing(member.name)
		}
	}
	f, found := e.sim.shelf.find(e.project, input, e.started)
	switch {
	case window != batchWindow:
		return nil, invalid("completion_window", "invalid_value", "Invalid value: '%s'. Supported values are: '24h'.", clip(window, 16))
	case endpoint != batchEndpoint:
		return nil, invalid("endpoint", "invalid_value", "Invalid value: '%s'. This stand-in supports '%s' alone.", clip(endpoint, 64), batchEndpoint)
	case body.metadataFault != nil:
		return nil, body.metadataFault
	case !found:
		return nil, errFileNotFound(input)
	case f.purpose != purposeBatch:
		return nil, invalid("input_file_id", "", "Invalid purpose for file %s: '%s'. Expected 'batch'.", f.id, f.purpose)
	}
	b := &batch{id: newBatchID(), project: e.project, inputFile: f.id, metadata: body.metadata, keep: keep}
	b.lines, b.faults = readBatch(f.content)
	return b, nil
}

// runBatch plans the life of a batch and of all its lines. From here on it exists, and what its
// lines cost is in the ledger, whatever becomes of the answer.
func (e *exchange) runBatch(ctx context.Context, b *batch) batchObject {
	s := e.sim
	now := time.Now()
	validated := now.Add(jittered(e.settings.Queued, e.settings.Jitter, b.id))
	b.created, b.started = now.UnixNano(), validated.UnixNano()
	b.finalizing = b.started
	if len(b.faults) == 0 {
		e.askLines(ctx, b)
	}
	s.batches.mu.Lock()
	defer s.batches.mu.Unlock()
	if limit := e.settings.EnqueuedTokens; limit > 0 && len(b.faults) == 0 {
		if n := s.batches.enqueuedLocked(b.project, b.model, b.created) + b.tokens; n > limit {
			b.faults = []batchFault{*newBatchFault("token_limit_exceeded", "",
				"Enqueued token limit reached for %s in organization %s. Limit: %d enqueued tokens. Please try again once some in_progress batches have been completed.", b.model, organization, limit)}
		}
	}
	if len(b.faults) == 0 {
		e.planLines(b, cmp.Or(e.settings.Batch, e.settings.Running))
	}
	b.ended = b.finalizing
	if b.finalizing != never {
		b.ended += int64(jittered(e.settings.Queued, e.settings.Jitter, b.id))
	}
	s.batches.all = append(s.batches.all, b)
	return s.showLocked(b, now)
}

// askLines decides what comes of each line, as if it had been sent by itself. A batch has limits
// of its own, so that those of a minute do not matter.
func (e *exchange) askLines(ctx context.Context, b *batch) {
	for _, line := range b.lines {
		one := &exchange{sim: e.sim, settings: e.settings, r: e.r.Clone(ctx), started: e.started, project: e.project}
		one.r.Header.Del(faultHeader) // which is the batch's own
		if _, line.refused = one.chooseFault(occasion{op: opCreate, project: e.project, tier: line.body.tier(), metadata: line.body.metadata}, nil); line.refused != nil {
			continue
		}
		if one.fault != nil && one.fault.refuses() {
			line.refused = one.fault.apiError()
			continue
		}
		var q *request
		if q, line.refused = one.understand(line.body); line.refused != nil {
			continue
		}
		q.background = false
		b.model = q.model.snapshot
		b.tokens += q.inputTokens
		line.record = one.newRecord(q)
		one.plan(line.record, nil, e.started)
		one.cache(q, line.record)
		line.body = nil
	}
}

// planLines spreads the lines of a batch over the time that it takes, and enters them into the
// ledger. Those that are left undone are not asked.
func (e *exchange) planLines(b *batch, takes time.Duration) {
	left := 0
	if e.fault != nil {
		left = int(math.Round(e.fault.Expire * float64(len(b.lines))))
		b.expires = left > 0
	}
	asked := b.lines[:len(b.lines)-left]
	entries := make([]*entry, 0, len(asked))
	each := takes / 4
	for i, line := range asked {
		runs := b.started + int64(float64(takes-each)*float64(i+1)/float64(len(asked)))
		line.ends = runs + int64(each)
		if r := line.record; r != nil {
			unending := r.ends == never
			r.created, r.runs, r.ends = b.created, runs, line.ends
			if unending {
				r.ends, line.ends = never, never
			}
			entries = append(entries, r.entry)
		}
		b.finalizing = max(b.finalizing, line.ends)
	}
	for _, line := range b.lines[len(asked):] {
		line.record, line.refused, line.ends = nil, nil, never
	}
	e.sim.store.enter(entries, e.started)
}

// showLocked returns the batch as it stands, with its files once it has ended. The mutex of the
// batches must be held.
func (s *Simulator) showLocked(b *batch, now time.Time) batchObject {
	at := now.UnixNano()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	status := b.status(at)
	if !status.open() && status != batchFailed && b.output == nil && b.errors == nil {
		output, errors := b.writeLocked(at)
		b.output = s.keepOutput(b, "output", output, now)
		b.errors = s.keepOutput(b, "error", errors, now)
	}
	return b.objectLocked(at)
}

// keepOutput puts what a batch has written on the shelf, nil if that is nothing.
func (s *Simulator) keepOutput(b *batch, kind string, content []byte, now time.Time) *file {
	if len(content) == 0 {
		return nil
	}
	f := &file{
		id: newFileID(), project: b.project, name: fmt.Sprintf("%s_%s.jsonl", b.id, kind), purpose: purposeOutput,
		created: now, expires: now.Add(b.keep), content: content,
	}
	s.shelf.put(f, now) // without room it is lost, as one that is gone
	return f
}

// showBatch handles GET /batches/{id} and POST /batches/{id}/cancel.
func (e *exchange) showBatch(ctx context.Context, id string, cancel bool) {
	now := time.Now()
	e.sim.batches.mu.Lock()
	b, found := e.sim.batches.findLocked(e.project, id)
	var object batchObject
	refused := false
	if found {
		if cancel {
			refused = !e.sim.stopBatch(b, now)
		}
		object = e.sim.showLocked(b, now)
	}
	e.sim.batches.mu.Unlock()
	switch {
	case !found:
		err := notFound("No batch found with id '%s'.", clip(id, 128))
		e.refuse(err)
	case refused:
		e.refuse(&apiError{
			status: http.StatusConflict, kind: "invalid_request_error",
			message: fmt.Sprintf("Cannot cancel a batch with status '%s'.", object.Status),
		})
	case !e.misbehave(ctx):
		e.writeJSON(object)
	}
}

// stopBatch cancels a batch and reports false for one that has ended. One that is being cancelled
// stays so.
func (s *Simulator) stopBatch(b *batch, now time.Time) bool {
	at := now.UnixNano()
	if !b.status(at).open() {
		return false
	}
	if b.cancelled == 0 {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		b.stopLocked(at)
	}
	return true
}

// listBatches handles GET /batches, the newest first.
func (e *exchange) listBatches() {
	e.sim.batches.mu.Lock()
	var objects []batchObject
	for _, b := range slices.Backward(e.sim.batches.all) {
		if b.project == e.project {
			objects = append(objects, e.sim.showLocked(b, e.started))
		}
	}
	e.sim.batches.mu.Unlock()
	listPage(e, objects, func(o batchObject) string { return o.ID }, 20)
}
