package results_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func TestJobIsFollowedFromItsAcceptanceToItsEnd(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		j := h.accept(jobs.Options{Group: "g", Metadata: map[string]string{"a": "b"}})
		h.check()
		if diff := cmp.Diff(j, h.load(j.ID), cmp.AllowUnexported(jobs.Job{})); diff != "" {
			t.Errorf("record as accepted and as loaded (-accepted +loaded):\n%s", diff)
		}

		admitted := h.admit()
		if diff := cmp.Diff([]results.Admission{{Job: j.ID, Attempt: 1}}, admitted); diff != "" {
			t.Fatalf("admitted (-want +got):\n%s", diff)
		}
		h.check()

		j = h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai", ClientRequestID: "c"})
		h.check()
		j, err := h.Advance(ctx, j, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued), FirstLook: h.Now()})
		if err != nil || j.State != jobs.StateRunning {
			t.Fatalf("Created: state %s, err %v", j.State, err)
		}
		h.check()

		claimed := h.claim(time.Minute)
		if diff := cmp.Diff(j, claimed[j.ID], cmp.AllowUnexported(jobs.Job{})); diff != "" {
			t.Errorf("record as written and as claimed (-written +claimed):\n%s", diff)
		}
		looks := jobs.Looks{Count: 3, Failed: 1, Last: h.Now().Truncate(time.Millisecond), Next: h.Now().Truncate(time.Millisecond), Status: "in progress"}
		if got := h.settle(results.Settlement{Job: j, Due: h.Now().Add(time.Minute), Looks: &looks}); got[0] != 0 {
			t.Errorf("Settle = %d, want 0", got[0])
		}
		if diff := cmp.Diff(looks, h.load(j.ID).Looks); diff != "" {
			t.Errorf("looks (-want +got):\n%s", diff)
		}
		h.check()

		body := `{"id":"resp_1", "status":"completed",  "x_new_field": 12345678901234567890, "usage":{"input_tokens":11,"output_tokens":22}}`
		j = h.step(j.ID, jobs.Looked{Reply: rawReply(t, body)})
		h.check()
		if j.State != jobs.StateSucceeded || j.Result.Usage.OutputTokens != 22 || j.Version != 4 {
			t.Errorf("ended as %s, version %d, with usage %v", j.State, j.Version, j.Result.Usage)
		}
		if diff := cmp.Diff(j, h.load(j.ID), cmp.AllowUnexported(jobs.Job{})); diff != "" {
			t.Errorf("record as ended and as loaded (-ended +loaded):\n%s", diff)
		}
		if got, err := h.Body(ctx, j.ID); err != nil || string(got) != body {
			t.Errorf("Body = %s, err %v; want it byte for byte", got, err)
		}
		if n := len(h.claim(time.Minute)); n != 0 {
			t.Errorf("an ended job that owes nothing is due")
		}
		for name, want := range map[string]float64{
			"longhaul_results_accepted_total": 1, "longhaul_results_transitions_total": 3,
			"longhaul_results_tokens_total": 33, "longhaul_results_attempt_failures_total": 0,
		} {
			if got := h.metric(name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
	})
}

func TestEveryStateIsReachedWithItsSetsInOrder(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 2}, func(t *testing.T, h *harness) {
		for _, state := range jobs.States() {
			j := h.in(state, jobs.Options{Group: "g", DedupeKey: string(state)})
			if j.State != state {
				t.Fatalf("job is %s, want %s", j.State, state)
			}
			h.check()
		}
		if n := h.audit(); n != 0 {
			t.Errorf("Audit repaired %d entries of untouched keys", n)
		}
	})
}

func TestStepThatChangesNothingSaysSo(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		j := h.in(jobs.StateRunning, jobs.Options{})
		again, err := h.Step(ctx, j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "other"})
		if !results.Unchanged(err) || again.Version != j.Version {
			t.Errorf("second start: version %d, err %v; want version %d and ErrUnchanged", again.Version, err, j.Version)
		}
		_, err = h.Step(ctx, j.ID, jobs.RetryRequested{})
		if refused, ok := errors.AsType[*jobs.RefusedError](err); !ok || refused.State != jobs.StateRunning {
			t.Errorf("retry of a running job: err %v, want it refused", err)
		}
		h.check()
	})
}

