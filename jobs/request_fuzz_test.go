package jobs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// FuzzParseRequest: a refusal names the field; of an accepted request the body
// is JSON that differs by our fields alone, as an independent reader sees it.
func FuzzParseRequest(f *testing.F) {
	for _, raw := range []string{
		`{"model":"gpt-4.1","input":"Hi"}`,
		`{"input":[{"role":"user","content":"Hi"}],"metadata":{"a":"b"},"stream":false,"store":true}`,
		`{"prompt":{"id":"p"},"background":true,"x":1e400,"y":123456789012345678901234567890}`,
		`{"messages":[]}`, `{"input":"Hi","tools":[{"function":{}}]}`, `{"input":"a","input":"b"}`, `{"input":"\ud800","\u0061":null}`,
		`{"input":"Hi"`, `[]`, ``, "\xff",
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		given := bytes.Clone(raw)
		r, err := jobs.ParseRequest(raw, jobs.DefaultModel)
		if !bytes.Equal(raw, given) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			e, ok := errors.AsType[*jobs.Error](err)
			if !ok || e.Class != jobs.ClassInvalid || e.Param == "" || e.Message == "" {
				t.Fatalf("error = %#v, want one that names the field", err)
			}
			return
		}
		again, err := jobs.ParseRequest(r.Raw, "another-model")
		if err != nil || !bytes.Equal(again.Raw, r.Raw) || again.Model != r.Model || again.Digest() != r.Digest() {
			t.Fatalf("parsed again: %+v, %v; want %+v", again, err, r)
		}
		body, err := r.Body(testID, 2, nil)
		if err != nil {
			t.Fatalf("Body: %v", err)
		}
		checkBody(t, raw, r, body)
		if j := jobs.New(testID, r, jobs.Options{}, testNow); j.RequestBytes != len(r.Raw) || j.Model == "" {
			t.Fatalf("job %+v of request %+v", j, r)
		}
	})
}

func checkBody(t *testing.T, raw []byte, r jobs.Request, body json.RawMessage) {
	t.Helper()
	if !json.Valid(body) {
		t.Fatalf("body %s is not JSON", body)
	}
	got, want := members(t, body), members(t, raw)
	if _, given := want["model"]; !given {
		want["model"] = quoted(t, r.Model)
	}
	metadata := make(map[string]string)
	if m, given := want["metadata"]; given {
		if err := json.Unmarshal([]byte(m), &metadata); err != nil {
			t.Fatal(err)
		}
	}
	if metadata == nil { // it was null
		metadata = make(map[string]string)
	}
	metadata[jobs.MetadataJob], metadata[jobs.MetadataAttempt] = string(testID), "2"
	var sent map[string]string
	if err := json.Unmarshal([]byte(got["metadata"]), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metadata, sent); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	want["background"], want["store"], want["metadata"] = "true", "true", got["metadata"]
	delete(want, "stream")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body of %s (-want +got):\n%s", raw, diff)
	}

	// The caller's fields come in the caller's order, ours fill up at the end.
	order, kept := keys(t, raw), keys(t, body)
	order = slices.DeleteFunc(order, func(k string) bool { return k == "stream" })
	if len(kept) < len(order) || !slices.Equal(order, kept[:len(order)]) {
		t.Errorf("fields in order %q, want %q first", kept, order)
	}
}

// members reads an object's fields, with the bytes of their values.
func members(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	texts := make(map[string]string, len(values))
	for key, value := range values {
		texts[key] = string(value)
	}
	return texts
}

// keys reads the names of an object's fields, in order.
func keys(t *testing.T, raw []byte) []string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		name, ok := key.(string)
		if !ok {
			t.Fatalf("key %v is no string", key)
		}
		names = append(names, name)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
