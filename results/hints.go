package results

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// rememberWebhooks is how long the id of a webhook is kept to know it again. A
// repeat after that costs a look and nothing else.
const rememberWebhooks = 24 * time.Hour

// enoughLapses is after how many lapses in a row a hint is dropped. For some of them
// its follower is alone; see package webhooks.
const enoughLapses = 4

// Hint is the word of a webhook that a response should be looked at. That is all
// it is trusted for.
type Hint struct {
	Endpoint   string
	ResponseID string
	// Tries is how often it has been claimed, this time included.
	Tries int
	// Lapses is how many workers in a row have claimed it and neither settled nor
	// given it back.
	Lapses int

	lease string
}

// hints is where the keys of hints begin: due:ENDPOINT, a zset of response ids
// by when to look at them, tries:ENDPOINT, a hash of how often that was tried,
// lapses:ENDPOINT, a hash of how many claims in a row were neither settled nor
// given back, and seen, a zset of the ids of webhooks by when they came.
func (s *Store) hints() base { return base(s.config.Prefix + ":{hints}:") }

// Hint keeps a webhook's word and reports whether it is new: a webhook that was
// here before changes nothing. When it returns without an error, some worker that
// serves the endpoint will look at the response, whatever becomes of this one.
func (s *Store) Hint(ctx context.Context, webhookID, endpoint, responseID string) (fresh bool, err error) {
	if !jobs.ValidName(endpoint) {
		return false, fmt.Errorf("keep hint: endpoint %.40q is not a name", endpoint)
	}
	now := s.Now()
	n, err := s.run(ctx, s.scripts.hint, s.hints(), webhookID, endpoint, responseID, even(now), ms(now.Add(-rememberWebhooks))).Int()
	if err != nil {
		return false, fmt.Errorf("keep hint: %w", err)
	}
	return n == 1, nil
}

// ClaimHints takes up to limit due hints of an endpoint, the longest due first,
// and leases them: until the lease runs out nobody else gets them. One that four
// workers in a row have neither settled nor given back is dropped.
func (s *Store) ClaimHints(ctx context.Context, endpoint string, limit int, lease time.Duration) ([]Hint, error) {
	now := s.Now()
	until := strconv.FormatInt(leasedUntil(now, lease), 10)
	flat, err := s.run(ctx, s.scripts.claimHints, s.hints(), endpoint, ms(now), until, limit, enoughLapses).Slice()
	if err != nil {
		return nil, fmt.Errorf("claim hints of %s: %w", endpoint, err)
	}
	hints := make([]Hint, 0, len(flat)/3)
	for ; len(flat) >= 3; flat = flat[3:] {
		response, _ := flat[0].(string)
		tries, _ := flat[1].(int64)
		lapses, _ := flat[2].(int64)
		hints = append(hints, Hint{Endpoint: endpoint, ResponseID: response, Tries: int(tries), Lapses: int(lapses), lease: until})
	}
	return hints, nil
}

// SettleHint drops a claimed hint or, with a time, makes it due again then. One
// that another webhook has made due meanwhile stays due.
func (s *Store) SettleHint(ctx context.Context, h Hint, again time.Time) error {
	if err := s.run(ctx, s.scripts.settleHint, s.hints(), h.Endpoint, h.ResponseID, h.lease, dueScore(again)).Err(); err != nil {
		return fmt.Errorf("settle hint of %s: %w", h.ResponseID, err)
	}
	return nil
}