func TestAdvanceDecidesAnewOnAnOldRecord(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		old := h.accept(jobs.Options{})
		h.admit()
		// The old record says no, because it is not admitted there.
		j, err := h.Advance(ctx, old, jobs.SubmitStarted{Attempt: 1, Worker: "w"})
		if err != nil || j.State != jobs.StateSubmitting {
			t.Fatalf("start from a record of before the admission: state %s, err %v", j.State, err)
		}
		// The old record says yes, but another step came first.
		j, err = h.Advance(ctx, old, jobs.StopRequested{Reason: jobs.StopCancel})
		if err != nil || j.State != jobs.StateSubmitting || j.Stop == nil || len(j.Attempts) != 1 {
			t.Errorf("stop from a record of before the start: state %s, attempts %d, err %v", j.State, len(j.Attempts), err)
		}
		if got := h.metric("longhaul_results_stale_total"); got != 1 {
			t.Errorf("stale_total = %v, want 1", got)
		}
		h.check()
	})
}

// A step on a waiting job that is still in hand as it was before its admission
// must not put the job's deadline in the place of its overdue submit.
func TestStepDoesNotLoseAnAdmission(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		j := h.in(jobs.StateSubmitting, jobs.Options{})
		// An attempt whose answer was lost, then the next one waits.
		j = h.step(j.ID, jobs.WorkerLost{Attempt: 1, Worker: "worker"})
		if len(h.admit()) != 1 {
			t.Fatal("the second attempt was not admitted")
		}
		// Now the first attempt turns out to have been refused.
		j, err := h.Advance(ctx, j, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassRateLimited}})
		if err != nil || j.State != jobs.StateWaiting || j.Admitted.IsZero() {
			t.Fatalf("state %s, admitted %v, err %v; want it still admitted", j.State, j.Admitted, err)
		}
		h.check()
		h.ShiftClock(h.timing().Submit + time.Second)
		if due := h.claim(time.Minute); len(due) != 1 {
			t.Errorf("%d jobs are due, want the one whose submit is overdue", len(due))
		}
	})
}

// An attempt that was given up for lost may turn out to have been created, and
// to have failed, while the next one is admitted already. The job then goes
// back into its lane, and its place in the lane's window is free.
func TestAdmittedJobThatMustWaitAgainLeavesTheQueue(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateSubmitting, jobs.Options{})
		h.step(j.ID, jobs.WorkerLost{Attempt: 1, Worker: "worker"})
		if len(h.admit()) != 1 {
			t.Fatal("the second attempt was not admitted")
		}
		failed := rawReply(t, `{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"x"}}`)
		j = h.step(j.ID, jobs.Created{Attempt: 1, Reply: failed, Delay: time.Hour})
		h.check()
		if j.State != jobs.StateWaiting || !j.Admitted.IsZero() {
			t.Fatalf("state %s, admitted %v; want it waiting and not admitted", j.State, j.Admitted)
		}
		if len(h.admit()) != 0 {
			t.Error("it was admitted before its time")
		}
		h.ShiftClock(time.Hour + time.Second)
		if len(h.admit()) != 1 {
			t.Error("it was not admitted at its time")
		}
		h.check()
	})
}

