package installation

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// Ledger reads what the simulator was asked for, by job.
func (in *Installation) Ledger() map[jobs.ID][]simulator.Entry {
	in.tb.Helper()
	var ledger simulator.Ledger
	in.Call(http.MethodGet, "/_sim/ledger", "", &ledger)
	byJob := make(map[jobs.ID][]simulator.Entry)
	for _, e := range ledger.Entries {
		id := jobs.ID(e.Metadata[jobs.MetadataJob])
		byJob[id] = append(byJob[id], e)
	}
	return byJob
}

// Faults sets the simulator's fault plan.
func (in *Installation) Faults(plan string) {
	in.tb.Helper()
	in.Call(http.MethodPut, "/_sim/faults", plan, nil)
}

// webhookSecret signs the simulator's webhooks: whsec_ and 32 bytes in base64.
const webhookSecret = "whsec_bG9uZ2hhdWwgc2lnbnMgaXRzIHRlc3RzIHdpdGggaXQ="

// Webhooks has the simulator tell every end from now on, and returns what a
// worker has to be told to be the one that is told.
func (in *Installation) Webhooks() []string {
	in.tb.Helper()
	addr := FreeAddr(in.tb)
	in.Call(http.MethodPut, "/_sim/config",
		fmt.Sprintf(`{"webhooks":[{"url":"http://%s/webhooks/openai","secrets":[%q]}]}`, addr, webhookSecret), nil)
	return []string{"LONGHAUL_HTTP_ADDR=" + addr, "OPENAI_WEBHOOK_SECRET=" + webhookSecret}
}

// Totals reads the sums of the simulator's ledger.
func (in *Installation) Totals() simulator.Totals {
	in.tb.Helper()
	var ledger simulator.Ledger
	in.Call(http.MethodGet, "/_sim/ledger?limit=1", "", &ledger)
	return ledger.Totals
}

// Call sends a request to the simulator, outside of its API, and decodes the
// answer unless that is nil.
func (in *Installation) Call(method, path, body string, answer any) {
	in.tb.Helper()
	url := strings.TrimSuffix(in.SimulatorURL, "/v1") + path
	request, err := http.NewRequestWithContext(in.tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		in.tb.Fatal(err)
	}
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		in.tb.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	raw, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode >= http.StatusMultipleChoices {
		in.tb.Fatalf("%s %s: %s %s %v", method, path, got.Status, raw, err)
	}
	if answer != nil {
		if err := json.Unmarshal(raw, answer); err != nil {
			in.tb.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

// LedgerOf is [Installation.Ledger] for one job.
func (in *Installation) LedgerOf(id jobs.ID) map[jobs.ID][]simulator.Entry {
	in.tb.Helper()
	var ledger simulator.Ledger
	in.Call(http.MethodGet, "/_sim/ledger?metadata."+jobs.MetadataJob+"="+string(id), "", &ledger)
	return map[jobs.ID][]simulator.Entry{id: ledger.Entries}
}
