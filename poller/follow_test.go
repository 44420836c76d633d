package poller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// part is what a stream does next.
type part struct {
	wait   time.Duration
	events []string // the data of events
	err    error    // how it ends, at the last part
	hangs  bool     // or that it does not
}

// fakeStreamer plays streams from a script: each call takes the next, and the last is
// repeated. It is not asked for what was had.
type fakeStreamer struct {
	mu      sync.Mutex
	streams [][]part
	after   []int64
	open    int
	most    int // were open at once
}

func (s *fakeStreamer) Follow(ctx context.Context, _ string, after int64, visit func(data []byte) bool) error {
	s.mu.Lock()
	s.after = append(s.after, after)
	parts := s.streams[0]
	if len(s.streams) > 1 {
		s.streams = s.streams[1:]
	}
	s.open++
	s.most = max(s.most, s.open)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
	}()
	for _, p := range parts {
		if sleep(ctx, p.wait) != nil {
			return &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable}, Err: ctx.Err()}
		}
		for _, data := range p.events {
			if n := numberOf(data); n > after && !visit([]byte(data)) {
				return nil
			}
		}
		if p.hangs {
			<-ctx.Done()
			return &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable}, Err: ctx.Err()}
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func numberOf(data string) int64 {
	p, _, _, err := jobs.ReadProgress(1, []byte(data))
	if err != nil {
		return 1 << 40 // whatever it is, it is sent
	}
	return p.Sequence
}

// texts are n text events from a number on.
func texts(from, n int) []string {
	events := make([]string, 0, n)
	for i := range n {
		events = append(events, fmt.Sprintf(`{"type":"response.output_text.delta","sequence_number":%d,"delta":"%d "}`, from+i, from+i))
	}
	return events
}

func ends(n int) string {
	return fmt.Sprintf(`{"type":"response.completed","sequence_number":%d,"response":{"status":"completed"}}`, n)
}

// fakeProgress keeps events as the store does, and holds jobs for whoever asks.
type fakeProgress struct {
	mu      sync.Mutex
	events  []jobs.Progress
	away    bool
	taken   bool // somebody else has the job
	renewed []time.Duration
	proven  []bool
	adds    int
	start   time.Time
}

var errAway = errors.New("redis does not answer")

func (p *fakeProgress) LastProgress(context.Context, jobs.ID) (jobs.Place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.away:
		return jobs.Place{}, errAway
	case len(p.events) == 0:
		return jobs.Place{}, nil
	}
	return p.events[len(p.events)-1].Place, nil
}

func (p *fakeProgress) AddProgress(_ context.Context, _ jobs.ID, events []jobs.Progress) (jobs.Place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return jobs.Place{}, errAway
	}
	p.adds++
	for _, ev := range events {
		if len(p.events) == 0 || p.events[len(p.events)-1].Before(ev.Place) {
			p.events = append(p.events, ev)
		}
	}
	return p.events[len(p.events)-1].Place, nil
}

func (p *fakeProgress) TakeClaim() Claim { return p }

func (p *fakeProgress) Renew(_ context.Context, _ jobs.Job, _ jobs.Looks, _ time.Duration, proven bool) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return false, errAway
	}
	p.renewed, p.proven = append(p.renewed, time.Since(p.start)), append(p.proven, proven)
	return !p.taken, nil
}

func (p *fakeProgress) set(away, taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away, p.taken = away, taken
}

// text is what was told in pieces of text.
func (p *fakeProgress) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, ev := range p.events {
		if ev.Type == jobs.TextDelta {
			b.WriteString(ev.Delta)
		}
	}
	return b.String()
}

// counted are the numbers from 0 on that texts has as its text.
func counted(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d ", from+i)
	}
	return b.String()
}

// chased is a poller with one job whose response is streamed.
type chased struct {
	records  *fakeRecords
	api      *fakeAPI
	streamer *fakeStreamer
	progress *fakeProgress
	config   Config
	log      bytes.Buffer
	registry *prometheus.Registry
	id       jobs.ID
}

