package main

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestSubmitPrintsTheJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)

	id := strings.TrimSuffix(b.call("", "submit", "--input", "hello", "--lane", "slow", "--priority", "9", "--group", "g",
		"--max-attempts", "2", "--metadata", "a=b=c", "--uncertain", "hold", "--retention", "2d", "--uncertain-wait", "90m",
		"--service-tier", "flex", "--fallback-tier", "default", "--max-output-tokens", "100", "--grow-output-to", "400",
		"--instructions", "Be brief.", "--prompt-cache").want(t, 0).stdout, "\n")
	j, err := b.store.Load(t.Context(), jobs.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	type options struct {
		Lane, Group           string
		Priority, MaxAttempts int
		Metadata              map[string]string
		Uncertain             jobs.Uncertainty
		Hours, WaitHours      float64
		Fallback              string
		GrowTo                int64
		Key                   bool
	}
	got := options{
		j.Lane, j.Group, j.Priority, j.MaxAttempts, j.Metadata, j.Uncertain, j.Retention.Hours(), j.UncertainWait.Hours(), j.FallbackTier, j.GrowOutputTo,
		j.PromptCacheKey != "",
	}
	want := options{"slow", "g", 9, 2, map[string]string{"a": "b=c"}, jobs.UncertainHold, 48, 1.5, "default", 400, true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}

	record := decode[jobs.Job](t, b.call("", "submit", "--input", "hello", "--json").want(t, 0).stdout)
	if record.State != jobs.StateWaiting || record.Model != jobs.DefaultModel {
		t.Errorf("record has state %q and model %q", record.State, record.Model)
	}
}

func TestSubmitReadsStdin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, args := range map[string][]string{
		"text":    {"--input", "-"},
		"request": {"--request", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			stdin := "text of stdin"
			if name == "request" {
				stdin = `{"input":"text of stdin"}`
			}
			id := strings.TrimSuffix(b.call(stdin, append([]string{"submit"}, args...)...).want(t, 0).stdout, "\n")
			j, err := b.store.Load(t.Context(), jobs.ID(id))
			if err != nil {
				t.Fatal(err)
			}
			request, err := b.store.Request(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			if got := inputOf(request); got != "text of stdin" {
				t.Errorf("input is %q", got)
			}
		})
	}
}

// The history is kept with the job, and sent only should it be needed.
func TestSubmitKeepsTheHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const items = `[{"role":"user","content":"Hello."}]`
	whole := putFile(t, "body.json", "\ufeff"+`{"input":"And then?","previous_response_id":"resp_0"}`)
	for name, args := range map[string][]string{
		"file":  {"--history", putFile(t, "items.json", "\ufeff"+items)},
		"stdin": {"--history", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.TrimSpace(b.call(items, append([]string{"submit", "--request", whole}, args...)...).want(t, 0).stdout)
			j, err := b.store.Load(t.Context(), jobs.ID(id))
			if err != nil {
				t.Fatal(err)
			}
			if r, err := b.store.Request(t.Context(), j); err != nil || string(r.History) != items || strings.Contains(string(r.Raw), "\ufeff") {
				t.Errorf("request %s with history %s, %v", r.Raw, r.History, err)
			}
		})
	}
	b.call("[]", "submit", "--request", "-", "--history", "-").want(t, 2).says(t, "cannot both be read from stdin")
	b.call("[]", "submit", "--request", whole, "--history", "-").want(t, 2).says(t, "history: must be a list of input items")
}

func TestSubmitWithADedupeKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.call("", "submit", "--input", "a", "--dedupe", "k").want(t, 0)
	again := b.call("", "submit", "--input", "a", "--dedupe", "k").want(t, 0).says(t, "was submitted before")
	if first.stdout != again.stdout {
		t.Errorf("the same request got %q and %q", first.stdout, again.stdout)
	}
	b.call("", "submit", "--input", "b", "--dedupe", "k").want(t, 2).says(t, "dedupe_key", strings.TrimSpace(first.stdout))
	if n := b.total(); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}

