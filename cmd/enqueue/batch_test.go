package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// batchOf is a batch file with a line for each input; the inputs are the
// custom ids, too.
func batchOf(inputs ...string) string {
	var b strings.Builder
	for _, input := range inputs {
		fmt.Fprintf(&b, `{"custom_id":%q,"method":"POST","url":"/v1/responses","body":{"input":%q}}`+"\n", input, input)
	}
	return b.String()
}

// putFile writes a file into a new folder and returns its path.
func putFile(t *testing.T, name, content string) string {
	t.Helper()
	return writeText(t, filepath.Join(t.TempDir(), name), content)
}

// writeText writes a file, in a folder that need not be there yet, and returns its path.
func writeText(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// resultLines reads lines in OpenAI's format as "custom_id: what came of it".
func resultLines(t *testing.T, text string) []string {
	t.Helper()
	if text == "" {
		return nil
	}
	var got []string
	for _, raw := range lines(text) {
		l := decode[outputLine](t, raw)
		if l.Response == nil {
			got = append(got, fmt.Sprintf("%s: error %s: %s", l.CustomID, l.Error.Code, l.Error.Message))
			continue
		}
		response, err := jobs.ParseResponse(l.Response.Body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %d %s: %s", l.CustomID, l.Response.StatusCode, response.Status, response.Text()))
	}
	return got
}

func TestBatchWritesAnswersAndErrorsInOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	inputs := []string{"one", "fail two", "three", "cut four", "refuse five"}
	for i := range 50 {
		inputs = append(inputs, fmt.Sprintf("more %d", i))
	}
	file := putFile(t, "in.jsonl", batchOf(inputs...))
	got := b.call("", "batch", file).want(t, 1)
	if !strings.Contains(got.stdout, "succeeded   52\nincomplete  1\nfailed      2\n") {
		t.Errorf("the summary is\n%s", got.stdout)
	}

	stem := strings.TrimSuffix(file, ".jsonl")
	want := []string{"one: 200 completed: echo: one", "three: 200 completed: echo: three", "cut four: 200 incomplete: half an ans"}
	for _, input := range inputs[5:] {
		want = append(want, fmt.Sprintf("%s: 200 completed: echo: %s", input, input))
	}
	if diff := cmp.Diff(want, resultLines(t, readText(t, stem+".output.jsonl"))); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	want = []string{"fail two: error content_filter: not allowed", "refuse five: error invalid_value: the input is refused"}
	if diff := cmp.Diff(want, resultLines(t, readText(t, stem+".errors.jsonl"))); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestBatchLinesHaveOpenAIsShape(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	got := b.call(batchOf("one", "refuse two"), "batch", "-").want(t, 1)
	raw := lines(got.stdout)
	if len(raw) != 2 {
		t.Fatalf("stdout has %d lines, want the two of the batch:\n%s", len(raw), got.stdout)
	}
	answer, refusal := decode[outputLine](t, raw[0]), decode[outputLine](t, raw[1])
	want := fmt.Sprintf(`{"id":%q,"custom_id":"one","response":{"status_code":200,"request_id":"req_1","body":%s},"error":null}`,
		answer.ID, answer.Response.Body)
	if diff := cmp.Diff(want, raw[0]); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	want = fmt.Sprintf(`{"id":%q,"custom_id":"refuse two","response":null,"error":{"code":"invalid_value","message":"the input is refused"}}`, refusal.ID)
	if diff := cmp.Diff(want, raw[1]); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	got.says(t, "refuse two: invalid: the input is refused", "succeeded")
}

func TestBatchJSONReport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("one", "cut two", "refuse three"))
	out := filepath.Join(filepath.Dir(file), "out.jsonl")
	got := b.call("", "batch", file, "--json", "--output", out, "--group", "mine").want(t, 1)
	var report batchReport
	dec := json.NewDecoder(strings.NewReader(got.stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&report); err != nil {
		t.Fatalf("read report: %v\n%s", err, got.stdout)
	}
	if dec.More() {
		t.Errorf("stdout has more than the report:\n%s", got.stdout)
	}
	if want := fmt.Sprintf(`{"group":"mine","output":%q,"errors":`, out); !strings.HasPrefix(got.stdout, want) {
		t.Errorf("the report is %s, want it to begin with %s", got.stdout, want)
	}
	if report.Group != "mine" || report.Output != out || report.Errors != strings.TrimSuffix(file, ".jsonl")+".errors.jsonl" {
		t.Errorf("report names group %q, output %q and errors %q", report.Group, report.Output, report.Errors)
	}
	if report.Total != 3 || report.Succeeded != 1 || report.Incomplete != 1 || report.Failed != 1 || report.InputTokens != 10 || report.OutputTokens != 4 {
		t.Errorf("report counts wrong: %s", got.stdout)
	}
	want := []failure{
		{Name: "cut two", State: jobs.StateIncomplete, Message: "the answer was cut off at max_output_tokens; raise it and submit again"},
		{Name: "refuse three", State: jobs.StateFailed, Class: jobs.ClassInvalid, Code: "invalid_value", Message: "the input is refused"},
	}
	if diff := cmp.Diff(want, report.Failures, cmpopts.IgnoreFields(failure{}, "JobID"), cmpopts.IgnoreUnexported(failure{})); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

func TestBatchRunAgainPaysNothingTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("one", "flaky two", "three"))
	stem := strings.TrimSuffix(file, ".jsonl")
	b.call("", "batch", file).want(t, 1)
	b.call("", "batch", file).want(t, 1)
	if n := b.total(); n != 3 {
		t.Fatalf("%d jobs after two runs, want 3", n)
	}
	if attempts := b.attempts(); attempts != 3 {
		t.Errorf("%d attempts after two runs, want 3", attempts)
	}

	b.call("", "batch", file, "--retry-failed").want(t, 0)
	if n, attempts := b.total(), b.attempts(); n != 3 || attempts != 4 {
		t.Errorf("%d jobs with %d attempts after --retry-failed, want 3 with 4", n, attempts)
	}
	want := []string{"one: 200 completed: echo: one", "flaky two: 200 completed: echo: flaky two", "three: 200 completed: echo: three"}
	if diff := cmp.Diff(want, resultLines(t, readText(t, stem+".output.jsonl"))); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(stem + ".errors.jsonl"); !os.IsNotExist(err) {
		t.Errorf("the errors of the earlier run are still there (%v)", err)
	}

	b.call("", "batch", file, "--group", "another").want(t, 1)
	if n := b.total(); n != 6 {
		t.Errorf("%d jobs after a run as another group, want 6", n)
	}
}

func TestBatchCanBeStoppedAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	file := putFile(t, "in.jsonl", batchOf("one", "two", "three"))
	ctx, interrupt := context.WithCancelCause(t.Context())
	stopped := make(chan outcome)
	go func() { stopped <- call(ctx, b.env, "", "batch", file) }()
	until(t, "three jobs", func() bool { return b.total() == 3 })
	interrupt(errInterrupt)
	(<-stopped).want(t, 1).says(t, "stopped: interrupt signal received", "the same command takes it up again")
	if names := folder(t, filepath.Dir(file)); !slices.Equal(names, []string{"in.jsonl"}) {
		t.Errorf("the stopped run left %v", names)
	}

	b.work(echo)
	b.call("", "batch", file).want(t, 0)
	if n, attempts := b.total(), b.attempts(); n != 3 || attempts != 3 {
		t.Errorf("%d jobs with %d attempts, want 3 with 3", n, attempts)
	}
	if names := folder(t, filepath.Dir(file)); !slices.Equal(names, []string{"in.jsonl", "in.output.jsonl"}) {
		t.Errorf("the folder holds %v", names)
	}
}

func TestBatchReportsEveryBadLine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	chat := "/v1/chat/" + "completions"
	input := strings.Join([]string{
		batchOf("fine") + `{"custom_id":"fine","method":"POST","url":"/v1/responses","body":{"input":"again"}}`,
		"",
		`no JSON`,
		`["a list"]`,
		`{"custom_id":"chat","method":"POST","url":"` + chat + `","body":{"messages":[]}}`,
		`{"custom_id":7,"method":"GET","url":"/v1/embeddings","body":"x","customId":"x"}`,
		`{}`,
		`{"custom_id":" ","method":"POST","url":"/v1/responses","body":{"input":""}}`,
		`{"custom_id":"late","method":"POST","url":"/v1/responses","body":{"input":"x","store":false}}`,
		`{"custom_id":"one","custom_id":"another","method":"POST","url":"/v1/responses","body":{"input":"x"}}`,
		`{"custom_id":"deep","method":"POST","url":"/v1/responses","body":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`,
	}, "\n")
	file := putFile(t, "in.jsonl", input)
	got := b.call("", "batch", file).want(t, 2)
	_, text, _ := strings.Cut(got.stderr, "nothing was submitted:\n")
	want := []string{
		`line 2: custom_id: "fine" was that of line 1; each line needs its own`,
		`line 4: line: is no JSON object on one line`,
		`line 5: line: is no JSON object on one line`,
		`line 6: url: "` + chat + `" is Chat Completions; write "/v1/responses", and in the body "input" for "messages"`,
		`line 6: body.messages: is a field of Chat Completions; the Responses API calls it "input"`,
		`line 7: custom_id: must be a string`,
		`line 7: method: is "GET"; only POST is possible`,
		`line 7: url: is "/v1/embeddings"; only "/v1/responses" is possible`,
		`line 7: customId: is not part of a batch line: custom_id, method, url and body are`,
		`line 7: body: must be a JSON object`,
		`line 8: custom_id: is missing`,
		`line 8: method: is missing`,
		`line 8: url: is missing`,
		`line 8: body: is missing`,
		`line 9: custom_id: is empty`,
		`line 9: body.input: is an empty string; give the text to answer`,
		`line 10: body.store: is set by Longhaul, always to true; remove it`,
		`line 11: line: field "custom_id" appears twice; keep one`,
		`line 12: line: is nested deeper than 10000 levels; make it flatter`,
	}
	said := lines(text)
	for i := range said {
		said[i] = strings.TrimSpace(said[i])
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if n := b.total(); n != 0 {
		t.Errorf("%d jobs were submitted", n)
	}
}

func TestBatchRefusesWhatIsNoBatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, test := range map[string]struct{ content, says string }{
		"empty":      {"", "holds no request"},
		"blank":      {"\n \n", "holds no request"},
		"long line":  {strings.Repeat("a", 2*lineOverhead), "a body has at most 2000"},
		"long body":  {batchOf(strings.Repeat("a", 2500)), "at most 2000"},
		"many wrong": {strings.Repeat("x\n", 5000), "5,000 problems"},
		"a table":    {strings.Repeat("id,text\n", 5000), "  and 4,997 more\n  no line is one of a batch, such as {"},
		"one line":   {strings.Repeat("x\n", 50) + batchOf("a"), "  and 30 more\n"},
	} {
		t.Run(name, func(t *testing.T) {
			env := append(slices.Clone(b.env), "LONGHAUL_JOBS_MAX_REQUEST_BYTES=2000")
			got := call(t.Context(), env, test.content, "batch", "-").want(t, 2).says(t, test.says)
			if n := len(lines(got.stderr)); n > maxShownProblems+3 {
				t.Errorf("stderr has %d lines", n)
			}
		})
	}
	b.call("", "batch", t.TempDir()).want(t, 2).says(t, "regular file")
}

// Options that a line cannot have are refused before any line is submitted.
func TestBatchChecksTheOptionsOfEachLine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	capped := `{"custom_id":"capped","method":"POST","url":"/v1/responses","body":{"input":"a","max_output_tokens":100,"service_tier":"flex"}}` + "\n"
	got := b.call(capped+batchOf("free"), "batch", "-", "--grow-output-to", "400", "--fallback-tier", "default").want(t, 2)
	got.says(t, "2 problems", "line 2: grow_output_to: needs max_output_tokens", "line 2: fallback_tier: needs another service_tier")
	if strings.Contains(got.stderr, "line 1:") || b.total() != 0 {
		t.Errorf("%d jobs, stderr\n%s", b.total(), got.stderr)
	}
}

// What an earlier run paid is told apart when the batch is run again.
func TestBatchTellsTheTokensOfEarlierRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("one", "two"))
	if got := b.call("", "batch", file).want(t, 0).stdout; !strings.Contains(got, "tokens     20 in, 8 out\n") {
		t.Errorf("the first run says\n%s", got)
	}
	until(t, "another moment", func() bool { return sleep(t.Context(), 10*time.Millisecond) == nil })
	if err := os.WriteFile(file, []byte(batchOf("one", "two", "three")), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.call("", "batch", file).want(t, 0).stdout; !strings.Contains(got, "tokens     30 in, 12 out; 20 in, 8 out of that before this command\n") {
		t.Errorf("the second run says\n%s", got)
	}
	report := decode[batchReport](t, b.call("", "batch", file, "--json").want(t, 0).stdout)
	if report.InputTokens != 30 || report.EarlierInputTokens != 30 || report.EarlierOutputTokens != 12 {
		t.Errorf("the third run reports %+v", report.totals)
	}
}

