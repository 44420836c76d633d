package simulator_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// webhookFault is a rule about all webhooks.
func webhookFault(action simulator.FaultAction) simulator.FaultRule {
	return simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook"}, Action: action}
}

func TestWebhooksMisbehave(t *testing.T) {
	second := simulator.Duration(time.Second)
	tests := []struct {
		name   string
		action simulator.FaultAction
		want   []string
		totals simulator.Totals // of webhooks
	}{
		{"withheld", simulator.FaultAction{Withhold: true}, nil, simulator.Totals{WebhooksWithheld: 1}},
		{
			"late",
			simulator.FaultAction{Delay: 7 * second},
			[]string{"17s 0 response.completed"},
			simulator.Totals{WebhooksSent: 1, WebhooksDelivered: 1},
		},
		{
			"early",
			simulator.FaultAction{Early: 4 * second},
			[]string{"6s 0 response.completed"},
			simulator.Totals{WebhooksSent: 1, WebhooksDelivered: 1},
		},
		{
			"at once",
			simulator.FaultAction{Early: 3600 * second},
			[]string{"0s 0 response.completed"},
			simulator.Totals{WebhooksSent: 1, WebhooksDelivered: 1},
		},
		{
			"twice",
			simulator.FaultAction{Copies: 1},
			[]string{"10s 0 response.completed", "10s 0 response.completed"},
			simulator.Totals{WebhooksSent: 2, WebhooksDelivered: 2},
		},
		{
			"twice and late",
			simulator.FaultAction{Copies: 1, Delay: second},
			[]string{"11s 0 response.completed", "11s 0 response.completed"},
			simulator.Totals{WebhooksSent: 2, WebhooksDelivered: 2},
		},
		{
			"behind nothing",
			simulator.FaultAction{Behind: 1},
			[]string{"20s 0 response.completed"},
			simulator.Totals{WebhooksSent: 1, WebhooksDelivered: 1},
		},
		{
			"forged",
			simulator.FaultAction{Forge: "signature"},
			[]string{"10s forged"},
			simulator.Totals{WebhooksSent: 1, WebhooksForged: 1, WebhooksForgedTaken: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newInbox()
				sim := telling(t, box)
				setFaults(t, sim, webhookFault(tt.action))
				id := text(t, create(t, sim, object{"background": true})["id"])
				time.Sleep(time.Hour)
				if diff := cmp.Diff(tt.want, box.told(id)); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				ledger := sim.Ledger()
				got := ledger.Totals
				got.CreatesAccepted, got.InputTokens, got.OutputTokens = 0, 0, 0
				if diff := cmp.Diff(tt.totals, got); diff != "" {
					t.Errorf("totals (-want +got):\n%s", diff)
				}
				entry := ledger.Entries[0]
				taken := tt.totals.WebhooksDelivered > 0
				if entry.WebhookWithheld != tt.action.Withhold || entry.WebhookForged != (tt.action.Forge != "") || entry.WebhookTaken.IsZero() == taken {
					t.Errorf("entry = %+v", entry)
				}
				ids := make(map[string]bool)
				for _, m := range box.received() {
					ids[m.header.Get("Webhook-Id")] = true
				}
				if len(ids) > 1 {
					t.Errorf("copies under %d ids", len(ids))
				}
			})
		})
	}
}

func TestForgedWebhooksDoNotVerify(t *testing.T) {
	for forge, reason := range map[string]string{
		"signature": "verification failed", "secret": "verification failed", "body": "verification failed",
		"timestamp": "too old", "unsigned": "missing required webhook-signature",
	} {
		t.Run(forge, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newInbox()
				box.answer = func(int) int { return 401 }
				sim := newSimulator(t, simulator.Config{Transport: box, Webhooks: []simulator.Webhook{
					{URL: "http://worker/", Secrets: []string{secretA, secretB}},
				}})
				setFaults(t, sim, webhookFault(simulator.FaultAction{Forge: forge}))
				create(t, sim, object{"background": true})
				time.Sleep(time.Hour)
				received := box.received()
				if len(received) != 1 {
					t.Fatalf("%d webhooks, want a forged one that is not sent again", len(received))
				}
				for _, secret := range []string{secretA, secretB} {
					if _, err := received[0].open(secret); err == nil || !strings.Contains(err.Error(), reason) {
						t.Errorf("verification: %v, want one that says %q", err, reason)
					}
				}
				if got := sim.Ledger().Totals; got.WebhooksForged != 1 || got.WebhooksForgedTaken != 0 || got.WebhooksRefused != 0 {
					t.Errorf("totals = %+v", got)
				}
			})
		})
	}
}

func TestWebhooksOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		sim := telling(t, box)
		setFaults(t, sim, simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", First: 1}, Action: simulator.FaultAction{Behind: 2, Copies: 1}})
		var ids []string
		for range 4 {
			ids = append(ids, text(t, create(t, sim, object{"background": true})["id"]))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{
			"11s 1 response.completed", "12s 2 response.completed", "12s 0 response.completed", "12s 0 response.completed", "13s 3 response.completed",
		}, box.told(ids...)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestFaultsOfWebhooksAreChosen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		config := projects()
		config.Running, config.Transport = 10*time.Second, box
		config.Webhooks = []simulator.Webhook{{URL: "http://worker/", Secrets: []string{secretA}}}
		for i := range config.Projects {
			config.Projects[i].Webhooks = config.Webhooks
		}
		sim := newSimulator(t, config)
		late := func(d time.Duration) simulator.FaultAction {
			return simulator.FaultAction{Delay: simulator.Duration(d)}
		}
		setFaults(t, sim,
			// A rule without an operation is about requests, and never fires for a webhook.
			simulator.FaultRule{Match: simulator.FaultMatch{Metadata: map[string]string{"k": "v"}}, Action: late(time.Second)},
			simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Metadata: map[string]string{"k": "v"}}, Action: late(2 * time.Second)},
			simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Project: "proj_b"}, Action: late(3 * time.Second)},
			simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Attempt: 2}, Action: late(4 * time.Second)},
		)
		var ids []string
		add := func(metadata object, headers ...string) {
			ids = append(ids, text(t, create(t, sim, object{"background": true, "metadata": metadata}, headers...)["id"]))
		}
		user, ofB := "Authorization: Bearer user-key", "Authorization: Bearer key-b"
		add(object{"k": "v"}, user) // this create is late itself
		add(object{}, ofB)
		add(object{"longhaul_attempt": "2"}, user)
		add(object{"simulator_fault": "op=webhook,delay=5s"}, ofB)
		add(object{}, ofB, "X-Simulator-Fault: op=webhook,delay=6s")
		add(object{}, user)
		add(object{"simulator_fault": "op=webhook,first=1,withhold"}, user)
		time.Sleep(time.Hour)
		want := []string{
			"11s 5 response.completed", "13s 0 response.completed", "14s 1 response.completed", "15s 2 response.completed",
			"16s 3 response.completed", "17s 4 response.completed",
		}
		if diff := cmp.Diff(want, box.told(ids...)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestInvalidFaultsOfWebhooksAreRefused(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	for _, tt := range []struct {
		match  simulator.FaultMatch
		action simulator.FaultAction
		want   string
	}{
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Status: 500}, "action: webhooks take no more than"},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{NeverEnds: true, Delay: 1}, "action: webhooks take no more than"},
		{simulator.FaultMatch{Op: "get"}, simulator.FaultAction{Withhold: true}, "need match.op webhook"},
		{simulator.FaultMatch{}, simulator.FaultAction{Copies: 1}, "need match.op webhook"},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{}, "action: is empty"},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Withhold: true, Copies: 1}, "action.withhold: "},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Early: -1}, "action.early: "},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Early: 1, Delay: 1}, "action.delay: "},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Copies: 101}, "action.copies: "},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Behind: -1}, "action.behind: "},
		{simulator.FaultMatch{Op: "webhook"}, simulator.FaultAction{Forge: "all"}, "action.forge: "},
	} {
		err := sim.SetFaults(simulator.FaultPlan{Rules: []simulator.FaultRule{{Match: tt.match, Action: tt.action}}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v, %+v: %v, want one that says %q", tt.match, tt.action, err, tt.want)
		}
	}
}

// TestWebhooksUnderLoad has many responses end in every way while webhooks are configured, and
// holds the totals together.
func TestWebhooksUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, each = 8, 50
		box := newInbox()
		box.answer = func(n int) int { return 200 + n%4*100 }
		sim := newSimulator(t, simulator.Config{Running: time.Second, Jitter: 1, Transport: box})
		setFaults(t, sim,
			simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Probability: 0.1}, Action: simulator.FaultAction{Withhold: true}},
			simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Every: 7}, Action: simulator.FaultAction{Behind: 3}},
			simulator.FaultRule{Match: simulator.FaultMatch{Op: "webhook", Every: 9}, Action: simulator.FaultAction{Forge: "secret"}},
		)
		var group sync.WaitGroup
		for worker := range workers {
			group.Go(func() {
				for i := range each {
					id := text(t, create(t, sim, object{"background": true})["id"])
					if i%5 == 0 {
						call(t, sim, "POST", "/v1/responses/"+id+"/cancel", nil)
					}
					if worker == 0 && i == each/2 {
						if err := sim.Reconfigure(func(c *simulator.Config) {
							c.Webhooks = []simulator.Webhook{{URL: "http://worker/", Secrets: []string{secretA}}}
						}); err != nil {
							t.Errorf("Reconfigure: %v", err)
						}
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		group.Wait()
		time.Sleep(100 * time.Hour)
		ledger := sim.Ledger()
		got := ledger.Totals
		if got.WebhooksSent != got.WebhooksDelivered+got.WebhooksRefused+got.WebhooksForged || got.WebhooksSent != len(box.received()) {
			t.Errorf("totals = %+v, %d received", got, len(box.received()))
		}
		var taken, withheld, forged, nothing int
		for _, entry := range ledger.Entries {
			switch {
			case !entry.WebhookTaken.IsZero():
				taken++
			case entry.WebhookWithheld:
				withheld++
			case entry.WebhookForged:
				forged++
			default:
				nothing++
			}
		}
		if taken != got.WebhooksDelivered || withheld != got.WebhooksWithheld || forged != got.WebhooksForged || withheld == 0 || forged == 0 || taken < workers*each/3 {
			t.Errorf("%d taken, %d withheld, %d forged, totals = %+v", taken, withheld, forged, got)
		}
		// Only what was cancelled before somebody wanted to know was told to nobody.
		if nothing > workers*each/5 {
			t.Errorf("the ends of %d responses were told to nobody", nothing)
		}
	})
}