func TestSubmitWaitPrintsTheResult(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	tests := []struct {
		name, input  string
		code         int
		stdout, says string
	}{
		{"succeeded", "hello", 0, "echo: hello\n", ""},
		{"incomplete", "cut me", 1, "half an ans\n", "cut off at max_output_tokens"},
		{"failed", "fail me", 1, "", "rejected: not allowed"},
		{"refused", "refuse me", 1, "", "invalid: the input is refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.call("", "submit", "--wait", "--input", test.input).want(t, test.code).says(t, test.says)
			if got.stdout != test.stdout {
				t.Errorf("stdout is %q, want %q", got.stdout, test.stdout)
			}
		})
	}
}

func TestSubmitWaitJSONIsTheStoredResult(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	tests := []struct {
		name, input string
		code        int
		status      string
	}{
		{"succeeded", "a < b & c", 0, "completed"},
		{"failed", "fail me", 1, "failed"},
		{"refused", "refuse me", 1, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.call("", "submit", "--wait", "--json", "--input", test.input).want(t, test.code)
			if n := len(lines(got.stdout)); n != 1 {
				t.Fatalf("stdout has %d lines, want one object:\n%s", n, got.stdout)
			}
			members := decode[map[string]json.RawMessage](t, got.stdout)
			j, err := jobs.Decode(members["job"])
			if err != nil {
				t.Fatal(err)
			}
			stored, err := b.store.Body(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			if test.status == "" {
				if string(members["response"]) != "null" || stored != nil {
					t.Errorf("response is %s, stored is %s, want none", members["response"], stored)
				}
				return
			}
			if diff := cmp.Diff(string(stored), string(members["response"])); diff != "" {
				t.Errorf("response (-stored +printed):\n%s", diff)
			}
			if j.Result == nil || j.Result.Status != test.status {
				t.Errorf("result is %+v, want status %s", j.Result, test.status)
			}
		})
	}
}

func TestSubmitWaitCanBeStoppedAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, interrupt := context.WithCancelCause(t.Context())
	stopped := make(chan outcome)
	go func() { stopped <- call(ctx, b.env, "", "submit", "--wait", "--input", "hello") }()
	until(t, "the job", func() bool { return b.total() == 1 })
	interrupt(errInterrupt)
	got := <-stopped
	got.want(t, 1).says(t, "stopped: interrupt signal received", "goes on in the workers")
	id := regexp.MustCompile(`enqueue wait (job_[0-9a-f]{32}) takes it up again`).FindStringSubmatch(got.stderr)
	if id == nil {
		t.Fatalf("stderr does not say how to go on:\n%s", got.stderr)
	}

	b.work(echo)
	if got := b.call("", "wait", id[1]).want(t, 0); got.stdout != "echo: hello\n" {
		t.Errorf("wait printed %q", got.stdout)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"unknown command", []string{"sbmit"}, []string{"unknown command", "submit"}},
		{"unknown flag", []string{"submit", "--nope"}, []string{"--nope", "enqueue submit --help"}},
		{"nothing to answer", []string{"submit"}, []string{"--input", "--request"}},
		{"text as an argument", []string{"submit", "hello"}, []string{`"hello"`, "--input"}},
		{"empty input", []string{"submit", "--input", " "}, []string{"input: is empty"}},
		{"two inputs", []string{"submit", "--input", "a", "--input-file", "b"}, []string{"--input and --input-file"}},
		{"request and more", []string{"submit", "--request", "-", "--model", "m", "--input", "a"}, []string{"--model", "--input"}},
		{"missing file", []string{"submit", "--input-file", "no/such/file"}, []string{"--input-file", "no such file"}},
		{"priority", []string{"submit", "--input", "a", "--priority", "10"}, []string{"priority", "0 (last) to 9 (first)"}},
		{"no number", []string{"submit", "--input", "a", "--priority", "abc"}, []string{"enqueue: --priority: \"abc\" cannot be read; give a whole number\n", "enqueue submit --help"}},
		{"neither true nor false", []string{"list", "--all=maybe"}, []string{"enqueue: --all: \"maybe\" cannot be read; give true or false\n"}},
		{"name of a run", []string{"summarize", "x", "--name", "a b"}, []string{`invalid: name: "a b" is not a name; use 1 to 128 letters`}},
		{"group of a run", []string{"summarize", "x", "--group", "a b"}, []string{`invalid: group: "a b" is not a name; use 1 to 128 letters`}},
		{"all problems at once", []string{"submit", "--input", "a", "--lane", "a b", "--deadline", "soon", "--metadata", "x"}, []string{"lane", "deadline", "metadata"}},
		{"past deadline", []string{"submit", "--input", "a", "--deadline", "2020-01-01T00:00:00Z"}, []string{"deadline", "past"}},
		{"start after deadline", []string{"submit", "--input", "a", "--deadline", "1h", "--not-before", "2h"}, []string{"not_before"}},
		{"no attempts", []string{"submit", "--input", "a", "--max-attempts", "0"}, []string{"max-attempts"}},
		{"less than no attempts", []string{"submit", "--input", "a", "--max-attempts", "-3"}, []string{"max-attempts: is -3; give 1 to 100\n"}},
		{"too many attempts", []string{"submit", "--input", "a", "--max-attempts", "101"}, []string{"max-attempts: is 101; give 1 to 100\n"}},
		{"kept too long", []string{"submit", "--input", "a", "--retention", "99999d"}, []string{`retention: "99999d" is too long a time; write for example 12h or 7d`}},
		{"kept for no time", []string{"submit", "--input", "a", "--retention", "0h"}, []string{`retention: "0h" is no length of time; write for example 12h or 7d`}},
		{"deadline too far", []string{"submit", "--input", "a", "--deadline", "1000000d"}, []string{`deadline: "1000000d" is too long a time; it goes to ten years`}},
		{"start too far", []string{"submit", "--input", "a", "--not-before", "65535d2500000h"}, []string{`not-before: "65535d2500000h" is too long a time; it goes to ten years`}},
		{"wait too long", []string{"submit", "--input", "a", "--uncertain-wait", "99999999h"}, []string{`uncertain-wait: "99999999h" is too long a time; write`}},
		{"too long ago", []string{"list", "--since", "1000000d"}, []string{`since: "1000000d" is too long a time ago; write`}},
		{"too large a budget", []string{"budgets", "set", "y", "--amount", "9300000000"}, []string{`amount: "9300000000" is too large an amount; give a smaller one, of at most $9000000.00, or any`}},
		{"too large a budget of a run", []string{"summarize", "x", "--budget", "9300000000"}, []string{`--budget: "9300000000" is too large an amount; give a smaller one, of at most $9000000.00`}},
		{"more than a budget of a run can be", []string{"summarize", "x", "--budget", "9000001"}, []string{"--budget: 9000001 is too large an amount; give a smaller one, of at most $9000000.00"}},
		{"empty dedupe key", []string{"submit", "--input", "a", "--dedupe", ""}, []string{"dedupe: is empty"}},
		{"folder as input", []string{"submit", "--input-file", "testdata"}, []string{"--input-file: testdata is a folder; name a file"}},
		{"folder as request", []string{"submit", "--request", "testdata"}, []string{"--request: testdata is a folder"}},
		{"folder as image", []string{"submit", "--image", "testdata"}, []string{"--image: testdata is a folder"}},
		{"wait for less than nothing", []string{"submit", "--input", "a", "--uncertain-wait=-1m"}, []string{"uncertain-wait"}},
		{"fall from nothing", []string{"submit", "--input", "a", "--fallback-tier", "default"}, []string{"fallback_tier: needs another service_tier"}},
		{"grow nothing", []string{"submit", "--input", "a", "--grow-output-to", "100"}, []string{"grow_output_to: needs max_output_tokens"}},
		{"grow nothing of summaries", []string{"summarize", "x", "--grow-output-to", "100"}, []string{"--grow-output-to needs a lower --max-output-tokens"}},
		{"history of nothing", []string{"submit", "--input", "a", "--history", "no/such"}, []string{"--history", "no such file"}},
		{"short answer", []string{"submit", "--input", "a", "--max-output-tokens", "3"}, []string{"max_output_tokens", "at least 16"}},
		{"dev and live", []string{"submit", "--input", "a", "--dev", "--live"}, []string{"--dev and --live"}},
		{"dev without wait", []string{"submit", "--input", "a", "--dev"}, []string{"--wait"}},
		{"dev for another command", []string{"list", "--dev"}, []string{"--dev", "--live"}},
		{"configuration", []string{"list", "--redis-url", "http://x"}, []string{"redis.url"}},
		{"no id", []string{"get"}, []string{"job id"}},
		{"bad id", []string{"get", "42"}, []string{`"42"`, "job_"}},
		{"several bad ids", []string{"cancel", "a", "b"}, []string{`"a"`, `"b"`}},
		{"state", []string{"list", "--state", "done"}, []string{"state", "succeeded"}},
		{"cursor", []string{"list", "--cursor", "x"}, []string{"cursor"}},
		{"limit", []string{"list", "--limit", "0"}, []string{"limit"}},
		{"all and limit", []string{"list", "--all", "--limit", "3"}, []string{"--all", "--limit"}},
		{"response and text", []string{"get", "--text", "--response", string(jobs.NewID(b.store.Now(), 0))}, []string{"text", "response"}},
		{"no batch", []string{"batch"}, []string{"file"}},
		{"missing batch", []string{"batch", "no/such.jsonl"}, []string{"no/such.jsonl"}},
		{"no document", []string{"summarize"}, []string{"document"}},
		{"missing document", []string{"summarize", "no/such.md"}, []string{"no/such.md"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.call("", test.args...).want(t, 2).says(t, test.says...)
			if got.stdout != "" {
				t.Errorf("stdout is %q, want nothing", got.stdout)
			}
		})
	}
	if n := b.total(); n != 0 {
		t.Errorf("%d jobs were submitted", n)
	}
}

