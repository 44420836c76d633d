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

// parked is what waits for a budget: documents, and models whose price it has to know, each
// once.
type parked struct{ documents, models []string }

// parked returns by its budget what the open members wait for, nil if anything of them
// goes on, or may: a request that waits for something else, or a planner that is to ask.
func (f *follower) parked(ctx context.Context, from partReader) map[string]*parked {
	if !f.complete() {
		return nil
	}
	waiting := make(map[string]*parked)
	for _, m := range f.unfinished() {
		if m.held {
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
			park(waiting, m.name, part.Job)
		}
		if !there {
			return nil
		}
	}
	return waiting
}

// park puts down by its budget that a request for a document waits. Those for one document
// come one after the other.
func park(waiting map[string]*parked, document string, request jobs.Job) {
	in := waiting[request.Budget]
	if in == nil {
		in = &parked{}
		waiting[request.Budget] = in
	}
	if n := len(in.documents); n == 0 || in.documents[n-1] != document {
		in.documents = append(in.documents, document)
	}
	if request.Waits == jobs.WaitPrice && !slices.Contains(in.models, request.Model) {
		in.models = append(in.models, request.Model)
	}
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
		said = append(said, waiting[name].text(budgets[i], p.call))
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

// text says what waits in the budget of another run, and what has it go on.
func (in *parked) text(b client.Budget, call caller) string {
	why := fmt.Sprintf("Of %s, %s is left, which is too little for what comes next. `%s %s --amount DOLLARS` has them go on, and so does the command of that run with a higher --budget",
		dollars(*b.Amount), dollars(max(0, *b.Amount-b.Spent)), call("budgets set"), b.Name)
	if len(in.models) > 0 {
		why = "There " + needsPrice(in.models, b.Name, call)
	}
	return fmt.Sprintf("%s for the budget of run %s, which the requests are shared with: %s. %s",
		plural(len(in.documents), "document waits", "documents wait"), b.Group, someOf(in.documents), why)
}

// ofRun reports whether a budget is that of a run, which no new day or month fills again.
func ofRun(b client.Budget) bool {
	return b.Amount != nil && b.Group != "" && b.Name == runBudget(b.Group) && b.Per == results.PerTotal
}

// unpriced says that requests wait in the run's budget for a price that nobody knows, which
// no higher one helps, "" if none does.
func (p *pulse) unpriced(ctx context.Context, b client.Budget) string {
	page, err := p.from.List(ctx, results.Filter{Group: p.group, Kind: jobs.KindResponse, States: []jobs.State{jobs.StateWaiting}, Limit: pulseJobs})
	if err != nil {
		return ""
	}
	waiting := map[string]*parked{b.Name: {}}
	for _, j := range page.Jobs {
		park(waiting, string(j.Parent), j)
	}
	models := waiting[b.Name].models
	if len(models) == 0 {
		return ""
	}
	return fmt.Sprintf("%s for the budget of the run: %s. What began the run then goes on",
		plural(b.Waiting, "request waits", "requests wait"), needsPrice(models, b.Name, p.call))
}

// needsPrice says what has requests go on that wait in a budget for the price of models.
func needsPrice(models []string, budget string, call caller) string {
	slices.Sort(models)
	return fmt.Sprintf("nothing is sent whose price is not known, whatever the amount, and that of %s is not. "+
		"Set prices.%s and start the workers anew, or have it sent, and counted as nothing, with `%s %s --unknown-price allow`",
		strings.Join(models, ", "), strings.Join(models, ", prices."), call("budgets set"), budget)
}

// caller is how people call a command about jobs, see [cli.call].
type caller func(command string, ids ...jobs.ID) string
