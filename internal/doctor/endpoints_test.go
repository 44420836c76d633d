package doctor_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/doctor"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// provider answers each question for a model with the same error.
type provider struct{ err error }

func (p provider) Model(context.Context, string) error { return p.err }

func refusal(class jobs.Class, status int) provider {
	return provider{&jobs.Error{Failure: jobs.Failure{Class: class, HTTPStatus: status, Message: "the provider's words"}}}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	const secure = "https://api.test/v1"
	for name, tt := range map[string]struct {
		base   string
		models provider
		needed bool
		status doctor.Status
		says   string
	}{
		"well":               {secure, provider{}, true, doctor.OK, "takes the key"},
		"in the clear":       {"http://api.test/v1", provider{}, true, doctor.Warn, "https://"},
		"on this machine":    {"http://127.0.0.1:8081/v1", provider{}, true, doctor.OK, "takes the key"},
		"bad key":            {secure, refusal(jobs.ClassUnauthorized, 401), true, doctor.Fail, "SETTING"},
		"no permission":      {secure, refusal(jobs.ClassUnauthorized, 403), true, doctor.Fail, "permission"},
		"no such model":      {secure, refusal(jobs.ClassLost, 404), true, doctor.Fail, "openai.model"},
		"none that it needs": {secure, refusal(jobs.ClassLost, 404), false, doctor.Warn, "must name one"},
		"limits used up":     {secure, refusal(jobs.ClassRateLimited, 429), true, doctor.Warn, "key is accepted"},
		"no list":            {secure, refusal(jobs.ClassUnavailable, 404), true, doctor.Warn, "no list of models"},
		"its own error":      {secure, refusal(jobs.ClassUnavailable, 502), true, doctor.Warn, "status page"},
		"a redirect":         {secure, refusal(jobs.ClassUnavailable, 301), true, doctor.Fail, "base_url"},
		"nobody":             {secure, refusal(jobs.ClassUnavailable, 0), true, doctor.Fail, "HTTPS_PROXY"},
	} {
		endpoint := doctor.Endpoint{
			Name: "eu", BaseURL: tt.base, Served: true, Setting: "SETTING", Models: tt.models, Model: "gpt-4.1", Needed: tt.needed,
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, doctor.InspectEndpoints(t.Context(), []doctor.Endpoint{endpoint}), "endpoint eu", tt.status, tt.says)
		})
	}
}

func TestEndpointsWithoutKeys(t *testing.T) {
	t.Parallel()
	unserved := doctor.Endpoint{Name: "a", BaseURL: "https://a.test/v1", Setting: "OPENAI_API_KEY"}
	served := doctor.Endpoint{Name: "b", BaseURL: "https://b.test/v1", Served: true, Models: provider{}}
	expect(t, doctor.InspectEndpoints(t.Context(), []doctor.Endpoint{unserved}), "endpoint a", doctor.Fail, "does not start")
	expect(t, doctor.InspectEndpoints(t.Context(), []doctor.Endpoint{unserved, served}), "endpoint a", doctor.Warn, "set OPENAI_API_KEY")
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	endpoint := func(name string, secrets int) doctor.Endpoint {
		return doctor.Endpoint{Name: name, Served: true, Secrets: secrets}
	}
	for name, tt := range map[string]struct {
		addr      string
		endpoints []doctor.Endpoint
		status    doctor.Status
		says      string
	}{
		"off":             {"127.0.0.1:8080", []doctor.Endpoint{endpoint("a", 0)}, doctor.OK, "off"},
		"on":              {"0.0.0.0:8080", []doctor.Endpoint{endpoint("a", 1), endpoint("b", 0)}, doctor.OK, "for a; not for b"},
		"nobody listens":  {"", []doctor.Endpoint{endpoint("a", 2)}, doctor.Warn, "webhooks.addr"},
		"only by a proxy": {"127.0.0.1:8080", []doctor.Endpoint{endpoint("a", 2)}, doctor.Warn, "proxy"},
	} {
		f := doctor.InspectWebhooks(tt.addr, tt.endpoints)[0]
		if f.Status != tt.status || !strings.Contains(f.Found+" "+f.Advice, tt.says) {
			t.Errorf("%s: %+v; want %s, and %q in it", name, f, tt.status, tt.says)
		}
	}
}

// store tells of an installation.
type store struct {
	workers []results.Worker
	counts  results.Counts
	paused  results.Pause        // the second lane
	set     results.LaneSettings // of the second lane
	open    map[string]results.Counts
	used    []results.EndpointUse
	begun   bool
	err     error
}

func (s store) OpenLanes(context.Context) (map[string]results.Counts, error) {
	return maps.Clone(s.open), s.err
}

