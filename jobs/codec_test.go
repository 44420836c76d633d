package jobs_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func decode(tb testing.TB, record string) jobs.Job {
	tb.Helper()
	j, err := jobs.Decode([]byte(record))
	if err != nil {
		tb.Fatalf("Decode %s: %v", record, err)
	}
	return j
}

// with puts members into the first object of the record that begins with the
// text at, as a newer build would have.
func with(tb testing.TB, record, at, members string) string {
	tb.Helper()
	before, after, ok := strings.Cut(record, at)
	if !ok {
		tb.Fatalf("record %s has no %s", record, at)
	}
	return before + at + members + "," + after
}

// lookup returns the raw value at the path of keys and indexes.
func lookup(tb testing.TB, record string, path ...any) string {
	tb.Helper()
	raw := json.RawMessage(record)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			var o map[string]json.RawMessage
			if err := json.Unmarshal(raw, &o); err != nil {
				tb.Fatalf("%v of %s: %v", path, record, err)
			}
			raw = o[step]
		case int:
			var l []json.RawMessage
			if err := json.Unmarshal(raw, &l); err != nil || step >= len(l) {
				tb.Fatalf("%v of %s: %d members, %v", path, record, len(l), err)
			}
			raw = l[step]
		}
		if raw == nil {
			return ""
		}
	}
	return string(raw)
}

func TestRecordHoldsTheWholeJob(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{
		Lane: "slow", Priority: new(0), MaxAttempts: 7, NotBefore: at(10), DedupeKey: "k<&>\u2028", Retention: math.MaxInt64,
		Metadata: map[string]string{"a": "b"}, Group: "g", Uncertain: jobs.UncertainHold,
	}), submit(1), createFailed(1, jobs.ClassUnavailable), submit(2), created(2, jobs.StatusQueued), cancel,
		jobs.StopGivenUp{ResponseID: "resp_2"})
	j.Attempts[1].Usage = &jobs.Usage{InputTokens: math.MaxInt64, TotalTokens: math.MaxInt64}
	j.Version, j.Nudge, j.Looks.Count = 3, 4, 5

	back := decode(t, encode(t, j))
	if back.Version != 0 || back.Nudge != 0 || !back.Admitted.IsZero() || back.Looks != (jobs.Looks{}) {
		t.Errorf("the record holds what the store keeps beside it: %+v", back)
	}
	back.Version, back.Nudge, back.Looks, back.Admitted = j.Version, j.Nudge, j.Looks, j.Admitted
	if diff := cmp.Diff(j, back, equalJobs); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if encode(t, back) != encode(t, j) {
		t.Error("encoded again, the record differs")
	}
}

// What a newer build has added survives our transitions, digits and all.
func TestUnknownFieldsSurvive(t *testing.T) {
	const big = "123456789012345678901234567890.10"
	j := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassAmbiguous), submit(2))
	record := encode(t, j)
	record = with(t, record, `{`, `"allowance":{"limit":`+big+`,"spent":[1e400,null]}`)
	record = with(t, record, `"attempts":[{`, `"cost":`+big)
	record = with(t, record, `{"number":2,`, `"tier":"<flex>"`)
	record = with(t, record, `{"number":2,`, `"trace":null`)
	record = strings.Replace(record, `"number":1,`, `"number":1,"failure_count":2,`, 1)

	old := decode(t, record)
	if diff := cmp.Diff(j, old, equalJobs, cmp.Transformer("stored", func(j jobs.Job) jobs.Job {
		j.Admitted = time.Time{}
		return j
	})); diff != "" {
		t.Fatalf("known fields (-want +got):\n%s", diff)
	}
	check := func(record string) {
		t.Helper()
		for _, tt := range []struct {
			want string
			path []any
		}{
			{big, []any{"allowance", "limit"}},
			{"[1e400,null]", []any{"allowance", "spent"}},
			{big, []any{"attempts", 0, "cost"}},
			{"2", []any{"attempts", 0, "failure_count"}},
			{`"<flex>"`, []any{"attempts", 1, "tier"}},
			{"null", []any{"attempts", 1, "trace"}},
		} {
			if got := lookup(t, record, tt.path...); got != tt.want {
				t.Errorf("%v = %q, want %q", tt.path, got, tt.want)
			}
		}
	}
	check(encode(t, old))

	next := apply(t, old, createFailed(2, jobs.ClassUnavailable), submit(3), created(3, jobs.StatusCompleted))
	record = encode(t, next)
	check(record)
	if got := lookup(t, record, "attempts", 2, "tier"); got != "" {
		t.Errorf("attempt 3 has got what was said of attempt 2: %s", got)
	}
	if again := encode(t, decode(t, record)); again != record {
		t.Errorf("decoded and encoded again\n%s\nwas\n%s", again, record)
	}
	if got := lookup(t, encode(t, j), "allowance"); got != "" {
		t.Errorf("a job that never had an allowance has %s", got)
	}
}

