package app

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
	"github.com/longhaul-jobs/longhaul/jobs/tokens"
	"github.com/longhaul-jobs/longhaul/results"
)

// Estimator tells what requests are likely to cost before they are submitted. It asks
// neither Redis nor the provider, and is safe for concurrent use.
type Estimator struct {
	table    *prices.Table
	routes   []results.Route
	lanes    map[string]config.Lane
	endpoint string
	regional []string
}

// NewEstimator returns one that goes by the prices, lanes and endpoints of the
// configuration.
func NewEstimator(cfg config.Config) (*Estimator, error) {
	table, err := Prices(cfg)
	if err != nil {
		return nil, err
	}
	return &Estimator{table: table, routes: routes(cfg), lanes: cfg.Lanes, endpoint: cfg.OpenAI.Endpoint, regional: regional(cfg)}, nil
}

// Estimate returns what a job of the request is likely to cost if one attempt is
// enough, or why that is not known.
func (e *Estimator) Estimate(request jobs.Request, options jobs.Options, now time.Time) (prices.Estimate, error) {
	ask := e.ask(request.Raw, cmp.Or(options.Lane, results.LaneOf(e.routes, request.Model), jobs.DefaultLane), now)
	ask.MaxOutput = max(ask.MaxOutput, options.GrowOutputTo)
	if options.ContinueFrom != "" || options.Thread != "" {
		ask.Open = "what it continues is read again, and its length is not known here"
	}
	estimate, err := e.table.Estimate(ask)
	if err != nil || options.FallbackTier == "" {
		return estimate, err
	}
	ask.Tier = options.FallbackTier
	other, err := e.table.Estimate(ask)
	if err != nil {
		return prices.Estimate{}, err
	}
	estimate.Hold = max(estimate.Hold, other.Hold)
	return estimate, nil
}

// Hold is what to set aside for an attempt of a job that is sent as body, or why that is
// not known.
func (e *Estimator) Hold(j jobs.Job, body json.RawMessage, now time.Time) (jobs.Money, error) {
	estimate, err := e.table.Estimate(e.ask(body, j.Lane, now))
	return estimate.Hold, err
}

// ask is what a request in a lane says of its cost.
func (e *Estimator) ask(body json.RawMessage, lane string, now time.Time) prices.Ask {
	ask := prices.AskOf(body, tokens.Estimate(body).Input)
	ask.Regional, ask.At = slices.Contains(e.regional, cmp.Or(e.lanes[lane].Endpoint, e.endpoint)), now
	return ask
}

// Price returns what requests of a model cost that use so much each, or why that is not
// known.
func (e *Estimator) Price(model, tier, lane string, use jobs.Usage, now time.Time) (jobs.Money, error) {
	lane = cmp.Or(lane, results.LaneOf(e.routes, model), jobs.DefaultLane)
	charge, err := e.table.Cost(prices.Use{
		Model: model, Tier: tier, Regional: slices.Contains(e.regional, cmp.Or(e.lanes[lane].Endpoint, e.endpoint)), Usage: use, At: now,
	})
	return charge.Cost, err
}

// Limits returns the lane of a model, and what the configuration lets it send.
func (e *Estimator) Limits(model, lane string) (string, results.Rates) {
	lane = cmp.Or(lane, results.LaneOf(e.routes, model), jobs.DefaultLane)
	l := e.lanes[lane]
	return lane, results.Rates{Requests: l.RequestsPerMinute, Tokens: l.TokensPerMinute, InFlight: l.InFlight}
}
