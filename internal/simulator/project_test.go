package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// projects are two projects with a key each, and one key of neither.
func projects() simulator.Config {
	return simulator.Config{
		Running: time.Hour,
		APIKeys: []string{"user-key"},
		Projects: []simulator.Project{
			{ID: "proj_a", APIKeys: []string{"key-a", "key-a2"}},
			{ID: "proj_b", APIKeys: []string{"key-b"}},
		},
	}
}

func TestResponsesAreSeenByTheirProjectOnly(t *testing.T) {
	spec := loadSpec(t)
	sim := newSimulator(t, projects())
	id := text(t, create(t, sim, object{"background": true}, "Authorization: Bearer key-a")["id"])
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"its own key", []string{"Authorization: Bearer key-a"}, 200},
		{"another key of the project", []string{"Authorization: Bearer key-a2"}, 200},
		{"its own key, naming the project", []string{"Authorization: Bearer key-a", "OpenAI-Project: proj_a"}, 200},
		{"a key of no project, naming this one", []string{"Authorization: Bearer user-key", "OpenAI-Project: proj_a"}, 200},
		{"a key of another project", []string{"Authorization: Bearer key-b"}, 404},
		{"a key of no project", []string{"Authorization: Bearer user-key"}, 404},
		{"a key of no project, naming another one", []string{"Authorization: Bearer user-key", "OpenAI-Project: proj_b"}, 404},
		{"its own key, naming another project", []string{"Authorization: Bearer key-a", "OpenAI-Project: proj_b"}, 401},
		{"a key of no project, naming one that is unknown", []string{"Authorization: Bearer user-key", "OpenAI-Project: proj_c"}, 401},
		{"an unknown key", []string{"Authorization: Bearer key-c"}, 401},
	} {
		for _, request := range []struct{ method, path string }{
			{"GET", "/v1/responses/" + id},
			{"GET", "/v1/responses/" + id + "/input_items"},
		} {
			got := call(t, sim, request.method, request.path, nil, tt.headers...)
			if got.status != tt.status {
				t.Errorf("%s: %s %s = %d %s, want %d", tt.name, request.method, request.path, got.status, got.raw, tt.status)
			}
			if tt.status == 404 && at(got.body, "error", "message") != "Response with id '"+id+"' not found." {
				t.Errorf("%s: %s", tt.name, got.raw)
			}
			if tt.status >= 400 {
				if err := spec.checkSchema("ErrorResponse", []byte(got.raw)); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
		}
	}
	// Neither stops nor deletes what it does not see.
	for _, request := range []struct{ method, path string }{{"POST", "/v1/responses/" + id + "/cancel"}, {"DELETE", "/v1/responses/" + id}} {
		if got := call(t, sim, request.method, request.path, nil, "Authorization: Bearer key-b"); got.status != 404 {
			t.Errorf("%s by another project = %d", request.method, got.status)
		}
	}
	if got := call(t, sim, "GET", "/v1/responses/"+id, nil, "Authorization: Bearer key-a"); got.body["status"] != "in_progress" {
		t.Errorf("response after another project tried to end it: %s", got.raw)
	}
	if got := sim.Ledger().Entries[0]; got.Project != "proj_a" || got.Cancels != 0 || got.Deleted {
		t.Errorf("entry = %+v", got)
	}
}

func TestOnlyTheProjectContinuesAResponse(t *testing.T) {
	config := projects()
	config.Running = 0
	sim := newSimulator(t, config)
	id := text(t, create(t, sim, object{}, "Authorization: Bearer key-a")["id"])
	next := object{"model": "gpt-4.1", "input": "Go on.", "previous_response_id": id}
	if got := call(t, sim, "POST", "/v1/responses", next, "Authorization: Bearer key-a2"); got.status != 200 {
		t.Errorf("create that continues it = %d %s", got.status, got.raw)
	}
	got := call(t, sim, "POST", "/v1/responses", next, "Authorization: Bearer key-b")
	if got.status != 400 || at(got.body, "error", "code") != "previous_response_not_found" {
		t.Errorf("create of another project that continues it = %d %s", got.status, got.raw)
	}
}

func TestProjectsHaveLimitsOfTheirOwn(t *testing.T) {
	config := projects()
	config.RequestsPerMinute = 1
	sim := newSimulator(t, config)
	request := object{"model": "gpt-4.1", "input": "Hi."}
	for i, want := range []int{200, 429} {
		for _, key := range []string{"key-a", "key-b"} {
			request["background"] = true
			if got := call(t, sim, "POST", "/v1/responses", request, "Authorization: Bearer "+key); got.status != want {
				t.Errorf("create %d with %s = %d, want %d", i+1, key, got.status, want)
			}
		}
	}
}

func TestWithoutKeysAndProjectsEveryKeySeesAll(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	id := text(t, create(t, sim, object{}, "Authorization: Bearer one")["id"])
	got := call(t, sim, "GET", "/v1/responses/"+id, nil, "Authorization: Bearer another", "OpenAI-Project: proj_x")
	if got.status != http.StatusOK {
		t.Errorf("get with another key = %d %s", got.status, got.raw)
	}
}

func TestProjectsChangeWhileServing(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	const config = `{"projects":[{"id":"proj_a","api_keys":["sk-proj-a-0001"]}]}`
	if got := call(t, sim, "PUT", "/_sim/config", config); got.status != 200 || strings.Contains(got.raw, "sk-proj-a-0001") {
		t.Errorf("PUT = %d %s", got.status, got.raw)
	}
	if got := call(t, sim, "GET", "/v1/models", nil); got.status != 401 {
		t.Errorf("request with a key of no project = %d", got.status)
	}
	if got := call(t, sim, "GET", "/v1/models", nil, "Authorization: Bearer sk-proj-a-0001"); got.status != 200 {
		t.Errorf("request with the project's key = %d", got.status)
	}
	for body, want := range map[string]string{
		`{"projects":[{"api_keys":["a"]}]}`:                                      "projects[0].id: is empty",
		`{"projects":[{"id":"a"},{"id":"a"}]}`:                                   "projects[1].id: ",
		`{"projects":[{"id":"a","api_keys":[""]}]}`:                              "projects[0].api_keys[0]: is empty",
		`{"projects":[{"id":"a","api_keys":["k"]},{"id":"b","api_keys":["k"]}]}`: "projects[1].api_keys[0]: belongs to a already",
		`{"api_keys":["k"],"projects":[{"id":"a","api_keys":["k"]}]}`:            "projects[0].api_keys[0]: belongs to no project already",
	} {
		if got := call(t, sim, "PUT", "/_sim/config", body); got.status != 400 || !strings.Contains(got.raw, want) {
			t.Errorf("PUT %s = %d %s, want one that says %q", body, got.status, got.raw, want)
		}
	}
}
