package app_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// hookSecret is what the simulator signs its webhooks with.
var hookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))

// workTold starts a worker that takes webhooks, and has the simulator send them to
// it. Looks are so rare that nothing of the test waits for one.
func (w *world) workTold(environ ...string) *runner {
	w.t.Helper()
	r := w.work(append([]string{
		"OPENAI_WEBHOOK_SECRET=" + hookSecret, "LONGHAUL_WEBHOOKS_SAFETY_NET=1h",
	}, environ...)...).started()
	w.tell("http://" + r.HTTPAddr() + "/webhooks/openai")
	return r
}

// tell has the simulator send its webhooks to the address.
func (w *world) tell(url string) {
	w.t.Helper()
	w.call(http.MethodPut, "/_sim/config", fmt.Appendf(nil, `{"webhooks":[{"url":%q,"secrets":[%q]}],"webhook_retry":"50ms"}`, url, hookSecret))
}

func (w *world) submitMany(n int) []jobs.ID {
	w.t.Helper()
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = w.submit(question, jobs.Options{})
	}
	return ids
}

// With webhooks each response is looked at once, when it has ended.
//
// Guarantee: G16.
func TestWebhooksSpareLooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 100 * time.Millisecond, Running: 300 * time.Millisecond})
	r := w.workTold()
	ids := w.submitMany(30)
	for _, id := range ids {
		if j := w.wait(id); j.State != jobs.StateSucceeded {
			t.Errorf("%s ended as %s: %v", id, j.State, j.Failure)
		}
	}
	if polls := w.sim.Ledger().Totals.Polls; polls > len(ids)*12/10 {
		t.Errorf("%d looks at %d responses, want 1.2 for each at most", polls, len(ids))
	}
	if n := r.metric("longhaul_webhooks_looks_total", "result", "ended"); n+r.metric("longhaul_webhooks_looks_total", "result", "adopted") != 30 {
		t.Errorf("%v responses found to have ended by their webhooks", n)
	}
}

// A create that was accepted and whose answer was lost is adopted when its webhook
// comes, and not made again.
//
// Guarantees: G2, G17.
func TestWebhooksAdoptLostAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 50 * time.Millisecond, Running: 100 * time.Millisecond})
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", Every: 3}, Action: simulator.FaultAction{Reset: "after"}})
	w.workTold()
	ids := w.submitMany(30)
	for _, id := range ids {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 || len(w.creates(id)) != 1 {
			t.Errorf("%s ended as %s after %d attempts and %d creates", id, j.State, len(j.Attempts), len(w.creates(id)))
		}
		w.account(j)
	}
	if lost := w.sim.Ledger().Totals.AnswersLost; lost != 10 {
		t.Errorf("%d answers were lost, want 10: the fault has tested something else", lost)
	}
}

// A job that waits for its webhook in vain is asked again when its wait is over.
func TestWebhookThatNeverComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.faults(
		simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: 1}, Action: simulator.FaultAction{Reset: "before"}},
	)
	w.workTold("LONGHAUL_UNCERTAIN_WAIT=1500ms")
	id := w.submit(question, jobs.Options{})
	eventually(t, "it waits for the provider's word", func() bool {
		j := w.load(id)
		return j.State == jobs.StateUncertain && !j.Held()
	})
	j := w.wait(id)
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 2 || j.Attempts[1].Reason != string(jobs.ClassAmbiguous) {
		t.Errorf("ended as %s with %+v", j.State, j.Attempts)
	}
	if waited := j.Attempts[1].Started.Sub(j.Attempts[0].Ended); waited < 1500*time.Millisecond {
		t.Errorf("asked again after %v", waited)
	}
}

