package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// errInterrupt is the cause of a test's own Ctrl-C.
var errInterrupt = errors.New("interrupt signal received")

// patienceOfTests is how long a test waits for what should come at once.
const patienceOfTests = 5 * time.Minute

// outcome is what a call of the command leaves.
type outcome struct {
	code           int
	stdout, stderr string
}

// bench calls the command against a Redis of the test's own.
type bench struct {
	t     *testing.T
	store *results.Store
	env   []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := results.Open(t.Context(), redistest.Client(t), results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, store: store, env: []string{"LONGHAUL_REDIS_URL=" + redistest.URL(t)}}
}

// call runs the command to its end, with stdin if it is not empty. One that would
// wait for ever is stopped.
func (b *bench) call(stdin string, args ...string) outcome {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patienceOfTests)
	defer cancel()
	return b.callIn(ctx, stdin, args...)
}

func (b *bench) callIn(ctx context.Context, stdin string, args ...string) outcome {
	b.t.Helper()
	return call(ctx, b.env, stdin, args...)
}

// call runs the command with an environment of its own.
func call(ctx context.Context, env []string, stdin string, args ...string) outcome {
	var stdout, stderr testlog.Buffer
	code := run(ctx, args, system{
		stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
		environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, env...),
	})
	return outcome{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

// want fails the test unless the command ended with this code.
func (o outcome) want(t *testing.T, code int) outcome {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", o.code, code, o.stdout, o.stderr)
	}
	return o
}

// says fails the test unless stderr contains each text.
func (o outcome) says(t *testing.T, texts ...string) outcome {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(o.stderr, text) {
			t.Errorf("stderr does not say %q:\n%s", text, o.stderr)
		}
	}
	return o
}

// answerFunc is what the provider makes of a request: an event that follows the
// intent, or nil to leave the request without an answer.
type answerFunc func(request jobs.Request, attempt int) jobs.Event

// work stands in for a worker until the test ends: it takes jobs of the default
// lane as they come and steps them with what answer says.
func (b *bench) work(answer answerFunc) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.workUntil(ctx, answer) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("worker: %v", err)
		}
	})
}

func (b *bench) workUntil(ctx context.Context, answer answerFunc) error {
	for ctx.Err() == nil {
		admitted, err := b.store.Admit(ctx, jobs.DefaultLane, 4096)
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		for _, a := range admitted {
			if err := b.step(ctx, a, answer); err != nil {
				return ignoreEnd(ctx, err)
			}
		}
		if len(admitted) == 0 {
			_ = sleep(ctx, 5*time.Millisecond)
		}
	}
	return nil
}

func (b *bench) step(ctx context.Context, a results.Admission, answer answerFunc) error {
	j, err := b.store.Step(ctx, a.Job, jobs.SubmitStarted{Attempt: a.Attempt, Worker: "w_test", Endpoint: "default"})
	switch {
	case results.Unchanged(err), errors.Is(err, results.ErrNotFound):
		return nil // it was cancelled or deleted meanwhile
	case err != nil:
		return err
	}
	request, err := b.store.Request(ctx, j)
	if err != nil {
		return err
	}
	if event := answer(request, a.Attempt); event != nil {
		_, err = b.store.Step(ctx, a.Job, event)
	}
	return err
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// echo answers each request with its own input. Some inputs mean more than
// themselves:
//
//	fail…    the response fails with code server_error, on every attempt
//	cut…     the answer is cut off
//	refuse…  the provider refuses the request
//	flaky…   the first attempt fails for good, later ones succeed
//	lose…    the answer to the first create is lost, later ones succeed
//	hang…    the response stays in progress
func echo(request jobs.Request, attempt int) jobs.Event {
	input := inputOf(request)
	id := fmt.Sprintf("resp_%s_%d", request.Digest()[:12], attempt)
	switch {
	case strings.HasPrefix(input, "refuse"), strings.HasPrefix(input, "flaky") && attempt == 1:
		return jobs.CreateFailed{Attempt: attempt, Failure: jobs.Failure{
			Class: jobs.ClassInvalid, Code: "invalid_value", Message: "the input is refused", HTTPStatus: 400, RequestID: "req_refused",
		}}
	case strings.HasPrefix(input, "lose") && attempt == 1:
		return jobs.CreateFailed{Attempt: attempt, Failure: jobs.Failure{Class: jobs.ClassAmbiguous, Message: "connection reset"}}
	case strings.HasPrefix(input, "fail"):
		return created(attempt, fmt.Sprintf(`{"id":%q,"status":"failed","error":{"code":"content_filter","message":"not allowed"},"usage":{"input_tokens":3,"output_tokens":0,"total_tokens":3}}`, id))
	case strings.HasPrefix(input, "cut"):
		return created(attempt, fmt.Sprintf(`{"id":%q,"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[%s]}`, id, message("half an ans")))
	case strings.HasPrefix(input, "hang"):
		return created(attempt, fmt.Sprintf(`{"id":%q,"status":"in_progress"}`, id))
	}
	return created(attempt, fmt.Sprintf(`{"id":%q,"status":"completed","model":"gpt-4.1-test","output":[%s],"usage":{"input_tokens":10,"output_tokens":4,"total_tokens":14}}`,
		id, message("echo: "+input)))
}

func message(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"type":"message","content":[{"type":"output_text","text":%s}]}`, raw)
}

func created(attempt int, body string) jobs.Created {
	response, err := jobs.ParseResponse([]byte(body))
	if err != nil {
		panic(err)
	}
	return jobs.Created{
		Attempt: attempt, FirstLook: time.Now().Add(time.Hour),
		Reply: jobs.Reply{Response: response, RequestID: fmt.Sprintf("req_%d", attempt)},
	}
}

// inputOf is all text in the input of a request, whatever its shape.
func inputOf(request jobs.Request) string {
	var body struct {
		Input any `json:"input"`
	}
	if err := json.Unmarshal(request.Raw, &body); err != nil {
		panic(err)
	}
	return textIn(body.Input)
}

func textIn(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var texts []string
		for _, member := range v {
			texts = append(texts, textIn(member))
		}
		return strings.Join(texts, "\n")
	case map[string]any:
		var texts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			texts = append(texts, textIn(v[key]))
		}
		return strings.Join(texts, "\n")
	}
	return ""
}

// total is how many jobs there are.
func (b *bench) total() int64 {
	b.t.Helper()
	counts, err := b.store.Counts(b.t.Context(), "")
	if err != nil {
		b.t.Fatal(err)
	}
	return counts.Total()
}

// until waits for a condition, which the test's deadline bounds.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(patienceOfTests)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		if err := sleep(t.Context(), 5*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// decode reads JSON, all of it.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("read JSON: %v\n%s", err, text)
	}
	return v
}

// lines splits a text into its lines.
func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// session is a connection of the test's own to the installation.
func (b *bench) session() *session {
	return &session{Client: client.New(b.store, jobs.DefaultModel), stop: func() error { return nil }}
}
