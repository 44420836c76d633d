package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// upload sends a file with the fields of its form.
func upload(tb testing.TB, handler http.Handler, name, content string, fields ...string) answer {
	tb.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		if err := w.WriteField(name, value); err != nil {
			tb.Fatal(err)
		}
	}
	if name != "" {
		part, err := w.CreateFormFile("file", name)
		if err == nil {
			_, err = part.Write([]byte(content))
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return call(tb, handler, http.MethodPost, "/v1/files", form.String(), "Content-Type: "+w.FormDataContentType())
}

// line is a request of a batch. Extra members of the body are given as JSON, with a comma before.
func line(id, extra string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/responses","body":{"model":"gpt-4.1","input":"Say hello to %s."%s}}`+"\n", id, id, extra)
}

// batchOf uploads the lines and makes a batch of them.
func batchOf(tb testing.TB, handler http.Handler, lines string, headers ...string) answer {
	tb.Helper()
	f := upload(tb, handler, "lines.jsonl", lines, "purpose=batch")
	if f.status != http.StatusOK {
		tb.Fatalf("upload = %d %s", f.status, f.raw)
	}
	return call(tb, handler, http.MethodPost, "/v1/batches", object{
		"input_file_id": f.body["id"], "endpoint": "/v1/responses", "completion_window": "24h", "metadata": object{"made_by": "test"},
	}, headers...)
}

func showBatch(tb testing.TB, handler http.Handler, id any) object {
	tb.Helper()
	a := call(tb, handler, http.MethodGet, "/v1/batches/"+text(tb, id), nil)
	if a.status != http.StatusOK {
		tb.Fatalf("get batch = %d %s", a.status, a.raw)
	}
	return a.body
}

// contents are the answers in a file of a batch, by their custom_id; none without a file.
func contents(tb testing.TB, handler http.Handler, id any) map[string]object {
	tb.Helper()
	answers := map[string]object{}
	if id == nil {
		return answers
	}
	a := call(tb, handler, http.MethodGet, "/v1/files/"+text(tb, id)+"/content", nil)
	if a.status != http.StatusOK {
		tb.Fatalf("content = %d %s", a.status, a.raw)
	}
	for raw := range strings.Lines(a.raw) {
		var one object
		if err := json.Unmarshal([]byte(raw), &one); err != nil {
			tb.Fatalf("%v in %s", err, raw)
		}
		answers[text(tb, one["custom_id"])] = one
	}
	return answers
}

func counts(b object) string {
	return fmt.Sprintf("%v %v/%v/%v", b["status"], at(b, "request_counts", "completed"), at(b, "request_counts", "failed"), at(b, "request_counts", "total"))
}

// A batch goes through its statuses, answers each line, and is in the ledger once for each.
func TestBatchIsCarriedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Queued: 4 * time.Second, Running: time.Second, Batch: 80 * time.Second})
		lines := line("a", `,"metadata":{"longhaul_job":"job_a"}`) + line("b", `,"temperature":9`) + line("c", "") + line("d", `,"max_output_tokens":16`)
		made := batchOf(t, sim, lines)
		id := made.body["id"]
		if got, want := counts(made.body), "validating 0/0/0"; got != want {
			t.Fatalf("made: %s, want %s: %s", got, want, made.raw)
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{3 * time.Second, "validating 0/0/0"},
			{2 * time.Second, "in_progress 0/0/4"},
			{36 * time.Second, "in_progress 1/0/4"},
			{15 * time.Second, "in_progress 1/1/4"},
			{29 * time.Second, "finalizing 3/1/4"},
			{4 * time.Second, "completed 3/1/4"},
		} {
			time.Sleep(step.after)
			if got := counts(showBatch(t, sim, id)); got != step.want {
				t.Errorf("%s later it is %s, want %s", step.after, got, step.want)
			}
		}
		b := showBatch(t, sim, id)
		answers := contents(t, sim, b["output_file_id"])
		if len(answers) != 3 || at(answers["a"], "response", "status_code") != 200.0 || answers["a"]["error"] != nil {
			t.Fatalf("answers: %v", answers)
		}
		if body, ok := at(answers["a"], "response", "body").(object); !ok || outputText(t, body) == "" || at(answers["a"], "response", "body", "background") != false {
			t.Errorf("the answer to a is %v", answers["a"])
		}
		if at(answers["d"], "response", "body", "status") != "incomplete" && at(answers["d"], "response", "body", "status") != "completed" {
			t.Errorf("the answer to d is %v", answers["d"])
		}
		refused := contents(t, sim, b["error_file_id"])
		if len(refused) != 1 || at(refused["b"], "response", "status_code") != 400.0 || at(refused["b"], "response", "body", "error", "param") != "temperature" {
			t.Errorf("refused: %v", refused)
		}
		ledger := sim.Ledger()
		if n := len(ledger.Entries); n != 3 || ledger.Entries[0].Metadata["longhaul_job"] != "job_a" {
			t.Errorf("the ledger has %d entries, want one for each line that was asked: %+v", n, ledger.Entries)
		}
		if got := number(t, at(b, "usage", "input_tokens")); int(got) != ledger.Totals.InputTokens || got == 0 {
			t.Errorf("the batch has used %v input tokens, the ledger %d", got, ledger.Totals.InputTokens)
		}
		if f := call(t, sim, http.MethodGet, "/v1/files/"+text(t, b["output_file_id"]), nil); f.body["purpose"] != "batch_output" {
			t.Errorf("the file of answers is %s", f.raw)
		}
	})
}

