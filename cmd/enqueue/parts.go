package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// partsView is what the parts of a job have come to, as --json shows it.
type partsView struct {
	// Phase is the one that it is in, Total how many parts it has had so far, Open how
	// many of those have not ended, and Found how many were there already for another
	// job, whose they are in the sums.
	Phase int `json:"phase"`
	Total int `json:"total"`
	Open  int `json:"open"`
	Found int `json:"found"`
	// Usage and the costs are those of its own parts.
	Usage       jobs.Usage  `json:"usage"`
	Cost        *jobs.Money `json:"cost_usd"`
	CostUnknown int         `json:"cost_unknown"`
	Parts       []partView  `json:"parts"`

	spent spent
}

// partView is a part.
type partView struct {
	ID      jobs.ID       `json:"id"`
	Phase   int           `json:"phase"`
	Name    string        `json:"name"`
	State   jobs.State    `json:"state"`
	Found   bool          `json:"found,omitempty"`
	Cost    *jobs.Money   `json:"cost_usd"`
	Failure *jobs.Failure `json:"failure,omitempty"`

	held bool
}

// parts returns what the parts of a job have come to, nil for a job that has none.
func (s *session) parts(ctx context.Context, j jobs.Job) (*partsView, error) {
	if !j.Kind.IsParent() {
		return nil, nil //nolint:nilnil // most jobs have no parts
	}
	v := &partsView{}
	if j.Plan != nil {
		v.Phase = j.Plan.Phase
	}
	for part, err := range s.Parts(ctx, j.ID) {
		if err != nil {
			return nil, err
		}
		v.add(j, part)
	}
	v.Cost, v.CostUnknown = v.spent.whole(), v.spent.unknown
	return v, nil
}

func (v *partsView) add(parent jobs.Job, part client.Part) {
	cost := spentOn(part.Job)
	one := partView{
		ID: part.Job.ID, Phase: part.Phase, Name: part.Job.Part, State: part.Job.State, Found: part.Job.Parent != parent.ID,
		Failure: part.Job.Failure, Cost: cost.whole(), held: part.Job.Held(),
	}
	v.Parts = append(v.Parts, one)
	v.Total++
	if !one.State.Terminal() {
		v.Open++
	}
	if one.Found {
		v.Found++
		return
	}
	v.Usage.Add(paid(part.Job))
	v.spent.cost += cost.cost
	v.spent.saved += cost.saved
	v.spent.known += cost.known
	v.spent.unknown += cost.unknown
	if cost.why != "" {
		v.spent.why = cost.why
	}
}

// manyParts is how many of the parts are shown that did not go as they should.
const manyParts = 10

// write shows the parts to people: how many of each phase are in which state, and those
// that failed or are held.
func (v *partsView) write(w *strings.Builder) {
	fmt.Fprintf(w, "parts: %s", plural(v.Total, "part", "parts"))
	if v.Open > 0 {
		fmt.Fprintf(w, ", %s open, in phase %d", formatCount(int64(v.Open)), v.Phase)
	}
	if v.Found > 0 {
		fmt.Fprintf(w, ", %s there already for other jobs", formatCount(int64(v.Found)))
	}
	w.WriteByte('\n')
	for first := 0; first < len(v.Parts); {
		last := first
		counts := make(map[jobs.State]int)
		for ; last < len(v.Parts) && v.Parts[last].Phase == v.Parts[first].Phase; last++ {
			counts[v.Parts[last].State]++
		}
		var words []string
		for _, state := range jobs.States() {
			if n := counts[state]; n > 0 {
				words = append(words, formatCount(int64(n))+" "+string(state))
			}
		}
		fmt.Fprintf(w, "  phase %d: %s\n", v.Parts[first].Phase, strings.Join(words, ", "))
		first = last
	}
	v.writeTroubled(w)
}

func (v *partsView) writeTroubled(w *strings.Builder) {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	shown, left := 0, 0
	for _, part := range v.Parts {
		if !part.held && (!part.State.Terminal() || part.State == jobs.StateSucceeded) {
			continue
		}
		if shown == manyParts {
			left++
			continue
		}
		shown++
		why := ""
		if part.Failure != nil {
			why = clip(part.Failure.String(), 60)
		}
		_, _ = fmt.Fprintf(columns, "  %s\t%s\t%s\t%s\n", part.ID, part.State, printable(part.Name), why) // a Builder takes everything
	}
	_ = columns.Flush()
	if left > 0 {
		fmt.Fprintf(w, "  and %s that did not succeed; --json lists all\n", formatCount(int64(left)))
	}
}

// partOf says whose part a job is, "" if it is nobody's.
func partOf(j jobs.Job) string {
	if j.Parent == "" {
		return ""
	}
	return strings.TrimSuffix(string(j.Parent)+", "+printable(j.Part), ", ")
}

// partsProgress is an event of watch --json about a job that has parts.
type partsProgress struct {
	Phase int `json:"phase"`
	Parts int `json:"parts"`
	Ended int `json:"ended"`
}

// followParts says how far the parts of a job have come until it has ended.
func (v *viewer) followParts(ctx context.Context, s *session) error {
	const pause = 500 * time.Millisecond
	var last partsProgress
	for {
		var j jobs.Job
		var now partsProgress
		err := patiently(ctx, v.patience, func(err error) { v.console.say("%s", outage(err)) }, func() (err error) {
			if j, err = s.Get(ctx, v.id); err != nil {
				return err
			}
			done, err := s.PartsDone(ctx, j)
			now = partsProgress{Phase: done.Phase, Parts: done.All, Ended: done.All - done.Open}
			return err
		})
		if err != nil {
			return err
		}
		// One that was stopped leaves parts behind, which are no progress.
		stopped := j.State.Terminal() && now.Ended < now.Parts
		if now != last && now.Parts > 0 && !stopped {
			if err := v.showParts(now); err != nil {
				return err
			}
			last = now
		}
		if j.State.Terminal() {
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (v *viewer) showParts(p partsProgress) error {
	if v.json {
		return v.print(p)
	}
	v.console.say("%s of %s, phase %d", formatCount(int64(p.Ended)), plural(p.Parts, "part", "parts"), p.Phase)
	return nil
}
