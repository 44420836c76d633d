package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// parked is what waits for a budget: documents, each once.
type parked struct{ documents []string }

// parked returns by its budget what the open members wait for, nil if anything of them
// goes on, or may: a request that waits for something else, or a planner that is to ask.
func (f *follower) parked(ctx context.Context, from partReader) map[string]*parked {
	f.mu.Lock()
	closed, open := f.closed, slices.Clone(f.open)
	f.mu.Unlock()
	if !closed {
		return nil
	}
	waiting := make(map[string]*parked)
	for _, m := range open {
		if f.isHeld(m) {
			continue
		}
		there := false
		for part, err := range from.Parts(ctx, m.id) {
			switch {
			case err != nil:
				return nil
			case part.Job.State.Terminal() || part.Job.Held():
				continue
			case !part.Job.Parked():
				return nil
			}
			there = true
			in := waiting[part.Job.Budget]
			if in == nil {
				in = &parked{}
				waiting[part.Job.Budget] = in
			}
			if n := len(in.documents); n == 0 || in.documents[n-1] != m.name {
				in.documents = append(in.documents, m.name)
			}
		}
		if !there {
			return nil
		}
	}
	return waiting
}

func (f *follower) isHeld(m *member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return m.held
}

// elsewhere says that nothing goes on since what is left is shared with other runs and
// waits for their budgets, three times in a row, "" if something goes on.
func (p *pulse) elsewhere(ctx context.Context, budgets []client.Budget) string {
	if p.parked == nil {
		return ""
	}
	waiting := p.parked(ctx)
	var said []string
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		i := slices.IndexFunc(budgets, func(b client.Budget) bool { return b.Name == name })
		if i < 0 || !ofRun(budgets[i]) || budgets[i].InFlight > 0 {
			said = nil
			break
		}
		if name == p.budget {
			continue
		}
		b := budgets[i]
		said = append(said, fmt.Sprintf(
			"%s for the budget of run %s, which the requests are shared with: %s. Of %s, %s is left, which is too little for what comes next. `%s %s --amount DOLLARS` has them go on, and so does the command of that run with a higher --budget",
			plural(len(waiting[name].documents), "document waits", "documents wait"), b.Group, someNames(waiting[name].documents), dollars(*b.Amount), dollars(max(0, *b.Amount-b.Spent)), p.call("budgets set"), name))
	}
	if len(said) == 0 {
		p.away = 0
		return ""
	}
	if p.away++; p.away < certain {
		return ""
	}
	return strings.Join(said, ". ")
}

// ofRun reports whether a budget is that of a run, which no new day or month fills again.
func ofRun(b client.Budget) bool {
	return b.Amount != nil && b.Group != "" && b.Name == runBudget(b.Group) && b.Per == results.PerTotal
}

// someNames are some of the documents, the first few.
func someNames(documents []string) string {
	const most = 3
	text := strings.Join(documents[:min(most, len(documents))], ", ")
	if more := len(documents) - most; more > 0 {
		text += fmt.Sprintf(" and %s more", formatCount(int64(more)))
	}
	return text
}

// caller is how people call a command about jobs, see [cli.call].
type caller func(command string, ids ...jobs.ID) string