func TestRequestsAreCheckedAtTheDoor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, test := range map[string]struct{ body, says string }{
		"old messages": {`{"messages":[]}`, `calls it "input"`},
		"ours to set":  {`{"input":"a","background":false}`, "background"},
		"no JSON":      {`input: a`, "not valid JSON"},
		"too large":    {`{"input":"` + strings.Repeat("a", 3000) + `"}`, "2000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			env := append(slices.Clone(b.env), "LONGHAUL_JOBS_MAX_REQUEST_BYTES=2000")
			call(t.Context(), env, test.body, "submit", "--request", "-").want(t, 2).says(t, test.says)
		})
	}
	if n := b.total(); n != 0 {
		t.Errorf("%d jobs were submitted", n)
	}
}

func TestNoRedisIsSaidPlainly(t *testing.T) {
	t.Parallel()
	got := call(t.Context(), []string{"LONGHAUL_REDIS_URL=redis://user:secret@127.0.0.1:1/0"}, "", "submit", "--input", "x").want(t, 1)
	got.says(t, "127.0.0.1:1", "--redis-url", "--dev")
	if strings.Contains(got.stderr, "secret") {
		t.Errorf("stderr shows the password:\n%s", got.stderr)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := call(t.Context(), nil, "", "version").want(t, 0); got.stdout != "enqueue "+version+"\n" {
		t.Errorf("stdout is %q", got.stdout)
	}
	got := decode[map[string]string](t, call(t.Context(), nil, "", "version", "--json").want(t, 0).stdout)
	if diff := cmp.Diff(map[string]string{"version": version}, got); diff != "" {
		t.Errorf("version (-want +got):\n%s", diff)
	}
}
