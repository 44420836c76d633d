package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func cacheKey(t *testing.T, body string) string {
	t.Helper()
	r, err := jobs.ParseRequest([]byte(body), "gpt-4.1")
	if err != nil {
		t.Fatal(err)
	}
	return r.PromptCacheKey()
}

// Requests that begin in the same way have one key, and others have another.
func TestPromptCacheKey(t *testing.T) {
	t.Parallel()
	const base = `{"instructions":"Review it.","tools":[{"type":"function","name":"f"}],"input":[{"role":"developer","content":"Be brief."},{"role":"user","content":"one"}]}`
	want := cacheKey(t, base)
	if !strings.HasPrefix(want, "longhaul-") || len(want) > 64 {
		t.Fatalf("key %q; OpenAI takes 64 characters", want)
	}
	for name, body := range map[string]string{
		"another question":   strings.Replace(base, `"one"`, `"two"`, 1),
		"more questions":     strings.Replace(base, `"one"}`, `"one"},{"role":"developer","content":"Be long."}`, 1),
		"other whitespace":   strings.ReplaceAll(base, `,"`, ` , "`),
		"other parameters":   strings.Replace(base, `{`, `{"max_output_tokens":100,"temperature":0,"metadata":{"a":"b"},"text":{"verbosity":"low"},`, 1),
		"the default, named": strings.Replace(base, `{`, `{"model":"gpt-4.1",`, 1),
		"a turn later":       strings.Replace(base, `{`, `{"previous_response_id":"resp_1",`, 1),
		"no key after all":   strings.Replace(base, `{`, `{"prompt_cache_key":null,`, 1),
	} {
		if got := cacheKey(t, body); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	seen := map[string]string{want: "the base"}
	for name, body := range map[string]string{
		"another model":        strings.Replace(base, `{`, `{"model":"o3",`, 1),
		"other instructions":   strings.Replace(base, "Review", "Praise", 1),
		"no instructions":      strings.Replace(base, `"instructions":"Review it.",`, "", 1),
		"other tools":          strings.Replace(base, `"f"`, `"g"`, 1),
		"another first item":   strings.Replace(base, "brief", "long", 1),
		"another role":         strings.Replace(base, "developer", "system", 1),
		"a schema":             strings.Replace(base, `{`, `{"text":{"format":{"type":"json_schema","name":"a","schema":{}}},`, 1),
		"only instructions":    `{"instructions":"Be brief.","input":"x"}`,
		"the same as an input": `{"input":[{"role":"developer","content":"Be brief."}]}`,
	} {
		got := cacheKey(t, body)
		if other, twice := seen[got]; twice || got == "" {
			t.Errorf("%s: %q, as %s", name, got, other)
		}
		seen[got] = name
	}
	for name, body := range map[string]string{
		"a key of its own": strings.Replace(base, `{`, `{"prompt_cache_key":"mine",`, 1),
		"nothing shared":   `{"input":"What is a lighthouse?","instructions":"","tools":[]}`,
		"only a question":  `{"input":[{"role":"user","content":"one"}]}`,
	} {
		if got := cacheKey(t, body); got != "" {
			t.Errorf("%s: %q, want none", name, got)
		}
	}
}

// The key goes with each attempt of a job that asks for it, and changes neither the
// request nor what tells requests apart.
func TestPromptCacheKeyIsSent(t *testing.T) {
	t.Parallel()
	r, err := jobs.ParseRequest([]byte(`{"instructions":"Review it.","input":"one"}`), "gpt-4.1")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	with, without := jobs.New(jobs.NewID(now, 0), r, jobs.Options{PromptCache: true}, now), jobs.New(jobs.NewID(now, 0), r, jobs.Options{}, now)
	if with.RequestDigest != without.RequestDigest || with.PromptCacheKey != r.PromptCacheKey() || without.PromptCacheKey != "" {
		t.Errorf("keys %q and %q, digests %s and %s", with.PromptCacheKey, without.PromptCacheKey, with.RequestDigest, without.RequestDigest)
	}
	for _, test := range []struct{ body, key, want string }{
		{`{"instructions":"Review it.","input":"one"}`, "longhaul-1", "longhaul-1"},
		{`{"instructions":"Review it.","input":"one"}`, "", ""},
		{`{"prompt_cache_key":null,"input":"one"}`, "longhaul-1", "longhaul-1"},
		{`{"prompt_cache_key":"mine","input":"one"}`, "longhaul-1", "mine"},
	} {
		sent, err := jobs.Request{Raw: json.RawMessage(test.body), CacheKey: test.key}.Body(with.ID, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Key string `json:"prompt_cache_key"`
		}
		if err := json.Unmarshal(sent, &got); err != nil || got.Key != test.want {
			t.Errorf("%s with %q: %s, %v", test.body, test.key, sent, err)
		}
	}
}
