package results

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Rates are what a lane may send; 0 of anything is no limit.
type Rates struct {
	// Requests and Tokens are per minute.
	Requests int `json:"requests_per_minute,omitempty"`
	Tokens   int `json:"tokens_per_minute,omitempty"`
	// InFlight is the most responses that have not ended.
	InFlight int `json:"in_flight,omitempty"`
	// Paused has the lane send nothing, unless it was resumed at run time.
	Paused bool `json:"paused,omitempty"`
}

// pausedFlag is how the scripts are told of a pause.
func (r Rates) pausedFlag() string {
	if r.Paused {
		return "1"
	}
	return "0"
}

// Pace is how the rates of a lane are used.
type Pace struct {
	// Headroom is the share of the rates that is used.
	Headroom float64
	// Burst is by how much a request may be early, after a rest.
	Burst time.Duration
	// Heal is how long it takes for a cut of the rates to be forgotten.
	Heal time.Duration
}

// Need is what a request wants of its lane.
type Need struct {
	Try jobs.Try
	// Tokens is what the provider will count it for, as far as that is known before.
	Tokens int
	// Patience is how long it can wait for its turn.
	Patience time.Duration
	// Lease is how long its place in flight is held before somebody looks whether its
	// response still is.
	Lease time.Duration
}

// TurnVerdict is the answer to a [Need].
type TurnVerdict string

// The verdicts about turns.
const (
	// TurnGranted: the request may be sent at the given time.
	TurnGranted TurnVerdict = "granted"
	// TurnWait: its turn comes later than it can be waited for.
	TurnWait TurnVerdict = "wait"
	// TurnFull: as many responses are in flight as may be.
	TurnFull TurnVerdict = "full"
	// TurnPaused: the lane is paused by hand.
	TurnPaused TurnVerdict = "paused"
)

// Turn is when a request may be sent.
type Turn struct {
	Verdict TurnVerdict
	// At is when it may be sent, and for [TurnWait] when it could be.
	At time.Time
}

// Told is what an answer of the provider tells of its limits.
type Told struct {
	jobs.RateLimits

	// Cut is the factor by which the rates are cut, 0 or 1 for not at all, Lasts how
	// long before that heals, and Deepest the least that is left of them.
	Cut, Deepest float64
	Lasts        time.Duration
	// Wait is how long nothing else should be sent.
	Wait time.Duration
}

// Standing is how a lane stands with regard to its limits.
type Standing struct {
	// Room is how many requests it could send within the time that was asked about,
	// -1 for any number.
	Room int
	// Paused says that it is paused by hand or by configuration, and Reason why.
	Paused bool
	Reason string
	// Rates are those in force, Learned those that the provider has told of.
	Rates   Rates
	Learned Rates
	// Share is what a cut leaves of the rates: 1 for all.
	Share float64
	// InFlight is how many places are taken, 0 where they are not counted.
	InFlight int
	// HeldUntil is until when nothing is sent, zero for no such time.
	HeldUntil time.Time
	// Granted and Refused count the turns, and the refusals for want of a turn, since
	// the lane was last at rest for a day.
	Granted, Refused int64
}

// rates is the base of what a lane may send, in a slot of its own.
func (s *Store) rates(lane string) base { return base(s.config.Prefix + ":{rates:" + lane + "}:") }

// Reserve asks for the turn of a request. One that is granted counts from now on,
// whether it is sent or not: what was reserved for a worker that is killed passes by
// unused.
func (s *Store) Reserve(ctx context.Context, lane string, r Rates, p Pace, n Need) (Turn, error) {
	now := s.Now()
	answer, err := s.run(ctx, s.scripts.reserve, s.rates(lane), exact(now), r.Requests, r.Tokens, r.InFlight,
		p.Headroom, p.Burst.Milliseconds(), n.Tokens, n.Patience.Milliseconds(), tryID(n.Try), ms(now.Add(n.Lease)), p.Heal.Milliseconds(), r.pausedFlag()).StringSlice()
	if err != nil {
		return Turn{}, fmt.Errorf("reserve a turn in lane %s: %w", lane, err)
	}
	return Turn{Verdict: TurnVerdict(answer[0]), At: fromExact(answer[1])}, nil
}

