package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func response(tb testing.TB, raw string) jobs.Response {
	tb.Helper()
	r, err := jobs.ParseResponse([]byte(raw))
	if err != nil {
		tb.Fatalf("ParseResponse %s: %v", raw, err)
	}
	return r
}

// output is a completed response with these output items.
func output(items ...string) string {
	return `{"id":"resp_1","status":"completed","output":[` + strings.Join(items, ",") + `]}`
}

func message(parts ...string) string {
	return `{"type":"message","role":"assistant","content":[` + strings.Join(parts, ",") + `]}`
}

func TestParseResponseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, raw, words string }{
		{"nothing", ``, "empty or cut"},
		{"an empty object", `{}`, "not a response object"},
		{"a list", `[]`, "not a response object"},
		{"null", `null`, "not a response object"},
		{"a string", `"ok"`, "not a response object"},
		{"no id", `{"status":"completed"}`, "not a response object"},
		{"no status", `{"id":"resp_1"}`, "not a response object"},
		{"a number as id", `{"id":1,"status":"completed"}`, "not a response object"},
		{"an error body", `{"error":{"message":"sk-secret is wrong","code":"invalid_api_key"}}`, "not a response object"},
		{"a cut one", `{"id":"resp_1","status":"comple`, "empty or cut"},
		{"one cut after a member", `{"id":"resp_1","status":"completed"`, "empty or cut"},
		{"a page", `<!DOCTYPE html><title>502 Bad Gateway</title>`, "not valid JSON at byte 1"},
		{"text after it", `{"id":"resp_1","status":"completed"}<html>`, "not valid JSON at byte 37"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := jobs.ParseResponse([]byte(tt.raw))
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("error = %v, want one with %q", err, tt.words)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "Gateway") {
				t.Errorf("error %q quotes the body", err)
			}
			if r.ID != "" || r.Raw != nil {
				t.Errorf("an error came with response %+v", r)
			}
		})
	}
}

