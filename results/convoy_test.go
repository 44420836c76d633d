package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
)

// toll stops the trips of a convoy on their way, and notes how many commands each has.
// The client is a real one, as is the server.
type toll struct {
	arrived chan struct{} // a trip has come
	open    chan struct{} // closed when they may go on; what is sent has one of them go on

	mu    sync.Mutex
	trips []int
}

func newToll() *toll { return &toll{arrived: make(chan struct{}, 100), open: make(chan struct{})} }

// pass lets those pass that the client makes for itself when it connects.
func (l *toll) pass(ctx context.Context, cmds ...redis.Cmder) error {
	if !slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return cmd.Name() == "set" }) {
		return nil
	}
	l.mu.Lock()
	l.trips = append(l.trips, len(cmds))
	l.mu.Unlock()
	l.arrived <- struct{}{}
	select {
	case <-l.open:
		return nil
	case <-ctx.Done():
		for _, cmd := range cmds {
			cmd.SetErr(ctx.Err())
		}
		return ctx.Err()
	}
}

// sizes are how many commands the trips had, but for those that had one.
func (l *toll) sizes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.trips), func(n int) bool { return n == 1 })
}

func (l *toll) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *toll) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := l.pass(ctx, cmd); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func (l *toll) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := l.pass(ctx, cmds...); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