// What is wrong with its file fails a batch, and none of its lines is paid for.
func TestBatchThatIsNotValid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines string
		want  string
	}{
		"empty":        {"\n", "empty_file <nil> <nil>"},
		"no JSON":      {line("a", "") + "{\n", "invalid_json_line <nil> 2"},
		"twice":        {line("a", "") + line("b", "") + line("a", ""), "duplicate_custom_id custom_id 3"},
		"two models":   {line("a", "") + strings.Replace(line("b", ""), "gpt-4.1", "gpt-5", 1), "mismatched_model body.model 2"},
		"no id":        {`{"method":"POST","url":"/v1/responses","body":{}}`, "missing_required_parameter custom_id 1"},
		"other url":    {strings.Replace(line("a", ""), "/v1/responses", "/v1/embeddings", 1), "invalid_url url 1"},
		"other method": {strings.Replace(line("a", ""), "POST", "GET", 1), "invalid_method method 1"},
		"stream":       {line("a", `,"stream":true`), "invalid_request body.stream 1"},
		"too much":     {line("a", `,"instructions":"`+strings.Repeat("Be kind. ", 300)+`"`), "token_limit_exceeded <nil> <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := newSimulator(t, simulator.Config{EnqueuedTokens: 500})
			b := batchOf(t, sim, test.lines).body
			fault := at(b, "errors", "data", 0)
			got := fmt.Sprintf("%v %v %v", at(fault, "code"), at(fault, "param"), at(fault, "line"))
			if b["status"] != "failed" || got != test.want || at(fault, "message") == "" {
				t.Errorf("%v with %s, want failed with %s", b["status"], got, test.want)
			}
			if n := len(sim.Ledger().Entries); n != 0 {
				t.Errorf("%d lines are paid for", n)
			}
		})
	}
}

