package jobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	testID       = jobs.ID("job_0199f0c0a80070008000000000000007")
	testWorker   = "worker-a"
	testEndpoint = "main"
)

// testNow is the moment in which test jobs are made; step n happens n seconds
// after it.
var testNow = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return testNow.Add(time.Duration(seconds) * time.Second) }

// equalJobs compares what records hold: empty and absent lists are the same.
var equalJobs = cmp.Options{cmpopts.IgnoreUnexported(jobs.Job{}), cmpopts.EquateEmpty()}

// newJob returns an accepted and admitted job.
func newJob(tb testing.TB, o jobs.Options) jobs.Job {
	tb.Helper()
	request, err := jobs.ParseRequest([]byte(`{"model":"gpt-4.1","input":"What is a long haul?"}`), jobs.DefaultModel)
	if err != nil {
		tb.Fatalf("ParseRequest: %v", err)
	}
	if err := o.Validate(testNow); err != nil {
		tb.Fatalf("Validate: %v", err)
	}
	return admitted(jobs.New(testID, request, o, testNow), testNow)
}

// admitted does what the store does when a job goes to its lane's queue, which one
// that waits for others does not.
func admitted(j jobs.Job, now time.Time) jobs.Job {
	if j.Aside() {
		return j
	}
	j.Admitted = now
	return j
}

// apply makes the job go through the events, one second apart, admitting it
// whenever it waits; each event must be accepted.
func apply(tb testing.TB, j jobs.Job, events ...jobs.Event) jobs.Job {
	tb.Helper()
	for _, ev := range events {
		if j.State == jobs.StateWaiting && j.Admitted.IsZero() {
			j = admitted(j, j.Updated)
		}
		j = change(tb, j, ev).Job
	}
	return j
}

// change is one accepted event, a second after the last one.
func change(tb testing.TB, j jobs.Job, ev jobs.Event) jobs.Change {
	tb.Helper()
	c, err := jobs.Transition(j, ev, j.Updated.Add(time.Second))
	if err != nil {
		tb.Fatalf("%s in %s: %v", ev.Name(), j.State, err)
	}
	return c
}

// unchanged wants the event to bring nothing new.
func unchanged(tb testing.TB, j jobs.Job, ev jobs.Event) {
	tb.Helper()
	if c, err := jobs.Transition(j, ev, j.Updated.Add(time.Second)); !errors.Is(err, jobs.ErrUnchanged) {
		tb.Errorf("%s in %s: got state %q and error %v, want ErrUnchanged", ev.Name(), j.State, c.Job.State, err)
	}
}

// refused wants the event to be refused, naming the job and its state.
func refused(tb testing.TB, j jobs.Job, ev jobs.Event) {
	tb.Helper()
	c, err := jobs.Transition(j, ev, j.Updated.Add(time.Second))
	r, ok := errors.AsType[*jobs.RefusedError](err)
	if !ok {
		tb.Errorf("%s in %s: got state %q and error %v, want a RefusedError", ev.Name(), j.State, c.Job.State, err)
		return
	}
	if r.Job != j.ID || r.State != j.State || r.Event == "" || r.Why == "" {
		tb.Errorf("%s in %s: RefusedError = %+v, want the job, its state, the event and a reason", ev.Name(), j.State, r)
	}
}

// Events as workers send them.

func submit(attempt int) jobs.SubmitStarted {
	return jobs.SubmitStarted{
		Attempt: attempt, Worker: testWorker, Endpoint: testEndpoint,
		ClientRequestID: fmt.Sprintf("%s-%d", testID, attempt),
	}
}

func created(attempt int, status string) jobs.Created {
	return jobs.Created{
		Attempt: attempt, Reply: reply(responseID(attempt), status),
		FirstLook: at(1000 + attempt), Delay: 5 * time.Second,
	}
}

func createFailed(attempt int, class jobs.Class) jobs.CreateFailed {
	return jobs.CreateFailed{Attempt: attempt, Failure: failure(class), Delay: 5 * time.Second}
}

func looked(attempt int, status string) jobs.Looked {
	return jobs.Looked{Reply: reply(responseID(attempt), status), Delay: 5 * time.Second}
}

