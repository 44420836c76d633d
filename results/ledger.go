package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// DefaultLedgerRetention is how long it is known what responses cost, unless told
// otherwise: a year, and time to look back at it.
const DefaultLedgerRetention = 400 * 24 * time.Hour

// Account is what is summed up together: everything that is alike in all of these.
type Account struct {
	// Day is the UTC day on which responses ended, as in 2026-11-26.
	Day string `json:"day,omitempty"`
	// Kind is that of the jobs, or for parts of the jobs that they are parts of.
	Kind   jobs.Kind `json:"kind,omitempty"`
	Lane   string    `json:"lane,omitempty"`
	Tenant string    `json:"tenant,omitempty"`
	Group  string    `json:"group,omitempty"`
	// Model is the one that was asked for.
	Model string `json:"model,omitempty"`
}

// Sums are what responses have cost and used.
type Sums struct {
	// Responses is how many there were, Unknown of how many it is not known what they
	// cost, and Cost is that of the others.
	Responses int64      `json:"responses"`
	Unknown   int64      `json:"unknown"`
	Cost      jobs.Money `json:"cost_usd"`
	// Wasted are those that brought nothing.
	Wasted        int64      `json:"wasted"`
	WastedUnknown int64      `json:"wasted_unknown"`
	WastedCost    jobs.Money `json:"wasted_usd"`
	// Saved is by how much more they would have cost without the prompt cache.
	Saved jobs.Money `json:"saved_usd"`

	InputTokens      int64 `json:"input_tokens"`
	CachedTokens     int64 `json:"cached_tokens"`
	CacheWriteTokens int64 `json:"cache_write_tokens"`
	OutputTokens     int64 `json:"output_tokens"`
	ReasoningTokens  int64 `json:"reasoning_tokens"`
	WebSearches      int64 `json:"web_searches"`
	FileSearches     int64 `json:"file_searches"`
	CodeCalls        int64 `json:"code_interpreter_calls"`
}

// columns are the numbers of the sums in the order in which Redis has them. The first
// is how many lines there are: when it is 0 the sums go.
func (s *Sums) columns() []*int64 {
	return []*int64{
		&s.Responses, &s.Unknown, (*int64)(&s.Cost), &s.Wasted, &s.WastedUnknown, (*int64)(&s.WastedCost), (*int64)(&s.Saved),
		&s.InputTokens, &s.CachedTokens, &s.CacheWriteTokens, &s.OutputTokens, &s.ReasoningTokens,
		&s.WebSearches, &s.FileSearches, &s.CodeCalls,
	}
}

// Add adds other sums.
func (s *Sums) Add(more Sums) {
	ours, theirs := s.columns(), more.columns()
	for i := range ours {
		*ours[i] += *theirs[i]
	}
}

// Line is what one attempt has cost.
type Line struct {
	Account
	Sums

	Job     jobs.ID `json:"job"`
	Attempt int     `json:"attempt"`
	LineDetails
}

// LineDetails are what a line says beside what is summed up.
type LineDetails struct {
	Ended time.Time `json:"ended"`
	// ResponseID is empty where it is not known whether there is one.
	ResponseID string       `json:"response_id,omitempty"`
	Outcome    jobs.Outcome `json:"outcome"`
	Endpoint   string       `json:"endpoint"`
	// Served is the model that answered, and ServiceTier how it was served.
	Served      string `json:"served_by,omitempty"`
	ServiceTier string `json:"service_tier,omitempty"`
	// Why is why the cost is not known.
	Why string `json:"unknown_because,omitempty"`
	// Prices is the day of the price that it was charged by.
	Prices string `json:"prices,omitempty"`
}

