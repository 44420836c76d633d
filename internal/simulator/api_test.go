package simulator_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestEveryResponseHasEveryKey(t *testing.T) {
	// The keys that the Open Responses specification requires, and OpenAI's own user.
	want := strings.Fields(`background completed_at created_at error frequency_penalty id incomplete_details instructions
		max_output_tokens max_tool_calls metadata model object output parallel_tool_calls presence_penalty
		previous_response_id prompt_cache_key reasoning safety_identifier service_tier status store temperature text
		tool_choice tools top_logprobs top_p truncation usage user`)
	sim := newSimulator(t, simulator.Config{})
	for _, fault := range []string{"", "queued=1h", "never_ends", "fail=server_error"} {
		response := create(t, sim, object{"background": true, "metadata": object{"simulator_fault": fault}})
		for _, key := range want {
			if _, ok := response[key]; !ok {
				t.Errorf("a response that is %v has no key %s", response["status"], key)
			}
		}
	}
}

func TestResponseRepeatsTheRequest(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	request := object{
		"instructions": "Be \"brief\".\n", "max_output_tokens": 400.0, "max_tool_calls": 2.0, "metadata": object{"b": "2", "a": "ä\u2028", "c": "\x01\t\r\\\"😀"},
		"parallel_tool_calls": false, "prompt_cache_key": "key", "safety_identifier": "who", "store": true, "temperature": 0.25,
		"tool_choice": "none", "top_logprobs": 3.0, "top_p": 0.5, "truncation": "auto", "user": "u", "background": true,
		"text": object{"format": object{"type": "text"}, "verbosity": "high"},
	}
	sent := make(object, len(request))
	maps.Copy(sent, request)
	response := create(t, sim, sent)
	for key, want := range request {
		if diff := cmp.Diff(want, response[key]); diff != "" {
			t.Errorf("%s (-sent +repeated):\n%s", key, diff)
		}
	}
	if response["model"] != "gpt-4.1-2025-04-14" {
		t.Errorf("model = %v, want the dated snapshot", response["model"])
	}
}

func TestAnswersCarryOpenAIsHeaders(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	seen := make(map[string]bool)
	for _, path := range []string{"/v1/models", "/v1/responses/resp_x", "/v1/nowhere", "/_sim/ledger"} {
		got := call(t, sim, "GET", path, nil)
		id := got.header.Get("X-Request-Id")
		if !regexp.MustCompile(`^req_[0-9a-f]{32}$`).MatchString(id) || seen[id] {
			t.Errorf("%s: x-request-id = %q", path, id)
		}
		seen[id] = true
		if _, err := strconv.Atoi(got.header.Get("Openai-Processing-Ms")); err != nil {
			t.Errorf("%s: openai-processing-ms: %v", path, err)
		}
		if got.header.Get("Openai-Version") != "2020-10-01" || got.header.Get("Openai-Organization") == "" {
			t.Errorf("%s: headers = %v", path, got.header)
		}
	}
}