func newChased(answers []answer, streams ...[]part) *chased {
	j := runningJob()
	j.Stream, j.LookAt = true, time.Now()
	c := &chased{
		records: newFakeRecords(j), api: &fakeAPI{answers: answers, start: time.Now()}, streamer: &fakeStreamer{streams: streams},
		progress: &fakeProgress{start: time.Now()}, registry: prometheus.NewPedanticRegistry(), id: j.ID,
	}
	c.config = Config{
		Schedule: steady, Concurrency: 4, Tick: 10 * time.Millisecond, Lease: time.Hour, Sweep: 5 * time.Second,
		Following: &Following{Streams: map[string]Streamer{"default": c.streamer}, Progress: c.progress, MaxOpen: 2, Stall: time.Minute},
	}
	return c
}

// run runs the poller for a time and returns what has become of the job.
func (c *chased) run(t *testing.T, d time.Duration) jobs.Job {
	t.Helper()
	p := New(c.records, map[string]API{"default": c.api}, &fakeOthers{}, noEffects{}, c.config, c.registry, slog.New(slog.NewTextHandler(&c.log, nil)))
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
	if c.streamer.open != 0 {
		t.Errorf("%d streams are open", c.streamer.open)
	}
	return c.records.job(c.id)
}

// ended is how often a stream came to its end so.
func (c *chased) ended(t *testing.T, end streamEnd) int {
	t.Helper()
	families, err := c.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "longhaul_poller_streams_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == string(end) {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no counter of %s", end)
	return 0
}

// A streamed response is followed to its end, which a look then brings.
//
// Guarantee: G27.
func TestFollowsToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("completed")}, []part{
			{events: []string{`{"type":"response.created","sequence_number":0,"response":{"status":"queued"}}`}},
			{wait: 40 * time.Second, events: texts(1, 300)},
			{wait: 48 * time.Second, events: append(texts(301, 100), `{"type":"response.output_text.done","sequence_number":401}`, ends(402)), hangs: true},
		})
		j := c.run(t, 5*time.Minute)
		if j.State != jobs.StateSucceeded || len(c.api.looked) != 1 || c.api.looked[0].Round(time.Second) != 88*time.Second {
			t.Errorf("%s after looks at %v, want one at 1m28s", j.State, c.api.looked)
		}
		if got := c.progress.text(); got != counted(1, 400) {
			t.Errorf("told %q", got)
		}
		if n := len(c.progress.events); n != 402 || c.progress.events[0].Type != "response.created" || c.progress.events[401].Type != "response.completed" {
			t.Errorf("%d events, the first %+v, the last %+v", n, c.progress.events[0], c.progress.events[n-1])
		}
		if c.progress.adds > 20 {
			t.Errorf("%d calls for 402 events", c.progress.adds)
		}
		if len(c.progress.renewed) != 18 || c.progress.proven[5] || !c.progress.proven[6] { // at once, and each 5 s
			t.Errorf("held at %v, proven %v", c.progress.renewed, c.progress.proven)
		}
		if c.ended(t, streamOver) != 1 || !slices.Equal(c.streamer.after, []int64{-1}) {
			t.Errorf("%d ends, asked for what is behind %v", c.ended(t, streamOver), c.streamer.after)
		}
		if problems, err := testutil.GatherAndLint(c.registry); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, err %v", problems, err)
		}
	})
}

// A stream that ends before its response is opened again behind what is known, and
// nothing is told twice or lost.
//
// Guarantee: G27.
func TestStreamThatEndsTooSoonIsNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable}}
		c := newChased([]answer{response("in_progress"), response("completed")},
			[]part{{events: texts(0, 10)}},
			[]part{{events: texts(0, 25), err: broken}},
			[]part{{events: []string{"{not JSON", texts(24, 1)[0]}}},
			[]part{{events: append(texts(0, 30), ends(30))}},
		)
		j := c.run(t, time.Minute)
		if j.State != jobs.StateSucceeded || c.progress.text() != counted(0, 30) {
			t.Errorf("%s, told %q", j.State, c.progress.text())
		}
		if want := []int64{-1, 9, 24, 24}; !slices.Equal(c.streamer.after, want) {
			t.Errorf("asked for what is behind %v, want %v", c.streamer.after, want)
		}
		if len(c.api.looked) != 2 || c.ended(t, streamBroken) != 3 || c.ended(t, streamOver) != 1 {
			t.Errorf("looks at %v, %d streams broke", c.api.looked, c.ended(t, streamBroken))
		}
	})
}