// Observe takes up what an answer tells of a lane's limits.
func (s *Store) Observe(ctx context.Context, lane string, p Pace, t Told) error {
	cut := t.Cut
	if cut == 0 {
		cut = 1
	}
	left := func(limit, left int) int {
		if limit == 0 {
			return -1 // nothing was told
		}
		return left
	}
	err := s.run(ctx, s.scripts.observe, s.rates(lane), exact(s.Now()), t.LimitRequests, t.LimitTokens,
		left(t.LimitRequests, t.RemainingRequests), left(t.LimitTokens, t.RemainingTokens),
		cut, t.Lasts.Milliseconds(), t.Wait.Milliseconds(), p.Heal.Milliseconds(), t.Deepest).Err()
	if err != nil {
		return fmt.Errorf("note the limits of lane %s: %w", lane, err)
	}
	return nil
}

// CorrectTokens settles a request that has used more tokens than were reserved for
// it, or fewer.
func (s *Store) CorrectTokens(ctx context.Context, lane string, r Rates, p Pace, more int) error {
	err := s.run(ctx, s.scripts.correct, s.rates(lane), exact(s.Now()), r.Tokens, p.Headroom, more, p.Heal.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("settle tokens of lane %s: %w", lane, err)
	}
	return nil
}

// Room tells how many requests a lane could send within the given time, and how it
// stands.
func (s *Store) Room(ctx context.Context, lane string, r Rates, p Pace, ahead time.Duration) (Standing, error) {
	now := s.Now()
	answer, err := s.run(ctx, s.scripts.room, s.rates(lane), exact(now), r.Requests, r.Tokens, r.InFlight,
		p.Headroom, p.Burst.Milliseconds(), exact(now.Add(ahead)), p.Heal.Milliseconds(), r.pausedFlag()).StringSlice()
	if err != nil {
		return Standing{}, fmt.Errorf("ask for the room of lane %s: %w", lane, err)
	}
	n := func(i int) int { return int(parseFloat(answer[i])) }
	st := Standing{
		Room: n(0), Paused: answer[1] == "1", Reason: answer[12],
		Rates:   Rates{Requests: n(2), Tokens: n(3), InFlight: n(4)},
		Learned: Rates{Requests: n(5), Tokens: n(6)},
		Share:   parseFloat(answer[7]), InFlight: n(8), Granted: parseInt(answer[10]), Refused: parseInt(answer[11]),
	}
	s.ownWeights.learn(lane, answer[13])
	if held := fromExact(answer[9]); held.After(now) {
		st.HeldUntil = held
	}
	return st, nil
}

// Vacate gives back the place of a try whose response is no longer in flight, or was
// never made.
func (s *Store) Vacate(ctx context.Context, lane string, tries ...jobs.Try) error {
	members := make([]any, len(tries))
	for i, t := range tries {
		members[i] = tryID(t)
	}
	if err := s.rdb.ZRem(ctx, string(s.rates(lane))+"open", members...).Err(); err != nil {
		return fmt.Errorf("give back a place in lane %s: %w", lane, err)
	}
	return nil
}

// Doubtful leases places in flight that nobody has given back in time, up to limit of
// them: whoever took them may have died. The caller finds out which of their responses
// still are in flight, and vacates the others.
func (s *Store) Doubtful(ctx context.Context, lane string, lease time.Duration, limit int) ([]jobs.Try, error) {
	now := s.Now()
	members, err := s.run(ctx, s.scripts.places, s.rates(lane), ms(now), ms(now.Add(lease)), limit).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("look for places to give back in lane %s: %w", lane, err)
	}
	tries := make([]jobs.Try, 0, len(members))
	for _, m := range members {
		id, attempt, _ := strings.Cut(m, ":")
		tries = append(tries, jobs.Try{Job: jobs.ID(id), Attempt: int(parseInt(attempt))})
	}
	return tries, nil
}

