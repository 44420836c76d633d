package simulator_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestLedgerCountsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: time.Second})
		first := text(t, create(t, sim, object{"background": true, "metadata": object{"longhaul_attempt": "2", "k": "v"}})["id"])
		second := text(t, create(t, sim, object{"background": true})["id"])
		call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1"}) // refused
		get(t, sim, first)
		call(t, sim, "POST", "/v1/responses/"+second+"/cancel", nil)
		time.Sleep(time.Second)
		get(t, sim, first)
		call(t, sim, "GET", "/v1/responses/resp_unknown", nil)
		call(t, sim, "DELETE", "/v1/responses/"+second, nil)

		ledger := sim.Ledger()
		input, output := ledger.Entries[0].InputTokens, ledger.Entries[0].OutputTokens
		if input == 0 || output == 0 {
			t.Errorf("tokens of the completed response = %d, %d", input, output)
		}
		start := ledger.Entries[0].Created
		want := simulator.Ledger{
			Totals: simulator.Totals{
				CreatesAccepted: 2, CreatesRefused: 1, Polls: 2, PollsUnknown: 1, Cancels: 1, Deletes: 1,
				InputTokens: input, OutputTokens: output,
			},
			Entries: []simulator.Entry{
				{
					ID: first, Model: "gpt-4.1-2025-04-14", Metadata: map[string]string{"longhaul_attempt": "2", "k": "v"}, Attempt: 2,
					Background: true, Created: start, Status: simulator.StatusCompleted, Ended: start.Add(time.Second), Polls: 2, LastPoll: start.Add(time.Second),
					InputTokens: input, OutputTokens: output,
				},
				{
					ID: second, Model: "gpt-4.1-2025-04-14", Metadata: map[string]string{}, Background: true, Created: start,
					Status: simulator.StatusCancelled, Ended: start, Cancels: 1, Deleted: true,
				},
			},
		}
		if diff := cmp.Diff(want, ledger); diff != "" {
			t.Errorf("ledger (-want +got):\n%s", diff)
		}

		sim.ResetLedger()
		if got := sim.Ledger(); len(got.Entries) != 0 || got.Totals != (simulator.Totals{}) {
			t.Errorf("ledger after reset = %+v", got)
		}
		if got := get(t, sim, first)["status"]; got != "completed" {
			t.Errorf("status after reset = %v", got)
		}
	})
}

func TestLedgerOverHTTP(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	for i := range 10 {
		create(t, sim, object{"metadata": object{"n": strconv.Itoa(i), "half": strconv.FormatBool(i < 5)}})
	}
	tests := []struct {
		name, query string
		want        string // the n of the entries
		more        bool
	}{
		{name: "all", want: "0123456789"},
		{name: "filtered", query: "?metadata.half=true", want: "01234"},
		{name: "two filters", query: "?metadata.half=true&metadata.n=3", want: "3"},
		{name: "limited", query: "?limit=3", want: "012", more: true},
		{name: "behind", query: "?after=" + sim.Ledger().Entries[6].ID, want: "789"},
		{name: "page", query: "?limit=2&after=" + sim.Ledger().Entries[6].ID, want: "78", more: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := call(t, sim, "GET", "/_sim/ledger"+tt.query, nil)
			var ledger struct {
				simulator.Ledger
				HasMore bool `json:"has_more"`
			}
			if err := json.Unmarshal([]byte(got.raw), &ledger); err != nil {
				t.Fatalf("decode %s: %v", got.raw, err)
			}
			if ledger.Totals.CreatesAccepted != 10 {
				t.Errorf("totals count %d creates, want 10 whatever the filter", ledger.Totals.CreatesAccepted)
			}
			if got := ns(ledger.Entries); got != tt.want || ledger.HasMore != tt.more {
				t.Errorf("entries %s, has_more %t, want %s, %t", got, ledger.HasMore, tt.want, tt.more)
			}

			separator := "?"
			if tt.query != "" {
				separator = "&"
			}
			lines := call(t, sim, "GET", "/_sim/ledger"+tt.query+separator+"format=ndjson", nil)
			var entries []simulator.Entry
			for line := range strings.Lines(lines.raw) {
				var entry simulator.Entry
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Fatalf("decode line %s: %v", line, err)
				}
				entries = append(entries, entry)
			}
			if got := ns(entries); got != tt.want {
				t.Errorf("NDJSON entries %s, want %s", got, tt.want)
			}
		})
	}
	if got := call(t, sim, "DELETE", "/_sim/ledger", nil); got.status != http.StatusNoContent {
		t.Errorf("reset = %d", got.status)
	}
	if got := sim.Ledger().Totals.CreatesAccepted; got != 0 {
		t.Errorf("creates after reset = %d", got)
	}
}

// ns joins the entries' metadata n.
func ns(entries []simulator.Entry) string {
	var out strings.Builder
	for _, entry := range entries {
		out.WriteString(entry.Metadata["n"])
	}
	return out.String()
}

func TestConcurrentUseKeepsTheLedgerExact(t *testing.T) {
	sim := newSimulator(t, simulator.Config{Queued: time.Millisecond, Running: time.Millisecond, Retention: 50})
	const callers, rounds = 8, 50
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range rounds {
				created := call(t, sim, "POST", "/responses", object{"model": "gpt-4.1", "input": "Hi.", "background": true})
				id, _ := created.body["id"].(string)
				call(t, sim, "GET", "/responses/"+id, nil)
				call(t, sim, "POST", "/responses/"+id+"/cancel", nil)
				sim.Ledger()
			}
		})
	}
	group.Wait()
	ledger := sim.Ledger()
	if got := ledger.Totals; got.CreatesAccepted != callers*rounds || len(ledger.Entries) != callers*rounds {
		t.Errorf("%d creates with %d entries, want %d", got.CreatesAccepted, len(ledger.Entries), callers*rounds)
	}
	if got := ledger.Totals; got.Polls+got.PollsUnknown != callers*rounds {
		t.Errorf("%d polls and %d of unknown ids, want %d together", got.Polls, got.PollsUnknown, callers*rounds)
	}
}

func TestFullLedgerDropsTheOldestEntriesButKeepsTheirTotals(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	sim.SetLedgerCapacity(10)
	for i := range 25 {
		create(t, sim, object{"metadata": object{"n": strconv.Itoa(i % 10)}})
	}
	ledger := sim.Ledger()
	if got := ns(ledger.Entries); got != "5678901234"[:len(ledger.Entries)] || ledger.Totals.EntriesDropped+len(ledger.Entries) != 25 {
		t.Errorf("entries %s, %d dropped", got, ledger.Totals.EntriesDropped)
	}
	if got, each := ledger.Totals.InputTokens, ledger.Entries[0].InputTokens; got != 25*each {
		t.Errorf("input tokens = %d, want 25 times %d", got, each)
	}
}