func cancelled(effect, attempt int, status string) jobs.EffectDone {
	r := reply(responseID(attempt), status)
	return jobs.EffectDone{ID: effect, Reply: &r}
}

var (
	cancel   = jobs.StopRequested{Reason: jobs.StopCancel}
	deadline = jobs.StopRequested{Reason: jobs.StopDeadline}
)

func responseID(attempt int) string { return "resp_" + strconv.Itoa(attempt) }

func failure(class jobs.Class) jobs.Failure {
	return jobs.Failure{Class: class, Message: "as " + string(class), HTTPStatus: 500, RequestID: "req_" + string(class)}
}

// failedInvalid is the status of a response that failed for good; see reply.
const failedInvalid = "failed for good"

// reply is a response with the status, as a GET would have brought it: a failed
// one with a server error.
func reply(id, status string) jobs.Reply {
	body := map[string]any{"id": id, "object": "response", "status": status, "model": "gpt-4.1-2025-04-14"}
	switch status {
	case jobs.StatusCompleted:
		body["output"] = []any{map[string]any{
			"type": "message", "content": []any{map[string]any{"type": "output_text", "text": "A long way."}},
		}}
		body["usage"] = map[string]any{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
	case jobs.StatusIncomplete:
		body["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	case jobs.StatusFailed:
		body["error"] = map[string]any{"code": "server_error", "message": "it broke"}
	case failedInvalid:
		body["status"] = jobs.StatusFailed
		body["error"] = map[string]any{"code": "invalid_prompt", "message": "it never works"}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r, err := jobs.ParseResponse(raw)
	if err != nil {
		panic(err)
	}
	return jobs.Reply{Response: r, RequestID: "req_of_" + id}
}

func pendingCancel(j jobs.Job, attempt int) bool {
	return slices.ContainsFunc(j.Outbox, func(e jobs.Effect) bool {
		return e.Kind == jobs.EffectCancel && e.Attempt == attempt
	})
}

// encode is the record as it is stored.
func encode(tb testing.TB, j jobs.Job) string {
	tb.Helper()
	raw, err := j.Encode()
	if err != nil {
		tb.Fatalf("Encode: %v", err)
	}
	return string(raw)
}

// wantInvalid wants an [*jobs.Error] of class invalid about the field, whose
// message contains the words.
func wantInvalid(tb testing.TB, err error, param, words string) {
	tb.Helper()
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok {
		tb.Fatalf("error = %v, want a *jobs.Error", err)
	}
	if e.Class != jobs.ClassInvalid || e.Param != param || !strings.Contains(e.Message, words) {
		tb.Errorf("error = class %q, param %q, message %q; want class %q, param %q, a message with %q",
			e.Class, e.Param, e.Message, jobs.ClassInvalid, param, words)
	}
}

// source parses the package's own files, so that a table of tests notices what
// was added to the package and not to the table.
func source(tb testing.TB) []*ast.File {
	tb.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		tb.Fatal(err)
	}
	var files []*ast.File
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// constants returns the values of the package's string constants of a type, in
// the order of the source.
func constants(tb testing.TB, typeName string) []string {
	tb.Helper()
	var values []string
	for _, file := range source(tb) {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				value, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				if name, ok := value.Type.(*ast.Ident); !ok || name.Name != typeName {
					continue
				}
				for _, v := range value.Values {
					lit, ok := v.(*ast.BasicLit)
					if !ok {
						tb.Fatalf("a constant of type %s is no literal", typeName)
					}
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						tb.Fatal(err)
					}
					values = append(values, s)
				}
			}
		}
	}
	if len(values) == 0 {
		tb.Fatalf("found no constants of type %s", typeName)
	}
	return values
}

// eventTypes returns the names of the types that implement [jobs.Event].
func eventTypes(tb testing.TB) []string {
	tb.Helper()
	var names []string
	for _, file := range source(tb) {
		for _, decl := range file.Decls {
			method, ok := decl.(*ast.FuncDecl)
			if !ok || method.Recv == nil || method.Name.Name != "Name" {
				continue
			}
			if receiver, ok := method.Recv.List[0].Type.(*ast.Ident); ok {
				names = append(names, receiver.Name)
			}
		}
	}
	if len(names) == 0 {
		tb.Fatal("found no events")
	}
	return names
}
