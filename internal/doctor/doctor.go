// Package doctor looks over what a worker depends on, Redis and the endpoints,
// and says of each point whether it is as it should be, what was found, and what
// to do. It judges and changes nothing; the start of a worker and `worker doctor`
// ask the same questions.
//
// What was found is gathered first and judged by pure functions, so that each
// judgement can be tested without the server that would call for it.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Status is a judgement.
type Status string

// The judgements, from the best to the worst.
const (
	// OK needs nothing.
	OK Status = "ok"
	// Warn works, and may cost something one day.
	Warn Status = "warn"
	// Fail does not work, or loses jobs.
	Fail Status = "fail"
)

// Finding is one point and its judgement. No field has a secret in it.
type Finding struct {
	// Check is what was looked at: "redis persistence".
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Found is what there is.
	Found string `json:"found"`
	// Advice is what to do, "" if nothing is to be done.
	Advice string `json:"advice,omitempty"`
}

func ok(check, found string, args ...any) Finding {
	return Finding{Check: check, Status: OK, Found: fmt.Sprintf(found, args...)}
}

// advise completes a finding that is not as it should be.
func (f Finding) advise(status Status, advice string, args ...any) Finding {
	f.Status, f.Advice = status, fmt.Sprintf(advice, args...)
	return f
}

// Report is everything that was found, in the order of looking.
type Report []Finding

// Failed reports whether anything fails.
func (r Report) Failed() bool {
	for _, f := range r {
		if f.Status == Fail {
			return true
		}
	}
	return false
}

// count is how many findings have the status.
func (r Report) count(s Status) int {
	n := 0
	for _, f := range r {
		if f.Status == s {
			n++
		}
	}
	return n
}

// WriteTable writes the report for people: a line for each point, what to do
// below it, and a summary.
func (r Report) WriteTable(w io.Writer) error {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, f := range r {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", f.Status, f.Check, f.Found) // a Builder takes everything
		if f.Advice != "" {
			_, _ = fmt.Fprintf(t, "\t\t-> %s\n", f.Advice)
		}
	}
	_ = t.Flush()
	_, _ = fmt.Fprintf(&text, "%d ok, %d to think about, %d to mend\n", r.count(OK), r.count(Warn), r.count(Fail))
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// WriteJSON writes the report as one object: whether all is well enough, and the
// findings.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"ok": !r.Failed(), "findings": r}); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
