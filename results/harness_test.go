package results_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestMain keeps the Redis client's own log out of the tests' output: servers
// are killed here on purpose.
func TestMain(m *testing.M) {
	redis.SetLogger(silence{})
	os.Exit(m.Run())
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// harness is a store on an empty Redis, with what tests ask of it.
type harness struct {
	*results.Store

	t       testing.TB
	rdb     redis.UniversalClient // a client of its own, whose answers are never lost
	connect func(dial dialer) redis.UniversalClient
	config  results.Config
	reg     *prometheus.Registry
	log     *bytes.Buffer // the log of the store
	loser   *loser
}

// onEach runs a test against a real redis-server and against the embedded one.
func onEach(t *testing.T, config results.Config, test func(t *testing.T, h *harness)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, onRedis(t, config))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		embedded := config
		embedded.Embedded = true
		test(t, openAt(t, &redis.Options{Addr: miniredis.RunT(t).Addr()}, embedded))
	})
}

// onRedis opens a store on a database of the shared redis-server.
func onRedis(tb testing.TB, config results.Config) *harness {
	tb.Helper()
	return onURL(tb, redistest.URL(tb), config)
}

func onURL(tb testing.TB, url string, config results.Config) *harness {
	tb.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	return openAt(tb, options, config)
}

func openAt(tb testing.TB, options *redis.Options, config results.Config) *harness {
	tb.Helper()
	return openWith(tb, config, func(dial dialer) redis.UniversalClient {
		copied := *options
		if dial != nil {
			copied.Dialer = dial
		}
		return redis.NewClient(&copied)
	})
}

// onCluster opens a store on a Cluster, which tests share under prefixes of
// their own.
func onCluster(tb testing.TB, cluster *redistest.Cluster, config results.Config) *harness {
	tb.Helper()
	return openWith(tb, config, func(dial dialer) redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), Dialer: dial, ContextTimeoutEnabled: true})
	})
}

// dialer opens connections; nil is the client library's own.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

func openWith(tb testing.TB, config results.Config, connect func(dialer) redis.UniversalClient) *harness {
	tb.Helper()
	h := &harness{
		t: tb, connect: connect, config: config, reg: prometheus.NewRegistry(), log: new(bytes.Buffer), loser: &loser{},
	}
	h.rdb = connect(nil)
	tb.Cleanup(func() { _ = h.rdb.Close() })
	rdb := connect(h.loser.dial)
	tb.Cleanup(func() { _ = rdb.Close() })
	store, err := results.Open(tb.Context(), rdb, config, slog.New(slog.NewTextHandler(h.log, nil)), h.reg)
	if err != nil {
		tb.Fatal(err)
	}
	h.Store = store
	return h
}

// another opens a second store on the same installation, as another process
// would, with the same clock.
func (h *harness) another() *harness {
	h.t.Helper()
	other := openWith(h.t, h.config, h.connect)
	other.ShareClock(h.Store)
	return other
}

// loser loses answers of scripts, so that the client repeats them.
type loser struct {
	mu      sync.Mutex
	pending int    // how many of the next answers to lose
	lost    int    // how many were
	scripts int    // how many scripts were sent
	between func() // called when an answer has been lost, before the repetition
}

// loseNext loses the answer of the next script, which the server will have
// carried out. The client repeats it; what is done meanwhile is up to between.
func (l *loser) loseNext(between func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending, l.between = 1, between
}

// loseAll loses the answers of all scripts, or of none any more.
func (l *loser) loseAll(all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending, l.between = 0, nil
	if all {
		l.pending = 1000
	}
}

// count returns how many answers were lost so far.
func (l *loser) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// sent returns how many scripts were sent so far.
func (l *loser) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.scripts
}

func (l *loser) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: conn, loser: l}, nil
}

type lossyConn struct {
	net.Conn

	loser *loser
	lose  bool // the answer to what was written last is to be lost
	dead  bool // it was, and the connection with it
}