// The settings of a lane that can be changed at run time; they count for all workers,
// before what is configured, until they are taken back.
const (
	SettingRequests = "requests_per_minute"
	SettingTokens   = "tokens_per_minute" //nolint:gosec // G101: no credential
	SettingInFlight = "in_flight"
	SettingWeights  = "priority_weights"
	settingPaused   = "paused"
	settingReason   = "reason"
)

// LaneSettings are what was set at run time; nil is what was not.
type LaneSettings struct {
	Requests *int   `json:"requests_per_minute,omitempty"`
	Tokens   *int   `json:"tokens_per_minute,omitempty"`
	InFlight *int   `json:"in_flight,omitempty"`
	Weights  []int  `json:"priority_weights,omitempty"`
	Paused   bool   `json:"paused,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Resumed says that a pause of the configuration does not count.
	Resumed bool `json:"resumed,omitempty"`
}

// LaneSettings reads what was set for a lane at run time.
func (s *Store) LaneSettings(ctx context.Context, lane string) (LaneSettings, error) {
	f, err := s.rdb.HGetAll(ctx, s.settingsKey(lane)).Result()
	if err != nil {
		return LaneSettings{}, fmt.Errorf("read the settings of lane %s: %w", lane, err)
	}
	of := func(name string) *int {
		text, set := f[name]
		if !set {
			return nil
		}
		n := int(parseInt(text))
		return &n
	}
	weights, err := jobs.ParseWeights(f[SettingWeights])
	if err != nil {
		weights = nil // none were set
	}
	return LaneSettings{
		Weights:  weights,
		Requests: of(SettingRequests), Tokens: of(SettingTokens), InFlight: of(SettingInFlight),
		Paused: f[settingPaused] == "1", Reason: f[settingReason], Resumed: f[settingPaused] == "0",
	}, nil
}

// SetLane changes settings of a lane: 0 is no limit, and a nil value has what is
// configured count again.
func (s *Store) SetLane(ctx context.Context, lane string, changes map[string]*int) error {
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for name, value := range changes {
			switch {
			case name != SettingRequests && name != SettingTokens && name != SettingInFlight:
				return jobs.Invalid(name, "is no setting of a lane; one of %s, %s and %s", SettingRequests, SettingTokens, SettingInFlight)
			case value == nil:
				p.HDel(ctx, s.settingsKey(lane), name)
			case *value < 0:
				return jobs.Invalid(name, "is %d; give 0 for no limit, or more", *value)
			default:
				p.HSet(ctx, s.settingsKey(lane), name, *value)
			}
		}
		return nil
	})
	if _, invalid := errors.AsType[*jobs.Error](err); invalid {
		return err
	}
	if err != nil {
		return fmt.Errorf("set lane %s: %w", lane, err)
	}
	return nil
}

// PauseLane has a lane send nothing until [Store.ResumeLane].
func (s *Store) PauseLane(ctx context.Context, lane, reason string) error {
	if err := s.rdb.HSet(ctx, s.settingsKey(lane), settingPaused, "1", settingReason, reason).Err(); err != nil {
		return fmt.Errorf("pause lane %s: %w", lane, err)
	}
	return nil
}

// ResumeLane ends a pause by hand, or, if the lane is paused by configuration, that one.
func (s *Store) ResumeLane(ctx context.Context, lane string, configured bool) error {
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HDel(ctx, s.settingsKey(lane), settingPaused, settingReason)
		if configured {
			p.HSet(ctx, s.settingsKey(lane), settingPaused, "0")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("resume lane %s: %w", lane, err)
	}
	return nil
}

func (s *Store) settingsKey(lane string) string { return string(s.rates(lane)) + "set" }

// exact is a time in milliseconds with its fraction.
func exact(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMicro())/1000, 'f', -1, 64)
}

func fromExact(text string) time.Time {
	return time.UnixMicro(int64(parseFloat(text) * 1000)).UTC()
}

// parseFloat reads a number that a script wrote; anything else is 0.
func parseFloat(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return f
}