// What OpenAI has added since, and shapes that only other servers use, are
// carried: the response still counts.
func TestParseResponseCarriesTheUnknown(t *testing.T) {
	for name, raw := range map[string]string{
		"a field of tomorrow":   `{"id":"resp_1","status":"completed","mood":{"x":1e999}}`,
		"an item of tomorrow":   output(`{"type":"thought_call","content":7}`, message(`{"type":"hologram"}`, `{"type":"output_text","text":"A"}`)),
		"a message with a text": output(`{"type":"message","content":"plain"}`),
		"a number as error":     `{"id":"resp_1","status":"completed","error":{"code":404}}`,
		"a string as error":     `{"id":"resp_1","status":"completed","error":"none"}`,
		"a call id of a number": output(`{"type":"function_call","call_id":7}`),
		"fractions of tokens":   `{"id":"resp_1","status":"completed","usage":{"input_tokens":1.5}}`,
		"nulls all over":        `{"id":"resp_1","status":"completed","error":null,"output":null,"usage":null,"incomplete_details":null,"model":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := response(t, raw)
			if r.ID != "resp_1" || !r.Terminal() || string(r.Raw) != raw {
				t.Errorf("response = %+v", r)
			}
		})
	}
	if r := response(t, `{"id":"resp_1","status":"dreaming"}`); r.Terminal() || r.Failure() != nil {
		t.Errorf("status %q: terminal %t, failure %+v; want it to be looked at again", r.Status, r.Terminal(), r.Failure())
	}
}

func TestTerminalStatuses(t *testing.T) {
	for status, want := range map[string]bool{
		jobs.StatusQueued: false, jobs.StatusInProgress: false, jobs.StatusCompleted: true,
		jobs.StatusIncomplete: true, jobs.StatusFailed: true, jobs.StatusCancelled: true, "": false, "Completed": false,
	} {
		if got := (jobs.Response{Status: status}).Terminal(); got != want {
			t.Errorf("%q: terminal = %t, want %t", status, got, want)
		}
	}
}

func TestTextAndRefusal(t *testing.T) {
	const refusal = `{"type":"refusal","refusal":"I would rather not."}`
	text := func(s string) string { return `{"type":"output_text","text":"` + s + `","annotations":[]}` }
	for _, tt := range []struct {
		name, raw, text string
		refused         bool
	}{
		{"no output", output(), "", false},
		{"one part", output(message(text("Hello"))), "Hello", false},
		{"parts and messages, in order", output(
			`{"type":"reasoning","summary":[],"content":[{"type":"output_text","text":"not this"}]}`,
			message(text("a"), text("b")), `{"type":"web_search_call"}`, message(text("c")),
		), "abc", false},
		{"a refusal", output(message(refusal)), "", true},
		{"a refusal after text", output(message(text("a")), message(refusal)), "a", false},
		{"a message of no parts", output(`{"type":"message","content":null}`), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := response(t, tt.raw)
			if r.Text() != tt.text || r.Refused() != tt.refused {
				t.Errorf("text %q, refused %t; want %q, %t", r.Text(), r.Refused(), tt.text, tt.refused)
			}
		})
	}
}

func TestRequiresAction(t *testing.T) {
	item := func(kind, callID string) string {
		return `{"type":"` + kind + `","call_id":"` + callID + `","status":"completed"}`
	}
	for _, tt := range []struct {
		name  string
		items []string
		want  []string
	}{
		{"nothing", []string{message(), `{"type":"reasoning"}`}, nil},
		{"calls that run at the provider", []string{item("web_search_call", ""), item("file_search_call", ""), item("code_interpreter_call", ""), item("mcp_call", ""), item("image_generation_call", "")}, nil},
		{"every call that waits", []string{
			item("function_call", "1"), item("custom_tool_call", "2"), item("local_shell_call", "3"), item("shell_call", "4"),
			item("apply_patch_call", "5"), item("computer_call", "6"), `{"type":"mcp_approval_request","id":"mcpr_1"}`,
		}, []string{
			"function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call", "mcp_approval_request",
		}},
		{"a call whose output is there", []string{item("shell_call", "1"), item("shell_call_output", "1")}, nil},
		{"one of two", []string{item("function_call_output", "1"), item("function_call", "1"), item("function_call", "2")}, []string{"function_call"}},
		{"an output without an id answers nothing", []string{`{"type":"function_call"}`, `{"type":"tool_search_output"}`}, []string{"function_call"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, response(t, output(tt.items...)).RequiresAction()); diff != "" {
				t.Errorf("RequiresAction (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	r := response(t, `{"id":"resp_1","status":"completed","usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":30,"cache_write_tokens":1},
		"output_tokens":87,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":9007199254740993}}`)
	want := &jobs.Usage{InputTokens: 36, CachedTokens: 30, CacheWriteTokens: 1, OutputTokens: 87, ReasoningTokens: 64, TotalTokens: 9007199254740993}
	if diff := cmp.Diff(want, r.Usage()); diff != "" {
		t.Errorf("Usage (-want +got):\n%s", diff)
	}
	for _, raw := range []string{output(), `{"id":"resp_1","status":"failed","usage":null}`} {
		if got := response(t, raw).Usage(); got != nil {
			t.Errorf("%s: usage %+v, want nil: it is not known, which is not zero", raw, got)
		}
	}
}

// The result lists what a caller has to know before reading the body.
func TestResultOfAResponse(t *testing.T) {
	raw := `{"id":"resp_1","status":"completed","model":"gpt-5-2025-08-07","service_tier":"flex","output":[
		{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}`
	j := apply(t, newJob(t, jobs.Options{}), submit(1),
		jobs.Created{Attempt: 1, Reply: jobs.Reply{Response: response(t, raw)}})
	want := &jobs.Result{
		ResponseID: "resp_1", Status: jobs.StatusCompleted, Model: "gpt-5-2025-08-07", ServiceTier: "flex",
		Refusal: true, RequiresAction: []string{"function_call"}, Bytes: len(raw),
	}
	if diff := cmp.Diff(want, j.Result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// Every code of the API's ResponseErrorCode, the codes of error bodies that are
// known, and what is not known at all.
func TestClassifyCode(t *testing.T) {
	const quota = "You exceeded your current quota, please check your plan and billing details."
	for _, tt := range []struct {
		code, message string
		want          jobs.Class
	}{
		{"server_error", "", jobs.ClassUnavailable},
		{"rate_limit_exceeded", "Rate limit reached for gpt-5", jobs.ClassRateLimited},
		{"rate_limit_exceeded", "Request too large for gpt-5 on tokens per min: Limit 30000, Requested 50000", jobs.ClassInvalid},
		{"rate_limit_exceeded", quota, jobs.ClassQuota},
		{"invalid_prompt", "", jobs.ClassInvalid},
		{"data_residency_mismatch", "", jobs.ClassInvalid},
		{"bio_policy", "", jobs.ClassRejected},
		{"misalignment_policy_violation", "", jobs.ClassRejected},
		{"vector_store_timeout", "", jobs.ClassUnavailable},
		{"invalid_image", "", jobs.ClassInvalid},
		{"invalid_image_format", "", jobs.ClassInvalid},
		{"invalid_base64_image", "", jobs.ClassInvalid},
		{"invalid_image_url", "", jobs.ClassInvalid},
		{"image_too_large", "", jobs.ClassInvalid},
		{"image_too_small", "", jobs.ClassInvalid},
		{"image_parse_error", "", jobs.ClassInvalid},
		{"image_content_policy_violation", "", jobs.ClassRejected},
		{"invalid_image_mode", "", jobs.ClassInvalid},
		{"image_file_too_large", "", jobs.ClassInvalid},
		{"unsupported_image_media_type", "", jobs.ClassInvalid},
		{"empty_image_file", "", jobs.ClassInvalid},
		{"failed_to_download_image", "", jobs.ClassUnavailable},
		{"image_file_not_found", "", jobs.ClassInvalid},

		{"insufficient_quota", quota, jobs.ClassQuota},
		{"billing_hard_limit_reached", "", jobs.ClassQuota},
		{"quota_exceeded", "", jobs.ClassQuota},
		{"invalid_api_key", "", jobs.ClassUnauthorized},
		{"account_deactivated", "", jobs.ClassUnauthorized},
		{"organization_required", "", jobs.ClassUnauthorized},
		{"content_policy_violation", "", jobs.ClassRejected},
		{"content_filter", "", jobs.ClassRejected},
		{"cyber_policy", "", jobs.ClassRejected},
		{"conversation_locked", "", jobs.ClassConflict},
		{"context_length_exceeded", "", jobs.ClassInvalid},
		{"model_not_found", "", jobs.ClassInvalid},
		{"previous_response_not_found", "", jobs.ClassInvalid},
		{"unknown_parameter", "", jobs.ClassInvalid},
		{"invalid_value", "", jobs.ClassInvalid},
		{"missing_required_parameter", "", jobs.ClassInvalid},
		{"unsupported_parameter", "", jobs.ClassInvalid},

		{"", quota, jobs.ClassQuota},
		{"", "", jobs.ClassUnavailable},
		{"a_code_of_tomorrow", "It broke.", jobs.ClassUnavailable},
	} {
		t.Run(tt.code, func(t *testing.T) {
			if got := jobs.ClassifyCode(tt.code, tt.message); got != tt.want {
				t.Errorf("ClassifyCode(%q, %q) = %s, want %s", tt.code, tt.message, got, tt.want)
			}
		})
	}
}

func TestFailureOfAResponse(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      *jobs.Failure
	}{
		{"completed", output(), nil},
		{"completed with an error", `{"id":"r","status":"completed","error":{"code":"server_error"}}`, nil},
		{"failed", `{"id":"r","status":"failed","error":{"code":"bio_policy","message":"No."}}`, &jobs.Failure{Class: jobs.ClassRejected, Code: "bio_policy", Message: "No."}},
		{"failed without saying why", `{"id":"r","status":"failed","error":null}`, &jobs.Failure{Class: jobs.ClassUnavailable, Message: "the response failed without saying why"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, response(t, tt.raw).Failure()); diff != "" {
				t.Errorf("Failure (-want +got):\n%s", diff)
			}
		})
	}
	long := response(t, `{"id":"r","status":"failed","error":{"message":"`+strings.Repeat("é", 5000)+`"}}`).Failure()
	if len(long.Message) > 510 {
		t.Errorf("message of %d bytes", len(long.Message))
	}
}

// FuzzParseResponse: nothing that a server answers makes reading it panic, and
// what counts as a response is JSON with an id and a status.
func FuzzParseResponse(f *testing.F) {
	for _, raw := range []string{
		`{}`, `<html>`, output(message(`{"type":"output_text","text":"A"}`), `{"type":"function_call","call_id":"1"}`),
		`{"id":"r","status":"failed","error":{"code":"server_error","message":"x"},"usage":{"input_tokens":-1}}`,
		`{"id":"r","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":{}}]}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := jobs.ParseResponse(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) || r.ID == "" || r.Status == "" || string(r.Raw) != string(raw) {
			t.Errorf("%q was taken for a response: %+v", raw, r)
		}
		if r.Refused() && r.Text() != "" {
			t.Errorf("%s: refused and says %q", raw, r.Text())
		}
		if (r.Failure() != nil) != (r.Status == jobs.StatusFailed) {
			t.Errorf("%s: failure %+v", raw, r.Failure())
		}
		j := apply(t, newJob(t, jobs.Options{}), submit(1))
		c := change(t, j, jobs.Created{Attempt: 1, Reply: jobs.Reply{Response: r}})
		checkJob(t, c.Job)
	})
}
