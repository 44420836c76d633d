package results_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// hands is a clock that is moved by hand.
type hands struct {
	mu sync.Mutex
	at time.Time
}

func newHands() *hands { return &hands{at: time.UnixMilli(1_800_000_000_000)} }

func (c *hands) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *hands) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

func (c *hands) add(d time.Duration) { c.set(c.now().Add(d)) }

var onePace = results.Pace{Headroom: 0.975, Burst: 500 * time.Millisecond, Heal: 2 * time.Minute}

// onRates tests what lanes may send, against a clock that is moved by hand.
func onRates(t *testing.T, test func(t *testing.T, h *harness, clock *hands)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		clock := newHands()
		test(t, onRedis(t, results.Config{Clock: clock.now}), clock)
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		clock := newHands()
		test(t, openAt(t, &redis.Options{Addr: miniredis.RunT(t).Addr()}, results.Config{Clock: clock.now, Embedded: true}), clock)
	})
}

func (h *harness) turn(r results.Rates, n results.Need) results.Turn {
	h.t.Helper()
	if n.Try.Job == "" {
		n.Try = jobs.Try{Job: jobs.NewID(h.Now(), 0), Attempt: 1}
	}
	if n.Lease == 0 {
		n.Lease = time.Minute
	}
	turn, err := h.Reserve(h.t.Context(), "bulk", r, onePace, n)
	if err != nil {
		h.t.Fatal(err)
	}
	return turn
}

