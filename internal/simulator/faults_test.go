package simulator_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// setFaults installs rules that have to be valid.
func setFaults(tb testing.TB, sim *simulator.Simulator, rules ...simulator.FaultRule) {
	tb.Helper()
	if err := sim.SetFaults(simulator.FaultPlan{Seed: 1, Rules: rules}); err != nil {
		tb.Fatalf("SetFaults: %v", err)
	}
}

func TestFaultyAnswers(t *testing.T) {
	tests := []struct {
		name   string
		action simulator.FaultAction
		status int
		kind   string // content type
		body   string // part of the body
	}{
		{"server error", simulator.FaultAction{Status: 500}, 500, "application/json", `"type":"server_error"`},
		{"overloaded", simulator.FaultAction{Status: 503}, 503, "application/json", "overloaded"},
		{"rate limit", simulator.FaultAction{Status: 429}, 429, "application/json", `"code":"rate_limit_exceeded"`},
		{"quota", simulator.FaultAction{Status: 429, Code: "insufficient_quota"}, 429, "application/json", "You exceeded your current quota"},
		{"key", simulator.FaultAction{Status: 401}, 401, "application/json", `"code":"invalid_api_key"`},
		{"own words", simulator.FaultAction{Status: 400, Type: "t", Code: "c", Param: "p", Message: "m"}, 400, "application/json", `{"error":{"message":"m","type":"t","param":"p","code":"c"}}`},
		{"text", simulator.FaultAction{Status: 502, Body: "text"}, 502, "application/json", `{"error":"Bad Gateway"}`},
		{"html", simulator.FaultAction{Status: 502, Body: "html"}, 502, "text/html", "<html>"},
		{"empty", simulator.FaultAction{Status: 500, Body: "empty"}, 500, "application/json", ""},
		{"empty object", simulator.FaultAction{Status: 200, Body: "object"}, 200, "application/json", "{}"},
		{"cut error", simulator.FaultAction{Status: 500, Body: "cut"}, 500, "application/json", `{"error":{"message"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			id := text(t, create(t, sim, object{"background": true})["id"])
			for _, request := range []struct{ op, method, path string }{
				{"create", "POST", "/v1/responses"},
				{"get", "GET", "/v1/responses/" + id},
				{"cancel", "POST", "/v1/responses/" + id + "/cancel"},
				{"delete", "DELETE", "/v1/responses/" + id},
			} {
				setFaults(t, sim, simulator.FaultRule{Match: simulator.FaultMatch{Op: request.op}, Action: tt.action})
				got := call(t, sim, request.method, request.path, object{"model": "gpt-4.1", "input": "Hi."})
				if got.status != tt.status || got.header.Get("Content-Type") != tt.kind || !strings.Contains(got.raw, tt.body) {
					t.Errorf("%s = %d %s %s", request.op, got.status, got.header.Get("Content-Type"), got.raw)
				}
			}
			if got := sim.Ledger().Totals; got.CreatesAccepted != 1 || got.CreatesRefused != 1 || got.Deletes != 0 || got.Cancels != 0 {
				t.Errorf("totals = %+v, want nothing done but the first create", got)
			}
		})
	}
}

func TestAcceptedWorkWhoseAnswerIsLost(t *testing.T) {
	for name, action := range map[string]simulator.FaultAction{
		"error":      {Status: 502, Accept: true},
		"reset":      {Reset: "after"},
		"late error": {Status: 504, Accept: true, Delay: simulator.Duration(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Config{Running: time.Second})
				setFaults(t, sim, simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: action})
				func() {
					defer func() { _ = recover() }() // a reset aborts the handler where there is no connection
					call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "background": true})
				}()
				time.Sleep(time.Second)
				ledger := sim.Ledger()
				if got := ledger.Totals; got.CreatesAccepted != 1 || got.AnswersLost != 1 || got.CreatesRefused != 0 {
					t.Fatalf("totals = %+v", got)
				}
				if entry := ledger.Entries[0]; !entry.AnswerLost || entry.Status != simulator.StatusCompleted || entry.OutputTokens == 0 {
					t.Errorf("entry = %+v, want one that ran to its end", entry)
				}
			})
		})
	}
}

func TestRulesFire(t *testing.T) {
	teapot := simulator.FaultAction{Status: 418}
	tests := []struct {
		name  string
		rules []simulator.FaultRule
		want  string // x for each create out of ten that met the fault
	}{
		{"always", []simulator.FaultRule{{Action: teapot}}, "xxxxxxxxxx"},
		{"first", []simulator.FaultRule{{Match: simulator.FaultMatch{First: 3}, Action: teapot}}, "xxx......."},
		{"every", []simulator.FaultRule{{Match: simulator.FaultMatch{Every: 4}, Action: teapot}}, "...x...x.."},
		{"metadata", []simulator.FaultRule{{Match: simulator.FaultMatch{Metadata: map[string]string{"parity": "odd"}}, Action: teapot}}, ".x.x.x.x.x"},
		{"attempt", []simulator.FaultRule{{Match: simulator.FaultMatch{Attempt: 7}, Action: teapot}}, ".......x.."},
		{"another operation", []simulator.FaultRule{{Match: simulator.FaultMatch{Op: "get"}, Action: teapot}}, ".........."},
		{"the next rule when one does not fire", []simulator.FaultRule{
			{Match: simulator.FaultMatch{First: 1}, Action: teapot},
			{Match: simulator.FaultMatch{Every: 3}, Action: teapot},
		}, "x..x..x..x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			setFaults(t, sim, tt.rules...)
			if got := tenCreates(t, sim); got != tt.want {
				t.Errorf("faults = %s, want %s", got, tt.want)
			}
		})
	}
}

// tenCreates sends ten creates and marks those that were refused.
func tenCreates(tb testing.TB, sim *simulator.Simulator) string {
	tb.Helper()
	out := make([]byte, 10)
	for i := range out {
		got := call(tb, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "metadata": object{
			"parity": []string{"even", "odd"}[i%2], "longhaul_attempt": string(rune('0' + i)),
		}})
		out[i] = '.'
		if got.status != http.StatusOK {
			out[i] = 'x'
		}
	}
	return string(out)
}

func TestProbabilityIsDeterministic(t *testing.T) {
	run := func(seed uint64) string {
		sim := newSimulator(t, simulator.Config{})
		if err := sim.SetFaults(simulator.FaultPlan{Seed: seed, Rules: []simulator.FaultRule{
			{Match: simulator.FaultMatch{Probability: 0.5}, Action: simulator.FaultAction{Status: 500}},
		}}); err != nil {
			t.Fatal(err)
		}
		return tenCreates(t, sim) + tenCreates(t, sim) + tenCreates(t, sim)
	}
	first, again, other := run(1), run(1), run(2)
	if first != again {
		t.Errorf("the same seed gave %s and %s", first, again)
	}
	if first == other {
		t.Errorf("two seeds gave the same %s", first)
	}
	if n := strings.Count(first, "x"); n < 8 || n > 22 {
		t.Errorf("%d of 30 creates met a fault of probability 0.5", n)
	}
}

func TestFaultsThatShapeTheLife(t *testing.T) {
	second := simulator.Duration(time.Second)
	tests := []struct {
		name   string
		action simulator.FaultAction
		want   []string // status, or 404, of gets at 0s, 2s, 4s, 6s and 8s
	}{
		{"none", simulator.FaultAction{Headers: map[string]string{"X-None": "1"}}, []string{"queued", "queued", "in_progress", "in_progress", "completed"}},
		{"never ends", simulator.FaultAction{NeverEnds: true}, []string{"queued", "queued", "in_progress", "in_progress", "in_progress"}},
		{"fails", simulator.FaultAction{Fail: &simulator.FaultFailure{Code: "server_error"}}, []string{"queued", "queued", "in_progress", "in_progress", "failed"}},
		{"other durations", simulator.FaultAction{Queued: new(simulator.Duration), Running: &second}, []string{"in_progress", "completed", "completed", "completed", "completed"}},
		{"stale for some gets", simulator.FaultAction{Stale: &simulator.FaultWindow{Gets: 4}}, []string{"queued", "queued", "queued", "queued", "completed"}},
		{"stale for some time", simulator.FaultAction{Stale: &simulator.FaultWindow{For: 5 * second}}, []string{"queued", "queued", "queued", "in_progress", "completed"}},
		{"missing for some gets", simulator.FaultAction{Missing: &simulator.FaultWindow{Gets: 2}}, []string{"404", "404", "in_progress", "in_progress", "completed"}},
		{"missing for some time", simulator.FaultAction{Missing: &simulator.FaultWindow{For: second}}, []string{"404", "queued", "in_progress", "in_progress", "completed"}},
		{"ignores background", simulator.FaultAction{IgnoreBackground: true}, []string{"completed", "completed", "completed", "completed", "completed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Config{Queued: 3 * time.Second, Running: 4 * time.Second})
				setFaults(t, sim, simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: tt.action})
				id := text(t, create(t, sim, object{"background": true})["id"])
				var got []string
				for range 5 {
					a := call(t, sim, "GET", "/v1/responses/"+id, nil)
					status, _ := a.body["status"].(string)
					if a.status == http.StatusNotFound {
						status = "404"
					}
					got = append(got, status)
					time.Sleep(2 * time.Second)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestFailedResponseCarriesItsError(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	got := create(t, sim, object{"background": true, "metadata": object{"simulator_fault": "fail=insufficient_quota"}})
	if at(got, "error", "code") != "insufficient_quota" || !strings.Contains(text(t, at(got, "error", "message")), "current quota") {
		t.Errorf("error = %v", got["error"])
	}
	if output, ok := got["output"].([]any); !ok || len(output) != 0 || got["usage"] != nil || got["completed_at"] != nil {
		t.Errorf("failed response has output %v, usage %v, completed_at %v", output, got["usage"], got["completed_at"])
	}
}

func TestFaultsOfOneRequest(t *testing.T) {
	t.Run("header", func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		request := object{"model": "gpt-4.1", "input": "Hi."}
		got := call(t, sim, "POST", "/v1/responses", request, "X-Simulator-Fault: status=429,header.Retry-After=7")
		if got.status != 429 || got.header.Get("Retry-After") != "7" {
			t.Errorf("create = %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
		got = call(t, sim, "POST", "/v1/responses", request, `X-Simulator-Fault: {"action":{"status":503,"body":"html"}}`)
		if got.status != 503 || !strings.HasPrefix(got.raw, "<html>") {
			t.Errorf("create = %d %s", got.status, got.raw)
		}
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != 200 {
			t.Errorf("create without the header = %d", got.status)
		}
	})
	t.Run("metadata of a create", func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		metadata := object{"simulator_fault": "attempt=1,status=500", "longhaul_attempt": "1"}
		request := object{"model": "gpt-4.1", "input": "Hi.", "metadata": metadata}
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != 500 {
			t.Errorf("first attempt = %d", got.status)
		}
		metadata["longhaul_attempt"] = "2"
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != 200 {
			t.Errorf("second attempt = %d", got.status)
		}
	})
	t.Run("metadata about later retrievals", func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		id := text(t, create(t, sim, object{"background": true, "metadata": object{"simulator_fault": "op=get,first=2,status=500"}})["id"])
		var got []int
		for range 3 {
			got = append(got, call(t, sim, "GET", "/v1/responses/"+id, nil).status)
		}
		if diff := cmp.Diff([]int{500, 500, 200}, got); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
	t.Run("spoilt body", func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi."}, "X-Simulator-Fault: body=cut")
		if got.status != 200 || got.body != nil || !strings.HasPrefix(got.raw, `{"id":"resp_`) {
			t.Errorf("create = %d %s", got.status, got.raw)
		}
		if got := sim.Ledger().Totals.CreatesAccepted; got != 1 {
			t.Errorf("%d creates accepted, want 1", got)
		}
	})
	t.Run("stream that is cut", func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		got := call(t, sim, "POST", "/v1/responses", object{
			"model": "gpt-4.1", "input": "Hi.", "stream": true, "background": true, "metadata": object{"simulator_fault": "stream_cut=5"},
		})
		if events := parseSSE(t, got, 0); len(events) != 5 {
			t.Errorf("%d events, want 5", len(events))
		}
	})
	t.Run("stream that falls silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			ctx, leave := context.WithTimeout(t.Context(), time.Hour)
			defer leave()
			body := `{"model":"gpt-4.1","input":"Hi.","stream":true,"background":true,"metadata":{"simulator_fault":"stream_stall=4"}}`
			r := httptest.NewRequestWithContext(ctx, "POST", "/v1/responses", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer k")
			w := httptest.NewRecorder()
			began := time.Now()
			sim.ServeHTTP(w, r)
			if n := strings.Count(w.Body.String(), "data: "); n != 4 || time.Since(began) != time.Hour {
				t.Errorf("%d events in %s, want 4 in an hour, when the client had enough", n, time.Since(began))
			}
			if got := sim.Ledger().Entries[0].Status; got != simulator.StatusCompleted {
				t.Errorf("the response is %s", got)
			}
		})
	})
	t.Run("stream that is refused", func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		created := parseSSE(t, call(t, sim, "POST", "/v1/responses", object{
			"model": "gpt-4.1", "input": "Hi.", "stream": true, "background": true, "metadata": object{"simulator_fault": "stream_refuse"},
		}), 0)
		id := text(t, at(created[0].data, "response", "id"))
		if got := call(t, sim, "GET", "/v1/responses/"+id+"?stream=true", nil); got.status != 400 || !strings.Contains(got.raw, "more than 5 minutes old") {
			t.Errorf("stream = %d %s", got.status, got.raw)
		}
		if got := call(t, sim, "GET", "/v1/responses/"+id, nil); got.status != 200 {
			t.Errorf("look = %d %s", got.status, got.raw)
		}
	})
}

