package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
	"github.com/longhaul-jobs/longhaul/results"
)

// Why says in one line what a job that has not ended is waiting for, and "" of
// one that has ended.
func (c *Client) Why(ctx context.Context, j jobs.Job) (string, error) {
	now := c.store.Now()
	switch j.State {
	case jobs.StateWaiting:
		return c.whyWaiting(ctx, j, now)
	case jobs.StateSubmitting:
		return "its request is on the way to the provider", nil
	case jobs.StateRunning:
		return c.whyRunning(ctx, j)
	case jobs.StateUncertain:
		return WhyUncertain(j), nil
	case jobs.StateSucceeded, jobs.StateIncomplete, jobs.StateFailed, jobs.StateCancelled, jobs.StateExpired:
	}
	return "", nil
}

// whyPaused says why a lane stands still, and how it will go on.
func whyPaused(lane string, p results.Pause, now time.Time) string {
	return fmt.Sprintf("its lane %s, which is paused %s", lane, whyAccount(p, now))
}

// whyAccount says since when an account at fault pauses a lane, why, and how the lane
// will go on.
func whyAccount(p results.Pause, now time.Time) string {
	next := "its next job to be submitted finds out whether the account works again"
	switch {
	case p.Probe != "" && p.Lease.After(now):
		next = "a job was submitted to find out whether the account works again, and is waited for"
	case p.ProbeAt.After(now):
		next = "the next job finds out at " + p.ProbeAt.Format(time.RFC3339) + " whether the account works again"
	}
	why := fmt.Sprintf("since %s: %s", p.Since.Format(time.RFC3339), p.Class)
	if p.Message != "" {
		why += ": " + p.Message
	}
	return why + "; " + next
}

func (c *Client) whyRunning(ctx context.Context, j jobs.Job) (string, error) {
	why := cmp.Or(whyBatched(j), "the response is "+cmp.Or(j.Looks.Status, "accepted"))
	why += fmt.Sprintf("; looked at %d times", j.Looks.Count)
	if j.Stop != nil {
		why += "; it is being cancelled (" + string(j.Stop.Reason) + ")"
	}
	a, _ := j.CurrentAttempt()
	served, err := c.store.Served(ctx, a.Endpoint)
	switch {
	case err != nil:
		return "", err
	case !served:
		return fmt.Sprintf("a worker that has the key of endpoint %s: none is alive; %s", a.Endpoint, why), nil
	}
	return why, nil
}

// whyBatched says of a running job whose request goes through a batch how far it is, and up
// to when that may last, "" of any other.
func whyBatched(j jobs.Job) string {
	a, _ := j.CurrentAttempt()
	if _, line := jobs.ParseLine(a.ResponseID); !line || j.State != jobs.StateRunning {
		return ""
	}
	why := "it waits for a batch"
	if j.Looks.Status == string(jobs.StatusInProgress) {
		why = "it is in a batch"
	}
	return why + ", which is answered within 24 hours of being sent (`enqueue batches` shows it); its deadline is " + j.Deadline.UTC().Format(time.RFC3339)
}

// WhyUncertain says what decides about a job whose create's answer was lost, as
// [Client.Why] does, by its record alone.
func WhyUncertain(j jobs.Job) string {
	const lost = "the answer to a create was lost, and it may have been accepted: "
	then := "asked again"
	if j.Uncertain == jobs.UncertainHold {
		then = "held for a person"
	}
	if !j.Held() {
		return lost + "the provider's webhook is waited for until " + j.DecideAt.UTC().Format(time.RFC3339) + ", then it is " + then
	}
	return lost + "it is held for a person, who releases it, fails it, or gives it the response"
}

// soon is how long a job may still have to wait that is told to wait for its lane:
// what was refused with the account is ready again after seconds.
const soon = 5 * time.Second

// whyParked says how the budget stands that a job waits for.
func (c *Client) whyParked(ctx context.Context, j jobs.Job) (string, error) {
	budgets, err := c.Budgets(ctx, nil)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(budgets, func(b Budget) bool { return b.Name == j.Budget })
	if i < 0 || budgets[i].Amount == nil {
		return fmt.Sprintf("budget %s, which is no more: a worker will send it on", j.Budget), nil
	}
	b := budgets[i]
	switch {
	case j.Waits == jobs.WaitPrice && b.Unknown == results.UnknownAllow:
		return fmt.Sprintf("budget %s, which lets jobs without a known price go: a worker will send it on", b.Name), nil
	case j.Waits == jobs.WaitPrice:
		return c.whyUnpriced(ctx, j, b.Name), nil
	}
	raise := fmt.Sprintf("the budget is raised (`enqueue budgets set %s --amount ...`)", b.Name)
	if j.Needs > *b.Amount {
		return fmt.Sprintf("budget %s, which is too small for it: it needs up to %s, and all of the budget is %s; it waits until %s",
			b.Name, j.Needs, b.Amount, raise), nil
	}
	until := map[string]string{results.PerDay: "the next day (UTC)", results.PerMonth: "the next month (UTC)"}[b.Per]
	if until != "" {
		until = ", or for " + until
	}
	return fmt.Sprintf("budget %s, which has no room for it: of %s, %s %s spent and %s held for what is under way, and it needs up to %s; it waits until %s%s",
		b.Name, b.Amount, b.Spent, map[bool]string{true: "or less are", false: "are"}[b.Doubt > 0], b.Held, j.Needs, raise, until), nil
}

