package simulator_test

import (
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestBackgroundResponseWalksThroughItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Queued: 2 * time.Second, Running: 5 * time.Second})
		created := create(t, sim, object{"background": true, "metadata": object{"job": "7"}})
		id := text(t, created["id"])
		if !regexp.MustCompile(`^resp_[0-9a-f]{48}$`).MatchString(id) {
			t.Errorf("id = %q", id)
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "queued"},
			{2*time.Second - 1, "queued"},
			{1, "in_progress"},
			{5*time.Second - 1, "in_progress"},
			{1, "completed"},
			{time.Hour, "completed"},
		} {
			time.Sleep(step.after)
			got := get(t, sim, id)
			if got["status"] != step.want {
				t.Errorf("status after another %s = %v, want %s", step.after, got["status"], step.want)
			}
			if ended := step.want == "completed"; (got["usage"] != nil) != ended || (got["completed_at"] != nil) != ended {
				t.Errorf("%s: usage = %v, completed_at = %v", step.want, got["usage"], got["completed_at"])
			}
		}
		final := get(t, sim, id)
		if got, want := at(final, "metadata", "job"), "7"; got != want {
			t.Errorf("metadata.job = %v, want %s", got, want)
		}
		if took := number(t, final["completed_at"]) - number(t, final["created_at"]); took != 7 {
			t.Errorf("completed_at - created_at = %v, want 7", took)
		}
	})
}

func TestInstantSimulatorAnswersABackgroundCreateWithTheResult(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	created := create(t, sim, object{"background": true})
	if created["status"] != "completed" || created["background"] != true {
		t.Errorf("status = %v, background = %v", created["status"], created["background"])
	}
}

func TestSynchronousCreateBlocksForBothDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Queued: time.Second, Running: 3 * time.Second})
		start := time.Now()
		response := create(t, sim, object{})
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %s, want 4s", took)
		}
		if response["status"] != "completed" || response["background"] != false {
			t.Errorf("status = %v, background = %v", response["status"], response["background"])
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Queued: time.Second, Running: time.Second})
		id := text(t, create(t, sim, object{"background": true})["id"])
		time.Sleep(500 * time.Millisecond)
		for range 2 { // the second one finds it cancelled
			got := call(t, sim, "POST", "/v1/responses/"+id+"/cancel", nil)
			if got.status != http.StatusOK || got.body["status"] != "cancelled" || got.body["usage"] != nil {
				t.Fatalf("cancel = %d %s", got.status, got.raw)
			}
		}
		time.Sleep(time.Hour)
		if got := get(t, sim, id)["status"]; got != "cancelled" {
			t.Errorf("status an hour later = %v", got)
		}

		done := text(t, create(t, sim, object{"background": true})["id"])
		time.Sleep(2 * time.Second)
		if got := call(t, sim, "POST", "/v1/responses/"+done+"/cancel", nil); got.status != http.StatusOK || got.body["status"] != "completed" {
			t.Errorf("cancel of a completed response = %d %v", got.status, got.body["status"])
		}

		synchronous := text(t, create(t, sim, object{})["id"])
		got := call(t, sim, "POST", "/v1/responses/"+synchronous+"/cancel", nil)
		if got.status != http.StatusBadRequest || at(got.body, "error", "message") != "Cannot cancel a synchronous response." {
			t.Errorf("cancel of a synchronous response = %d %s", got.status, got.raw)
		}
	})
}

func TestDelete(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	id := text(t, create(t, sim, object{"background": true})["id"])
	got := call(t, sim, "DELETE", "/v1/responses/"+id, nil)
	if got.status != http.StatusOK || got.body["id"] != id || got.body["deleted"] != true || got.body["object"] != "response" {
		t.Fatalf("delete = %d %s", got.status, got.raw)
	}
	for _, request := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/cancel"}, {"GET", "/input_items"}} {
		got := call(t, sim, request[0], "/v1/responses/"+id+request[1], nil)
		if want := "Response with id '" + id + "' not found."; got.status != http.StatusNotFound || at(got.body, "error", "message") != want {
			t.Errorf("%s %s after delete = %d %s", request[0], request[1], got.status, got.raw)
		}
	}
}

func TestUnstoredResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: time.Second})
		synchronous := text(t, create(t, sim, object{"store": false})["id"])
		if got := call(t, sim, "GET", "/v1/responses/"+synchronous, nil); got.status != http.StatusNotFound {
			t.Errorf("get of an unstored synchronous response = %d", got.status)
		}
		background := text(t, create(t, sim, object{"store": false, "background": true})["id"])
		time.Sleep(time.Second + 10*time.Minute)
		if got := get(t, sim, background)["status"]; got != "completed" {
			t.Errorf("status ten minutes after the end = %v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := call(t, sim, "GET", "/v1/responses/"+background, nil); got.status != http.StatusNotFound {
			t.Errorf("get of an unstored background response after more than ten minutes = %d", got.status)
		}
	})
}

func TestRetentionForgetsTheOldestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: time.Minute, Retention: 3})
		running := text(t, create(t, sim, object{"background": true, "metadata": object{"simulator_fault": "never_ends"}})["id"])
		var ids []string
		for range 6 {
			ids = append(ids, text(t, create(t, sim, object{"background": true})["id"]))
			time.Sleep(2 * time.Minute)
		}
		known := 0
		for _, id := range ids {
			if call(t, sim, "GET", "/v1/responses/"+id, nil).status == http.StatusOK {
				known++
			}
		}
		if known != 2 {
			t.Errorf("%d ended responses are known beside one that runs, want 2", known)
		}
		if got := get(t, sim, ids[5])["status"]; got != "completed" {
			t.Errorf("status of the newest = %v", got)
		}
		if got := get(t, sim, running)["status"]; got != "in_progress" {
			t.Errorf("status of the one that never ends = %v", got)
		}
		if got := sim.Ledger().Totals.CreatesAccepted; got != 7 {
			t.Errorf("ledger counts %d creates, want 7", got)
		}
	})
}

func TestJitterStaysWithinItsFraction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: 10 * time.Second, Jitter: 0.2})
		for range 100 {
			create(t, sim, object{"background": true})
		}
		time.Sleep(time.Minute)
		var least, most time.Duration = time.Hour, 0
		for _, entry := range sim.Ledger().Entries {
			took := entry.Ended.Sub(entry.Created)
			least, most = min(least, took), max(most, took)
		}
		if least < 8*time.Second || most > 12*time.Second || most-least < time.Second {
			t.Errorf("responses took from %s to %s, want a spread within 8s to 12s", least, most)
		}
	})
}

func TestRetentionHoldsUnderManyCreates(t *testing.T) {
	sim := newSimulator(t, simulator.Config{Retention: 10})
	var ids []string
	for range 3000 {
		ids = append(ids, text(t, create(t, sim, object{})["id"]))
	}
	for i, id := range ids[len(ids)-20:] {
		want := http.StatusOK
		if i < 10 {
			want = http.StatusNotFound
		}
		if got := call(t, sim, "GET", "/v1/responses/"+id, nil).status; got != want {
			t.Errorf("get of the response %d before the last = %d, want %d", 20-i, got, want)
		}
	}
}