func (c *lossyConn) Write(b []byte) (int, error) {
	c.loser.mu.Lock()
	c.loser.scripts += bytes.Count(b, []byte("\r\nevalsha\r\n"))
	if c.loser.pending > 0 && bytes.Contains(b, []byte("eval")) {
		c.loser.pending--
		c.lose = true
	}
	c.loser.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *lossyConn) Read(b []byte) (int, error) {
	if c.dead {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	if !c.lose || err != nil {
		return n, err
	}
	c.lose = false
	if bytes.Contains(b[:n], []byte("NOSCRIPT")) {
		c.loser.mu.Lock()
		c.loser.pending++ // nothing was carried out; the source comes next
		c.loser.mu.Unlock()
		return n, nil
	}
	c.dead = true
	c.loser.mu.Lock()
	c.loser.lost++
	between := c.loser.between
	c.loser.mu.Unlock()
	if between != nil {
		between()
	}
	return 0, io.EOF
}

// request is a small request, another one for another text.
func request(tb testing.TB, text string) jobs.Request {
	tb.Helper()
	r, err := jobs.ParseRequest(fmt.Appendf(nil, `{"input":%q}`, text), jobs.DefaultModel)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// reply is a response in the given status.
func reply(tb testing.TB, id, status string) jobs.Reply {
	tb.Helper()
	raw := fmt.Sprintf(`{"id":%q,"status":%q,"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}`, id, status)
	return rawReply(tb, raw)
}

func rawReply(tb testing.TB, raw string) jobs.Reply {
	tb.Helper()
	r, err := jobs.ParseResponse([]byte(raw))
	if err != nil {
		tb.Fatal(err)
	}
	return jobs.Reply{Response: r}
}

// accept accepts a job that must be a new one.
func (h *harness) accept(options jobs.Options) jobs.Job {
	h.t.Helper()
	j, fresh, err := h.Accept(h.t.Context(), request(h.t, "hello"), options)
	if err != nil || !fresh {
		h.t.Fatalf("Accept: fresh %t, err %v; want a new job", fresh, err)
	}
	return j
}

// admit admits all jobs of the default lane that may start.
func (h *harness) admit() []results.Admission {
	h.t.Helper()
	admitted, err := h.Admit(h.t.Context(), jobs.DefaultLane, 10_000)
	if err != nil {
		h.t.Fatalf("Admit: %v", err)
	}
	return admitted
}

// step is Step that must succeed.
func (h *harness) step(id jobs.ID, ev jobs.Event) jobs.Job {
	h.t.Helper()
	j, err := h.Step(h.t.Context(), id, ev)
	if err != nil {
		h.t.Fatalf("Step %s: %v", ev.Name(), err)
	}
	return j
}

// load is Load that must succeed.
func (h *harness) load(id jobs.ID) jobs.Job {
	h.t.Helper()
	j, err := h.Load(h.t.Context(), id)
	if err != nil {
		h.t.Fatalf("Load: %v", err)
	}
	return j
}

// gone fails the test unless the job is gone.
func (h *harness) gone(id jobs.ID) {
	h.t.Helper()
	if _, err := h.Load(h.t.Context(), id); !errors.Is(err, results.ErrNotFound) {
		h.t.Fatalf("Load: err %v, want ErrNotFound", err)
	}
}

// in takes a new job to a state, with everything on the way there.
func (h *harness) in(state jobs.State, options jobs.Options) jobs.Job {
	h.t.Helper()
	if state == jobs.StateUncertain {
		options.Uncertain = jobs.UncertainHold
	}
	j := h.accept(options)
	if state == jobs.StateWaiting {
		return j
	}
	if _, err := h.Admit(h.t.Context(), j.Lane, 10_000); err != nil {
		h.t.Fatalf("Admit: %v", err)
	}
	j = h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "worker", Endpoint: "openai"})
	response := "resp_" + string(j.ID)
	switch state {
	case jobs.StateWaiting, jobs.StateSubmitting:
		return j
	case jobs.StateUncertain:
		return h.step(j.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
	case jobs.StateRunning:
		return h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(h.t, response, jobs.StatusQueued), FirstLook: h.Now()})
	case jobs.StateSucceeded:
		return h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(h.t, response, jobs.StatusCompleted)})
	case jobs.StateIncomplete:
		return h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(h.t, response, jobs.StatusIncomplete)})
	case jobs.StateFailed:
		return h.step(j.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
	case jobs.StateCancelled:
		return h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(h.t, response, jobs.StatusCancelled)})
	case jobs.StateExpired:
		h.step(j.ID, jobs.StopRequested{Reason: jobs.StopDeadline})
		return h.step(j.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassUnavailable}})
	}
	h.t.Fatalf("no way to %s", state)
	return j
}

// claim claims all that is due and returns it by id.
func (h *harness) claim(lease time.Duration) map[jobs.ID]jobs.Job {
	h.t.Helper()
	due, err := h.ClaimDue(h.t.Context(), 1000, lease)
	if err != nil {
		h.t.Fatalf("ClaimDue: %v", err)
	}
	uses, err := h.Endpoints(h.t.Context())
	if err != nil {
		h.t.Fatalf("Endpoints: %v", err)
	}
	limits := make(map[string]int)
	for _, use := range uses {
		limits[use.Name] = 1000
	}
	looks, err := h.ClaimLooks(h.t.Context(), limits, lease)
	if err != nil {
		h.t.Fatalf("ClaimLooks: %v", err)
	}
	for _, j := range due {
		if j.State == jobs.StateRunning {
			h.t.Errorf("ClaimDue returned %s, which is running", j.ID)
		}
	}
	for _, j := range looks {
		if j.State != jobs.StateRunning {
			h.t.Errorf("ClaimLooks returned %s, which is %s", j.ID, j.State)
		}
	}
	due = append(due, looks...)
	byID := make(map[jobs.ID]jobs.Job, len(due))
	for _, j := range due {
		if _, twice := byID[j.ID]; twice {
			h.t.Fatalf("%s was claimed twice", j.ID)
		}
		byID[j.ID] = j
	}
	return byID
}

// settle is Settle that must succeed.
func (h *harness) settle(settlements ...results.Settlement) []int {
	h.t.Helper()
	numbers, err := h.Settle(h.t.Context(), settlements...)
	if err != nil {
		h.t.Fatalf("Settle: %v", err)
	}
	return numbers
}

// audit is Audit that must succeed.
func (h *harness) audit() int {
	h.t.Helper()
	repaired, err := h.Audit(h.t.Context())
	if err != nil {
		h.t.Fatalf("Audit: %v", err)
	}
	return repaired
}

// expire is Expire that must succeed.
func (h *harness) expire() int {
	h.t.Helper()
	n, err := h.Expire(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatalf("Expire: %v", err)
	}
	return n
}

// z is a member of a sorted set.
func z(score float64, member string) redis.Z { return redis.Z{Score: score, Member: member} }

// key is the full name of a key of the job's shard.
func (h *harness) key(id jobs.ID, rest string) string {
	return fmt.Sprintf("%s:{s%02x}:%s", h.prefix(), id.Shard(), rest)
}

func (h *harness) prefix() string {
	if h.config.Prefix != "" {
		return h.config.Prefix
	}
	return "longhaul"
}

// metric is the value of a counter, summed over its labels.
func (h *harness) metric(name string) float64 {
	h.t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			sum := 0.0
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
			return sum
		}
	}
	h.t.Fatalf("no counter %s", name)
	return 0
}