// whyUnpriced says which price a budget has to know. A service tier that a request names
// needs a factor of its own, which may be all that is missing: the prices that count are
// the workers'.
func (c *Client) whyUnpriced(ctx context.Context, j jobs.Job, budget string) string {
	in, set := "", "prices."+j.Model
	if tier := c.tier(ctx, j); tier != "" && tier != "auto" && tier != "default" {
		in = " in service tier " + tier
		set += fmt.Sprintf(", with the factor of %s in %s.tiers,", tier, set)
	}
	return fmt.Sprintf("a price: budget %s has to know what model %s costs%s. Set %s and start the workers anew; it tries again every five minutes. "+
		"Or have such jobs go with `enqueue budgets set %s --unknown-price allow`", budget, j.Model, in, set, budget)
}

// tier is the service tier that the next attempt of a job asks for, "" if it asks for none
// or its request cannot be read: why a job waits is told all the same.
func (c *Client) tier(ctx context.Context, j jobs.Job) string {
	if j.Adjust != nil && j.Adjust.ServiceTier != "" {
		return j.Adjust.ServiceTier
	}
	request, err := c.store.Request(ctx, j)
	if err != nil {
		return ""
	}
	return prices.AskOf(request.Raw, 0).Tier
}

// whyAside names those that a job waits for, and how they stand, the first few of them.
func (c *Client) whyAside(ctx context.Context, j jobs.Job) (string, error) {
	const most = 3
	var words []string
	for i, id := range j.WaitsFor() {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(j.WaitsFor())-most))
			break
		}
		state := "gone"
		switch other, err := c.store.Load(ctx, id); {
		case err == nil:
			state = string(other.State)
		case errors.Is(err, jobs.ErrNewerSchema):
			state = "not readable by this version"
		case !errors.Is(err, results.ErrNotFound):
			return "", err
		}
		words = append(words, fmt.Sprintf("%s (%s)", id, state))
	}
	return strings.Join(words, ", "), nil
}

func (c *Client) whyWaiting(ctx context.Context, j jobs.Job, now time.Time) (string, error) {
	if j.Parked() {
		return c.whyParked(ctx, j)
	}
	if j.Planning() {
		return c.whyPlanning(ctx, j, now)
	}
	if j.Aside() {
		return c.whyAside(ctx, j)
	}
	if !j.NotBefore.After(now.Add(soon)) {
		pauses, err := c.store.Pauses(ctx, j.Lane)
		if err != nil {
			return "", err
		}
		if pauses[0].On() {
			return whyPaused(j.Lane, pauses[0], now), nil
		}
	}
	settings, err := c.store.LaneSettings(ctx, j.Lane)
	if err != nil {
		return "", err
	}
	if settings.Paused {
		why := fmt.Sprintf("its lane %s, which is paused by hand", j.Lane)
		if settings.Reason != "" {
			why += ": " + settings.Reason
		}
		return why + "; enqueue lanes resume " + j.Lane + " has it go on", nil
	}
	configured, err := c.pausedByConfiguration(ctx, j.Lane)
	if err != nil {
		return "", err
	}
	if configured && !settings.Resumed {
		return fmt.Sprintf("its lane %s, which is paused by configuration; enqueue lanes resume %s has it go on", j.Lane, j.Lane), nil
	}
	if j.Waits == jobs.WaitLimit {
		return fmt.Sprintf("its turn: lane %s has sent as much as its limits allow", j.Lane), nil
	}
	if j.NotBefore.After(now) {
		why := "its time: not before " + j.NotBefore.Format(time.RFC3339)
		if j.Failure != nil {
			why += "; the last attempt ended with " + j.Failure.String()
		}
		return why, nil
	}
	workers, err := c.store.Workers(ctx)
	if err != nil {
		return "", err
	}
	served := false
	for _, w := range workers {
		served = served || slices.Contains(w.Lanes, j.Lane)
	}
	switch {
	case len(workers) == 0:
		return "a worker: none is alive", nil
	case !served:
		return fmt.Sprintf("a worker that serves lane %s: none of the %d alive does", j.Lane, len(workers)), nil
	case !j.Admitted.IsZero():
		return "its turn: it is in the queue of its lane", nil
	}
	return "its turn: others of its lane go first", nil
}