// A stop asks for a look at once, whatever look was planned, and leaves the other
// counters; any other step leaves all of them, newer ones than its record has
// included.
func TestStepsAndTheCountersOfLooks(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateSubmitting, jobs.Options{})
		h.step(j.ID, jobs.WorkerLost{Attempt: 1, Worker: "worker"})
		h.admit()
		h.step(j.ID, jobs.SubmitStarted{Attempt: 2})
		j = h.step(j.ID, jobs.Created{Attempt: 2, Reply: reply(t, "resp_2", jobs.StatusQueued), FirstLook: h.Now()})
		next := h.Now().Add(time.Hour).Truncate(time.Millisecond)
		looks := jobs.Looks{Count: 5, Failed: 2, Last: next, Next: next, Status: "queued"}
		h.settle(results.Settlement{Job: j, Due: next, Looks: &looks})

		// j is of before the look. A rival shows itself, and is to be cancelled.
		j, err := h.Advance(t.Context(), j, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued)})
		if err != nil || len(j.Outbox) != 1 {
			t.Fatalf("outbox %v, err %v; want the rival's cancel", j.Outbox, err)
		}
		if diff := cmp.Diff(looks, h.load(j.ID).Looks); diff != "" {
			t.Errorf("looks after a step that is not about them (-want +got):\n%s", diff)
		}

		stopped := h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		looks.Next = time.Time{}
		if diff := cmp.Diff(looks, h.load(j.ID).Looks); diff != "" {
			t.Errorf("looks after a stop (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(stopped, h.load(j.ID), cmp.AllowUnexported(jobs.Job{})); diff != "" {
			t.Errorf("record as written and as loaded (-written +loaded):\n%s", diff)
		}
		if len(h.claim(time.Minute)) != 1 {
			t.Error("a stopped job is not looked at at once")
		}
		h.step(j.ID, jobs.ResponseLost{ResponseID: "resp_2"})
		if got := h.load(j.ID).Looks; got != (jobs.Looks{}) {
			t.Errorf("an ended job has looks %+v", got)
		}
		h.check()
	})
}

func TestUnknownJobs(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 4}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		for name, id := range map[string]jobs.ID{
			"of no job":                 jobs.NewID(time.Now(), 3),
			"of a shard that is not":    jobs.NewID(time.Now(), 4),
			"of no shard":               "job_x",
			"empty":                     "",
			"that tries to leave a key": "job_0190b5f0000070008000000000000001}:{x",
			"very long":                 jobs.ID(strings.Repeat("x", 1_000_000)),
		} {
			_, loadErr := h.Load(ctx, id)
			_, stepErr := h.Step(ctx, id, jobs.RetryRequested{})
			_, requestErr := h.Request(ctx, jobs.Job{ID: id})
			_, _, bothErr := h.LoadWithRequest(ctx, id)
			for call, err := range map[string]error{"Load": loadErr, "Step": stepErr, "Request": requestErr, "LoadWithRequest": bothErr} {
				if !errors.Is(err, results.ErrNotFound) || len(err.Error()) > 300 {
					t.Errorf("%s of an id %s: err %.300v, want ErrNotFound", call, name, err)
				}
			}
			if body, err := h.Body(ctx, id); body != nil || err != nil {
				t.Errorf("Body of an id %s = %q, err %v; want none", name, body, err)
			}
		}
		_, err := h.Settle(ctx, results.Settlement{Job: jobs.Job{ID: "job_x"}, Due: h.Now()})
		if !errors.Is(err, results.ErrNotFound) {
			t.Errorf("Settle: err %v, want ErrNotFound", err)
		}
		h.empty()
	})
}

