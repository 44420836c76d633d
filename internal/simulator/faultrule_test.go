package simulator_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestShortFormOfFaults(t *testing.T) {
	second := simulator.Duration(time.Second)
	for text, want := range map[string]simulator.FaultRule{
		"op=get,attempt=2,every=3,metadata.k=v,status=429": {
			Match:  simulator.FaultMatch{Op: "get", Attempt: 2, Every: 3, Metadata: map[string]string{"k": "v"}},
			Action: simulator.FaultAction{Status: 429},
		},
		"op=create,service_tier=flex,incomplete=content_filter": {
			Match:  simulator.FaultMatch{Op: "create", ServiceTier: "flex"},
			Action: simulator.FaultAction{Incomplete: "content_filter"},
		},
		"probability=0.25, delay=1s": {
			Match: simulator.FaultMatch{Probability: 0.25}, Action: simulator.FaultAction{Delay: second},
		},
		"status=400,body=text,code=c,type=t,param=p,message=m m,accept": {
			Action: simulator.FaultAction{Status: 400, Body: "text", Code: "c", Type: "t", Param: "p", Message: "m m", Accept: true},
		},
		"header.Retry-After=7,header.X-Empty=": {
			Action: simulator.FaultAction{Headers: map[string]string{"Retry-After": "7", "X-Empty": ""}},
		},
		"first=1,reset=before": {Match: simulator.FaultMatch{First: 1}, Action: simulator.FaultAction{Reset: "before"}},
		"hang":                 {Action: simulator.FaultAction{Hang: true}},
		"never_ends=true":      {Action: simulator.FaultAction{NeverEnds: true}},
		"fail=server_error,fail_message=m": {
			Action: simulator.FaultAction{Fail: &simulator.FaultFailure{Code: "server_error", Message: "m"}},
		},
		"queued=1s,running=1s,ignore_background,stream_cut=3": {
			Action: simulator.FaultAction{Queued: &second, Running: &second, IgnoreBackground: true, StreamCut: 3},
		},
		"stream_stall=7,stream_refuse": {Action: simulator.FaultAction{StreamStall: 7, StreamRefuse: true}},
		"stale_gets=2,stale_for=1s,missing_gets=3,missing_for=1s": {
			Action: simulator.FaultAction{
				Stale: &simulator.FaultWindow{Gets: 2, For: second}, Missing: &simulator.FaultWindow{Gets: 3, For: second},
			},
		},
		"op=webhook,project=p,copies=1,behind=2,forge=body": {
			Match:  simulator.FaultMatch{Op: "webhook", Project: "p"},
			Action: simulator.FaultAction{Copies: 1, Behind: 2, Forge: "body"},
		},
		"op=webhook,early=1s": {Match: simulator.FaultMatch{Op: "webhook"}, Action: simulator.FaultAction{Early: second}},
		"op=webhook,withhold": {Match: simulator.FaultMatch{Op: "webhook"}, Action: simulator.FaultAction{Withhold: true}},
		`{"match":{"op":"create"},"action":{"fail":{"code":"server_error"},"running":"1s"}}`: {
			Match:  simulator.FaultMatch{Op: "create"},
			Action: simulator.FaultAction{Fail: &simulator.FaultFailure{Code: "server_error"}, Running: &second},
		},
	} {
		got, err := simulator.ParseFaultRule(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