// A batch that is cancelled keeps what was done, and what was not begun costs nothing.
func TestBatchThatIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Batch: 80 * time.Second})
		var lines strings.Builder
		for i := range 10 {
			lines.WriteString(line(strconv.Itoa(i), ""))
		}
		id := text(t, batchOf(t, sim, lines.String()).body["id"])
		time.Sleep(45 * time.Second)
		stop := func() answer { return call(t, sim, http.MethodPost, "/v1/batches/"+id+"/cancel", nil) }
		if b := stop(); b.body["status"] != "cancelling" {
			t.Fatalf("cancelled: %s", b.raw)
		}
		time.Sleep(20 * time.Second)
		b := showBatch(t, sim, id)
		answers, undone := contents(t, sim, b["output_file_id"]), contents(t, sim, b["error_file_id"])
		if got := counts(b); got != "cancelled 7/0/10" || len(answers) != 7 || len(undone) != 3 {
			t.Errorf("%s with %d answers and %d without", got, len(answers), len(undone))
		}
		if undone["9"]["response"] != nil || at(undone["9"], "error", "code") != "batch_cancelled" {
			t.Errorf("the last line: %v", undone["9"])
		}
		paid := slices.DeleteFunc(sim.Ledger().Entries, func(e simulator.Entry) bool { return e.InputTokens == 0 })
		if len(paid) != 7 {
			t.Errorf("%d lines are paid for, want the 7 that were done", len(paid))
		}
		if again := stop(); again.status != http.StatusConflict {
			t.Errorf("cancelled once more: %d %s", again.status, again.raw)
		}
	})
}

// A batch that expires says which lines it left undone.
func TestBatchThatExpires(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t, simulator.Config{})
	b := batchOf(t, sim, line("a", "")+line("b", "")+line("c", "")+line("d", ""), "X-Simulator-Fault: op=batch,expire=0.5").body
	undone := contents(t, sim, b["error_file_id"])
	if got := counts(b); got != "expired 2/0/4" || b["expired_at"] == nil || len(undone) != 2 || at(undone["d"], "error", "code") != "batch_expired" {
		t.Errorf("%s; undone: %v", got, undone)
	}
	if n := len(sim.Ledger().Entries); n != 2 {
		t.Errorf("%d lines are paid for, want 2", n)
	}
}