// Another worker goes on where the progress that is kept ends.
//
// Guarantee: G27.
func TestAnotherWorkerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("completed")}, []part{{events: append(texts(0, 50), ends(50))}})
		for n := range int64(20) {
			c.progress.events = append(c.progress.events, jobs.Progress{Place: jobs.Place{Attempt: 1, Sequence: n}, Type: jobs.TextDelta, Delta: fmt.Sprintf("%d ", n)})
		}
		c.run(t, time.Minute)
		if c.progress.text() != counted(0, 50) || !slices.Equal(c.streamer.after, []int64{19}) {
			t.Errorf("told %q, asked for what is behind %v", c.progress.text(), c.streamer.after)
		}
		// But not with an attempt when a later one was told of.
		c = newChased([]answer{response("completed")}, []part{{events: texts(0, 9)}})
		c.progress.events = []jobs.Progress{{Place: jobs.Place{Attempt: 2, Sequence: 0}}}
		if j := c.run(t, time.Minute); j.State != jobs.StateSucceeded || len(c.streamer.after) != 0 || len(c.progress.events) != 1 {
			t.Errorf("%s, asked for what is behind %v", j.State, c.streamer.after)
		}
	})
}

// A stream that is silent for too long is noticed: its response is looked at, and the
// stream is opened again, ever more rarely if it brings nothing.
//
// Guarantee: G27.
func TestStalledStreamIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pending := response("in_progress")
		c := newChased([]answer{pending, pending, pending, response("completed")},
			[]part{{events: texts(0, 5), hangs: true}}, []part{{hangs: true}}, []part{{hangs: true}}, []part{{events: texts(5, 5), hangs: true}})
		c.config.Schedule.Ceiling = 20 * time.Second
		j := c.run(t, 10*time.Minute)
		if j.State != jobs.StateSucceeded || c.progress.text() != counted(0, 10) || c.ended(t, streamStalled) != 4 {
			t.Errorf("%s, told %q, %d stalled", j.State, c.progress.text(), c.ended(t, streamStalled))
		}
		if !slices.Equal(c.streamer.after, []int64{-1, 4, 4, 4}) || strings.Count(c.log.String(), "stream stalled") != 4 {
			t.Errorf("asked for what is behind %v\n%s", c.streamer.after, &c.log)
		}
		// A minute each, and 10, 20 and 20 seconds in between, more or less.
		for i, want := range []float64{60, 130, 210, 290} {
			if got := c.api.looked[i].Seconds(); got < 0.95*want-1 || got > 1.05*want+1 {
				t.Errorf("look %d after %.1f s, want about %.0f s", i, got, want)
			}
		}
	})
}

// A response that is too old to be streamed again is looked at beside its stream, which
// stays open.
//
// Guarantee: G27.
func TestStalledStreamOfAnOldResponseStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pending := response("in_progress")
		c := newChased([]answer{pending, pending, failure(jobs.ClassUnavailable), response("completed")},
			[]part{{wait: 45 * time.Second, events: texts(0, 5)}, {wait: 150 * time.Second, events: texts(5, 5), hangs: true}})
		j := c.records.jobs[c.id]
		j.Attempts[0].Answered = time.Now().Add(-streamable)
		if j := c.run(t, 10*time.Minute); j.State != jobs.StateSucceeded || c.progress.text() != counted(0, 10) {
			t.Errorf("%s, told %q", j.State, c.progress.text())
		}
		var looked []time.Duration
		for _, at := range c.api.looked {
			looked = append(looked, at.Round(time.Second))
		}
		// After a minute of silence each, and when it has ended.
		if want := []time.Duration{105 * time.Second, 165 * time.Second, 255 * time.Second, 315 * time.Second, 315 * time.Second}; !slices.Equal(looked, want) {
			t.Errorf("looks at %v, want %v", looked, want)
		}
		if len(c.streamer.after) != 1 || strings.Count(c.log.String(), "stream stalled") != 4 {
			t.Errorf("%d streams\n%s", len(c.streamer.after), &c.log)
		}
	})
}