// Lists that hold no numbered objects are left alone.
func TestUnknownFieldsBesideOtherLists(t *testing.T) {
	for _, record := range []string{
		`{"id":"job_1","include":["a","b"],"zone":"eu"}`,
		`{"id":"job_1","attempts":[null,{"number":2,"cost":7}],"zone":"eu"}`,
		`{"id":"job_1","metadata":{"a":"b"},"zone":"eu"}`,
	} {
		j := decode(t, record)
		if got := lookup(t, encode(t, j), "zone"); got != `"eu"` {
			t.Errorf("%s: zone = %q", record, got)
		}
		if len(j.Attempts) == 2 {
			if got := lookup(t, encode(t, j), "attempts", 1, "cost"); got != "7" {
				t.Errorf("%s: cost = %q", record, got)
			}
		}
	}
}

// An unknown field belongs to its object. When the object is gone or another
// one, it must not come back: half a stop would stop the job.
func TestUnknownFieldsGoWithTheirObject(t *testing.T) {
	stopped := encode(t, apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusQueued), cancel,
		looked(1, jobs.StatusCancelled)))
	stopped = with(t, stopped, `"stop":{`, `"by":"ann"`)
	stopped = with(t, stopped, `"result":{`, `"price":5`)

	j := decode(t, stopped)
	if got := encode(t, j); lookup(t, got, "stop", "by") != `"ann"` || lookup(t, got, "result", "price") != "5" {
		t.Errorf("lost while their objects are there: %s", got)
	}
	record := encode(t, change(t, j, jobs.RetryRequested{}).Job)
	if back := decode(t, record); back.Stop != nil || back.Result != nil {
		t.Errorf("retried, and yet: stop %+v, result %+v", back.Stop, back.Result)
	}

	failed := encode(t, apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassUnavailable)))
	failed = with(t, failed, `"failure":{`, `"region":"eu"`)
	failed = with(t, failed, `"reason":"unavailable","failure":{`, `"hint":"of the first"`)
	j = decode(t, failed)
	record = encode(t, apply(t, j, submit(2), createFailed(2, jobs.ClassConflict)))
	if got := lookup(t, record, "failure", "hint"); got != "" {
		t.Errorf("the second failure says %s", got)
	}
	if got := lookup(t, record, "attempts", 0, "failure", "region"); got != `"eu"` {
		t.Errorf("the first attempt's failure has region %q", got)
	}
}

// The decoder takes "Group" for "group"; written back beside it, it would win.
func TestFieldsInAnotherCaseAreKnown(t *testing.T) {
	record := with(t, encode(t, newJob(t, jobs.Options{})), `{`, `"zone":"eu","Lane":"slow","Reason":""`)
	record = strings.Replace(record, `"lane":"default",`, "", 1)
	j := decode(t, record)
	if j.Lane != "slow" {
		t.Fatalf("lane = %q", j.Lane)
	}
	if j = decode(t, strings.Replace(record, `"Reason":""`, `"Reason":"quota"`, 1)); j.Reason != "quota" {
		t.Fatalf("reason = %q", j.Reason)
	}
	j.Reason = ""
	if back := decode(t, encode(t, j)); back.Reason != "" {
		t.Errorf("reason %q came back", back.Reason)
	}
	j.Lane, j.Reason = "fast", "manual"
	if back := decode(t, encode(t, j)); back.Lane != "fast" || back.Reason != "manual" {
		t.Errorf("lane %q, reason %q; want what was written last", back.Lane, back.Reason)
	}
	if got := lookup(t, encode(t, j), "zone"); got != `"eu"` {
		t.Errorf("zone = %q", got)
	}
}

// Effects leave the outbox in any order; what is said of one stays with it.
func TestUnknownFieldsOfEffects(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassAmbiguous), submit(2),
		created(1, jobs.StatusQueued), created(2, jobs.StatusCompleted), jobs.DeleteRequested{Remote: true})
	record := encode(t, j)
	for _, n := range []string{"1", "2", "3"} {
		record = with(t, record, `{"id":`+n+`,`, `"tries":4`+n)
	}
	j = apply(t, decode(t, record), jobs.EffectDone{ID: 2}, cancelled(1, 1, jobs.StatusInProgress))
	if got := lookup(t, encode(t, apply(t, j, jobs.EffectDone{ID: 3}, cancelled(4, 1, jobs.StatusCancelled))), "outbox"); got != "" {
		t.Errorf("when all is done, outbox = %s", got)
	}
	record = encode(t, j)
	if len(j.Outbox) != 2 || lookup(t, record, "outbox", 0, "tries") != "43" || lookup(t, record, "outbox", 1, "tries") != "" {
		t.Errorf("outbox = %s, want effect 3 with its tries and effect 4 with none", lookup(t, record, "outbox"))
	}
}