// newConvoy is a convoy with a toll on its way, beside a client without.
func newConvoy(t *testing.T) (*convoy, *toll, *redis.Client) {
	t.Helper()
	options, err := redis.ParseURL(redistest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	connect := func() *redis.Client {
		rdb := redis.NewClient(options)
		t.Cleanup(func() { _ = rdb.Close() })
		return rdb
	}
	tolled, l := connect(), newToll()
	tolled.AddHook(l)
	return &convoy{rdb: tolled, patience: time.Minute}, l, connect()
}

// block sends as many commands as there may be trips, and returns when all have come to
// the toll.
func block(t *testing.T, c *convoy, l *toll, all *sync.WaitGroup) {
	t.Helper()
	for i := range maxTrips {
		all.Go(func() { set(t, c, fmt.Sprintf("first%d", i)) })
		<-l.arrived
	}
}

func set(t *testing.T, c *convoy, key string) {
	t.Helper()
	ctx := t.Context()
	cmd := redis.NewStatusCmd(ctx, "set", key, "1")
	if !c.carry(ctx, cmd) || cmd.Err() != nil {
		t.Errorf("%s is not set: %v", key, cmd.Err())
	}
}

// gathered returns when so many wait for a trip.
func (c *convoy) gathered(n int) {
	for {
		c.mu.Lock()
		waiting := len(c.waiting)
		c.mu.Unlock()
		if waiting == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCommandsThatComeTogetherTravelTogether(t *testing.T) {
	t.Parallel()
	c, l, rdb := newConvoy(t)
	var all sync.WaitGroup
	block(t, c, l, &all)
	const more = maxAboard + 8
	for i := range more {
		all.Go(func() { set(t, c, fmt.Sprintf("more%d", i)) })
	}
	c.gathered(more)
	close(l.open)
	all.Wait()
	if got := l.sizes(); len(got) != 2 || got[0]+got[1] != more || max(got[0], got[1]) != maxAboard {
		t.Errorf("the trips had %v commands; %d came, and %d go together", got, more, maxAboard)
	}
	set(t, c, "after")
	if n := rdb.DBSize(t.Context()).Val(); n != maxTrips+more+1 {
		t.Errorf("%d keys are set, and not %d", n, maxTrips+more+1)
	}
}

func TestCallerThatGivesUpBeforeItsTripIsNotSent(t *testing.T) {
	t.Parallel()
	c, l, rdb := newConvoy(t)
	var all sync.WaitGroup
	block(t, c, l, &all)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		cmd := redis.NewStatusCmd(ctx, "set", "left", "1")
		c.carry(ctx, cmd)
		left <- cmd.Err()
	}()
	c.gathered(1)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) { // while the trips are still blocked
		t.Errorf("the caller that gave up got %v", err)
	}
	all.Go(func() { set(t, c, "stayed") })
	c.gathered(1)
	close(l.open)
	all.Wait()
	if n := rdb.Exists(t.Context(), "left").Val(); n != 0 {
		t.Error("the command of a caller that gave up was sent")
	}
	// Nor is that of one whose context was over when it came.
	if cmd := redis.NewStatusCmd(ctx, "set", "late", "1"); !c.carry(ctx, cmd) || !errors.Is(cmd.Err(), context.Canceled) {
		t.Errorf("a caller whose context was over got %v", cmd.Err())
	}
}

// dated is a context with a deadline that has passed, and that does not know it yet.
type dated struct{ context.Context } //nolint:containedctx // it is one

func (dated) Deadline() (time.Time, bool) { return time.Now(), true }

func TestEndOfOneContextSendsTheOthersAlone(t *testing.T) {
	t.Parallel()
	for _, cancelled := range []bool{true, false} {
		t.Run(fmt.Sprintf("cancelled=%v", cancelled), func(t *testing.T) {
			t.Parallel()
			c, l, _ := newConvoy(t)
			var first, all sync.WaitGroup
			block(t, c, l, &first)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			all.Go(func() {
				var own context.Context = dated{ctx}
				if cancelled {
					own = ctx
				}
				cmd := redis.NewStatusCmd(own, "set", "short", "1")
				if carried := c.carry(own, cmd); cmd.Err() == nil || carried != cancelled {
					t.Errorf("whose context ended was carried: %v, and got %v", carried, cmd.Err())
				}
			})
			c.gathered(1)
			for i := range 3 {
				all.Go(func() {
					cmd := redis.NewStatusCmd(t.Context(), "set", fmt.Sprint("long", i), "1")
					if c.carry(t.Context(), cmd) {
						t.Errorf("a command of a trip that somebody else ended was carried: %v", cmd.Err())
					}
				})
			}
			c.gathered(4)
			l.open <- struct{}{} // for one of the first trips, and the four come to the toll
			<-l.arrived
			if cancelled {
				cancel()
			}
			all.Wait()
			close(l.open)
			first.Wait()
			if got := l.sizes(); !slices.Equal(got, []int{4}) {
				t.Errorf("the trips had %v commands", got)
			}
		})
	}
}

func TestCommandThatNoTripTakesGoesAlone(t *testing.T) {
	t.Parallel()
	c, l, _ := newConvoy(t)
	c.patience, c.trips = time.Millisecond, maxTrips // none of which ever comes back
	if c.carry(t.Context(), redis.NewStatusCmd(t.Context(), "set", "late", "1")) {
		t.Error("a command was carried although no trip came back")
	}
	if len(c.waiting) != 0 || len(l.trips) != 0 {
		t.Errorf("%d commands still wait for a trip, and %d have gone", len(c.waiting), len(l.trips))
	}
}

func TestLargeCommandGoesAlone(t *testing.T) {
	t.Parallel()
	c, l, _ := newConvoy(t)
	cmd := redis.NewStatusCmd(t.Context(), "set", "large", strings.Repeat("x", maxTogether))
	if c.carry(t.Context(), cmd) || len(l.trips) != 0 {
		t.Error("a large command was carried")
	}
	close(l.open)
	set(t, c, "small")
}

// besideAnother sends a command on a trip with another, which is carried out, and reports
// whether the convoy carried it.
func besideAnother(t *testing.T, c *convoy, l *toll, cmd redis.Cmder) (carried bool) {
	t.Helper()
	var all sync.WaitGroup
	block(t, c, l, &all)
	all.Go(func() { carried = c.carry(t.Context(), cmd) })
	c.gathered(1)
	all.Go(func() { set(t, c, "beside") })
	c.gathered(2)
	close(l.open)
	all.Wait()
	return carried
}

func TestScriptThatFailsInTheMiddleIsNotRepeated(t *testing.T) {
	t.Parallel()
	c, l, rdb := newConvoy(t)
	cmd := redis.NewCmd(t.Context(), "eval", "redis.call('INCR', 'times') return redis.call('SADD', 'times', 'x')", 0)
	if !besideAnother(t, c, l, cmd) || !redis.HasErrorPrefix(cmd.Err(), "WRONGTYPE") {
		t.Errorf("a script that failed is to go again: %v", cmd.Err())
	}
	if n := rdb.Get(t.Context(), "times").Val(); n != "1" {
		t.Errorf("it was carried out %s times", n)
	}
}

func TestWhatTheServerRefusesGoesAlone(t *testing.T) {
	t.Parallel()
	c, l, rdb := newConvoy(t)
	cmd := redis.NewCmd(t.Context(), "evalsha", strings.Repeat("0", 40), 0)
	if besideAnother(t, c, l, cmd) || !redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		t.Errorf("an unknown script was carried: %v", cmd.Err())
	}
	if rdb.Exists(t.Context(), "beside").Val() != 1 {
		t.Error("what travelled beside it was not carried out")
	}
}