func TestInvalidFaultsAreRefused(t *testing.T) {
	rule := func(m simulator.FaultMatch, a simulator.FaultAction) simulator.FaultPlan {
		return simulator.FaultPlan{Rules: []simulator.FaultRule{{Match: m, Action: a}}}
	}
	ok := simulator.FaultAction{Status: 500}
	for _, tt := range []struct {
		plan simulator.FaultPlan
		want string
	}{
		{rule(simulator.FaultMatch{Op: "list"}, ok), "rules[0].match.op"},
		{rule(simulator.FaultMatch{Probability: 2}, ok), "rules[0].match.probability"},
		{rule(simulator.FaultMatch{Every: -1}, ok), "rules[0].match.every"},
		{rule(simulator.FaultMatch{First: 1, Every: 2}, ok), "rules[0].match: at most one"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{}), "rules[0].action: is empty"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Status: 42}), "rules[0].action.status"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Body: "xml"}), "rules[0].action.body"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Reset: "now"}), "rules[0].action.reset"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Delay: -1}), "rules[0].action.delay"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Fail: &simulator.FaultFailure{}}), "rules[0].action.fail.code"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Stale: &simulator.FaultWindow{}}), "rules[0].action.stale"},
		{rule(simulator.FaultMatch{Op: "get"}, simulator.FaultAction{NeverEnds: true}), "need match.op create"},
		{rule(simulator.FaultMatch{Op: "get"}, simulator.FaultAction{StreamRefuse: true}), "need match.op create"},
		{rule(simulator.FaultMatch{Op: "create"}, simulator.FaultAction{StreamStall: -1}), "rules[0].action.stream_stall"},
		{rule(simulator.FaultMatch{Op: "get"}, simulator.FaultAction{Incomplete: "content_filter"}), "need match.op create"},
		{rule(simulator.FaultMatch{}, simulator.FaultAction{Incomplete: "boredom"}), "rules[0].action.incomplete: "},
		{rule(simulator.FaultMatch{Op: "create"}, simulator.FaultAction{Body: "stale"}), "rules[0].action.body: stale needs"},
		{rule(simulator.FaultMatch{Op: "get", ServiceTier: "flex"}, ok), "rules[0].match.service_tier: "},
	} {
		t.Run(tt.want, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			setFaults(t, sim, simulator.FaultRule{Action: simulator.FaultAction{Status: 418}})
			if err := sim.SetFaults(tt.plan); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("SetFaults = %v, want one that names %s", err, tt.want)
			}
			if got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi."}); got.status != 418 {
				t.Errorf("the old plan is gone: %d", got.status)
			}
		})
	}
	for _, header := range []string{"status=abc", "colour=blue", "status=42", `{"action":{"statsu":500}}`, "{}", "delay=soon"} {
		sim := newSimulator(t, simulator.Config{})
		got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi."}, "X-Simulator-Fault: "+header)
		if got.status != http.StatusBadRequest || at(got.body, "error", "param") != "X-Simulator-Fault" {
			t.Errorf("header %s = %d %s", header, got.status, got.raw)
		}
	}
}