func TestValuesComeBackByteForByte(t *testing.T) {
	t.Parallel()
	const threshold = 1000
	random := make([]byte, 300_000)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(random)
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	onEach(t, results.Config{CompressBytes: threshold}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		for name, value := range map[string][]byte{
			"of the threshold's size":   bytes.Repeat([]byte("a"), threshold),
			"over the threshold":        bytes.Repeat([]byte("a"), threshold+1),
			"that does not compress":    random,
			"with every byte":           every[:],
			"that looks compressed":     {0x28, 0xb5, 0x2f, 0xfd, 'x'},
			"with breaks and spaces":    []byte("{\r\n\t\"a\" : 1 }\n"),
			"with large numbers":        []byte(`{"n":123456789012345678901234567890,"f":1e400}`),
			"of many megabytes":         bytes.Repeat([]byte(`{"text":"long"}`), 1_000_000),
			"with sequences of Unicode": []byte("\"\\ud83d\\ude00\u2028é\x00\""),
		} {
			j, _, err := h.Accept(ctx, jobs.Request{Raw: value, Model: "m"}, jobs.Options{})
			if err != nil {
				t.Fatalf("request %s: %v", name, err)
			}
			r, err := h.Request(ctx, j)
			if err != nil || !bytes.Equal(r.Raw, value) || r.Model != "m" {
				t.Errorf("request %s came back with %d bytes, model %q, err %v; want %d", name, len(r.Raw), r.Model, err, len(value))
			}
			same, load, err := h.LoadWithRequest(ctx, j.ID)
			if err != nil || same.Version != j.Version {
				t.Errorf("job of the request %s loaded with it: version %d, err %v; want %d", name, same.Version, err, j.Version)
			} else if with, err := load(ctx); err != nil || !bytes.Equal(with.Raw, value) || with.Model != "m" {
				t.Errorf("request %s loaded with its job has %d bytes, model %q, err %v; want %d", name, len(with.Raw), with.Model, err, len(value))
			}
			h.admit()
			h.step(j.ID, jobs.SubmitStarted{Attempt: 1})
			done := reply(t, "resp_1", jobs.StatusCompleted)
			done.Response.Raw = value
			h.step(j.ID, jobs.Created{Attempt: 1, Reply: done})
			if got, err := h.Body(ctx, j.ID); err != nil || !bytes.Equal(got, value) {
				t.Errorf("response %s came back with %d bytes, err %v; want %d", name, len(got), err, len(value))
			}
			for _, field := range []string{"request", "body"} {
				stored, err := h.rdb.HGet(ctx, h.key(j.ID, "job:"+string(j.ID)), field).Bytes()
				if err != nil {
					t.Fatal(err)
				}
				if large := len(value) > threshold; large == bytes.Equal(stored, value) && name != "that looks compressed" {
					t.Errorf("%s %s is stored with %d of %d bytes", field, name, len(stored), len(value))
				}
			}
		}
		h.check()
	})
}

func TestDamagedValueIsAnErrorAndNotAnAnswer(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{CompressBytes: 10}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		key := h.key(j.ID, "job:"+string(j.ID))
		stored := h.rdb.HGet(ctx, key, "body").Val()
		h.rdb.HSet(ctx, key, "body", stored[:len(stored)-3])
		if got, err := h.Body(ctx, j.ID); err == nil {
			t.Errorf("Body = %q, want an error", got)
		}
	})
}

// A record that cannot be read must not keep the others from being worked on.
func TestDamagedRecordIsLeftAloneAndReported(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		bad, good := h.in(jobs.StateRunning, jobs.Options{}), h.in(jobs.StateRunning, jobs.Options{})
		h.rdb.HSet(ctx, h.key(bad.ID, "job:"+string(bad.ID)), "record", `{"id": "secret prompt`)

		if due := h.claim(time.Minute); len(due) != 1 || due[good.ID].ID == "" {
			t.Errorf("claimed %d jobs, want the one that can be read", len(due))
		}
		if page, err := h.List(ctx, results.Filter{}); err != nil || len(page.Jobs) != 1 {
			t.Errorf("List: %d jobs, err %v; want the one that can be read", len(page.Jobs), err)
		}
		if _, err := h.Load(ctx, bad.ID); err == nil || errors.Is(err, results.ErrNotFound) {
			t.Errorf("Load: err %v, want one that is not ErrNotFound", err)
		}
		if got := h.metric("longhaul_results_unreadable_total"); got != 3 {
			t.Errorf("unreadable_total = %v, want 3", got)
		}
		if log := h.log.String(); !strings.Contains(log, string(bad.ID)) || strings.Contains(log, "secret") {
			t.Errorf("log = %s, want the job's id and nothing of its text", log)
		}
	})
}

