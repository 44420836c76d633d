package jobs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// problems returns the fields that Validate names.
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error %T is not joined", err)
	}
	var fields []string
	for _, problem := range joined.Unwrap() {
		e, ok := errors.AsType[*jobs.Error](problem)
		if !ok || e.Class != jobs.ClassInvalid || e.Message == "" {
			t.Fatalf("problem %#v, want a *jobs.Error of class invalid with a message", problem)
		}
		fields = append(fields, e.Param)
	}
	return fields
}

func TestValidate(t *testing.T) {
	tooFar := testNow.AddDate(11, 0, 0)
	for _, tt := range []struct {
		name    string
		options jobs.Options
		want    []string
	}{
		{"nothing asked for", jobs.Options{}, nil},
		{"everything at its limit", jobs.Options{
			Lane: strings.Repeat("l", 128), Group: "G-1.2:x_y", Priority: new(jobs.MaxPriority), MaxAttempts: jobs.MaxMaxAttempts,
			Deadline: at(1), NotBefore: at(1), DedupeKey: strings.Repeat("k", 512), Retention: 1,
			Metadata: map[string]string{strings.Repeat("k", 64): strings.Repeat("v", 512)}, Uncertain: jobs.UncertainHold,
		}, nil},
		{"lowest priority, one attempt", jobs.Options{Priority: new(0), MaxAttempts: 1, Uncertain: jobs.UncertainResubmit}, nil},
		{"a start in the past", jobs.Options{NotBefore: at(-1000)}, nil},

		{"lane", jobs.Options{Lane: "a b"}, []string{"lane"}},
		{"lane too long", jobs.Options{Lane: strings.Repeat("l", 129)}, []string{"lane"}},
		{"group", jobs.Options{Group: "-g"}, []string{"group"}},
		{"tenant", jobs.Options{Tenant: "a b"}, []string{"tenant"}},
		{"priority too high", jobs.Options{Priority: new(10)}, []string{"priority"}},
		{"priority too low", jobs.Options{Priority: new(-1)}, []string{"priority"}},
		{"no attempts", jobs.Options{MaxAttempts: -1}, []string{"max_attempts"}},
		{"too many attempts", jobs.Options{MaxAttempts: 101}, []string{"max_attempts"}},
		{"deadline now", jobs.Options{Deadline: testNow}, []string{"deadline"}},
		{"deadline past", jobs.Options{Deadline: at(-1)}, []string{"deadline"}},
		{"deadline too far", jobs.Options{Deadline: tooFar}, []string{"deadline"}},
		{"starts after its deadline", jobs.Options{Deadline: at(10), NotBefore: at(11)}, []string{"not_before"}},
		{"starts too late", jobs.Options{NotBefore: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, []string{"not_before"}},
		{"retention", jobs.Options{Retention: -1}, []string{"retention"}},
		{"dedupe key too long", jobs.Options{DedupeKey: strings.Repeat("k", 513)}, []string{"dedupe_key"}},
		{"dedupe key no text", jobs.Options{DedupeKey: "\xff"}, []string{"dedupe_key"}},
		{"metadata of ours", jobs.Options{Metadata: map[string]string{"longhaul_job": "x"}}, []string{"metadata.longhaul_job"}},
		{"metadata no text", jobs.Options{Metadata: map[string]string{"a": "\xff"}}, []string{"metadata"}},
		{"uncertain", jobs.Options{Uncertain: "maybe"}, []string{"uncertain"}},
		{"all at once", jobs.Options{
			Lane: "/", Group: "/", Priority: new(99), MaxAttempts: -1, Deadline: at(-10), NotBefore: at(-5), Retention: -1,
			DedupeKey: strings.Repeat("k", 513), Metadata: map[string]string{"": ""}, Uncertain: "?",
		}, []string{"lane", "group", "priority", "max_attempts", "deadline", "not_before", "retention", "dedupe_key", "metadata", "uncertain"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.options.Validate(testNow)
			if diff := cmp.Diff(tt.want, problems(t, err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s\nerror: %v", diff, err)
			}
			if err != nil && len(err.Error()) > 1500 {
				t.Errorf("error of %d bytes: it quotes the whole input", len(err.Error()))
			}
		})
	}
}

func TestValidName(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "9": true, "lane-1": true, "a.b_c:d-e": true, strings.Repeat("x", 128): true,
		"": false, "-a": false, ".": false, "a b": false, "a/b": false, "a{b}": false, "ä": false, "a\n": false, strings.Repeat("x", 129): false,
	} {
		if got := jobs.ValidName(s); got != want {
			t.Errorf("ValidName(%q) = %t, want %t", s, got, want)
		}
	}
}

func TestNew(t *testing.T) {
	request, err := jobs.ParseRequest([]byte(`{"input":"Hi","model":"gpt-5","include":["a"]}`), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	odd := time.Date(2026, 3, 1, 13, 0, 0, 1_999_999, time.FixedZone("CET", 3600)) // an hour's offset, microseconds
	now := time.Date(2026, 3, 1, 12, 0, 0, 1_000_000, time.UTC)
	defaults := jobs.Job{
		Schema: 1, ID: testID, Kind: jobs.KindResponse, State: jobs.StateWaiting, Created: now, Updated: now,
		Model: "gpt-5", RequestDigest: request.Digest(), RequestBytes: len(request.Raw), Include: []string{"a"},
		Lane: jobs.DefaultLane, Priority: jobs.DefaultPriority, MaxAttempts: jobs.DefaultMaxAttempts,
		Deadline: now.Add(jobs.DefaultDeadline), Retention: jobs.DefaultRetention, Uncertain: jobs.UncertainResubmit,
	}
	for _, tt := range []struct {
		name    string
		options jobs.Options
		want    func(*jobs.Job)
	}{
		{"defaults", jobs.Options{}, func(*jobs.Job) {}},
		{"the last priority is not the default", jobs.Options{Priority: new(0)}, func(j *jobs.Job) { j.Priority = 0 }},
		{"a later start moves the default deadline", jobs.Options{NotBefore: odd.Add(time.Hour)}, func(j *jobs.Job) {
			j.NotBefore, j.Deadline = now.Add(time.Hour), now.Add(time.Hour+jobs.DefaultDeadline)
		}},
		{"a start in the past does not", jobs.Options{NotBefore: odd.Add(-time.Hour)}, func(j *jobs.Job) { j.NotBefore = now.Add(-time.Hour) }},
		{"a start that no record could hold is none", jobs.Options{NotBefore: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}, func(*jobs.Job) {}},
		{"all its own", jobs.Options{
			Lane: "l", Priority: new(9), MaxAttempts: 2, Deadline: odd.Add(time.Minute), DedupeKey: "k", Retention: time.Hour,
			Metadata: map[string]string{"a": "b"}, Group: "g", Uncertain: jobs.UncertainHold,
		}, func(j *jobs.Job) {
			j.Lane, j.Priority, j.MaxAttempts, j.Deadline, j.DedupeKey = "l", 9, 2, now.Add(time.Minute), "k"
			j.Retention, j.Metadata, j.Group, j.Uncertain = time.Hour, map[string]string{"a": "b"}, "g", jobs.UncertainHold
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := defaults
			tt.want(&want)
			got := jobs.New(testID, request, tt.options, odd)
			if diff := cmp.Diff(want, got, equalJobs); diff != "" {
				t.Errorf("New (-want +got):\n%s", diff)
			}
			checkJob(t, got)
			checkRecord(t, got)
		})
	}
}

// The times of a record are in UTC and have no monotonic reading, so that equal
// ones are equal after they were stored.
func TestNewStoresPlainTimes(t *testing.T) {
	request, err := jobs.ParseRequest([]byte(`{"input":"Hi"}`), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	j := jobs.New(testID, request, jobs.Options{Deadline: now.Add(time.Hour), NotBefore: now.Add(time.Minute)}, now)
	back := decode(t, encode(t, j))
	for name, pair := range map[string][2]time.Time{
		"created": {j.Created, back.Created}, "updated": {j.Updated, back.Updated},
		"deadline": {j.Deadline, back.Deadline}, "not before": {j.NotBefore, back.NotBefore},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v was stored and reads %v", name, pair[0], pair[1])
		}
	}
}

func TestConflictErrorSaysWhatToDo(t *testing.T) {
	err := &jobs.ConflictError{DedupeKey: "invoice 7", Job: testID}
	for _, want := range []string{`"invoice 7"`, string(testID), "choose another key"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
}

// The numbers that other packages show must stay in their bounds.
func TestDefaultsAreValid(t *testing.T) {
	o := jobs.Options{
		Lane: jobs.DefaultLane, Priority: new(jobs.DefaultPriority), MaxAttempts: jobs.DefaultMaxAttempts,
		Deadline: testNow.Add(jobs.DefaultDeadline), Retention: jobs.DefaultRetention, Uncertain: jobs.UncertainResubmit,
	}
	if err := o.Validate(testNow); err != nil {
		t.Error(err)
	}
	for _, u := range constants(t, "Uncertainty") {
		if !slices.Contains([]jobs.Uncertainty{jobs.UncertainResubmit, jobs.UncertainHold}, jobs.Uncertainty(u)) {
			t.Errorf("policy %q has no test", u)
		}
	}
}

func TestNameThatIsNoneIsQuotedWithTheRule(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a b":                    `lane: "a b" is not a name; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit`,
		"":                       `lane: "" is not a name; `,
		strings.Repeat("l", 129): `lane: "` + strings.Repeat("l", 40) + `…" is not a name; `,
	} {
		if err := jobs.CheckName("lane", name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := jobs.CheckNameIfSet("lane", ""); err != nil {
		t.Errorf("a name that is left out: %v", err)
	}
	if err := errors.Join(jobs.CheckName("lane", "a"), jobs.CheckNameIfSet("lane", "a")); err != nil {
		t.Errorf("a name: %v", err)
	}
}
