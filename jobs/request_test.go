package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// member sets a field beside a good request.
func member(field, value string) string {
	return `{"input":"Hi","model":"gpt-4.1","` + field + `":` + value + `}`
}

// Every field of Chat Completions that the Responses API does not have is
// refused with what to write instead.
func TestParseRequestRefusesChatCompletions(t *testing.T) {
	instead := map[string]string{
		"messages":              `"input"`,
		"max_tokens":            `"max_output_tokens"`,
		"max_completion_tokens": `"max_output_tokens"`,
		"response_format":       `"text.format"`,
		"reasoning_effort":      `"reasoning.effort"`,
		"verbosity":             `"text.verbosity"`,
		"functions":             `"tools"`,
		"function_call":         `"tool_choice"`,
		"modalities":            `"tools"`,
		"audio":                 `"tools"`,
		"prediction":            `"tools"`,
		"web_search_options":    `"tools"`,
		"logprobs":              `"top_logprobs"`,
		"n":                     "one job for each",
		"stop":                  "remove it",
		"logit_bias":            "remove it",
		"frequency_penalty":     "remove it",
		"presence_penalty":      "remove it",
		"seed":                  "remove it",
	}
	// What the two APIs have in common, or only the Responses API has, passes.
	both := []string{
		"metadata", "model", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
		"safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
		"top_logprobs", "top_p", "user", "moderation",
	}
	responses := []string{
		"access_programs", "background", "context_management", "conversation", "include", "instructions",
		"max_output_tokens", "max_tool_calls", "previous_response_id", "prompt", "reasoning", "text", "truncation",
		"a_field_of_tomorrow",
	}
	for field, want := range instead {
		t.Run(field, func(t *testing.T) {
			for _, value := range []string{`1`, `null`, `[{"role":"user","content":"Hi"}]`} {
				_, err := jobs.ParseRequest([]byte(`{"input":"Hi","`+field+`":`+value+`}`), jobs.DefaultModel)
				wantInvalid(t, err, field, want)
				wantInvalid(t, err, field, "Chat Completions")
			}
		})
	}
	for _, field := range append(both, responses...) {
		t.Run(field, func(t *testing.T) {
			value := map[string]string{
				"background": "true", "store": "true", "stream": "false", "model": `"gpt-5"`, "metadata": `{"a":"b"}`,
			}[field]
			if value == "" {
				value = `{"any":"thing"}`
			}
			if _, err := jobs.ParseRequest([]byte(`{"input":"Hi","`+field+`":`+value+`}`), jobs.DefaultModel); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestParseRequestRefusesOldTools(t *testing.T) {
	old := `[{"type":"web_search"},{"type":"function","function":{"name":"f"}}]`
	_, err := jobs.ParseRequest([]byte(member("tools", old)), jobs.DefaultModel)
	wantInvalid(t, err, "tools[1].function", "beside type")

	for _, tools := range []string{`[]`, `null`, `"auto"`, `[1]`, `[{"type":"function","name":"f","parameters":{"function":1}}]`} {
		if _, err := jobs.ParseRequest([]byte(member("tools", tools)), jobs.DefaultModel); err != nil {
			t.Errorf("tools %s: %v; want it left to the provider", tools, err)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	manyPairs := func(n int) string {
		var pairs []string
		for i := range n {
			pairs = append(pairs, fmt.Sprintf(`"k%d":"v"`, i))
		}
		return "{" + strings.Join(pairs, ",") + "}"
	}
	for _, tt := range []struct {
		name, raw, param, words string
	}{
		{"nothing", ``, "request", "empty or cut"},
		{"blanks", " \n", "request", "empty or cut"},
		{"cut in the middle", `{"input":"Hi`, "request", "empty or cut"},
		{"cut after a member", `{"input":"Hi"`, "request", "empty or cut"},
		{"cut after a comma", `{"input":"Hi",`, "request", "empty or cut"},
		{"a list", `[{"input":"Hi"}]`, "request", "must be a JSON object"},
		{"a string", `"Hi"`, "request", "must be a JSON object"},
		{"null", `null`, "request", "must be a JSON object"},
		{"a page", `<html></html>`, "request", "not valid JSON at byte 1"},
		{"a trailing comma", `{"input":"Hi",}`, "request", "not valid JSON"},
		{"no colon", `{"input" "Hi"}`, "request", "not valid JSON"},
		{"no comma", `{"input":"Hi" "model":"m"}`, "request", "not valid JSON"},
		{"a bare key", `{input:"Hi"}`, "request", "not valid JSON"},
		{"text after it", `{"input":"Hi"}{}`, "request", "text after the JSON object"},
		{"garbage after it", `{"input":"Hi"} x`, "request", "text after the JSON object"},
		{"too deep", `{"input":"Hi","x":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, "request", "nested deeper than 10000 levels"},
		{"another encoding", "{\"input\":\"\xff\xfe\"}", "request", "UTF-8 at byte 11"},
		{"UTF-16", "\xff\xfe{\x00", "request", "as UTF-16 does"},
		{"a byte order mark", "\ufeff{\"input\":\"Hi\"}", "request", "byte order mark"},
		{"a field twice", `{"input":"Hi","model":"a","model":"b"}`, "request", `"model" appears twice`},
		{"a field twice, written differently", `{"input":"Hi","in\u0070ut":"b"}`, "request", `"input" appears twice`},

		{"no input", `{"model":"gpt-4.1"}`, "input", "is missing"},
		{"null input", `{"input":null}`, "input", "is missing"},
		{"no input and a null prompt", `{"prompt":null}`, "input", "is missing"},
		{"an empty input", `{"input":""}`, "input", "empty string"},
		{"a blank input", `{"input":" \n\t"}`, "input", "empty string"},
		{"an empty list", `{"input":[]}`, "input", "empty list"},
		{"an object as input", `{"input":{"role":"user"}}`, "input", "string or a list"},
		{"a number as input", `{"input":1}`, "input", "string or a list"},
		{"an empty input beside a prompt", `{"input":"","prompt":{"id":"p"}}`, "input", "empty string"},

		{"an empty model", `{"input":"Hi","model":""}`, "model", "the default, " + jobs.DefaultModel},
		{"a long model", `{"input":"Hi","model":"` + strings.Repeat("m", 257) + `"}`, "model", "at most 256"},
		{"a long include", member("include", `["`+strings.Repeat("i", 4<<10)+`"]`), "include", "at most 4096"},
		{"a null model", `{"input":"Hi","model":null}`, "model", "non-empty string"},
		{"a number as model", `{"input":"Hi","model":4.1}`, "model", "must be a string"},

		{"not in the background", member("background", `false`), "background", "always to true; remove it"},
		{"background as a string", member("background", `"true"`), "background", "remove it"},
		{"not stored", member("store", `false`), "store", "remove it"},
		{"store null", member("store", `null`), "store", "remove it"},
		{"streamed", member("stream", `true`), "stream", "--stream"},

		{"metadata as a list", member("metadata", `["a"]`), "metadata", "must be a JSON object"},
		{"metadata with a number", member("metadata", `{"a":1}`), "metadata", "values are strings"},
		{"metadata with a null", member("metadata", `{"a":null}`), "metadata", "values are strings"},
		{"metadata with a key twice", member("metadata", `{"a":"1","a":"2"}`), "metadata", `"a" appears twice`},
		{"metadata with fifteen pairs", member("metadata", manyPairs(15)), "metadata", "has 15 pairs; at most 14"},
		{"metadata with an empty key", member("metadata", `{"":"v"}`), "metadata", "1 to 64"},
		{"metadata with a long key", member("metadata", `{"`+strings.Repeat("k", 65)+`":"v"}`), "metadata", "key of 65 characters"},
		{"metadata with a long value", member("metadata", `{"a":"`+strings.Repeat("ü", 513)+`"}`), "metadata.a", "has 513 characters"},
		{"metadata with our job", member("metadata", `{"longhaul_job":"x"}`), "metadata.longhaul_job", "kept for Longhaul"},
		{"metadata with any of ours", member("metadata", `{"longhaul_":"x"}`), "metadata.longhaul_", "kept for Longhaul"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := jobs.ParseRequest([]byte(tt.raw), jobs.DefaultModel)
			wantInvalid(t, err, tt.param, tt.words)
			if r.Raw != nil || r.Model != "" {
				t.Errorf("an error came with a request: %+v", r)
			}
			if strings.Contains(err.Error(), "Hi") {
				t.Errorf("error %q quotes the prompt", err)
			}
		})
	}
	t.Run("the same problem is named each time", func(t *testing.T) {
		two := []byte(member("metadata", `{"longhaul_b":"","longhaul_c":"","longhaul_a":"","longhaul_d":""}`))
		for range 20 {
			_, err := jobs.ParseRequest(two, jobs.DefaultModel)
			wantInvalid(t, err, "metadata.longhaul_a", "kept for Longhaul")
		}
	})
	t.Run("metadata with fourteen pairs passes", func(t *testing.T) {
		if _, err := jobs.ParseRequest([]byte(member("metadata", manyPairs(14))), jobs.DefaultModel); err != nil {
			t.Error(err)
		}
	})
	t.Run("metadata as long as it may be, counted in characters, passes", func(t *testing.T) {
		longest := `{"` + strings.Repeat("ключ", 16) + `":"` + strings.Repeat("値", 512) + `"}`
		if _, err := jobs.ParseRequest([]byte(member("metadata", longest)), jobs.DefaultModel); err != nil {
			t.Error(err)
		}
	})
}

func TestParseRequestAccepts(t *testing.T) {
	for _, tt := range []struct {
		name, raw, want, model string // want: "" for raw as it is
	}{
		{"a string", `{"model":"gpt-5","input":"Hi"}`, "", "gpt-5"},
		{"items", `{"input":[{"role":"user","content":"Hi"}],"model":"gpt-5"}`, "", "gpt-5"},
		{"a prompt", `{"prompt":{"id":"pmpt_1"},"model":"gpt-5"}`, "", "gpt-5"},
		{"a previous response", `{"previous_response_id":"resp_0","model":"gpt-5"}`, "", "gpt-5"},
		{"a conversation", `{"conversation":"conv_1","model":"gpt-5"}`, "", "gpt-5"},
		{"a null input beside a conversation", `{"input":null,"conversation":"conv_1","model":"gpt-5"}`, "", "gpt-5"},
		{"no model", `{"input":"Hi"}`, `{"input":"Hi","model":"the-default"}`, "the-default"},
		{"no model, and nothing else is touched", `{ "input" : "<&>", "x" : [ 1 ] }`, `{"input":"<&>","x":[ 1 ],"model":"the-default"}`, "the-default"},
		{"null metadata and stream", `{"input":"Hi","model":"m","metadata":null,"stream":null}`, "", "m"},
		{"our own settings, said again", `{"input":"Hi","model":"m","background" : true ,"store": true,"stream": false }`, "", "m"},
		{"blanks around it", "\n\t{\"input\":\"Hi\",\"model\":\"m\"}\r\n", "", "m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := jobs.ParseRequest([]byte(tt.raw), "the-default")
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if want == "" {
				want = tt.raw
			}
			if string(r.Raw) != want || r.Model != tt.model {
				t.Errorf("raw %s, model %q; want %s, %q", r.Raw, r.Model, want, tt.model)
			}
		})
	}
}

// The body differs from the request by our fields and nothing else.
func TestBody(t *testing.T) {
	const ours = `"metadata":{"longhaul_job":"job_1","longhaul_attempt":"3"}`
	for _, tt := range []struct{ name, raw, want string }{
		{
			"our fields at the end", `{"model":"m","input":"Hi"}`,
			`{"model":"m","input":"Hi",` + ours + `,"background":true,"store":true}`,
		},
		{
			"our fields where they are", `{"store":true,"input":"Hi","metadata":null,"background":true,"model":"m"}`,
			`{"store":true,"input":"Hi",` + ours + `,"background":true,"model":"m"}`,
		},
		{
			"the caller's pairs first", `{"metadata":{ "b" : "2", "a":"<1>" },"input":"Hi","model":"m"}`,
			`{"metadata":{"b":"2","a":"<1>","longhaul_job":"job_1","longhaul_attempt":"3"},"input":"Hi","model":"m","background":true,"store":true}`,
		},
		{
			"stream goes", `{"stream":false,"input":"Hi","model":"m"}`,
			`{"input":"Hi","model":"m",` + ours + `,"background":true,"store":true}`,
		},
		{
			"everything else stays, byte for byte",
			`{"zz":{"n":123456789012345678901234567890.10,"s":"\u00e9\/<&>é","e":1E+2},"model":"m","a<\u0062>": [ 1 , 2 ],"input":[{"type":"a_type_of_tomorrow","x":-0.0}]}`,
			`{"zz":{"n":123456789012345678901234567890.10,"s":"\u00e9\/<&>é","e":1E+2},"model":"m","a<\u0062>":[ 1 , 2 ],"input":[{"type":"a_type_of_tomorrow","x":-0.0}],` + ours + `,"background":true,"store":true}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := jobs.ParseRequest([]byte(tt.raw), jobs.DefaultModel)
			if err != nil {
				t.Fatal(err)
			}
			body, err := r.Body("job_1", 3, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if string(r.Raw) != tt.raw {
				t.Errorf("the request itself was changed: %s", r.Raw)
			}
		})
	}
}

// A request comes back from a store, where it may have been damaged.
func TestBodyOfADamagedRequest(t *testing.T) {
	for raw, param := range map[string]string{
		`{"input":"Hi`:                   "request",
		`{"input":"Hi","metadata":[]}`:   "metadata",
		`{"input":"Hi","metadata":"no"}`: "metadata",
	} {
		r := jobs.Request{Raw: []byte(raw), Model: "m"}
		_, err := r.Body("job_1", 1, nil)
		wantInvalid(t, err, param, "")
		if got := r.Includes(); got != nil {
			t.Errorf("%s: includes %q", raw, got)
		}
	}
}

func TestDigest(t *testing.T) {
	parse := func(raw string) jobs.Request {
		r, err := jobs.ParseRequest([]byte(raw), jobs.DefaultModel)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	one := parse(`{"input":"Hi","model":"m"}`)
	// printf '{"input":"Hi","model":"m"}' | sha256sum
	if got, want := one.Digest(), "7eaa87797ca4cbdea3a896bb8f5848f551524835b3913bea6f1e30b0d1056103"; got != want {
		t.Errorf("digest = %s, want %s", got, want)
	}
	if one.Digest() != parse(`{"input":"Hi","model":"m"}`).Digest() {
		t.Error("the same request has two digests")
	}
	if parse(`{"input":"Hi"}`).Digest() != parse(`{"input":"Hi","model":"`+jobs.DefaultModel+`"}`).Digest() {
		t.Error("the default model, left out and written, gives two digests")
	}
	if one.Digest() == parse(`{"input":"Ho","model":"m"}`).Digest() {
		t.Error("two requests have one digest")
	}
}

func TestIncludes(t *testing.T) {
	for _, tt := range []struct {
		include string
		want    []string
	}{
		{`["reasoning.encrypted_content","a value of tomorrow"]`, []string{"reasoning.encrypted_content", "a value of tomorrow"}},
		{`[]`, []string{}},
		{`null`, nil},
		{`"web_search_call.results"`, nil},
		{`["web_search_call.results",5]`, nil},
	} {
		r, err := jobs.ParseRequest([]byte(member("include", tt.include)), jobs.DefaultModel)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, r.Includes()); diff != "" {
			t.Errorf("include %s (-want +got):\n%s", tt.include, diff)
		}
	}
}

// The record keeps the effort, by which durations are learnt; what is none is left to
// the provider.
func TestEffort(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"input":"x"}`: "",
		`{"input":"x","reasoning":{"effort":"high","summary":"auto"}}`: "high",
		`{"input":"x","reasoning":{"effort":7}}`:                       "",
		`{"input":"x","reasoning":"high"}`:                             "",
		`{"input":"x","reasoning":{"effort":"no name"}}`:               "",
	} {
		request, err := jobs.ParseRequest([]byte(body), "m")
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if j := jobs.New(jobs.NewID(now, 0), request, jobs.Options{}, now); j.Effort != want {
			t.Errorf("%s: effort %q, want %q", body, j.Effort, want)
		}
	}
}