func (s store) Endpoints(context.Context) ([]results.EndpointUse, error) { return s.used, s.err }

func (s store) LaneSettings(_ context.Context, lane string) (results.LaneSettings, error) {
	if lane != "nightly" {
		return results.LaneSettings{}, s.err
	}
	return s.set, s.err
}

func (s store) Workers(context.Context) ([]results.Worker, error) { return s.workers, s.err }

func (s store) Counts(context.Context, string) (results.Counts, error) { return s.counts, s.err }

func (s store) Pauses(_ context.Context, lanes ...string) ([]results.Pause, error) {
	pauses := make([]results.Pause, len(lanes))
	pauses[1] = s.paused
	return pauses, s.err
}

func (s store) InspectBlobs(context.Context) (bool, error) { return s.begun, s.err }

func TestInstallation(t *testing.T) {
	t.Parallel()
	worker := func(version string, lanes ...string) results.Worker {
		return results.Worker{Version: version, Lanes: lanes}
	}
	here := doctor.Installation{Prefix: "longhaul", Version: "1.2.0", Blobs: "s3://bucket", Lanes: []string{"default", "nightly"}}
	for name, tt := range map[string]struct {
		store  store
		check  string
		status doctor.Status
		says   string
	}{
		"workers":         {store{workers: []results.Worker{worker("1.2.0", "default", "nightly")}}, "workers", doctor.OK, "1 of 1.2.0"},
		"none":            {store{}, "workers", doctor.Warn, "worker run"},
		"older ones":      {store{workers: []results.Worker{worker("1.1.0", "default", "nightly"), worker("1.2.0")}}, "workers", doctor.Warn, "1 of 1.1.0, 1 of 1.2.0"},
		"a lane unserved": {store{workers: []results.Worker{worker("1.2.0", "default")}}, "workers", doctor.Warn, "nightly"},
		"no pause":        {store{}, "lanes", doctor.OK, "none is paused"},
		"a lane paused":   {store{paused: results.Pause{Class: jobs.ClassQuota, Message: "no credit"}}, "lanes", doctor.Warn, "nightly is paused since"},
		"paused by hand":  {store{set: results.LaneSettings{Paused: true, Reason: "the bill"}}, "lanes", doctor.Warn, "nightly is paused by hand: the bill `enqueue lanes resume nightly`"},
		"paused in file":  {store{workers: []results.Worker{{Rates: map[string]results.Rates{"nightly": {Paused: true}}}}}, "lanes", doctor.Warn, "nightly is paused by configuration"},
		"resumed":         {store{workers: []results.Worker{{Rates: map[string]results.Rates{"nightly": {Paused: true}}}}, set: results.LaneSettings{Resumed: true}}, "lanes", doctor.OK, "none is paused"},
		"no jobs":         {store{}, "jobs", doctor.OK, "none"},
		"jobs":            {store{counts: results.Counts{jobs.StateWaiting: 2, jobs.StateFailed: 1}}, "jobs", doctor.OK, "2 waiting, 1 failed"},
		"uncertain ones":  {store{counts: results.Counts{jobs.StateUncertain: 2}}, "jobs", doctor.Warn, "enqueue list"},
		"a lane that nobody has": {
			store{workers: []results.Worker{worker("1.2.0", "default")}, open: map[string]results.Counts{"old": {jobs.StateWaiting: 3, jobs.StateRunning: 1}, "sent": {jobs.StateRunning: 1}, "default": {jobs.StateWaiting: 1}}},
			"stranded jobs", doctor.Warn, "goes on with 3 waiting in lane old have a worker serve it",
		},
		"an endpoint that nobody has": {
			store{workers: []results.Worker{worker("1.2.0", "default")}, used: []results.EndpointUse{{Name: "eu", Running: 2}, {Name: "us"}, {Name: "default", Served: true, Running: 5}}},
			"stranded jobs", doctor.Warn, "goes on with 2 running at endpoint eu have a worker serve it",
		},
		"blobs":         {store{}, "blob store", doctor.OK, "s3://bucket"},
		"no blobs":      {store{err: errors.New("no such bucket")}, "blob store", doctor.Fail, "no such bucket"},
		"blobs to come": {store{err: fs.ErrNotExist}, "blob store", doctor.OK, "not there yet"},
		"blobs gone":    {store{begun: true, err: fs.ErrNotExist}, "blob store", doctor.Fail, "bring it back"},
	} {
		expect(t, here.Inspect(t.Context(), tt.store), tt.check, tt.status, tt.says)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	here.Blobs = ""
	expect(t, here.Inspect(t.Context(), store{}), "blob store", doctor.OK, "none")
}
