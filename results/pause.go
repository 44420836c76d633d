package results

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Pause is why a lane stands still, and how it finds out that it need not. The zero
// value is that of a lane that goes on.
type Pause struct {
	Class   jobs.Class
	Message string
	Since   time.Time
	// By is what told of it first, and what must go well for the lane to resume.
	By PausedBy
	// Probes is how many requests were sent to find out.
	Probes int
	// ProbeAt is when the next may be sent, if none is out. Probe is the try that
	// was sent last, "" for none that is out, and Lease until when it is waited for.
	ProbeAt time.Time
	Probe   string
	Lease   time.Time
}

// PausedBy says what a refusal came with.
type PausedBy string

// A refusal is the answer to a create, or the failure of a response whose create
// was accepted.
const (
	PausedByCreate   PausedBy = "create"
	PausedByResponse PausedBy = "response"
)

// On reports whether the lane stands still.
func (p Pause) On() bool { return p.Class != "" }

// Next is when the next probe may be sent.
func (p Pause) Next() time.Time {
	if p.Probe != "" {
		return later(p.ProbeAt, p.Lease)
	}
	return p.ProbeAt
}

// LaneVerdict is what a step did to a lane.
type LaneVerdict string

// The verdicts about lanes.
const (
	// LaneClosed: the lane is not paused.
	LaneClosed LaneVerdict = "closed"
	// LaneOpened: it is from now on.
	LaneOpened LaneVerdict = "opened"
	// LaneChanged: it still is, for another reason than before.
	LaneChanged LaneVerdict = "changed"
	// LanePaused: it still is.
	LanePaused LaneVerdict = "paused"
	// LaneProbe: it is, and the try is to find out whether it need be.
	LaneProbe LaneVerdict = "probe"
	// LaneResumed: it is no longer.
	LaneResumed LaneVerdict = "resumed"
)

// Evidence is what came of a try, as far as it tells of the account.
type Evidence struct {
	Try jobs.Try
	// Began is when its create was sent, by Redis' clock.
	Began time.Time
	By    PausedBy
	// Failure is what the account is at fault for, nil if that does not show.
	Failure *jobs.Failure
}

// ProbeWaits are the waits before probes: they double from the first to the longest,
// and are spread by a fifth.
type ProbeWaits struct {
	First, Most time.Duration
}

// keepResumed is how long it is known when a lane resumed: for as long as a response
// may be found to have failed before that.
const keepResumed = 7 * 24 * time.Hour

// lane is the hash of what pauses a lane, in a slot of its own.
func (s *Store) lane(name string) base { return base(s.config.Prefix + ":{breaker:" + name + "}") }

// tryID names a try in the hash of its lane.
func tryID(t jobs.Try) string { return fmt.Sprintf("%s:%d", t.Job, t.Attempt) }

// IsProbe reports whether the try is the probe that is out.
func (p Pause) IsProbe(t jobs.Try) bool { return p.Probe == tryID(t) }

// TripLane pauses a lane because of what came of a try, if it is not paused and the
// try began after it resumed last. In a paused lane, it makes the next probe wait if
// the try was its probe. Evidence without a failure pauses nothing, and the next
// probe soon follows.
func (s *Store) TripLane(ctx context.Context, lane string, e Evidence, waits ProbeWaits) (LaneVerdict, Pause, error) {
	var f jobs.Failure
	if e.Failure != nil {
		f = *e.Failure
	}
	return s.lanes(ctx, s.scripts.trip, lane, tryID(e.Try), string(e.By), string(f.Class), f.Message, ms(e.Began),
		waits.First.Milliseconds(), waits.Most.Milliseconds(), rand.IntN(200))
}

// ProbeLane asks for a try to be the probe of its lane. It is if the lane is paused,
// the time for one has come, and no other is out or the lease of that is over.
func (s *Store) ProbeLane(ctx context.Context, lane string, t jobs.Try, lease time.Duration) (LaneVerdict, Pause, error) {
	return s.lanes(ctx, s.scripts.probe, lane, tryID(t), ms(s.Now().Add(lease)))
}

// MendLane notes that a try has gone well. If it was a probe the lane resumes, and
// the pause that is over is returned; only if it is still to be seen what becomes of
// its response, that is waited for as long as the lease says.
func (s *Store) MendLane(ctx context.Context, lane string, e Evidence, lease time.Duration) (LaneVerdict, Pause, error) {
	return s.lanes(ctx, s.scripts.mend, lane, tryID(e.Try), string(e.By), ms(s.Now().Add(lease)), int(keepResumed.Seconds()))
}

// lanes calls a script on the hash of a lane.
func (s *Store) lanes(ctx context.Context, script *redis.Script, lane string, args ...any) (LaneVerdict, Pause, error) {
	answer, err := s.run(ctx, script, s.lane(lane), append([]any{ms(s.Now())}, args...)...).Slice()
	if err != nil {
		return "", Pause{}, fmt.Errorf("ask whether lane %s is paused: %w", lane, err)
	}
	verdict, _ := answer[0].(string)
	fields, _ := answer[1].([]any)
	return LaneVerdict(verdict), decodePause(fields), nil
}

// pauseFields are those of a lane's hash that tell of its pause, to the scripts as well.
func pauseFields() []string {
	return []string{"class", "message", "since", "by", "probes", "probe_at", "probe", "lease"}
}

// Pauses reads how lanes stand, in order. It does so in one round trip, in a Cluster
// in one to each node that has some of them.
func (s *Store) Pauses(ctx context.Context, lanes ...string) ([]Pause, error) {
	ctx, cancel := context.WithTimeout(ctx, nodePatience)
	defer cancel()
	answers := make([]*redis.SliceCmd, len(lanes))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, lane := range lanes {
			answers[i] = p.HMGet(ctx, string(s.lane(lane)), pauseFields()...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which lanes are paused: %w", err)
	}
	pauses := make([]Pause, len(lanes))
	for i, answer := range answers {
		pauses[i] = decodePause(answer.Val())
	}
	return pauses, nil
}

func decodePause(fields []any) Pause {
	text := make([]string, len(pauseFields()))
	for i := range min(len(fields), len(text)) {
		text[i], _ = fields[i].(string)
	}
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		return time.UnixMilli(parseInt(s)).UTC()
	}
	return Pause{
		Class: jobs.Class(text[0]), Message: text[1], Since: at(text[2]), By: PausedBy(text[3]),
		Probes: int(parseInt(text[4])), ProbeAt: at(text[5]), Probe: text[6], Lease: at(text[7]),
	}
}