// Webhooks that are late, sent twice, out of order, forged, early or missing cost
// at most a look: every job ends once, and nothing forged is believed.
//
// Guarantees: G1, G16.
func TestUnrulyWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 50 * time.Millisecond, Running: 200 * time.Millisecond})
	share := func(action simulator.FaultAction) simulator.FaultRule {
		return simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Probability: 0.15}, Action: action}
	}
	w.faults(
		share(simulator.FaultAction{Delay: simulator.Duration(500 * time.Millisecond)}), share(simulator.FaultAction{Copies: 2}),
		share(simulator.FaultAction{Behind: 3}), share(simulator.FaultAction{Withhold: true}),
		share(simulator.FaultAction{Early: simulator.Duration(150 * time.Millisecond)}),
		share(simulator.FaultAction{Forge: "body"}), share(simulator.FaultAction{Forge: "secret"}),
		share(simulator.FaultAction{Forge: "timestamp"}), share(simulator.FaultAction{Forge: "unsigned"}),
	)
	r := w.workTold("LONGHAUL_WEBHOOKS_SAFETY_NET=1s")
	for _, id := range w.submitMany(80) {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(w.creates(id)) != 1 {
			t.Errorf("%s ended as %s after %d creates", id, j.State, len(w.creates(id)))
		}
	}
	totals := w.sim.Ledger().Totals
	if totals.WebhooksForged == 0 || totals.WebhooksForgedTaken != 0 || totals.WebhooksWithheld == 0 {
		t.Errorf("forged %d, believed %d, withheld %d", totals.WebhooksForged, totals.WebhooksForgedTaken, totals.WebhooksWithheld)
	}
	if n := r.metric("longhaul_webhooks_received_total", "outcome", "forged"); int(n) != totals.WebhooksForged {
		t.Errorf("%v refused as forged, %d sent", n, totals.WebhooksForged)
	}
}

// Webhooks have a listener of their own if asked, and where there is no secret
// they are refused with the way out.
func TestWhereWebhooksAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	post := func(addr string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/webhooks/openai", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		return do(t, request)
	}
	plain := w.work().started()
	if status, body := post(plain.HTTPAddr()); status != http.StatusUnauthorized || !strings.Contains(body, "OPENAI_WEBHOOK_SECRET") {
		t.Errorf("without a secret: %d %s", status, body)
	}
	apart := w.work("OPENAI_WEBHOOK_SECRET="+hookSecret, "LONGHAUL_WEBHOOKS_ADDR=127.0.0.1:0").started()
	if status, _ := post(apart.HTTPAddr()); status != http.StatusNotFound {
		t.Errorf("http.addr takes webhooks beside webhooks.addr: %d", status)
	}
	if status, _ := post(apart.WebhooksAddr()); status != http.StatusUnauthorized {
		t.Errorf("an unsigned webhook on webhooks.addr: %d", status)
	}
	w.tell("http://" + apart.WebhooksAddr() + "/webhooks/openai")
	w.wait(w.submit(question, jobs.Options{}))
	eventually(t, "its webhook is taken", func() bool { return apart.metric("longhaul_webhooks_received_total", "outcome", "taken") > 0 })
}

// While a job is alone nothing else is asked of the provider: neither a look that
// a webhook asks for nor an effect. Both are made up for afterwards.
//
// Guarantee: G18.
func TestAloneIsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 100 * time.Millisecond, Running: time.Second})
	r := w.workTold()
	ended := w.submit(question, jobs.Options{})
	w.wait(ended)
	running := w.submit(question, jobs.Options{})
	eventually(t, "the second job runs", func() bool { return w.load(running).State == jobs.StateRunning })
	leave, err := app.EnterAlone(t.Context(), r.App)
	if err != nil {
		t.Fatal(err)
	}
	before := w.sim.Ledger().Totals
	if _, err := w.client.Delete(t.Context(), ended, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is something to do", func() bool {
		return r.metric("longhaul_webhooks_received_total", "outcome", "taken") == 2 && strings.Contains(r.log.String(), "deletion enqueued")
	})
	time.Sleep(500 * time.Millisecond) // who does not wait would have asked by now
	if after := w.sim.Ledger().Totals; after.Polls != before.Polls || after.Deletes != before.Deletes {
		t.Errorf("%d looks and %d deletions while a job was alone", after.Polls-before.Polls, after.Deletes-before.Deletes)
	}
	leave()
	if j := w.wait(running); j.State != jobs.StateSucceeded {
		t.Errorf("ended as %s: %v", j.State, j.Failure)
	}
	eventually(t, "the response is deleted", func() bool { return w.sim.Ledger().Totals.Deletes == before.Deletes+1 })
}

// A worker that has a secret and listens nowhere looks by itself, does not wait for
// word about a lost answer, and says so when it starts.
func TestNothingListensForWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 50 * time.Millisecond, Running: 300 * time.Millisecond})
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: 1}, Action: simulator.FaultAction{Reset: "before"}})
	r := w.work("OPENAI_WEBHOOK_SECRET="+hookSecret, "LONGHAUL_HTTP_ADDR=", "LONGHAUL_WEBHOOKS_SAFETY_NET=1h")
	j := w.wait(w.submit(question, jobs.Options{}))
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 2 {
		t.Errorf("ended as %s with %+v", j.State, j.Attempts)
	}
	if !strings.Contains(r.log.String(), "webhooks not counted on") {
		t.Error("it does not say so")
	}
}
