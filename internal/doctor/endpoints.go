package doctor

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Endpoint is a provider as the configuration has it.
type Endpoint struct {
	Name    string
	BaseURL string
	// Served says that this worker has its key.
	Served bool
	// Setting is the key of the configuration that holds the key of the endpoint.
	Setting string
	// Models asks the provider for a model; nil if it is not served. Its errors
	// are [*jobs.Error]: lost for a model that there is none of, unauthorized for
	// a key that is refused.
	Models interface {
		Model(ctx context.Context, name string) error
	}
	// Model is the one to ask for. Only where requests go that name none, it is
	// Needed.
	Model  string
	Needed bool
	// Secrets is how many secrets its webhooks may be signed with.
	Secrets int
}

// endpointPatience bounds the question to one endpoint.
const endpointPatience = 15 * time.Second

// InspectEndpoints asks each endpoint for the model, all at once.
func InspectEndpoints(ctx context.Context, endpoints []Endpoint) Report {
	found := make(Report, len(endpoints))
	var all sync.WaitGroup
	for i, e := range endpoints {
		all.Go(func() { found[i] = e.inspect(ctx) })
	}
	all.Wait()
	served := slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.Served })
	if len(found) > 0 && !served {
		found[0] = found[0].advise(Fail, "set %s: a worker that has no key at all does not start", endpoints[0].Setting)
	}
	return found
}

func (e Endpoint) inspect(ctx context.Context) Finding {
	check := "endpoint " + e.Name
	if !e.Served {
		return ok(check, "%s is not served here: it has no key", e.BaseURL).
			advise(Warn, "set %s, or leave its jobs to a worker that has it", e.Setting)
	}
	ctx, cancel := context.WithTimeout(ctx, endpointPatience)
	defer cancel()
	found := ok(check, "%s takes the key and has the model %s", e.BaseURL, e.Model)
	err := e.Models.Model(ctx, e.Model)
	if err == nil {
		if inTheClear(e.BaseURL) {
			return found.advise(Warn, "write https:// in its base_url: the key is sent in the clear")
		}
		return found
	}
	f := jobs.FailureOf(err)
	found.Found = e.BaseURL + ": " + f.Message
	switch {
	case f.Class == jobs.ClassUnauthorized && f.HTTPStatus == http.StatusForbidden:
		return found.advise(Fail, "give the key of %s the permission to create responses and to read models, or use another", e.Setting)
	case f.Class == jobs.ClassUnauthorized:
		return found.advise(Fail, "set %s to a key that is valid for this base_url, organization and project", e.Setting)
	case f.Class == jobs.ClassLost && !e.Needed:
		return found.advise(Warn, "it has no model %s; requests to it must name one that it has", e.Model)
	case f.Class == jobs.ClassLost:
		return found.advise(Fail, "set openai.model to a model that this key may use; requests that name their own are not affected")
	case f.Class == jobs.ClassRateLimited:
		return found.advise(Warn, "the key is accepted, and its limits are used up at the moment")
	case f.HTTPStatus == http.StatusNotFound || f.HTTPStatus == http.StatusMethodNotAllowed:
		return found.advise(Warn, "it has no list of models, so neither key nor model could be checked; make sure that base_url ends before /responses")
	case f.HTTPStatus >= http.StatusInternalServerError:
		return found.advise(Warn, "it answers with an error of its own; try again, and see its status page")
	case f.HTTPStatus != 0:
		return found.advise(Fail, "make sure that base_url is where the API is")
	}
	return found.advise(Fail, "make sure that base_url is right and that this machine may reach it; HTTPS_PROXY is honoured")
}

// inTheClear reports whether a key would cross a network without TLS.
func inTheClear(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return !strings.EqualFold(u.Hostname(), "localhost") && (ip == nil || !ip.IsLoopback())
}

// InspectWebhooks looks at what takes webhooks: where, and for which endpoints.
func InspectWebhooks(addr string, endpoints []Endpoint) Report {
	const check = "webhooks"
	var told, untold []string
	for _, e := range endpoints {
		switch {
		case !e.Served:
		case e.Secrets > 0:
			told = append(told, e.Name)
		default:
			untold = append(untold, e.Name)
		}
	}
	switch {
	case len(told) == 0:
		return Report{ok(check, "off: no endpoint has a signing secret; responses are looked at instead")}
	case addr == "":
		return Report{ok(check, "secrets are set for %s, and nothing listens", strings.Join(told, ", ")).
			advise(Warn, "set webhooks.addr, or http.addr: without a listener no webhook arrives, so none is counted on and responses are looked at instead")}
	}
	found := ok(check, "taken on %s for %s", addr, strings.Join(told, ", "))
	if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsLoopback() {
		return Report{found.advise(Warn, "make sure that a proxy on this machine hands POST /webhooks/openai over: nobody else reaches this address")}
	}
	if len(untold) > 0 {
		found.Found += "; not for " + strings.Join(untold, ", ")
	}
	return Report{found}
}