func TestFaultPlanOverHTTP(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	plan := `{"seed":7,"rules":[{"name":"slow down","match":{"op":"create","first":1},"action":{"status":503,"headers":{"Retry-After":"900"},"delay":"1ms"}}]}`
	if got := call(t, sim, "PUT", "/_sim/faults", plan); got.status != 200 {
		t.Fatalf("PUT = %d %s", got.status, got.raw)
	}
	if got := tenCreates(t, sim); got != "x........." {
		t.Errorf("faults = %s", got)
	}
	shown := call(t, sim, "GET", "/_sim/faults", nil)
	if at(shown.body, "rules", 0, "action", "delay") != "1ms" || at(shown.body, "hits", 0) != 1.0 || shown.body["seed"] != 7.0 {
		t.Errorf("GET = %s", shown.raw)
	}
	for _, bad := range []string{`{"rules":[{"action":{"status":9}}]}`, `{"rulez":[]}`, `[]`, `{} {}`} {
		if got := call(t, sim, "PUT", "/_sim/faults", bad); got.status != 400 || at(got.body, "error", "code") != "invalid_fault_plan" {
			t.Errorf("PUT %s = %d %s", bad, got.status, got.raw)
		}
	}
	if got := call(t, sim, "DELETE", "/_sim/faults", nil); got.status != http.StatusNoContent {
		t.Errorf("DELETE = %d", got.status)
	}
	if got := tenCreates(t, sim); got != ".........." {
		t.Errorf("faults after DELETE = %s", got)
	}
}

