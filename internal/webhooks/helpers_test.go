package webhooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/longhaul-jobs/longhaul/internal/webhooks"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// fakeStore keeps hints and records in memory, as the store does in Redis.
type fakeStore struct {
	lapses int // of every hint
	mu     sync.Mutex
	seen   map[string]bool
	hints  map[string]*hint // by response id; all of one endpoint
	jobs   map[jobs.ID]jobs.Job
	away   bool
}

type hint struct {
	due   time.Time
	tries int
}

var errAway = errors.New("redis is away")

func newFakeStore() *fakeStore {
	return &fakeStore{seen: make(map[string]bool), hints: make(map[string]*hint), jobs: make(map[jobs.ID]jobs.Job)}
}

func (s *fakeStore) Now() time.Time { return time.Now() }

func (s *fakeStore) Hint(_ context.Context, webhookID, _, responseID string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false, errAway
	}
	if s.seen[webhookID] {
		return false, nil
	}
	s.seen[webhookID] = true
	s.hints[responseID] = &hint{due: time.Now()}
	return true, nil
}

func (s *fakeStore) ClaimHints(_ context.Context, endpoint string, limit int, lease time.Duration) ([]results.Hint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	var claimed []results.Hint
	for id, h := range s.hints {
		if len(claimed) < limit && !h.due.After(time.Now()) {
			h.due = time.Now().Add(lease)
			h.tries++
			claimed = append(claimed, results.Hint{Endpoint: endpoint, ResponseID: id, Tries: h.tries, Lapses: s.lapses})
		}
	}
	return claimed, nil
}

func (s *fakeStore) SettleHint(_ context.Context, h results.Hint, again time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if again.IsZero() {
		delete(s.hints, h.ResponseID)
		return nil
	}
	s.hints[h.ResponseID].due = again
	return nil
}

func (s *fakeStore) Load(_ context.Context, id jobs.ID) (jobs.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return jobs.Job{}, errAway
	}
	j, ok := s.jobs[id]
	if !ok {
		return jobs.Job{}, fmt.Errorf("%s: %w", id, results.ErrNotFound)
	}
	return j, nil
}

func (s *fakeStore) Advance(_ context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := jobs.Transition(s.jobs[j.ID], ev, time.Now())
	if err != nil {
		return j, err
	}
	s.jobs[j.ID] = c.Job
	return c.Job, nil
}

func (s *fakeStore) job(id jobs.ID) jobs.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[id]
}

func (s *fakeStore) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hints)
}

func (s *fakeStore) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// fakeAPI answers looks with what answer returns, and counts them.
type fakeAPI struct {
	mu     sync.Mutex
	looks  []string // id and include list of each
	answer func(n int) (jobs.Reply, error)
}

func (a *fakeAPI) Look(_ context.Context, id string, include []string) (jobs.Reply, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looks = append(a.looks, fmt.Sprint(id, include))
	return a.answer(len(a.looks))
}

func (a *fakeAPI) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.looks)
}

// fakeVerifier takes the header X-From for the signature.
type fakeVerifier struct{}

func (fakeVerifier) Verify(header http.Header, body []byte, _ time.Time) (jobs.Notice, error) {
	if header.Get("X-From") != "openai" {
		return jobs.Notice{}, &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnauthorized}}
	}
	var said map[string]string
	if err := json.Unmarshal(body, &said); err != nil {
		return jobs.Notice{}, err
	}
	return jobs.Notice{ID: said["id"], Endpoint: "default", Type: said["type"], ResponseID: said["response"]}, nil
}

type fakeEffects struct{ enqueued []jobs.ID }

func (e *fakeEffects) Effects(_ context.Context, j jobs.Job) error {
	e.enqueued = append(e.enqueued, j.ID)
	return nil
}

// rig is a receiver with fakes around it.
type rig struct {
	*webhooks.Receiver
	store   *fakeStore
	api     *fakeAPI
	effects *fakeEffects
	reg     *prometheus.Registry
	heard   int
	// enter is who lets looks in, nil for everybody.
	enter func(ctx context.Context, alone bool) (func(), error)
	ended []string // response and attempt of the ends that were told
}

func newRig(answer func(n int) (jobs.Reply, error)) *rig {
	r := &rig{store: newFakeStore(), api: &fakeAPI{answer: answer}, effects: &fakeEffects{}, reg: prometheus.NewPedanticRegistry()}
	r.Receiver = webhooks.New(fakeVerifier{}, r.store, map[string]webhooks.Endpoint{"default": {
		API: r.api, Heard: func() { r.heard++ }, FirstLook: func() time.Duration { return 5 * time.Minute },
	}}, r.effects, webhooks.Config{
		Concurrency: 4, Tick: time.Second, Lease: time.Minute,
		Enter: func(ctx context.Context, alone bool) (func(), error) {
			if r.enter == nil {
				return func() {}, nil
			}
			return r.enter(ctx, alone)
		},
		Ended: func(_ context.Context, _ jobs.Job, a jobs.Attempt, response jobs.Response) {
			r.ended = append(r.ended, fmt.Sprint(response.ID, " of ", a.Number))
		},
	}, r.reg, slog.New(slog.DiscardHandler))
	return r
}

// run works hints off until the test ends.
func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// post receives a webhook of the provider.
func (r *rig) post(t *testing.T, id, responseID string) error {
	t.Helper()
	body, err := json.Marshal(map[string]string{"id": id, "type": "response.completed", "response": responseID})
	if err != nil {
		t.Fatal(err)
	}
	return r.Receive(t.Context(), http.Header{"X-From": {"openai"}}, body)
}

func (r *rig) metric(t *testing.T, name, label, value string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == label && l.GetValue() == value {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	t.Fatalf("no metric %s{%s=%q}", name, label, value)
	return 0
}

// put stores a job that has been through the events, a second apart, the last one
// now.
func (r *rig) put(t *testing.T, o jobs.Options, body string, events ...jobs.Event) jobs.Job {
	t.Helper()
	request, err := jobs.ParseRequest([]byte(body), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(-time.Duration(len(events)) * time.Second)
	j := jobs.New(jobs.NewID(now, 3), request, o, now)
	for _, ev := range events {
		if j.State == jobs.StateWaiting {
			j.Admitted = now
		}
		now = now.Add(time.Second)
		c, err := jobs.Transition(j, ev, now)
		if err != nil {
			t.Fatal(err)
		}
		j = c.Job
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.jobs[j.ID] = j
	return j
}

// response is what the provider says of a response made for an attempt.
func response(t *testing.T, id string, job jobs.ID, attempt int, status string) jobs.Reply {
	t.Helper()
	r, err := jobs.ParseResponse(fmt.Appendf(nil, `{"id":%q,"object":"response","status":%q,"metadata":{"longhaul_job":%q,"longhaul_attempt":"%d"}}`,
		id, status, job, attempt))
	if err != nil {
		t.Fatal(err)
	}
	return jobs.Reply{Response: r}
}

func lint(t *testing.T, r *rig) {
	t.Helper()
	if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
}