func (h *harness) standing(r results.Rates) results.Standing {
	h.t.Helper()
	st, err := h.Room(h.t.Context(), "bulk", r, onePace, 3*time.Second)
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

func (h *harness) told(told results.Told) {
	h.t.Helper()
	if err := h.Observe(h.t.Context(), "bulk", onePace, told); err != nil {
		h.t.Fatal(err)
	}
}

// Turns are given out in order, each its interval after the one before, and none
// that would be later than the patience.
func TestTurnsFollowTheRate(t *testing.T) {
	onRates(t, func(t *testing.T, h *harness, clock *hands) {
		rates := results.Rates{Requests: 60}
		start := clock.now()
		var at []time.Duration
		for range 6 {
			turn := h.turn(rates, results.Need{Patience: time.Minute})
			if turn.Verdict != results.TurnGranted {
				t.Fatalf("%+v", turn)
			}
			at = append(at, turn.At.Sub(start).Round(time.Millisecond))
		}
		interval := time.Duration(float64(time.Second) / onePace.Headroom)
		for i, d := range at {
			// After a rest, half a second's worth goes early.
			want := max(0, time.Duration(i)*interval-time.Second/2)
			if d < want-5*time.Millisecond || d > want+5*time.Millisecond {
				t.Errorf("turn %d comes after %s, want %s", i, d, want)
			}
		}
		if turn := h.turn(rates, results.Need{Patience: time.Second}); turn.Verdict != results.TurnWait || turn.At.Sub(start) < 4*time.Second {
			t.Errorf("a turn beyond the patience: %+v", turn)
		}
		again := h.turn(rates, results.Need{Patience: time.Minute})
		if d := again.At.Sub(start); d > 6*time.Second {
			t.Errorf("who could not wait has taken a turn: the next is after %s", d)
		}
	})
}

// Tokens are limited like requests, and settled with what was really used.
func TestTokensAreLimitedAndSettled(t *testing.T) {
	onRates(t, func(t *testing.T, h *harness, clock *hands) {
		rates := results.Rates{Tokens: 60_000}
		reserve := func(tokens int) time.Duration {
			now := clock.now()
			turn, err := h.Reserve(t.Context(), "bulk", rates, onePace, results.Need{
				Try: jobs.Try{Job: jobs.NewID(now, 0), Attempt: 1}, Tokens: tokens, Patience: time.Hour, Lease: time.Minute,
			})
			if err != nil || turn.Verdict != results.TurnGranted {
				t.Fatal(turn, err)
			}
			return turn.At.Sub(now)
		}
		settle := func(more int) {
			if err := h.CorrectTokens(t.Context(), "bulk", rates, onePace, more); err != nil {
				t.Fatal(err)
			}
		}
		reserve(30_000) // half a minute
		if d := reserve(1000); d < 28*time.Second || d > 31*time.Second {
			t.Errorf("after half of the tokens of a minute, the next waits %s", d)
		}
		settle(-20_000)
		if d := reserve(0); d < 9*time.Second || d > 12*time.Second {
			t.Errorf("20000 tokens given back leave a wait of %s", d)
		}
		settle(30_000)
		if d := reserve(0); d < 39*time.Second || d > 42*time.Second {
			t.Errorf("30000 tokens more make it %s", d)
		}
		// More than there are in a minute takes them all.
		settle(-200_000)
		reserve(10_000_000)
		if d := reserve(0); d < 55*time.Second || d > 63*time.Second {
			t.Errorf("after a request for more than a minute's tokens, the next waits %s", d)
		}
	})
}

// Places are counted by the try, so that no repeated call takes two, and come back
// from those who are gone.
func TestPlacesInFlight(t *testing.T) {
	onRates(t, func(t *testing.T, h *harness, clock *hands) {
		rates := results.Rates{InFlight: 2}
		try := func(i int) jobs.Try { return jobs.Try{Job: jobs.NewID(time.UnixMilli(int64(i)), 0), Attempt: 1} }
		one, two, three := try(1), try(2), try(3)
		for _, of := range []jobs.Try{one, one, two} {
			if turn := h.turn(rates, results.Need{Try: of}); turn.Verdict != results.TurnGranted {
				t.Fatalf("%+v", turn)
			}
		}
		if turn := h.turn(rates, results.Need{Try: three}); turn.Verdict != results.TurnFull {
			t.Errorf("a third place of two: %+v", turn)
		}
		if st := h.standing(rates); st.Room != 0 || st.InFlight != 2 {
			t.Errorf("%+v", st)
		}
		if err := h.Vacate(t.Context(), "bulk", one); err != nil {
			t.Fatal(err)
		}
		if turn := h.turn(rates, results.Need{Try: three}); turn.Verdict != results.TurnGranted {
			t.Errorf("after one was given back: %+v", turn)
		}
		clock.add(61 * time.Second)
		doubtful, err := h.Doubtful(t.Context(), "bulk", time.Minute, 10)
		if err != nil || len(doubtful) != 2 || !slices.Contains(doubtful, two) || !slices.Contains(doubtful, three) {
			t.Errorf("doubtful are %v, %v", doubtful, err)
		}
		if again, err := h.Doubtful(t.Context(), "bulk", time.Minute, 10); err != nil || len(again) != 0 {
			t.Errorf("two workers ask for the same places: %v, %v", again, err)
		}
	})
}

// What the provider tells is taken up: a cut, a wait, and limits that are lower than
// ours, or the only ones.
func TestLimitsAreLearnt(t *testing.T) {
	onRates(t, func(t *testing.T, h *harness, clock *hands) {
		none := results.Rates{}
		if st := h.standing(none); st.Room != -1 {
			t.Fatalf("a lane that nothing limits: %+v", st)
		}
		full := jobs.RateLimits{LimitRequests: 600, RemainingRequests: 599}
		h.told(results.Told{RateLimits: full})
		if st := h.standing(none); st.Room != -1 || st.Learned.Requests != 600 {
			t.Errorf("with nearly all of the provider's limit left: %+v", st)
		}
		h.told(results.Told{RateLimits: jobs.RateLimits{LimitRequests: 600, RemainingRequests: 200}})
		if st := h.standing(none); st.Room < 20 || st.Room > 45 || st.Rates.Requests != 600 {
			t.Errorf("with a third of it left: %+v", st)
		}
		if st := h.standing(results.Rates{Requests: 60}); st.Rates.Requests != 60 {
			t.Errorf("ours is lower: %+v", st)
		}
		if st := h.standing(results.Rates{Requests: 6000}); st.Rates.Requests != 600 {
			t.Errorf("the provider's is lower: %+v", st)
		}
		h.told(results.Told{RateLimits: jobs.RateLimits{LimitRequests: 600, RemainingRequests: 0}})
		if turn := h.turn(none, results.Need{Patience: time.Minute}); turn.At.Sub(clock.now()) < 2*time.Second {
			t.Errorf("with nothing left: %+v", turn)
		}
		clock.add(time.Minute)
		h.told(results.Told{RateLimits: full, Cut: 0.7, Deepest: 0.05, Wait: 20 * time.Second})
		h.told(results.Told{RateLimits: full, Cut: 0.7, Deepest: 0.05})
		if st := h.standing(results.Rates{Requests: 600}); st.Share != 0.7 || st.HeldUntil.Sub(clock.now()) != 20*time.Second || st.Room != 0 {
			t.Errorf("after two refusals in one moment: %+v", st)
		}
		clock.add(time.Minute)
		if st := h.standing(results.Rates{Requests: 600}); st.Share < 1-0.001 && st.Share <= 0.7 || st.Room <= 0 {
			t.Errorf("a minute later: %+v", st)
		}
		clock.add(2 * time.Minute)
		if st := h.standing(results.Rates{Requests: 600}); st.Share != 1 {
			t.Errorf("healed: %+v", st)
		}
	})
}

// What is set at run time counts before what is configured, until it is taken back.
func TestLanesAreSetAtRunTime(t *testing.T) {
	onRates(t, func(t *testing.T, h *harness, _ *hands) {
		configured := results.Rates{Requests: 600, Tokens: 1000, InFlight: 5}
		if err := h.SetLane(t.Context(), "bulk", map[string]*int{results.SettingRequests: new(60), results.SettingInFlight: new(0)}); err != nil {
			t.Fatal(err)
		}
		if st := h.standing(configured); st.Rates != (results.Rates{Requests: 60, Tokens: 1000}) {
			t.Errorf("%+v", st)
		}
		if err := h.SetLane(t.Context(), "bulk", map[string]*int{results.SettingRequests: nil, results.SettingInFlight: nil}); err != nil {
			t.Fatal(err)
		}
		if st := h.standing(configured); st.Rates != configured {
			t.Errorf("taken back: %+v", st)
		}
		for name, value := range map[string]*int{"request_per_minute": new(1), results.SettingTokens: new(-1)} {
			if err := h.SetLane(t.Context(), "bulk", map[string]*int{name: value}); jobs.FailureOf(err).Param != name {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := h.PauseLane(t.Context(), "bulk", "the bill"); err != nil {
			t.Fatal(err)
		}
		if st := h.standing(configured); !st.Paused || st.Reason != "the bill" || st.Room != 0 {
			t.Errorf("paused: %+v", st)
		}
		if turn := h.turn(configured, results.Need{Patience: time.Minute}); turn.Verdict != results.TurnPaused {
			t.Errorf("paused: %+v", turn)
		}
		settings, err := h.LaneSettings(t.Context(), "bulk")
		if err != nil || !settings.Paused || settings.Requests != nil {
			t.Errorf("%+v, %v", settings, err)
		}
		if err := h.ResumeLane(t.Context(), "bulk", false); err != nil {
			t.Fatal(err)
		}
		if st := h.standing(configured); st.Paused {
			t.Errorf("resumed: %+v", st)
		}
		configured.Paused = true
		if st := h.standing(configured); !st.Paused || st.Room != 0 {
			t.Errorf("paused by configuration: %+v", st)
		}
		if turn := h.turn(configured, results.Need{Patience: time.Minute}); turn.Verdict != results.TurnPaused {
			t.Errorf("paused by configuration: %+v", turn)
		}
		if err := h.ResumeLane(t.Context(), "bulk", true); err != nil {
			t.Fatal(err)
		}
		if st := h.standing(configured); st.Paused {
			t.Errorf("resumed, and paused by configuration: %+v", st)
		}
		if settings, err := h.LaneSettings(t.Context(), "bulk"); err != nil || settings.Paused || !settings.Resumed {
			t.Errorf("%+v, %v", settings, err)
		}
	})
}

// In no minute is more sent than the limit allows, whoever sends: ten workers that ask
// for as much as they can.
//
// Guarantee: G20.
func TestNoMinuteHasMoreThanTheLimit(t *testing.T) {
	for _, rpm := range []int{60, 600, 6000} {
		t.Run(strconv.Itoa(rpm), func(t *testing.T) {
			t.Parallel()
			clock := newHands()
			h := onRedis(t, results.Config{Clock: clock.now})
			start := clock.now()
			var sent []time.Time
			for clock.now().Sub(start) < 3*time.Minute {
				turn := h.turn(results.Rates{Requests: rpm}, results.Need{Patience: 10 * time.Second})
				if turn.Verdict == results.TurnGranted {
					sent = append(sent, turn.At)
					continue
				}
				clock.set(turn.At.Add(-9 * time.Second))
			}
			most, from := 0, 0
			for i, at := range sent {
				for at.Sub(sent[from]) >= time.Minute {
					from++
				}
				most = max(most, i-from+1)
			}
			if most > rpm || most < rpm*95/100 {
				t.Errorf("%d in one minute, of %d", most, rpm)
			}
			if len(sent) < 3*rpm*95/100 {
				t.Errorf("%d in three minutes, of %d", len(sent), 3*rpm)
			}
		})
	}
}