func TestPollAfterIsSentUntilTheEnd(t *testing.T) {
	sim := newSimulator(t, simulator.Config{PollAfter: 1500_000_000})
	for fault, want := range map[string]string{"never_ends": "1500", "running=0s": ""} {
		id := text(t, create(t, sim, object{"background": true, "metadata": object{"simulator_fault": fault}})["id"])
		if got := call(t, sim, "GET", "/v1/responses/"+id, nil).header.Get("Openai-Poll-After-Ms"); got != want {
			t.Errorf("%s: openai-poll-after-ms = %q, want %q", fault, got, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	id := text(t, create(t, sim, object{})["id"])
	for _, tt := range []struct {
		method, path string
		status       int
		message      string
	}{
		{"GET", "/v1/responses/" + id, 200, ""},
		{"GET", "/responses/" + id, 200, ""},
		{"GET", "/models", 200, ""},
		{"GET", "/v1/models/gpt-4.1", 200, ""},
		{"GET", "/v1/models/gpt-4.1-2025-04-14", 200, ""},
		{"GET", "/v1/models/gpt-0", 404, "The model 'gpt-0' does not exist"},
		{"GET", "/v1/x", 404, "Invalid URL (GET /v1/x)"},
		{"GET", "/v1/responses", 404, "Invalid URL (GET /v1/responses)"},
		{"PUT", "/v1/responses/" + id, 404, "Invalid URL (PUT /v1/responses/" + id + ")"},
		{"POST", "/v1/responses/" + id + "/pause", 404, "Invalid URL (POST /v1/responses/" + id + "/pause)"},
		{"POST", "/v1/models", 404, "Invalid URL (POST /v1/models)"},
		{"GET", "/v1/responses/resp_x", 404, "Response with id 'resp_x' not found."},
		{"GET", "/_sim/healthz", 200, ""},
		{"GET", "/_sim/nothing", 404, "Invalid URL (GET /_sim/nothing)"},
	} {
		got := call(t, sim, tt.method, tt.path, nil)
		message, _ := at(got.body, "error", "message").(string)
		if got.status != tt.status || message != tt.message {
			t.Errorf("%s %s = %d %s", tt.method, tt.path, got.status, got.raw)
		}
		if tt.status == 404 && at(got.body, "error", "type") != "invalid_request_error" {
			t.Errorf("%s %s: type = %v", tt.method, tt.path, at(got.body, "error", "type"))
		}
	}
}

func TestKeys(t *testing.T) {
	sim := newSimulator(t, simulator.Config{APIKeys: []string{"sk-first-key-0001", "sk-other"}})
	const wrong = "Incorrect API key provided: sk-w*********0003. You can find your API key at https://platform.openai.com/account/api-keys."
	for _, tt := range []struct {
		authorization string
		status        int
		code          any
		message       string
	}{
		{"Bearer sk-first-key-0001", 200, nil, ""},
		{"Bearer sk-other", 200, nil, ""},
		{"Bearer sk-wrong-key-0003", 401, "invalid_api_key", wrong},
		{"Bearer short", 401, "invalid_api_key", "Incorrect API key provided: *****. You can find your API key at https://platform.openai.com/account/api-keys."},
		{"Bearer ", 401, nil, "Missing bearer or basic authentication in header"},
		{"", 401, nil, "Missing bearer or basic authentication in header"},
	} {
		got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi."}, "Authorization: "+tt.authorization)
		message, _ := at(got.body, "error", "message").(string)
		if got.status != tt.status || at(got.body, "error", "code") != tt.code || tt.status != 200 && message != tt.message {
			t.Errorf("%q = %d %s", tt.authorization, got.status, got.raw)
		}
	}
	if got := sim.Ledger().Totals; got.CreatesAccepted != 2 || got.CreatesRefused != 4 {
		t.Errorf("totals = %+v", got)
	}
}

func TestInputItems(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	var input []object
	for i := range 25 {
		input = append(input, object{"role": "user", "content": strconv.Itoa(i)})
	}
	id := text(t, create(t, sim, object{"input": input})["id"])
	list := func(query string) (texts string, page object) {
		got := call(t, sim, "GET", "/v1/responses/"+id+"/input_items"+query, nil)
		if got.status != http.StatusOK {
			t.Fatalf("list %s = %d %s", query, got.status, got.raw)
		}
		var out []string
		for _, item := range asObjects(got.body["data"]) {
			out = append(out, text(t, at(item, "content", 0, "text")))
		}
		return strings.Join(out, " "), got.body
	}
	newest, page := list("?limit=3")
	if newest != "24 23 22" || page["has_more"] != true {
		t.Errorf("first page = %s, has_more %v, want the newest three", newest, page["has_more"])
	}
	if page["first_id"] != at(page, "data", 0, "id") || page["last_id"] != at(page, "data", 2, "id") {
		t.Errorf("first_id = %v, last_id = %v", page["first_id"], page["last_id"])
	}
	if next, _ := list("?limit=3&after=" + text(t, page["last_id"])); next != "21 20 19" {
		t.Errorf("second page = %s", next)
	}
	oldest, page := list("?limit=24&order=asc")
	if !strings.HasPrefix(oldest, "0 1 2 ") || page["has_more"] != true {
		t.Errorf("oldest first = %s", oldest)
	}
	if last, page := list("?order=asc&after=" + text(t, page["last_id"])); last != "24" || page["has_more"] != false {
		t.Errorf("last page = %s, has_more %v", last, page["has_more"])
	}
	if unlimited, _ := list(""); len(strings.Fields(unlimited)) != 20 {
		t.Errorf("page without a limit = %s, want 20 items", unlimited)
	}
	for _, query := range []string{"?limit=0", "?limit=101", "?limit=x", "?order=up", "?after=msg_x"} {
		if got := call(t, sim, "GET", "/v1/responses/"+id+"/input_items"+query, nil); got.status != http.StatusBadRequest {
			t.Errorf("list %s = %d %s", query, got.status, got.raw)
		}
	}
}

func TestLongInputsAreListedShortened(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	long := strings.Repeat("word ", 20_000)
	id := text(t, create(t, sim, object{"input": []object{{"role": "user", "content": long}, {"role": "user", "content": "short"}}})["id"])
	got := call(t, sim, "GET", "/v1/responses/"+id+"/input_items?order=asc", nil)
	first, second := text(t, at(got.body, "data", 0, "content", 0, "text")), text(t, at(got.body, "data", 1, "content", 0, "text"))
	if second != "short" || len(first) > 16<<10 || !strings.HasSuffix(first, "...") || !strings.HasPrefix(long, strings.TrimSuffix(first, "...")) {
		t.Errorf("items of %d and %d bytes: %s", len(first), len(second), clipped(first))
	}
}

func clipped(s string) string { return s[:min(len(s), 100)] }

func TestPreviousResponsesAreBilledAgain(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	long := strings.Repeat("The river rises in the mountains and flows to the sea. ", 200)
	first := create(t, sim, object{"input": long})
	second := create(t, sim, object{"input": "Go on.", "previous_response_id": first["id"]})
	if second["previous_response_id"] != first["id"] {
		t.Errorf("previous_response_id = %v", second["previous_response_id"])
	}
	alone := number(t, at(create(t, sim, object{"input": "Go on."}), "usage", "input_tokens"))
	total := number(t, at(first, "usage", "total_tokens"))
	if got, want := number(t, at(second, "usage", "input_tokens")), total+alone; got != want {
		t.Errorf("input tokens = %v, want %v of the first response and %v more", got, total, alone)
	}
	cached := number(t, at(second, "usage", "input_tokens_details", "cached_tokens"))
	if cached == 0 || cached > total || int(cached)%128 != 0 {
		t.Errorf("cached tokens = %v", cached)
	}
	running := create(t, sim, object{"background": true, "metadata": object{"simulator_fault": "never_ends"}})
	unstored := create(t, sim, object{"background": true, "store": false})
	deleted, expired := create(t, sim, object{}), create(t, sim, object{})
	call(t, sim, "DELETE", "/v1/responses/"+text(t, deleted["id"]), nil)
	if got := call(t, sim, "DELETE", "/_sim/responses/"+text(t, expired["id"]), nil); got.status != http.StatusNoContent {
		t.Errorf("forgetting a response = %d %s", got.status, got.raw)
	}
	for _, tt := range []struct{ id, code any }{
		{running["id"], nil},
		{unstored["id"], "previous_response_not_found"},
		{deleted["id"], "previous_response_not_found"},
		{expired["id"], "previous_response_not_found"},
	} {
		got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Go on.", "previous_response_id": tt.id})
		if got.status != http.StatusBadRequest || at(got.body, "error", "param") != "previous_response_id" || at(got.body, "error", "code") != tt.code {
			t.Errorf("continuing %v = %d %s", tt.id, got.status, got.raw)
		}
	}
}

func TestTruncationMakesRoom(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	response := create(t, sim, object{"model": "gpt-4o", "truncation": "auto", "input": strings.Repeat("word ", 200_000)})
	if got := number(t, at(response, "usage", "input_tokens")); got != 128_000 {
		t.Errorf("input tokens = %v, want the whole context of 128000", got)
	}
}

func TestMaxOutputTokensCutsTheAnswer(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	whole := outputText(t, create(t, sim, object{"input": readArticle(t)}))
	cut := create(t, sim, object{"input": readArticle(t), "max_output_tokens": 20})
	if cut["status"] != "incomplete" || at(cut, "incomplete_details", "reason") != "max_output_tokens" || cut["completed_at"] != nil {
		t.Errorf("status = %v, details %v, completed_at %v", cut["status"], cut["incomplete_details"], cut["completed_at"])
	}
	if got := outputText(t, cut); len(got) != 80 || !strings.HasPrefix(whole, got) {
		t.Errorf("partial answer = %q", got)
	}
	if got := number(t, at(cut, "usage", "output_tokens")); got != 20 {
		t.Errorf("output tokens = %v, want 20", got)
	}
	thinking := create(t, sim, object{"model": "gpt-5", "max_output_tokens": 100})
	if items, _ := thinking["output"].([]any); len(items) != 1 || at(items[0], "type") != "reasoning" || thinking["status"] != "incomplete" {
		t.Errorf("a response that spent all tokens on reasoning = %v", thinking)
	}
}

func TestCountTokens(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	request := object{"model": "gpt-4.1", "input": "Say hello to everyone.", "instructions": "Be brief."}
	got := call(t, sim, "POST", "/v1/responses/input_tokens", request)
	want := at(create(t, sim, request), "usage", "input_tokens")
	if got.status != 200 || got.body["object"] != "response.input_tokens" || got.body["input_tokens"] != want {
		t.Errorf("count = %s, a create used %v", got.raw, want)
	}
	if got := sim.Ledger().Totals.CreatesAccepted; got != 1 {
		t.Errorf("%d creates, want counting to be none", got)
	}
	if got := call(t, sim, "POST", "/v1/responses/input_tokens", object{"model": "gpt-4.1"}); got.status != http.StatusBadRequest {
		t.Errorf("count of nothing = %d", got.status)
	}
}

func TestNothingOfARequestIsLogged(t *testing.T) {
	const canary = "CANARY"
	var log bytes.Buffer
	sim := newSimulator(t, simulator.Config{Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for _, body := range []any{
		object{"model": "gpt-4.1", "input": canary, "instructions": canary, "metadata": object{"k": canary}},
		object{"model": canary, "input": "Hi."},
		object{"model": "gpt-4.1", "input": "Hi.", canary: 1},
		`{"` + canary,
	} {
		call(t, sim, "POST", "/v1/responses", body, "Authorization: Bearer "+canary)
		call(t, sim, "GET", "/v1/responses/"+canary, nil)
	}
	if log.Len() == 0 {
		t.Error("nothing was logged at all")
	}
	if strings.Contains(log.String(), canary) {
		t.Errorf("the log holds what was sent: %s", log.String())
	}
}

func TestModelsDiffer(t *testing.T) {
	for _, tt := range []struct {
		model, effort string
		snapshot      string
		repeated      any // reasoning.effort of the response
		thought       float64
	}{
		{"gpt-4.1", "", "gpt-4.1-2025-04-14", nil, 0},
		{"gpt-4.1-2025-04-14", "", "gpt-4.1-2025-04-14", nil, 0},
		{"gpt-4o-mini", "", "gpt-4o-mini-2024-07-18", nil, 0},
		{"o3", "", "o3-2025-04-16", "medium", 192},
		{"o3", "low", "o3-2025-04-16", "low", 64},
		{"gpt-5", "minimal", "gpt-5-2025-08-07", "minimal", 0},
		{"gpt-5.1", "", "gpt-5.1-2025-11-13", "none", 0},
		{"gpt-5.6-sol", "xhigh", "gpt-5.6-sol", "xhigh", 1152},
		{"gpt-6-astra", "max", "gpt-6-astra", "max", 2304},
	} {
		sim := newSimulator(t, simulator.Config{})
		request := object{"model": tt.model}
		if tt.effort != "" {
			request["reasoning"] = object{"effort": tt.effort}
		}
		got := create(t, sim, request)
		thought := at(got, "usage", "output_tokens_details", "reasoning_tokens")
		if got["model"] != tt.snapshot || at(got, "reasoning", "effort") != tt.repeated || thought != tt.thought {
			t.Errorf("%s %s: model %v, effort %v, %v reasoning tokens", tt.model, tt.effort, got["model"], at(got, "reasoning", "effort"), thought)
		}
	}
}

func TestServiceTierIsTheOneThatServed(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	for asked, want := range map[string]string{"auto": "default", "default": "default", "flex": "flex", "fast": "priority", "priority": "priority"} {
		if got := create(t, sim, object{"service_tier": asked})["service_tier"]; got != want {
			t.Errorf("service_tier %s is served as %v, want %s", asked, got, want)
		}
	}
}
