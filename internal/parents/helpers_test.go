package parents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/parents"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// tree plans requests such as {"texts":["a","b","c"]}: a part for each text, and then one
// for each two answers, until one is left. Its result has that, in its summary.
type tree struct{ asked atomic.Int64 }

type treeRequest struct {
	Texts []string `json:"texts"`
	Panic bool     `json:"panic"`
	Bad   string   `json:"bad"`
}

func (p *tree) Next(raw json.RawMessage, phases [][]jobs.PartEnd) (jobs.Next, error) {
	p.asked.Add(1)
	var r treeRequest
	if err := json.Unmarshal(raw, &r); err != nil {
		return jobs.Next{}, err
	}
	if r.Panic {
		panic("the text: " + r.Texts[0])
	}
	switch r.Bad {
	case "request":
		return jobs.Next{Parts: []jobs.Part{{Name: "part 1", Request: json.RawMessage(`{"input":""}`)}}}, nil
	case "result":
		return jobs.Next{Result: json.RawMessage(`[1]`)}, nil
	case "endless":
		return jobs.Next{Parts: partsOf(len(phases)+1, []string{strconv.Itoa(len(phases))})}, nil
	case "error":
		return jobs.Next{}, errors.New("options: no such preset")
	}
	texts := r.Texts
	for _, phase := range phases {
		texts = nil
		for i := 0; i < len(phase); i += 2 {
			var joined strings.Builder
			for _, end := range phase[i:min(i+2, len(phase))] {
				if end.Job.State != jobs.StateSucceeded {
					kept, err := json.Marshal(map[string]int{"done": len(phases)})
					return jobs.Next{Result: kept, Failure: &jobs.Failure{Class: jobs.ClassDependency, Code: "part_failed", Message: end.Job.Part}}, err
				}
				joined.WriteString(end.Text)
			}
			texts = append(texts, joined.String())
		}
		if len(phase) == 1 {
			result, err := json.Marshal(map[string]string{"summary": texts[0]})
			return jobs.Next{Result: result}, err
		}
	}
	return jobs.Next{Parts: partsOf(len(phases)+1, texts)}, nil
}

func partsOf(phase int, texts []string) []jobs.Part {
	all := make([]jobs.Part, len(texts))
	for i, text := range texts {
		all[i] = jobs.Part{Name: fmt.Sprintf("phase %d, part %d of %d", phase, i+1, len(texts)), Request: fmt.Appendf(nil, `{"input":%q}`, text)}
	}
	return all
}

// shop is an installation whose parts are answered by the test.
type shop struct {
	*results.Store

	t       testing.TB
	rdb     *redis.Client
	now     atomic.Pointer[time.Time]
	planner *tree
	log     *bytes.Buffer
	logMu   sync.Mutex
}

func (s *shop) Write(p []byte) (int, error) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.log.Write(p)
}

func (s *shop) logged() string {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.log.String()
}

