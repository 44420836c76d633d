package responses_test

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	c, err := responses.New(responses.Config{Name: "main", BaseURL: testURL, APIKey: testKey}, registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, err %v", problems, err)
	}
	ops, outcomes := len(responses.Operations()), len(jobs.Classes())+1
	if n, err := testutil.GatherAndCount(registry, "longhaul_responses_requests_total"); err != nil || n != ops*outcomes {
		t.Errorf("%d counters before the first request, err %v; want %d", n, err, ops*outcomes)
	}
	if n, err := testutil.GatherAndCount(registry, "longhaul_responses_request_duration_seconds"); err != nil || n != ops {
		t.Errorf("%d histograms before the first request, err %v; want %d", n, err, ops)
	}

	c.DialWith(func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	})
	if _, err := call(t.Context(), c, "create"); err == nil {
		t.Fatal("a create reached a host that refuses connections")
	}
	c.DialWith(serve(t, respond("queued")).dial)
	for _, op := range []string{"create", "look", "look", "delete"} {
		_, err := call(t.Context(), c, op)
		if (err != nil) != (op == "delete") {
			t.Fatalf("%s: %v", op, err)
		}
	}
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			name := family.GetName() + " " + strings.Join(labels, " ")
			got[name] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"longhaul_responses_requests_total main create ok":             1,
		"longhaul_responses_requests_total main create unreachable":    1,
		"longhaul_responses_requests_total main look ok":               2,
		"longhaul_responses_requests_total main delete unavailable":    1,
		"longhaul_responses_requests_total main delete ok":             0,
		"longhaul_responses_request_duration_seconds main create":      2,
		"longhaul_responses_request_duration_seconds main look":        2,
		"longhaul_responses_request_duration_seconds main cancel":      0,
		"longhaul_responses_requests_total main create ambiguous":      0,
		"longhaul_responses_requests_total main input_items oversized": 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s = %v (there: %t), want %v", name, value, ok, want)
		}
	}
}

func TestEndpointsShareARegistry(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	config := responses.Config{Name: "one", BaseURL: testURL, APIKey: testKey}
	if _, err := responses.New(config, registry); err != nil {
		t.Fatal(err)
	}
	if _, err := responses.New(config, registry); err == nil || !strings.Contains(err.Error(), "endpoint one") {
		t.Errorf("a second endpoint of the same name: err %v, want one that names it", err)
	}
	config.Name = "two"
	if _, err := responses.New(config, registry); err != nil {
		t.Errorf("an endpoint of another name: %v", err)
	}
}
