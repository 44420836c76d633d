package submit_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	worker    = "w_here"
	endpoint  = "default"
	firstLook = 2 * time.Second
)

// firstLookAfter is a schedule that grants the provider's wish.
func firstLookAfter(_ jobs.Job, wish time.Duration) time.Duration { return cmp.Or(wish, firstLook) }

// errAway is what the store says while Redis is away.
var errAway = errors.New("redis does not answer")

// fakeRecords is a store in memory. Its rules are the store's: an event goes
// through [jobs.Transition] on the record as it is, whatever the caller holds.
type fakeRecords struct {
	mu      sync.Mutex
	jobs    map[jobs.ID]jobs.Job
	request map[jobs.ID]jobs.Request
	body    map[jobs.ID][]byte
	newer   map[jobs.ID]bool
	away    bool
	// requestErr is why a request cannot be had.
	requestErr error
	// loseAnswer has the next event applied and its answer lost.
	loseAnswer bool
	history    []string // the events that changed something
}

func newFakeRecords() *fakeRecords {
	return &fakeRecords{
		jobs: make(map[jobs.ID]jobs.Job), request: make(map[jobs.ID]jobs.Request),
		body: make(map[jobs.ID][]byte), newer: make(map[jobs.ID]bool),
	}
}

func (r *fakeRecords) loadLocked(id jobs.ID) (jobs.Job, error) {
	j, ok := r.jobs[id]
	switch {
	case r.away:
		return jobs.Job{}, errAway
	case !ok:
		return jobs.Job{}, fmt.Errorf("%s: %w", id, results.ErrNotFound)
	case r.newer[id]:
		return jobs.Job{ID: id, Schema: jobs.Schema + 1}, fmt.Errorf("%s: %w", id, jobs.ErrNewerSchema)
	}
	return j, nil
}

func (r *fakeRecords) Load(_ context.Context, id jobs.ID) (jobs.Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loadLocked(id)
}

func (r *fakeRecords) LoadWithRequest(_ context.Context, id jobs.ID) (jobs.Job, func(context.Context) (jobs.Request, error), error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	request, failure := r.request[id], r.requestErr
	j, err := r.loadLocked(id)
	return j, func(context.Context) (jobs.Request, error) { return request, failure }, err
}

func (r *fakeRecords) Advance(_ context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held, err := r.loadLocked(j.ID)
	if err != nil {
		return jobs.Job{}, err
	}
	change, err := jobs.Transition(held, ev, time.Now())
	if err != nil {
		return held, err
	}
	next := change.Job
	next.Version++
	if next.State != jobs.StateWaiting {
		next.Admitted = time.Time{}
	}
	r.jobs[j.ID] = next
	if change.Body != nil {
		r.body[j.ID] = change.Body
	}
	r.history = append(r.history, ev.Name())
	if r.loseAnswer {
		r.loseAnswer, r.away = false, true
		return jobs.Job{}, errAway
	}
	return next, nil
}

func (r *fakeRecords) Now() time.Time { return time.Now() }

func (r *fakeRecords) setAway(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// job returns the record as it is.
func (r *fakeRecords) job(t *testing.T, id jobs.ID) jobs.Job {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	if !ok {
		t.Fatalf("%s is gone", id)
	}
	return j
}

// change changes a record behind the submitter's back.
func (r *fakeRecords) change(id jobs.ID, f func(j *jobs.Job)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[id]
	f(&j)
	j.Version++
	r.jobs[id] = j
}

// admit is what the dispatcher does.
func (r *fakeRecords) admit(id jobs.ID) {
	r.change(id, func(j *jobs.Job) { j.Admitted = time.Now() })
}

// fakeAPI answers creates as its function says, and counts them.
type fakeAPI struct {
	mu     sync.Mutex
	bodies []json.RawMessage
	create func(ctx context.Context) (jobs.Reply, error)
}

func (a *fakeAPI) Create(ctx context.Context, body json.RawMessage, _ string) (jobs.Reply, error) {
	a.mu.Lock()
	a.bodies = append(a.bodies, body)
	a.mu.Unlock()
	return a.create(ctx)
}

func (a *fakeAPI) creates() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.bodies)
}

// fakeEffects remembers the jobs whose outbox was enqueued.
type fakeEffects struct {
	mu   sync.Mutex
	jobs []jobs.Job
	err  error
}

func (e *fakeEffects) Effects(_ context.Context, j jobs.Job) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.jobs = append(e.jobs, j)
	return e.err
}

// bench is a submitter with everything around it.
type bench struct {
	records   *fakeRecords
	api       *fakeAPI
	effects   *fakeEffects
	submitter *submit.Submitter
	log       *testlog.Buffer
}

func newBench() *bench {
	b := &bench{records: newFakeRecords(), api: &fakeAPI{}, effects: &fakeEffects{}, log: &testlog.Buffer{}}
	b.api.create = answer(response("resp_1", jobs.StatusQueued))
	b.submitter = b.with(submit.Config{Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter})
	return b
}

// with is a submitter of another configuration.
func (b *bench) with(c submit.Config) *submit.Submitter {
	return submit.New(b.records, b.api, b.effects, c, slog.New(slog.NewTextHandler(b.log, nil)))
}

// job puts a job into the store, in its lane's queue.
func (b *bench) job(t *testing.T, options jobs.Options) jobs.Job {
	t.Helper()
	request := parse(t, `{"input":"What is a lighthouse?","tools":[],"a_new_field":1.50}`)
	j := jobs.New(jobs.NewID(time.Now(), 0), request, options, time.Now())
	j.Version, j.Admitted = 1, time.Now()
	b.records.mu.Lock()
	defer b.records.mu.Unlock()
	b.records.jobs[j.ID], b.records.request[j.ID] = j, request
	return j
}

func (b *bench) submit(t *testing.T, id jobs.ID, attempt int) {
	t.Helper()
	if err := b.submitter.Submit(t.Context(), id, attempt); err != nil {
		t.Fatalf("Submit: %v", err)
	}
}

func parse(t *testing.T, body string) jobs.Request {
	t.Helper()
	request, err := jobs.ParseRequest([]byte(body), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// response is a reply with a response in the given status.
func response(id, status string) jobs.Reply {
	raw := fmt.Sprintf(`{"id":%q,"object":"response","status":%q}`, id, status)
	r, err := jobs.ParseResponse([]byte(raw))
	if err != nil {
		panic(err)
	}
	return jobs.Reply{Response: r, RequestID: "req_1"}
}

func answer(reply jobs.Reply) func(context.Context) (jobs.Reply, error) {
	return func(context.Context) (jobs.Reply, error) { return reply, nil }
}

func refuse(f jobs.Failure) func(context.Context) (jobs.Reply, error) {
	return func(context.Context) (jobs.Reply, error) {
		return jobs.Reply{}, &jobs.Error{Failure: f, Op: "create response"}
	}
}