func TestBrokenConnections(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	server := httptest.NewServer(sim)
	defer server.Close()
	post := func(ctx context.Context, fault string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/responses", strings.NewReader(`{"model":"gpt-4.1","input":"Hi."}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer k")
		r.Header.Set("X-Simulator-Fault", fault)
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	for _, tt := range []struct {
		fault    string
		accepted int
	}{{"reset=before", 0}, {"reset=after", 1}} {
		sim.ResetLedger()
		if err := post(t.Context(), tt.fault); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v, want a reset connection", tt.fault, err)
		}
		if got := sim.Ledger().Totals; got.CreatesAccepted != tt.accepted || got.AnswersLost != tt.accepted || got.CreatesRefused != 1-tt.accepted {
			t.Errorf("%s: totals = %+v", tt.fault, got)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := post(ctx, "hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v, want the client's own deadline", err)
	}
	ended := make(chan error)
	go func() { ended <- post(t.Context(), "hang,accept") }()
	for sim.Ledger().Totals.AnswersLost < 2 {
		time.Sleep(time.Millisecond)
	}
	_ = sim.Close()
	if opErr := new(net.OpError); !errors.As(<-ended, &opErr) {
		t.Error("Close did not end a hang")
	}
}

func TestCancelAndDeleteWhoseAnswerIsLost(t *testing.T) {
	sim := newSimulator(t, simulator.Config{Running: time.Hour})
	id := text(t, create(t, sim, object{"background": true})["id"])
	if got := call(t, sim, "POST", "/v1/responses/"+id+"/cancel", nil, "X-Simulator-Fault: status=500,accept"); got.status != 500 {
		t.Errorf("cancel = %d", got.status)
	}
	if got := get(t, sim, id)["status"]; got != "cancelled" {
		t.Errorf("status after the lost cancel = %v", got)
	}
	if got := call(t, sim, "DELETE", "/v1/responses/"+id, nil, "X-Simulator-Fault: status=500,accept"); got.status != 500 {
		t.Errorf("delete = %d", got.status)
	}
	if got := call(t, sim, "GET", "/v1/responses/"+id, nil); got.status != http.StatusNotFound {
		t.Errorf("get after the lost delete = %d", got.status)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		for _, tt := range []struct{ method, path, fault string }{
			{"POST", "/v1/responses", "delay=7s"},
			{"POST", "/v1/responses", "delay=7s,accept"},
			{"POST", "/v1/responses", "delay=7s,status=503"},
			{"GET", "/v1/responses/resp_x", "delay=7s"},
		} {
			start := time.Now()
			call(t, sim, tt.method, tt.path, object{"model": "gpt-4.1", "input": "Hi."}, "X-Simulator-Fault: "+tt.fault)
			if took := time.Since(start); took != 7*time.Second {
				t.Errorf("%s %s with %s took %s", tt.method, tt.path, tt.fault, took)
			}
		}
	})
}

func TestDelaysDoNotShiftTheLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: 5 * time.Second})
		created := create(t, sim, object{"background": true}, "X-Simulator-Fault: delay=7s")
		if created["status"] != "in_progress" {
			t.Errorf("status after a create that was delayed = %v, want one that has just begun", created["status"])
		}
		got := call(t, sim, "GET", "/v1/responses/"+text(t, created["id"]), nil, "X-Simulator-Fault: delay=5s")
		if got.body["status"] != "completed" {
			t.Errorf("status after a retrieval that was delayed = %v, want the one at its end", got.body["status"])
		}
	})
}