func newShop(tb testing.TB) *shop {
	tb.Helper()
	options, err := redis.ParseURL(redistest.URL(tb))
	if err != nil {
		tb.Fatal(err)
	}
	s := &shop{t: tb, rdb: redis.NewClient(options), planner: &tree{}, log: &bytes.Buffer{}}
	tb.Cleanup(func() { _ = s.rdb.Close() })
	s.advance(0)
	s.Store, err = results.Open(tb.Context(), s.rdb, results.Config{
		Clock: func() time.Time { return *s.now.Load() },
	}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// advance moves the time of the installation on.
func (s *shop) advance(d time.Duration) {
	now := time.Now()
	if before := s.now.Load(); before != nil {
		now = before.Add(d)
	}
	s.now.Store(&now)
}

func (s *shop) config() parents.Config {
	return parents.Config{
		Planners: map[jobs.Kind]jobs.Planner{jobs.KindSummarize: s.planner}, Concurrency: 1,
		Tick: time.Millisecond, Sweep: time.Hour, Lease: time.Minute,
	}
}

// runner is a worker's runner on the given store.
func (s *shop) runner(store parents.Store, config parents.Config) *parents.Runner {
	return parents.New(store, config, prometheus.NewPedanticRegistry(), slog.New(slog.NewTextHandler(s, nil)))
}

// step takes all steps that are due.
func (s *shop) step() {
	s.t.Helper()
	s.stepWith(s.Store)
}

func (s *shop) stepWith(store parents.Store) {
	s.t.Helper()
	runner := s.runner(store, s.config())
	for range 100 {
		claimed, err := s.ClaimPlans(s.t.Context(), jobs.ParentKinds(), 100, time.Minute)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(claimed) == 0 {
			return
		}
		for _, j := range claimed {
			parents.Handle(s.t.Context(), runner, j)
		}
		s.advance(time.Millisecond)
	}
	s.t.Fatal("steps are due without an end")
}

func (s *shop) submit(request treeRequest, options jobs.Options) jobs.Job {
	s.t.Helper()
	raw, err := json.Marshal(request)
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, err := jobs.ParseParent(jobs.KindSummarize, raw, jobs.DefaultModel)
	if err != nil {
		s.t.Fatal(err)
	}
	j, _, err := s.Accept(s.t.Context(), parsed, options)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

func (s *shop) load(id jobs.ID) jobs.Job {
	s.t.Helper()
	j, err := s.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

func (s *shop) happens(id jobs.ID, ev jobs.Event) jobs.Job {
	s.t.Helper()
	j, err := s.Step(s.t.Context(), id, ev)
	if err != nil {
		s.t.Fatalf("%s: %v", ev.Name(), err)
	}
	return j
}

// responses are all jobs that are no parents.
func (s *shop) responses(states ...jobs.State) []jobs.Job {
	s.t.Helper()
	page, err := s.List(s.t.Context(), results.Filter{Kind: jobs.KindResponse, States: states, Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Reverse(page.Jobs) // the oldest first
	return page.Jobs
}

// answer has each waiting part answered with its own text in brackets, and those that
// wait for it told, as workers do; with fail, those fail that have it in their input.
func (s *shop) answer(fail string) (answered int) {
	s.t.Helper()
	for _, j := range s.responses(jobs.StateWaiting) {
		request, err := s.Request(s.t.Context(), j)
		if err != nil {
			s.t.Fatal(err)
		}
		var body struct {
			Input string `json:"input"`
		}
		if err := json.Unmarshal(request.Raw, &body); err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.Admit(s.t.Context(), j.Lane, 1000); err != nil {
			s.t.Fatal(err)
		}
		attempt := s.load(j.ID).NextAttempt()
		s.happens(j.ID, jobs.SubmitStarted{Attempt: attempt, Worker: "w", Endpoint: "main"})
		if fail != "" && strings.Contains(body.Input, fail) {
			s.happens(j.ID, jobs.CreateFailed{Attempt: attempt, Failure: jobs.Failure{Class: jobs.ClassInvalid, Message: "no"}})
		} else {
			id := fmt.Sprintf("resp_%s_%d", j.ID, attempt)
			raw := fmt.Appendf(nil, `{"id":%q,"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":%q}]}]}`, id, "["+body.Input+"]")
			response, err := jobs.ParseResponse(raw)
			if err != nil {
				s.t.Fatal(err)
			}
			s.happens(j.ID, jobs.Created{Attempt: attempt, Endpoint: "main", Reply: jobs.Reply{Response: response}})
		}
		s.tell(j.ID)
		answered++
	}
	return answered
}

// tell tells those that wait for an ended job, as the watchdog does.
func (s *shop) tell(id jobs.ID) {
	s.t.Helper()
	j := s.load(id)
	effect := j.Telling()
	if effect == nil {
		return
	}
	dependents, err := s.Dependents(s.t.Context(), id, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, parent := range dependents {
		if _, err := s.PartsEnded(s.t.Context(), parent, []jobs.ID{id}); err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := s.Told(s.t.Context(), id, dependents); err != nil {
		s.t.Fatal(err)
	}
	s.happens(id, jobs.EffectDone{ID: effect.ID})
}

// finish takes steps and answers parts until nothing is left to do.
func (s *shop) finish(fail string) {
	s.t.Helper()
	for range 20 {
		s.step()
		if s.answer(fail) == 0 {
			return
		}
		s.advance(time.Second)
	}
	s.t.Fatal("there is no end to it")
}

func (s *shop) summary(id jobs.ID) string {
	s.t.Helper()
	body, err := s.Body(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return jobs.ResultText(body)
}

// faulty fails from its nth call on, as a worker's store when that dies or Redis goes
// away: before the call, or after it was carried out.
type faulty struct {
	parents.Store

	left  atomic.Int64
	after bool
	down  atomic.Bool
	die   func() // ends the worker
}

var errDown = errors.New("the store is away")

// call makes a call or has it fail.
func call[T any](f *faulty, do func() (T, error)) (T, error) {
	var none T
	switch left := f.left.Add(-1); {
	case f.down.Load(), left < 0:
		f.down.Store(true)
		f.die()
		return none, errDown
	case left == 0:
		f.down.Store(true)
		if f.after {
			_, _ = do()
		}
		f.die()
		return none, errDown
	}
	return do()
}

func (f *faulty) Request(ctx context.Context, j jobs.Job) (jobs.Request, error) {
	return call(f, func() (jobs.Request, error) { return f.Store.Request(ctx, j) })
}

func (f *faulty) Body(ctx context.Context, id jobs.ID) ([]byte, error) {
	return call(f, func() ([]byte, error) { return f.Store.Body(ctx, id) })
}

func (f *faulty) FindParts(ctx context.Context, keys []string) ([]jobs.Job, error) {
	return call(f, func() ([]jobs.Job, error) { return f.Store.FindParts(ctx, keys) })
}

func (f *faulty) AcceptPart(ctx context.Context, parent jobs.Job, name string, request jobs.Request, instead jobs.ID) (job jobs.Job, fresh bool, err error) {
	job, err = call(f, func() (j jobs.Job, err error) {
		j, fresh, err = f.Store.AcceptPart(ctx, parent, name, request, instead)
		return j, err
	})
	return job, fresh, err
}

func (f *faulty) AttachParts(ctx context.Context, parent jobs.ID, parts []results.PlanPart, ask time.Time, nudge int) (jobs.State, error) {
	return call(f, func() (jobs.State, error) { return f.Store.AttachParts(ctx, parent, parts, ask, nudge) })
}

func (f *faulty) OpenParts(ctx context.Context, parent jobs.ID) ([]jobs.ID, error) {
	return call(f, func() ([]jobs.ID, error) { return f.Store.OpenParts(ctx, parent) })
}

func (f *faulty) PartsEnded(ctx context.Context, parent jobs.ID, ended []jobs.ID) (int, error) {
	return call(f, func() (int, error) { return f.Store.PartsEnded(ctx, parent, ended) })
}

func (f *faulty) Attend(ctx context.Context, dependent jobs.ID, others []jobs.ID) ([]jobs.ID, error) {
	return call(f, func() ([]jobs.ID, error) { return f.Store.Attend(ctx, dependent, others) })
}

func (f *faulty) Need(ctx context.Context, dependent jobs.ID, others []jobs.ID, until time.Time) ([]jobs.ID, error) {
	return call(f, func() ([]jobs.ID, error) { return f.Store.Need(ctx, dependent, others, until) })
}

func (f *faulty) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	return call(f, func() (jobs.Job, error) { return f.Store.Advance(ctx, j, ev) })
}

func (f *faulty) Settle(ctx context.Context, settlements ...results.Settlement) ([]int, error) {
	return call(f, func() ([]int, error) { return f.Store.Settle(ctx, settlements...) })
}

func (f *faulty) Load(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return call(f, func() (jobs.Job, error) { return f.Store.Load(ctx, id) })
}