// A response that is not streamed, or no longer, is looked at and not asked for again.
//
// Guarantee: G27.
func TestRefusedStreamFallsBackToLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassInvalid, HTTPStatus: 400, Message: "more than 5 minutes old"}}
		c := newChased([]answer{response("queued"), response("in_progress"), response("completed")}, []part{{err: refused}})
		j := c.run(t, time.Hour)
		if j.State != jobs.StateSucceeded || len(c.api.looked) != 3 || len(c.streamer.after) != 1 {
			t.Errorf("%s after looks at %v and %d streams", j.State, c.api.looked, len(c.streamer.after))
		}
		if !strings.Contains(c.log.String(), "more than 5 minutes old") {
			t.Errorf("the log does not say why:\n%s", &c.log)
		}
	})
}

// No more streams are open than may be; what finds no place is looked at, and followed
// when there is one.
//
// Guarantee: G27.
func TestOpenStreamsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("in_progress")}, []part{{wait: 30 * time.Second, events: texts(0, 1), hangs: true}})
		for range 4 {
			j := runningJob()
			j.Stream, j.LookAt = true, time.Now()
			c.records.jobs[j.ID], c.records.due[j.ID] = j, time.Now()
		}
		c.config.Schedule.SafetyNet = time.Hour
		c.config.Announcements = map[string]*Announcements{"default": {}} // other looks would wait for that long
		c.run(t, 2*time.Minute)
		if c.streamer.most != 2 || len(c.streamer.after) < 3 {
			t.Errorf("%d streams were open at once, of %d", c.streamer.most, len(c.streamer.after))
		}
		if c.ended(t, streamNotBegun) < 3 || len(c.api.looked) < 6 {
			t.Errorf("%d found no place, %d looks", c.ended(t, streamNotBegun), len(c.api.looked))
		}
	})
}

// A job that somebody else has, or that has moved on, is let be.
//
// Guarantee: G27.
func TestFollowerLetsGoOfWhatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("in_progress")}, []part{{events: texts(0, 3), hangs: true}})
		time.AfterFunc(12*time.Second, func() { c.progress.set(false, true) })
		j := c.run(t, 50*time.Second)
		if c.ended(t, streamTaken) != 1 || len(c.api.looked) != 0 || j.Looks != (jobs.Looks{}) || c.progress.text() != counted(0, 3) {
			t.Errorf("%d were let go, looks at %v, on record %+v", c.ended(t, streamTaken), c.api.looked, j.Looks)
		}
	})
}

// A worker that drains closes its streams, keeps what they brought, and gives the jobs
// back at once.
//
// Guarantees: G4, G27.
func TestDrainClosesStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("in_progress")}, []part{{events: texts(0, 3)}, {wait: 9990 * time.Millisecond, events: texts(3, 3), hangs: true}})
		began := time.Now()
		j := c.run(t, 10*time.Second) // ends while the last three wait to be kept
		if got := time.Since(began); got > 10*time.Second+100*time.Millisecond {
			t.Errorf("drained in %s", got-10*time.Second)
		}
		if c.progress.text() != counted(0, 6) || c.ended(t, streamGivenUp) != 1 || len(c.api.looked) != 0 {
			t.Errorf("told %q, looks at %v", c.progress.text(), c.api.looked)
		}
		if due := c.records.due[c.id]; due.After(time.Now()) || j.State != jobs.StateRunning {
			t.Errorf("the job is %s and due in %s", j.State, time.Until(due))
		}
	})
}

// A job that wants the worker for itself is made way for.
//
// Guarantees: G18, G27.
func TestStreamsMakeWayForOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("in_progress")}, []part{{events: texts(0, 3), hangs: true}})
		wanted := make(chan struct{})
		c.config.Following.Alone = func() <-chan struct{} { return wanted }
		inside := 0
		var mu sync.Mutex
		c.config.Enter = func(context.Context, bool) (func(), error) {
			mu.Lock()
			defer mu.Unlock()
			inside++
			return func() {
				mu.Lock()
				defer mu.Unlock()
				inside--
			}, nil
		}
		left := false
		time.AfterFunc(20*time.Second, func() { close(wanted) })
		time.AfterFunc(20*time.Second+5*time.Millisecond, func() {
			mu.Lock()
			defer mu.Unlock()
			left = inside == 0
		})
		c.run(t, 20*time.Second+7*time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if !left || c.ended(t, streamGivenUp) == 0 {
			t.Errorf("left %t, %d given up", left, c.ended(t, streamGivenUp))
		}
	})
}