func TestNewerSchema(t *testing.T) {
	record := encode(t, newJob(t, jobs.Options{}))
	newer := strings.Replace(record, `"schema":1`, `"schema":3`, 1)
	for name, record := range map[string]string{
		"with the same fields":             newer,
		"with a new field":                 with(t, newer, `{`, `"zone":"eu"`),
		"with a field of another type":     strings.Replace(newer, `"priority":5`, `"priority":{"base":5}`, 1),
		"with a time of another form":      strings.Replace(newer, `"created":"`, `"created":"about `, 1),
		"with the schema behind the field": `{"created":5,"id":"` + string(testID) + `","schema":3}`,
	} {
		t.Run(name, func(t *testing.T) {
			j, err := jobs.Decode([]byte(record))
			if !errors.Is(err, jobs.ErrNewerSchema) {
				t.Fatalf("error = %v, want ErrNewerSchema", err)
			}
			if j.ID != testID || j.Schema != 3 {
				t.Errorf("id %q, schema %d", j.ID, j.Schema)
			}
			if !strings.Contains(err.Error(), string(testID)) {
				t.Errorf("error %q does not name the job", err)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	record := encode(t, newJob(t, jobs.Options{}))
	for name, bad := range map[string]string{
		"nothing":                   ``,
		"null":                      `null`,
		"an empty object":           `{}`,
		"a list":                    `[]`,
		"a cut record":              record[:len(record)/2],
		"text after the record":     record + `x`,
		"a record after the record": record + record,
		"a field of another type":   strings.Replace(record, `"priority":5`, `"priority":"high"`, 1),
		"a time that is none":       strings.Replace(record, `"created":"`, `"created":"about `, 1),
		"an unknown field twice":    with(t, with(t, record, `{`, `"x":1`), `{`, `"x":2`),
	} {
		t.Run(name, func(t *testing.T) {
			j, err := jobs.Decode([]byte(bad))
			if err == nil || errors.Is(err, jobs.ErrNewerSchema) {
				t.Errorf("error = %v, want that it is no record", err)
			}
			if j.State != "" {
				t.Errorf("an error came with a job: %+v", j)
			}
		})
	}
}

// A time that RFC 3339 cannot write is an error, not a broken record.
func TestEncodeRefuses(t *testing.T) {
	j := newJob(t, jobs.Options{})
	j.Deadline = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if raw, err := j.Encode(); err == nil || !strings.Contains(err.Error(), string(testID)) {
		t.Errorf("Encode = %s, %v; want an error that names the job", raw, err)
	}
}

// FuzzDecode: whatever can be read can be written, and reads the same; and
// nothing that can be read makes a transition panic.
func FuzzDecode(f *testing.F) {
	j := apply(f, newJob(f, jobs.Options{}), submit(1), createFailed(1, jobs.ClassAmbiguous), submit(2),
		created(1, jobs.StatusQueued), created(2, jobs.StatusQueued), cancel)
	record := encode(f, j)
	f.Add([]byte(record))
	f.Add([]byte(with(f, record, `"attempts":[{`, `"cost":1e400`)))
	f.Add([]byte(with(f, record, `"outbox":[{`, `"x":{"y":[{}]}`)))
	f.Add([]byte(`{"id":"job_1","schema":2,"created":5}`))
	f.Add([]byte(`{"id":"x","state":"running","attempts":[{"number":1,"response_id":"resp_1"}],"current":1}`))
	f.Add([]byte(`{"id":"x","state":"failed","stop":{"at":"2026-01-01T00:00:00Z","by":1},"Stop":{"by":2}}`))
	f.Add([]byte(`{"id":"x","outbox":[{"id":1,"x":{}},{"id":2,"kind":"cancel_response","x":[{}]},7],"z":{"z":[]}}`))
	f.Add([]byte(`{"id":"x","metadata":{"a":"b"},"failure":{"class":"lost","y":1e9},"usage":{"a":-0}}`))
	f.Add([]byte(`{"id":"x","ID":"y","attempts":[{"number":1,"a":1},{"number":1,"b":2}],"current":-1,"budget_from":-9}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		j, err := jobs.Decode(raw)
		if err != nil {
			return
		}
		record := encode(t, j)
		back := decode(t, record)
		if diff := cmp.Diff(j, back, equalJobs); diff != "" {
			t.Errorf("record %s of %s (-want +got):\n%s", record, raw, diff)
		}
		if again := encode(t, back); again != record {
			t.Errorf("encoded again: %s, was %s", again, record)
		}
		j.Admitted = testNow
		j.Due(jobs.DefaultTiming())
		j.FailuresInRow()
		for _, row := range matrix() {
			c, err := jobs.Transition(j, row.make(j), at(1))
			if err != nil {
				continue
			}
			encode(t, c.Job)
		}
	})
}