// A batch whose answer was lost is there, and is found by its metadata.
func TestBatchWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t, simulator.Config{})
	server := httptest.NewServer(sim)
	defer server.Close()
	f := upload(t, sim, "lines.jsonl", line("a", ""), "purpose=batch")
	body, err := json.Marshal(object{"input_file_id": f.body["id"], "endpoint": "/v1/responses", "completion_window": "24h", "metadata": object{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/batches", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer k")
	r.Header.Set("X-Simulator-Fault", "op=batch,reset=after")
	if none := call(t, sim, http.MethodGet, "/v1/batches", nil).body["data"]; none == nil {
		t.Error("an empty list is null")
	}
	if answer, err := http.DefaultClient.Do(r); err == nil {
		t.Errorf("answered %s", answer.Status)
		_ = answer.Body.Close()
	}
	list := call(t, sim, http.MethodGet, "/v1/batches?limit=5", nil).body
	if at(list, "data", 0, "metadata", "k") != "v" || at(list, "data", 1) != nil || list["has_more"] != false {
		t.Errorf("the list is %v", list)
	}
}

func TestBatchRefusals(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t, simulator.Config{})
	lines := upload(t, sim, "lines.jsonl", line("a", ""), "purpose=batch").body["id"]
	data := upload(t, sim, "data.pdf", "%PDF", "purpose=user_data").body["id"]
	whole := func(change object) object {
		o := object{"input_file_id": lines, "endpoint": "/v1/responses", "completion_window": "24h"}
		for name, value := range change {
			if o[name] = value; value == nil {
				delete(o, name)
			}
		}
		return o
	}
	for name, test := range map[string]struct {
		body  object
		param string
	}{
		"no file":       {whole(object{"input_file_id": nil}), "input_file_id"},
		"unknown file":  {whole(object{"input_file_id": "file-x"}), "id"},
		"other purpose": {whole(object{"input_file_id": data}), "input_file_id"},
		"window":        {whole(object{"completion_window": "1h"}), "completion_window"},
		"endpoint":      {whole(object{"endpoint": "/v1/embeddings"}), "endpoint"},
		"unknown":       {whole(object{"priority": 1}), "priority"},
		"expiry":        {whole(object{"output_expires_after": object{"anchor": "created_at", "seconds": 5}}), "output_expires_after.seconds"},
	} {
		if a := call(t, sim, http.MethodPost, "/v1/batches", test.body); a.status/100 != 4 || at(a.body, "error", "param") != test.param {
			t.Errorf("%s: %d %s, want a refusal of %s", name, a.status, a.raw, test.param)
		}
	}
	if a := call(t, sim, http.MethodGet, "/v1/batches/batch_x", nil); a.status != http.StatusNotFound {
		t.Errorf("unknown batch: %d %s", a.status, a.raw)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Projects: []simulator.Project{{ID: "other", APIKeys: []string{"other-key"}}}, APIKeys: []string{"test-key"}})
		kept := upload(t, sim, "kept.pdf", "%PDF-1.7", "purpose=user_data")
		short := upload(t, sim, "short.jsonl", "{}", "purpose=batch", "expires_after[anchor]=created_at", "expires_after[seconds]=3600")
		id := text(t, kept.body["id"])
		want := object{
			"object": "file", "id": id, "purpose": "user_data", "filename": "kept.pdf", "bytes": 8.0,
			"created_at": float64(time.Now().Unix()), "expires_at": nil, "status": "processed", "status_details": nil,
		}
		if diff := cmp.Diff(want, kept.body); diff != "" {
			t.Errorf("file (-want +got):\n%s", diff)
		}
		if content := call(t, sim, http.MethodGet, "/v1/files/"+id+"/content", nil); content.raw != "%PDF-1.7" {
			t.Errorf("content %q", content.raw)
		}
		list := call(t, sim, http.MethodGet, "/v1/files?limit=1", nil).body
		if at(list, "data", 0, "id") != short.body["id"] || list["has_more"] != true {
			t.Errorf("list %v", list)
		}
		if next := call(t, sim, http.MethodGet, "/v1/files?after="+text(t, list["last_id"]), nil).body; at(next, "data", 0, "id") != id {
			t.Errorf("next page %v", next)
		}
		if a := call(t, sim, http.MethodGet, "/v1/files/"+id, nil, "Authorization: Bearer other-key"); a.status != http.StatusNotFound {
			t.Errorf("another project sees it: %d", a.status)
		}
		time.Sleep(2 * time.Hour)
		if a := call(t, sim, http.MethodGet, "/v1/files/"+text(t, short.body["id"]), nil); a.status != http.StatusNotFound {
			t.Errorf("it should have expired: %d", a.status)
		}
		if a := call(t, sim, http.MethodDelete, "/v1/files/"+id, nil); a.body["deleted"] != true {
			t.Errorf("deleted: %s", a.raw)
		}
		if a := call(t, sim, http.MethodDelete, "/v1/files/"+id, nil); a.status != http.StatusNotFound {
			t.Errorf("deleted twice: %d", a.status)
		}
		for name, refused := range map[string]answer{
			"no purpose":    upload(t, sim, "a.txt", "x"),
			"wrong purpose": upload(t, sim, "a.txt", "x", "purpose=fun"),
			"no file":       upload(t, sim, "", "", "purpose=batch"),
			"wrong name":    upload(t, sim, "a.txt", "x", "purpose=batch"),
			"wrong expiry":  upload(t, sim, "a.jsonl", "x", "purpose=batch", "expires_after[anchor]=created_at", "expires_after[seconds]=1"),
			"no form":       call(t, sim, http.MethodPost, "/v1/files", "{}"),
		} {
			if refused.status != http.StatusBadRequest || at(refused.body, "error", "message") == "" {
				t.Errorf("%s: %d %s", name, refused.status, refused.raw)
			}
		}
	})
}
