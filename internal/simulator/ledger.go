package simulator

import (
	"strconv"
	"time"
)

// defaultCapacity bounds the ledger's memory. When it is full the older half of the entries is
// dropped; the totals keep counting them.
const defaultCapacity = 1_000_000

// Ledger is what was asked of the simulator since its start or the last reset: the account by
// which a test tells how often something was paid for.
type Ledger struct {
	Totals  Totals  `json:"totals"`
	Entries []Entry `json:"entries"` // in the order of their creation
}

// Totals counts requests, and the tokens of the responses that ended completed or incomplete.
type Totals struct {
	CreatesAccepted int `json:"creates_accepted"` // each one has an entry
	CreatesRefused  int `json:"creates_refused"`  // validation, limits, keys and injected faults
	AnswersLost     int `json:"answers_lost"`     // accepted creates whose answer was withheld by a fault
	Polls           int `json:"polls"`            // retrievals of a known response
	PollsUnknown    int `json:"polls_unknown"`    // retrievals of an id that is not known
	Cancels         int `json:"cancels"`
	Deletes         int `json:"deletes"`
	InputTokens     int `json:"input_tokens"`
	OutputTokens    int `json:"output_tokens"`
	EntriesDropped  int `json:"entries_dropped"` // entries that gave way to newer ones

	// Webhooks that were sent are the sum of those that were delivered, those that were refused,
	// and the forged ones. What is sent again counts again.
	WebhooksSent        int `json:"webhooks_sent"`
	WebhooksDelivered   int `json:"webhooks_delivered"` // answered with a 2xx
	WebhooksRefused     int `json:"webhooks_refused"`   // answered with anything else, or not
	WebhooksForged      int `json:"webhooks_forged"`
	WebhooksForgedTaken int `json:"webhooks_forged_taken"` // forged ones that were answered with a 2xx
	WebhooksWithheld    int `json:"webhooks_withheld"`     // ends that a fault kept from being told
}

// Entry is one accepted create.
type Entry struct {
	ID           string            `json:"id"`
	Project      string            `json:"project,omitempty"` // of the key that it was made with
	Model        string            `json:"model"`
	Metadata     map[string]string `json:"metadata"`
	Attempt      int               `json:"attempt"` // of metadata's longhaul_attempt; 0 if it has none
	Background   bool              `json:"background"`
	Created      time.Time         `json:"created"`
	Status       Status            `json:"status"`
	Ended        time.Time         `json:"ended,omitzero"` // zero while it has not ended
	Polls        int               `json:"polls"`
	LastPoll     time.Time         `json:"last_poll,omitzero"`
	Cancels      int               `json:"cancels"`
	Deleted      bool              `json:"deleted"`
	AnswerLost   bool              `json:"answer_lost"`
	InputTokens  int               `json:"input_tokens"` // both are 0 unless it ended completed or incomplete
	OutputTokens int               `json:"output_tokens"`
	// Of the input, what the prompt cache had and what it took.
	CachedTokens     int `json:"cached_tokens"`
	CacheWriteTokens int `json:"cache_write_tokens"`

	Webhooks        int       `json:"webhooks"`               // that were sent, forged ones and repeats among them
	WebhookTaken    time.Time `json:"webhook_taken,omitzero"` // when one that is genuine was first answered with a 2xx
	WebhookWithheld bool      `json:"webhook_withheld"`       // by a fault
	WebhookForged   bool      `json:"webhook_forged"`         // by a fault
}

// metadataAttempt is the metadata key by which a caller numbers its attempts.
const metadataAttempt = "longhaul_attempt"

// entry is the ledger's own form of an Entry. The store's mutex guards what changes: the life,
// the counts and the flags.
type entry struct {
	life
	id           string
	project      string
	model        string
	metadata     metadata
	inputTokens  int32
	cachedTokens int32
	// writtenTokens are those that were written into the prompt cache, for twelve hours if
	// writtenLong.
	writtenTokens int32
	outputTokens  int32
	polls         int32
	cancels       int32
	webhooks      int32
	polled        int64 // when it last was; 0 if it never was
	told          int64 // when a webhook was taken; 0 if none was
	background    bool
	deleted       bool
	lost          bool
	withheld      bool
	forged        bool
	writtenLong   bool
}

// attempt returns the number that the caller gave this attempt, or 0.
func (e *entry) attempt() int {
	n, err := strconv.Atoi(e.metadata.value(metadataAttempt))
	if err != nil {
		return 0
	}
	return n
}

// tokens returns what was used at the given time.
func (e *entry) tokens(now int64) (input, output int) {
	if s := e.status(now); s == StatusCompleted || s == StatusIncomplete {
		return int(e.inputTokens), int(e.outputTokens)
	}
	return 0, 0
}

func (e *entry) export(now int64) Entry {
	out := Entry{
		ID: e.id, Project: e.project, Model: e.model, Metadata: e.metadata.toMap(), Attempt: e.attempt(), Background: e.background,
		Created: time.Unix(0, e.created).UTC(), Status: e.status(now), Polls: int(e.polls), Cancels: int(e.cancels),
		Deleted: e.deleted, AnswerLost: e.lost,
		Webhooks: int(e.webhooks), WebhookWithheld: e.withheld, WebhookForged: e.forged,
	}
	if e.polled != 0 {
		out.LastPoll = time.Unix(0, e.polled).UTC()
	}
	if e.told != 0 {
		out.WebhookTaken = time.Unix(0, e.told).UTC()
	}
	if ended := e.ended(now); ended != 0 {
		out.Ended = time.Unix(0, ended).UTC()
	}
	if out.InputTokens, out.OutputTokens = e.tokens(now); out.InputTokens > 0 {
		out.CachedTokens, out.CacheWriteTokens = int(e.cachedTokens), int(e.writtenTokens)
	}
	return out
}

// ledger returns the totals and the entries that have all pairs of filter.
func (s *store) ledger(now time.Time, filter map[string]string) Ledger {
	at := now.UnixNano()
	s.mu.Lock()
	snapshot := make([]entry, 0, len(s.entries))
	totals := s.totals
	for _, e := range s.entries {
		input, output := e.tokens(at)
		totals.InputTokens += input
		totals.OutputTokens += output
		if e.metadata.matches(filter) {
			snapshot = append(snapshot, *e)
		}
	}
	s.mu.Unlock()

	entries := make([]Entry, len(snapshot))
	for i := range snapshot {
		entries[i] = snapshot[i].export(at)
	}
	return Ledger{Totals: totals, Entries: entries}
}

func (s *store) resetLedger() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.totals = nil, Totals{}
}

// count changes the totals.
func (s *store) count(change func(*Totals)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.totals)
}

// enterLocked adds an entry to the ledger.
func (s *store) enterLocked(e *entry, now int64) {
	if len(s.entries) >= s.capacity {
		s.dropLocked(s.capacity/2, now)
	}
	s.entries = append(s.entries, e)
	s.totals.CreatesAccepted++
}

// dropLocked forgets the n oldest entries, keeping what they used in the totals. One that has
// not ended counts nothing.
func (s *store) dropLocked(n int, now int64) {
	for _, e := range s.entries[:n] {
		input, output := e.tokens(now)
		s.totals.InputTokens += input
		s.totals.OutputTokens += output
	}
	s.totals.EntriesDropped += n
	s.entries = append([]*entry(nil), s.entries[n:]...)
}
