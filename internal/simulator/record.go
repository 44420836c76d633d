package simulator

import (
	"time"
	"unique"
)

// zeroStoreRetention is how long a background response with store=false can be retrieved after
// it ended.
const zeroStoreRetention = 10 * time.Minute

// record is a response that can be retrieved. Its entry is shared with the ledger, which outlives
// the record. Fields of the entry and the fields under the heading below are guarded by the
// store's mutex; the others never change.
type record struct {
	*entry
	echo      unique.Handle[string] // most responses repeat the same parameters: one copy serves all
	output    output
	failure   failure
	input     string // the input items as JSON, large texts shortened
	stream    bool
	store     bool
	obfuscate bool
	quirks    *quirks // nil for most

	// guarded by the store's mutex
	gets      int           // retrievals, for faults that count them
	changed   chan struct{} // closed when the record is cancelled or deleted; made by who waits
	webhook   *FaultAction  // what is to go wrong with its webhook; nil for most
	expected  bool          // its end is going to be told by a webhook
	announced bool          // that webhook is on its way, or withheld
}

// view is what a record looks like at one instant.
type view struct {
	*record
	status    Status
	ended     int64
	cancelled bool
}

// view returns the record's state at the given time. The store's mutex must be held.
func (r *record) viewLocked(now int64) view {
	return view{record: r, status: r.status(now), ended: r.ended(now), cancelled: r.cancelled != 0}
}

// recede makes the view that of a response that is still queued.
func (v *view) recede() { v.status, v.ended, v.cancelled = StatusQueued, 0, false }

// appendJSON appends the response object.
func (v *view) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, v.id...)
	dst = append(dst, `","object":"response","created_at":`...)
	dst = appendInt(dst, int(v.created/int64(time.Second)))
	dst = append(dst, `,"status":"`...)
	dst = append(dst, v.status...)
	dst = appendBool(append(dst, `","background":`...), v.background)
	dst = append(dst, `,"completed_at":`...)
	if v.status == StatusCompleted {
		dst = appendInt(dst, int(v.ended/int64(time.Second)))
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"error":`...)
	if v.status == StatusFailed {
		dst = v.failure.appendJSON(dst)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"incomplete_details":`...)
	if v.status == StatusIncomplete {
		dst = append(appendQuoted(append(dst, `{"reason":`...), v.output.reason()), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, v.echo.Value()...)
	dst = append(dst, `,"output":[`...)
	answered := v.status == StatusCompleted || v.status == StatusIncomplete
	if answered {
		dst = v.output.appendItems(dst, v.id)
	}
	dst = append(dst, `],"usage":`...)
	if answered {
		dst = v.usage().appendJSON(dst)
	} else {
		dst = append(dst, "null"...)
	}
	dst = v.metadata.appendJSON(appendMember(dst, "metadata"))
	return append(dst, '}')
}

func (r *record) usage() usage {
	return usage{
		input: int(r.inputTokens), cached: int(r.cachedTokens), written: int(r.writtenTokens), long: r.writtenLong,
		output: r.output.tokens, reasoning: r.output.reasoning,
	}
}

// total is what a request that continues this response has to pay for again.
func (r *record) total() int { return int(r.inputTokens) + r.output.tokens }

// expired reports whether the response was kept only for a while that has passed.
func (v *view) expired(now int64) bool {
	if v.store || v.ended == 0 {
		return false
	}
	return !v.background || now > v.ended+int64(zeroStoreRetention)
}

// wake tells everyone who waits for the record that it changed. The store's mutex must be held.
func (r *record) wakeLocked() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}
