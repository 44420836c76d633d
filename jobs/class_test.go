package jobs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

var update = flag.Bool("update", false, "rewrite the error table of docs/guarantees.md")

func TestClasses(t *testing.T) {
	var want []jobs.Class
	for _, c := range constants(t, "Class") {
		want = append(want, jobs.Class(c))
	}
	if diff := cmp.Diff(want, jobs.Classes()); diff != "" {
		t.Errorf("Classes() and the constants differ (-constants +Classes):\n%s", diff)
	}
}

func TestVerdicts(t *testing.T) {
	type verdict struct {
		action jobs.Action
		alert  bool
		pause  bool
	}
	want := map[jobs.Class]verdict{
		jobs.ClassInternal:     {jobs.ActionRetry, true, false},
		jobs.ClassInvalid:      {jobs.ActionFail, false, false},
		jobs.ClassRejected:     {jobs.ActionFail, false, false},
		jobs.ClassUnauthorized: {jobs.ActionWait, true, true},
		jobs.ClassRateLimited:  {jobs.ActionWait, false, false},
		jobs.ClassQuota:        {jobs.ActionWait, true, true},
		jobs.ClassUnreachable:  {jobs.ActionWait, false, false},
		jobs.ClassUnavailable:  {jobs.ActionRetry, false, false},
		jobs.ClassAmbiguous:    {jobs.ActionUncertain, false, false},
		jobs.ClassConflict:     {jobs.ActionRetry, false, false},
		jobs.ClassLost:         {jobs.ActionFail, true, false},
		jobs.ClassOversized:    {jobs.ActionFail, true, false},
		jobs.ClassExpired:      {jobs.ActionFail, false, false},
		jobs.ClassDependency:   {jobs.ActionFail, false, false},
		jobs.ClassCapacity:     {jobs.ActionWait, false, false},
		jobs.ClassPoison:       {jobs.ActionFail, true, false},
	}
	meanings := make(map[string]jobs.Class)
	for _, c := range jobs.Classes() {
		w, ok := want[c]
		if !ok {
			t.Errorf("%s: the test has no row for it", c)
			continue
		}
		v := c.Verdict()
		if v.Action != w.action || v.Alert != w.alert || v.Pause != w.pause {
			t.Errorf("%s: action %s, alert %t, pause %t; want %+v", c, v.Action, v.Alert, v.Pause, w)
		}
		if v.Pause && (v.Action != jobs.ActionWait || !v.Alert) {
			t.Errorf("%s: pauses the lane, yet costs an attempt or tells nobody", c)
		}
		if v.Meaning == "" || strings.ContainsAny(v.Meaning, "|\n") {
			t.Errorf("%s: meaning %q cannot stand in the table of docs/guarantees.md", c, v.Meaning)
		}
		if other, taken := meanings[v.Meaning]; taken {
			t.Errorf("%s and %s have the same meaning", c, other)
		}
		meanings[v.Meaning] = c
	}
	for _, c := range []jobs.Class{"", "a class of tomorrow"} {
		if got := c.Verdict(); got != jobs.ClassInternal.Verdict() {
			t.Errorf("%q: %+v, want the verdict of an internal error", c, got)
		}
	}
}

func TestFailureOf(t *testing.T) {
	cause := errors.New("a cause that nobody sees")
	classified := &jobs.Error{
		Failure: jobs.Failure{Class: jobs.ClassQuota, Code: "insufficient_quota", HTTPStatus: 429, RequestID: "req_1"},
		Op:      "create response", Err: cause,
	}
	for _, tt := range []struct {
		name string
		err  error
		want jobs.Failure
	}{
		{"bare", classified, classified.Failure},
		{"wrapped once", fmt.Errorf("submit %s: %w", testID, classified), classified.Failure},
		{"joined", errors.Join(errors.New("close: gone"), classified), classified.Failure},
		{"wrapped and joined", fmt.Errorf("submit: %w", errors.Join(cause, classified)), classified.Failure},
		{"without a class", &jobs.Error{Failure: jobs.Failure{Message: "odd"}}, jobs.Failure{Class: jobs.ClassInternal, Message: "odd"}},
		{"of somebody else", cause, jobs.Failure{Class: jobs.ClassInternal, Message: cause.Error()}},
		{"none", nil, jobs.Failure{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, jobs.FailureOf(tt.err)); diff != "" {
				t.Errorf("FailureOf (-want +got):\n%s", diff)
			}
			if got := jobs.ClassOf(tt.err); got != tt.want.Class {
				t.Errorf("ClassOf = %q, want %q", got, tt.want.Class)
			}
		})
	}
	if !errors.Is(classified, cause) {
		t.Error("the cause is not in the chain")
	}
}

func TestFailureOfBoundsItsMessage(t *testing.T) {
	got := jobs.FailureOf(errors.New(strings.Repeat("ä", 10_000))).Message
	if len(got) > 510 || !strings.HasSuffix(got, "ä…") {
		t.Errorf("message has %d bytes and ends in %q", len(got), got[max(0, len(got)-8):])
	}
	if whole := strings.Repeat("x", 500); jobs.FailureOf(errors.New(whole)).Message != whole {
		t.Error("a message of 500 bytes is cut")
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *jobs.Error
		want string
	}{
		{"input", jobs.Invalid("input", "is empty; give %d", 1), "invalid: input: is empty; give 1"},
		{"answer", &jobs.Error{
			Failure: jobs.Failure{Class: jobs.ClassRateLimited, HTTPStatus: 429, Message: "slow down"},
			Op:      "create response", Err: errors.New("the provider's raw body"),
		}, "create response: rate_limited (HTTP 429): slow down"},
		{"code only", &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassQuota, Code: "insufficient_quota"}}, "quota: insufficient_quota"},
		{"class only", &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassLost}, Op: "look"}, "look: lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("Error() = %q, want %q", got, tt.want)
			}
		})
	}
}

// The contract's table of errors is the code's; go test ./jobs -update rewrites
// it.
func TestErrorTableOfGuarantees(t *testing.T) {
	const begin, end = "<!-- error table -->\n", "<!-- end -->"
	path := filepath.Join("..", "docs", "guarantees.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no %q … %q", path, begin, end)
	}
	want := errorTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not what jobs.Class.Verdict says; run go test ./jobs -update (-code +page):\n%s", path, diff)
	}
}

// errorTable renders the verdicts of all classes.
func errorTable() string {
	var b strings.Builder
	b.WriteString("| class | what happened | the job | its lane | a person is asked |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range jobs.Classes() {
		v, lane, alert := c.Verdict(), "goes on", "no"
		if v.Pause {
			lane = "pauses"
		}
		if v.Alert {
			alert = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c, v.Meaning, actionText(v.Action), lane, alert)
	}
	return b.String()
}

func actionText(a jobs.Action) string {
	switch a {
	case jobs.ActionFail:
		return "fails"
	case jobs.ActionRetry:
		return "tries again, within its attempts"
	case jobs.ActionWait:
		return "tries again, its attempts kept"
	case jobs.ActionUncertain:
		return "resubmits or is held, as it says"
	}
	return "? " + string(a)
}