func TestOpenKeepsTheNumberOfShards(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 3}, func(t *testing.T, h *harness) {
		h.config.Shards = 7
		other := h.another()
		if other.Shards() != 3 {
			t.Errorf("second opening has %d shards, want the 3 of the first", other.Shards())
		}
		j := h.accept(jobs.Options{})
		if _, err := other.Load(t.Context(), j.ID); err != nil {
			t.Errorf("job is not seen by the second opening: %v", err)
		}
	})
}

func TestOpenRefusesBadSettings(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		open := func(config results.Config) error {
			_, err := results.Open(ctx, h.rdb, config, slog.New(slog.DiscardHandler), nil)
			return err
		}
		for name, config := range map[string]results.Config{
			"too many shards":      {Shards: 257},
			"negative shards":      {Shards: -1},
			"prefix with a tag":    {Prefix: "a{b}"},
			"prefix with a space":  {Prefix: "a b"},
			"prefix with a star":   {Prefix: "*"},
			"prefix of a line end": {Prefix: "\n"},
			"negative size":        {MaxInlineBytes: -1},
			"lane with a tag":      {Routes: []results.Route{{Lane: "a{b}", Models: []string{"*"}}}},
		} {
			if err := open(config); jobs.ClassOf(err) != jobs.ClassInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		h.rdb.HSet(ctx, "broken:{meta}:installation", "shards", "many")
		if err := open(results.Config{Prefix: "broken"}); err == nil || !strings.Contains(err.Error(), "many") {
			t.Errorf("installation with a broken number of shards: err %v", err)
		}
	})
}

func TestInstallationsOfOneRedisDoNotMeet(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Prefix: "one"}, func(t *testing.T, h *harness) {
		h.config.Prefix = "two"
		other := h.another()
		h.config.Prefix = "one"
		j := h.in(jobs.StateRunning, jobs.Options{DedupeKey: "k", Group: "g"})
		if len(other.admit())+len(other.claim(time.Minute)) != 0 {
			t.Error("the second installation sees jobs of the first")
		}
		other.gone(j.ID)
		twin := other.accept(jobs.Options{DedupeKey: "k", Group: "g"})
		for _, group := range []string{"", "g"} {
			if n, err := other.Counts(t.Context(), group); err != nil || n.Total() != 1 {
				t.Errorf("the second installation counts %v in group %q, err %v; want one job", n, group, err)
			}
		}
		h.check()
		other.check()
		h.gone(twin.ID)
	})
}

func TestMetricsAreWellFormedAndStartAtZero(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	problems, err := testutil.GatherAndLint(h.reg)
	if err != nil || len(problems) != 0 {
		t.Errorf("problems %v, err %v", problems, err)
	}
	count, err := testutil.GatherAndCount(h.reg, "longhaul_results_transitions_total", "longhaul_results_attempt_failures_total")
	if want := len(jobs.States()) + len(jobs.Classes()); err != nil || count != want {
		t.Errorf("%d series, err %v; want %d", count, err, want)
	}
	j := h.in(jobs.StateSubmitting, jobs.Options{})
	h.step(j.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: "of a newer build"}})
	if count, err = testutil.GatherAndCount(h.reg, "longhaul_results_attempt_failures_total"); err != nil || count != len(jobs.Classes()) {
		t.Errorf("%d classes after an unknown one, err %v; want the set closed", count, err)
	}
	if got := h.metric("longhaul_results_attempt_failures_total"); got != 1 {
		t.Errorf("attempt_failures_total = %v, want 1", got)
	}
}

// Who needs no log gives none.
func TestStoreWithoutALog(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		store, err := results.Open(t.Context(), h.rdb, h.config, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		j := h.accept(jobs.Options{})
		h.rdb.HSet(t.Context(), h.key(j.ID, "job:"+string(j.ID)), "record", "{")
		if _, err := store.Load(t.Context(), j.ID); err == nil || errors.Is(err, results.ErrNotFound) {
			t.Errorf("a record that cannot be read: %v", err)
		}
	})
}