// What is tried again, and may be paid for again, is said.
func TestBatchSaysWhatItTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("one", "flaky two", "flaky three"))
	for _, args := range [][]string{nil, {"--retry-failed=false"}} {
		if got := b.call("", append([]string{"batch", file}, args...)...).want(t, 1).stdout; strings.Contains(got, "tried again") {
			t.Errorf("with %q nothing was tried again:\n%s", args, got)
		}
	}
	shows(t, b.call("", "batch", file, "--retry-failed").want(t, 0).stdout, "2 lines of an earlier run were tried again\n")
	if report := decode[batchReport](t, b.call("", "batch", file, "--retry-failed", "--json").want(t, 0).stdout); report.Retried != 0 {
		t.Errorf("%d lines were tried again that had succeeded", report.Retried)
	}
}

// What a line has used and cost before it was tried again is of before, and so is what of
// that nobody knows; the lines are counted as they stand in the end.
func TestBatchTellsWhatWasSpentBeforeALineWasTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(func(request jobs.Request, attempt int) jobs.Event {
		switch input := inputOf(request); {
		case attempt == 1 && input == "cut off":
			return created(attempt, `{"id":"resp_cut","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"gpt-4.1",`+
				`"output":[],"usage":{"input_tokens":1000,"output_tokens":100,"total_tokens":1100}}`)
		case attempt == 1 && input == "failed":
			return created(attempt, `{"id":"resp_failed","status":"failed","error":{"code":"content_filter","message":"not allowed"}}`)
		}
		return priced(request, attempt)
	})
	file := putFile(t, "in.jsonl", batchOf("one", "cut off", "failed"))
	first := decode[batchReport](t, b.call("", "batch", file, "--json").want(t, 1).stdout)
	if first.Succeeded != 1 || first.CostUnknown != 1 || first.EarlierCost != 0 || first.EarlierInputTokens != 0 || first.EarlierCostUnknown != 0 {
		t.Errorf("the first run reports %+v", first.totals)
	}
	second := decode[batchReport](t, b.call("", "batch", file, "--retry-failed", "--json").want(t, 0).stdout)
	if second.Total != 3 || second.Succeeded != 3 || second.Retried != 2 || second.InputTokens != 4300 || second.CostUnknown != 1 {
		t.Errorf("the second run reports %+v", second.totals)
	}
	if second.EarlierInputTokens != first.InputTokens || second.EarlierOutputTokens != first.OutputTokens || second.EarlierCost != *first.Cost || second.EarlierCostUnknown != 1 {
		t.Errorf("the first run reports %+v\nand the second %+v", first.totals, second.totals)
	}
}

func TestBatchReadsWindowsFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	content := "\ufeff" + strings.ReplaceAll(batchOf("one", "two"), "\n", "\r\n")
	got := b.call(strings.TrimSuffix(content, "\r\n"), "batch", "-").want(t, 0)
	want := []string{"one: 200 completed: echo: one", "two: 200 completed: echo: two"}
	if diff := cmp.Diff(want, resultLines(t, got.stdout)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestBatchNoticesAChangedFile(t *testing.T) {
	t.Parallel()
	path := putFile(t, "in.jsonl", batchOf("one", "two"))
	file, err := openBatch(t.Context(), path, nil, batchRules{model: jobs.DefaultModel, limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.close() })
	if err := os.WriteFile(path, []byte(batchOf("one", "too")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.request(file.lines[0]); err != nil {
		t.Errorf("line 1: %v", err)
	}
	if _, err := file.request(file.lines[1]); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("line 2: error is %v, want one that says that it was changed", err)
	}
}

func TestBatchDestination(t *testing.T) {
	t.Parallel()
	tests := []struct {
		input        string
		flags        batchFlags
		output, errs string
	}{
		{"a/in.jsonl", batchFlags{}, "a/in.output.jsonl", "a/in.errors.jsonl"},
		{"a/in.jsonl", batchFlags{output: "o"}, "o", "a/in.errors.jsonl"},
		{"a/in.jsonl", batchFlags{output: "-"}, "-", ""},
		{"a/in.jsonl", batchFlags{output: "-", errors: "e"}, "-", "e"},
		{"-", batchFlags{}, "-", ""},
		{"-", batchFlags{output: "o.jsonl"}, "o.jsonl", "o.errors.jsonl"},
	}
	for _, test := range tests {
		got := test.flags.destination(test.input)
		if got.output != test.output || got.errors != test.errs {
			t.Errorf("destination(%q) with %+v = %q, %q, want %q, %q", test.input, test.flags, got.output, got.errors, test.output, test.errs)
		}
	}
}

// tap counts the lines that are written, and answers with large responses. It
// remembers how far the answers were ahead of the lines.
type tap struct {
	mu                    sync.Mutex
	asked, written, ahead int
}

func (p *tap) response(_ context.Context, id jobs.ID) (json.RawMessage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	p.ahead = max(p.ahead, p.asked-p.written)
	return json.RawMessage(fmt.Sprintf(`{"id":%q,"text":%q}`, id, strings.Repeat("a", 64<<10))), nil
}

func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

func TestBatchOutputHoldsFewResponsesAtOnce(t *testing.T) {
	t.Parallel()
	members := make([]*member, 500)
	for i := range members {
		members[i] = &member{name: strconv.Itoa(i), id: jobs.ID(fmt.Sprintf("job_%d", i)), state: jobs.StateSucceeded}
	}
	p := &tap{}
	if err := (batchOutput{output: "-", stdout: p}).write(t.Context(), p.response, members); err != nil {
		t.Fatal(err)
	}
	if p.written != len(members) || p.ahead > chunk+1 {
		t.Errorf("%d lines were written, with up to %d responses in memory, want %d and %d", p.written, p.ahead, len(members), chunk+1)
	}
}

func TestBatchOutputIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := batchOutput{output: filepath.Join(dir, "out.jsonl"), errors: filepath.Join(dir, "errors.jsonl")}
	if err := os.WriteFile(out.output, []byte("of an earlier run"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := func(context.Context, jobs.ID) (json.RawMessage, error) { return nil, errInterrupt }
	members := []*member{{name: "a", state: jobs.StateExpired}, {name: "b", state: jobs.StateSucceeded}}
	if err := out.write(t.Context(), broken, members); !errors.Is(err, errInterrupt) {
		t.Errorf("error is %v, want %v", err, errInterrupt)
	}
	if got := readText(t, out.output); got != "of an earlier run" || len(folder(t, dir)) != 1 {
		t.Errorf("the output is %q, the folder holds %v", got, folder(t, dir))
	}
}

// Answers and errors that both go to stdout are one stream of whole lines.
func TestBatchWritesBothToStdout(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	members := make([]*member, 200)
	for i := range members {
		members[i] = &member{name: strconv.Itoa(i), state: jobs.StateSucceeded}
		if i%2 == 1 {
			members[i].state = jobs.StateExpired
		}
	}
	long := func(context.Context, jobs.ID) (json.RawMessage, error) {
		return json.RawMessage(`{"text":"` + strings.Repeat("x", 200) + `"}`), nil
	}
	if err := (batchOutput{output: "-", errors: "-", stdout: &stdout}).write(t.Context(), long, members); err != nil {
		t.Fatal(err)
	}
	for i, raw := range lines(stdout.String()) {
		if l := decode[outputLine](t, raw); l.CustomID != strconv.Itoa(i) || (l.Error != nil) != (i%2 == 1) {
			t.Errorf("line %d is %s", i, raw)
		}
	}
	if n := len(lines(stdout.String())); n != len(members) {
		t.Errorf("%d lines, want %d", n, len(members))
	}
}

// Answers are for their owner, unless the file that they replace was for others too.
func TestBatchOutputKeepsToItsOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := batchOutput{output: filepath.Join(dir, "out.jsonl"), errors: filepath.Join(dir, "errors.jsonl")}
	if err := os.WriteFile(out.output, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := out.write(t.Context(), nil, []*member{{name: "a", state: jobs.StateExpired}}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{out.output: 0o640, out.errors: 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has the mode %o, want %o", path, got, want)
		}
	}
}

func TestLineErrorSpeaksOpenAIsWords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state   jobs.State
		failure *jobs.Failure
		want    outputError
	}{
		{jobs.StateCancelled, nil, outputError{"batch_cancelled", "the job is cancelled"}},
		{jobs.StateExpired, &jobs.Failure{Class: jobs.ClassExpired, Message: "the deadline passed"}, outputError{"batch_expired", "the deadline passed"}},
		{jobs.StateFailed, &jobs.Failure{Class: jobs.ClassInvalid, Code: "c", Message: "m"}, outputError{"c", "m"}},
		{jobs.StateFailed, &jobs.Failure{Class: jobs.ClassUnavailable, Message: "m"}, outputError{"unavailable", "m"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, *lineError(&member{state: test.state, failure: test.failure})); diff != "" {
			t.Errorf("error of a job that is %s (-want +got):\n%s", test.state, diff)
		}
	}
}

// attempts is how many creates all jobs have had.
func (b *bench) attempts() int {
	b.t.Helper()
	n := 0
	for _, line := range lines(b.call("", "list", "--all", "--json").want(b.t, 0).stdout) {
		n += len(decode[jobs.Job](b.t, line).Attempts)
	}
	return n
}

// folder lists the names in a folder.
func folder(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