// A response at whose stream workers have crashed is looked at alone, and followed no
// more.
//
// Guarantees: G18, G27.
func TestWhatCrashedWorkersIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("in_progress"), response("completed")}, []part{{hangs: true}})
		j := c.records.jobs[c.id]
		j.Lapsed = lapsesBeforeAlone
		c.records.jobs[c.id] = j
		if j := c.run(t, time.Minute); j.State != jobs.StateSucceeded || len(c.streamer.after) != 0 {
			t.Errorf("%s, followed %d times", j.State, len(c.streamer.after))
		}
	})
}

// While Redis is away no more is read than there is room for, nothing is lost, and
// what could not be kept is asked for again.
//
// Guarantees: G5, G27.
func TestFollowerSurvivesRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("completed")}, []part{{wait: 10 * time.Second, events: texts(0, 1000)}, {events: []string{ends(1000)}, hangs: true}})
		time.AfterFunc(5*time.Second, func() { c.progress.set(true, false) })
		time.AfterFunc(40*time.Second, func() { c.progress.set(false, false) })
		if j := c.run(t, 2*time.Minute); j.State != jobs.StateSucceeded || c.progress.text() != counted(0, 1000) {
			t.Errorf("%s, told %d bytes of %d", j.State, len(c.progress.text()), len(counted(0, 1000)))
		}
		if len(c.streamer.after) != 1 || strings.Count(c.log.String(), "progress not kept yet") != 1 {
			t.Errorf("%d streams\n%s", len(c.streamer.after), &c.log)
		}

		// Away for longer than a stream may be silent: the response is looked at.
		c = newChased([]answer{response("in_progress"), response("completed")}, []part{{wait: 10 * time.Second, events: texts(0, 1000)}, {events: []string{ends(1000)}, hangs: true}})
		time.AfterFunc(5*time.Second, func() { c.progress.set(true, false) })
		time.AfterFunc(75*time.Second, func() { c.progress.set(false, false) })
		if j := c.run(t, 10*time.Minute); j.State != jobs.StateSucceeded || c.progress.text() != counted(0, 1000) {
			t.Errorf("%s, told %d bytes of %d", j.State, len(c.progress.text()), len(counted(0, 1000)))
		}
		if len(c.api.looked) != 2 || c.api.looked[0] > 80*time.Second || !slices.Equal(c.streamer.after, []int64{-1, -1}) {
			t.Errorf("looks at %v, asked for what is behind %v", c.api.looked, c.streamer.after)
		}
	})
}

// The deadline of a job that is followed is kept, and a stop ends it.
//
// Guarantees: G8, G27.
func TestDeadlineOfAFollowedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("cancelled")}, []part{{events: texts(0, 3), hangs: true}})
		j := c.records.jobs[c.id]
		j.Deadline = time.Now().Add(32 * time.Second)
		c.records.jobs[c.id] = j
		c.api.cancelled = response("cancelled")
		if j := c.run(t, time.Minute); j.State != jobs.StateExpired || c.api.cancels != 1 || c.ended(t, streamGivenUp) != 1 {
			t.Errorf("%s after %d cancels", j.State, c.api.cancels)
		}
	})
}

// An end that a stream has told of is none that a webhook should have told of.
func TestToldByTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("completed")}, []part{{events: []string{ends(0)}}})
		c.config.Schedule.SafetyNet = time.Hour
		c.config.Announcements = map[string]*Announcements{"default": {}}
		c.run(t, time.Minute)
		if n := c.config.Announcements["default"].missed; n != 0 {
			t.Errorf("%d ends count as untold", n)
		}
	})
}

// A response that a person has given to the job is looked at before it is followed.
func TestAdoptedResponseIsLookedAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChased([]answer{response("in_progress"), response("completed")}, []part{{events: append(texts(0, 3), ends(3))}})
		j := c.records.jobs[c.id]
		j.Attempts[0].Adopted = time.Now()
		if j := c.run(t, time.Minute); j.State != jobs.StateSucceeded || len(c.api.looked) != 2 || len(c.streamer.after) != 1 {
			t.Errorf("%s after looks at %v and %d streams", j.State, c.api.looked, len(c.streamer.after))
		}
		if c.api.looked[0] > 50*time.Millisecond {
			t.Errorf("first look after %s", c.api.looked[0])
		}
	})
}
