package main

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// submit submits a request and returns its id.
func (b *bench) submit(args ...string) string {
	b.t.Helper()
	return strings.TrimSpace(b.call("", append([]string{"submit", "--input"}, args...)...).want(b.t, 0).stdout)
}

// ended waits for a job to end.
func (b *bench) ended(id string) {
	b.t.Helper()
	until(b.t, "the end of "+id, func() bool {
		j, err := b.store.Load(b.t.Context(), jobs.ID(id))
		return err == nil && j.State.Terminal()
	})
}

func TestGetShowsTheJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	waiting := b.submit("hello", "--metadata", "ticket=42", "--dedupe", "k1")
	got := b.call("", "get", waiting).want(t, 0).stdout
	for _, want := range []string{waiting + "  waiting\n", "waits for   a worker: none is alive", "metadata    ticket=42", "dedupe key  k1", "attempts: 0 made, 0 of 5 counted"} {
		if !strings.Contains(got, want) {
			t.Errorf("get does not show %q:\n%s", want, got)
		}
	}
	b.work(echo)
	b.ended(waiting)
	got = b.call("", "get", waiting).want(t, 0).stdout
	for _, want := range []string{
		waiting + "  succeeded\n", "response    resp_", "tokens      10 in, 4 out", "#1 started by w_test at endpoint default",
		"request id req_1", "#1 succeeded after", "the job is succeeded",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("get does not show %q:\n%s", want, got)
		}
	}
}

func TestGetPrintsResults(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	id := b.submit("a <b>")
	b.ended(id)
	stored, err := b.store.Body(t.Context(), jobs.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	if got := b.call("", "get", id, "--response").want(t, 0).stdout; got != string(stored) {
		t.Errorf("--response printed %q, stored is %q", got, stored)
	}
	if got := b.call("", "get", id, "--text").want(t, 0).stdout; got != "echo: a <b>\n" {
		t.Errorf("--text printed %q", got)
	}
	view := decode[map[string]json.RawMessage](t, b.call("", "get", id, "--json").want(t, 0).stdout)
	if diff := cmp.Diff(string(stored), string(view["response"])); diff != "" {
		t.Errorf("response (-stored +printed):\n%s", diff)
	}

	refused := b.submit("refuse me")
	b.ended(refused)
	b.call("", "get", refused, "--text").want(t, 1).says(t, "is failed and has no response", "the input is refused")
	b.call("", "get", string(jobs.NewID(time.Now(), 0))).want(t, 1).says(t, "no such job")
}

func TestGetJSONSaysWhy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.submit("hello")
	view := decode[jobView](t, b.call("", "get", id, "--json").want(t, 0).stdout)
	if view.Why != "a worker: none is alive" || string(view.Response) != "null" {
		t.Errorf("why is %q and response %s", view.Why, view.Response)
	}
}

func TestWaitForSeveral(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	good, bad := b.submit("hello"), b.submit("fail me")
	got := b.call("", "wait", good, bad).want(t, 1).says(t, bad+": rejected: not allowed", "2 of 2")
	for _, want := range []string{good + " succeeded 10 in, 4 out, cost ?\n", bad + " failed 3 in, 0 out, cost <$0.0001\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("wait does not print %q:\n%s", want, got.stdout)
		}
	}
	seen := map[string]bool{}
	for _, line := range lines(b.call("", "wait", "--json", good, bad).want(t, 1).stdout) {
		view := decode[jobView](t, line)
		seen[string(decode[jobs.Job](t, string(view.Job)).ID)] = len(view.Response) > 0
	}
	if diff := cmp.Diff(map[string]bool{good: true, bad: true}, seen); diff != "" {
		t.Errorf("printed jobs (-want +got):\n%s", diff)
	}
	gone := string(jobs.NewID(time.Now(), 0))
	b.call("", "wait", gone).want(t, 1).says(t, gone+": failed: there is no such job")
	missing := 0
	for _, line := range lines(b.call("", "wait", "--json", good, gone).want(t, 1).stdout) {
		if u := decode[unchanged](t, line); u.ID == jobs.ID(gone) && strings.Contains(u.Error, "no such job") {
			missing++
		}
	}
	if missing != 1 {
		t.Errorf("an id of no job has %d objects, want one with an error", missing)
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var ids []string
	for i := range 5 {
		ids = append([]string{b.submit(strconv.Itoa(i), "--group", "g")}, ids...)
	}
	b.submit("other", "--lane", "other")

	first := b.call("", "list", "--group", "g", "--limit", "3", "--json").want(t, 0)
	cursor := regexp.MustCompile(`--cursor (job_\w+)`).FindStringSubmatch(first.stderr)
	if cursor == nil {
		t.Fatalf("stderr names no cursor:\n%s", first.stderr)
	}
	second := b.call("", "list", "--group", "g", "--limit", "3", "--json", "--cursor", cursor[1]).want(t, 0)
	var got []string
	for _, line := range append(lines(first.stdout), lines(second.stdout)...) {
		got = append(got, string(decode[jobs.Job](t, line).ID))
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("two pages (-want +got):\n%s", diff)
	}
	if second.stderr != "" {
		t.Errorf("the last page says %q", second.stderr)
	}

	table := lines(b.call("", "list", "--all").want(t, 0).stdout)
	if len(table) != 7 || !strings.HasPrefix(table[0], "JOB ") || !strings.Contains(table[1], "other") {
		t.Errorf("the table of all jobs is\n%s", strings.Join(table, "\n"))
	}
	if got := b.call("", "list", "--lane", "other", "--state", "waiting", "--kind", "response").want(t, 0).stdout; len(lines(got)) != 2 {
		t.Errorf("the table of one lane is\n%s", got)
	}
}