// bill bills each attempt that is over and that was not, or not as it has ended now:
// it puts the bill into the record and returns what the step has to write into the
// ledger beside it. An attempt that was taken up again keeps its line until it ends
// anew.
//
// The ledger is written by the script that writes the record, and by no other: so a
// line is there if and only if its attempt is over, whatever crashes.
func (s *Store) bill(j *jobs.Job) []any {
	var changes []any
	for i := range j.Attempts {
		a := &j.Attempts[i]
		if a.Outcome == "" || a.Billed() || a.Bill == nil && !a.Charged() {
			continue
		}
		before := ""
		if a.Bill != nil {
			before = dayOf(a.Bill.At)
		}
		if !a.Charged() { // now it is certain that it was refused
			a.Bill = nil
			changes = append(changes, before, before, a.Number, "", 0)
			continue
		}
		b := s.config.Prices.Bill(*j, *a, slices.Contains(s.config.Regional, a.Endpoint), a.Ended)
		a.Bill = &b
		forget := b.At.Truncate(24 * time.Hour).Add(24*time.Hour + s.config.LedgerRetention)
		changes = append(changes, before, dayOf(b.At), a.Number, encodeLine(*j, *a), forget.Unix())
	}
	return changes
}

// dayOf is the day that a bill belongs to.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// encodeLine writes a line of the ledger in three: the account, the numbers and the
// rest. Scripts read the first two.
func encodeLine(j jobs.Job, a jobs.Attempt) string {
	sums := sumsOf(a)
	numbers := make([]string, 0, len(sums.columns()))
	for _, n := range sums.columns() {
		numbers = append(numbers, strconv.FormatInt(*n, 10))
	}
	rest, err := json.Marshal(LineDetails{
		Ended: a.Bill.At, ResponseID: a.ResponseID, Outcome: a.Outcome, Endpoint: a.Endpoint,
		Served: a.Model, ServiceTier: a.ServiceTier, Why: a.Bill.Unknown, Prices: a.Bill.Prices,
	})
	if err != nil {
		rest = []byte("{}") // strings and times always encode
	}
	return encodeAccount(j) + "\n" + strings.Join(numbers, ",") + "\n" + string(rest)
}

// sumsOf is what one billed attempt adds to the sums.
func sumsOf(a jobs.Attempt) Sums {
	s := Sums{Responses: 1, Saved: a.Bill.Saved}
	if a.Bill.Cost == nil {
		s.Unknown = 1
	} else {
		s.Cost = *a.Bill.Cost
	}
	if a.Wasted() {
		s.Wasted, s.WastedUnknown, s.WastedCost = 1, s.Unknown, s.Cost
	}
	if u := a.Usage; u != nil {
		s.InputTokens, s.CachedTokens, s.CacheWriteTokens = u.InputTokens, u.CachedTokens, u.CacheWriteTokens
		s.OutputTokens, s.ReasoningTokens = u.OutputTokens, u.ReasoningTokens
		s.WebSearches, s.FileSearches, s.CodeCalls = u.WebSearches+u.PreviewSearches, u.FileSearches, u.CodeCalls
	}
	return s
}

// encodeAccount writes what is summed up together, but for the day. What a part costs is
// its parent's kind: the question is what summaries cost, and not their requests.
func encodeAccount(j jobs.Job) string {
	return strings.Join([]string{string(cmp.Or(j.ParentKind, j.Kind)), j.Lane, j.Tenant, j.Group, url.QueryEscape(j.Model)}, " ")
}

func decodeAccount(day, text string) Account {
	parts := strings.Split(text, " ")
	if len(parts) < 5 {
		return Account{Day: day} // not ours
	}
	model, err := url.QueryUnescape(parts[4])
	if err != nil {
		model = parts[4]
	}
	return Account{Day: day, Kind: jobs.Kind(parts[0]), Lane: parts[1], Tenant: parts[2], Group: parts[3], Model: model}
}

func decodeSums(text string) Sums {
	var s Sums
	columns := s.columns()
	for i, n := range strings.Split(text, ",") {
		if i < len(columns) {
			*columns[i] = parseInt(n)
		}
	}
	return s
}

// decodeLine reads a line of the ledger; what is not one of ours is an error.
func decodeLine(day, try, text string) (Line, error) {
	id, number, _ := strings.Cut(try, "/")
	parts := strings.SplitN(text, "\n", 3)
	if len(parts) < 3 {
		return Line{}, fmt.Errorf("line %s of %s: is cut", try, day)
	}
	l := Line{Account: decodeAccount(day, parts[0]), Sums: decodeSums(parts[1]), Job: jobs.ID(id), Attempt: int(parseInt(number))}
	if err := json.Unmarshal([]byte(parts[2]), &l.LineDetails); err != nil {
		return Line{}, fmt.Errorf("line %s of %s: %w", try, day, err)
	}
	return l, nil
}