func TestCancelRetryDelete(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, gone := b.submit("flaky"), string(jobs.NewID(time.Now(), 0))

	b.call("", "delete", id).want(t, 1).says(t, "is waiting", "cancel it first")
	got := b.call("", "cancel", gone, id).want(t, 1).says(t, gone+": no such job")
	if got.stdout != id+" is cancelled\n" {
		t.Errorf("cancel printed %q", got.stdout)
	}
	b.call("", "cancel", id).want(t, 0)
	for _, ids := range [][]string{{"cancel", gone}, {"delete", gone}, {"retry", gone}} {
		u := decode[unchanged](t, b.call("", append(ids, "--json")...).want(t, 1).stdout)
		if u.ID != jobs.ID(gone) || !strings.Contains(u.Error, "no such job") {
			t.Errorf("%s prints %+v", ids[0], u)
		}
	}

	change := decode[changed](t, b.call("", "retry", "--json", id).want(t, 0).stdout)
	if change.ID != jobs.ID(id) || decode[jobs.Job](t, string(change.Job)).State != jobs.StateWaiting {
		t.Errorf("retry printed %+v", change)
	}
	b.work(echo)
	b.ended(id)
	b.call("", "retry", id).want(t, 0)
	b.ended(id)
	b.call("", "retry", id).want(t, 1).says(t, "its result is there")

	if got := b.call("", "delete", id).want(t, 0).stdout; got != id+" is deleted\n" {
		t.Errorf("delete printed %q", got)
	}
	b.call("", "get", id).want(t, 1).says(t, "no such job")
}

func TestDeleteRemoteWaitsForAWorker(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	id := b.submit("hello")
	b.ended(id)
	if got := b.call("", "delete", "--remote", id).want(t, 0).stdout; got != id+" goes when OpenAI's copies are deleted\n" {
		t.Errorf("delete printed %q", got)
	}
	got := b.call("", "get", id).want(t, 0).stdout
	if !strings.Contains(got, "still to do: delete response of resp_") {
		t.Errorf("get does not show what is still to do:\n%s", got)
	}
}

func TestDeleteOfAJobWithPartsWaitsForThem(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j, _ := b.parent()
	id := string(j.ID)
	b.call("", "cancel", id).want(t, 0)
	if got := b.call("", "delete", id).want(t, 0).stdout; got != id+" goes when its parts are deleted\n" {
		t.Errorf("delete printed %q", got)
	}
}

func TestCancelOfARunningJobIsARequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	id := b.submit("hang on")
	until(t, "a running job", func() bool {
		j, err := b.store.Load(t.Context(), jobs.ID(id))
		return err == nil && j.State == jobs.StateRunning
	})
	if got := b.call("", "cancel", id).want(t, 0).stdout; got != id+" is being cancelled at OpenAI\n" {
		t.Errorf("cancel printed %q", got)
	}
	if got := b.call("", "get", id).want(t, 0).stdout; !strings.Contains(got, "it is being cancelled") {
		t.Errorf("get does not show the cancel:\n%s", got)
	}
}
