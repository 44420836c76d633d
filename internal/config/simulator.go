package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Simulator shapes the stand-in provider of `worker dev` and `worker simulate`.
type Simulator struct {
	Addr string `mapstructure:"addr"`
	// Queued and Running are how long a response stays in each state.
	Queued  time.Duration `mapstructure:"queued"`
	Running time.Duration `mapstructure:"running"`
	// Batch is how long a batch is in progress, 0 for as long as a response.
	Batch time.Duration `mapstructure:"batch"`
	// EnqueuedTokens bounds the input tokens of a model's open batches, 0 for no bound.
	EnqueuedTokens int `mapstructure:"enqueued_tokens"`
	// RequestsPerMinute and TokensPerMinute are its limits, 0 for none.
	RequestsPerMinute int `mapstructure:"requests_per_minute"`
	TokensPerMinute   int `mapstructure:"tokens_per_minute"`
	// ExactTokens has tokens counted as OpenAI's models do.
	ExactTokens bool `mapstructure:"exact_tokens"`
	// WrongCitations is how many of a hundred passages are quoted wrongly.
	WrongCitations int `mapstructure:"wrong_citations"`
	// APIKeys, WebhookURL and WebhookSecret are lists, see [Simulator.Projects].
	APIKeys       Secret `mapstructure:"api_keys"`
	WebhookURL    string `mapstructure:"webhook_url"`
	WebhookSecret Secret `mapstructure:"webhook_secret"`
}

// SimulatorProject is what the stand-in provider has for one project.
type SimulatorProject struct {
	ID string // "" for what belongs to no project
	// APIKeys open it, WebhookURLs are told of its ended responses, signed with
	// each of WebhookSecrets.
	APIKeys, WebhookURLs, WebhookSecrets []string
}

// Projects returns what the lists say, by project, the one without an id first.
func (s Simulator) Projects() []SimulatorProject {
	projects := make(map[string]*SimulatorProject)
	of := func(id string) *SimulatorProject {
		if projects[id] == nil {
			projects[id] = &SimulatorProject{ID: id}
		}
		return projects[id]
	}
	for _, e := range projectEntries(s.APIKeys.Reveal()) {
		p := of(e.project)
		p.APIKeys = append(p.APIKeys, e.value)
	}
	for _, e := range projectEntries(s.WebhookURL) {
		p := of(e.project)
		p.WebhookURLs = append(p.WebhookURLs, e.value)
	}
	for _, e := range projectEntries(s.WebhookSecret.Reveal()) {
		p := of(e.project)
		p.WebhookSecrets = append(p.WebhookSecrets, e.value)
	}
	list := make([]SimulatorProject, 0, len(projects))
	for _, id := range slices.Sorted(maps.Keys(projects)) {
		list = append(list, *projects[id])
	}
	return list
}

// projectEntry is one of a list: a value, and the project that it belongs to, if
// one is named.
type projectEntry struct {
	value, project string
	named          bool
}

// projectEntries reads VALUE@PROJECT,VALUE.
func projectEntries(text string) []projectEntry {
	if text == "" {
		return nil
	}
	var list []projectEntry
	for part := range strings.SplitSeq(text, ",") {
		e := projectEntry{value: part}
		if at := strings.LastIndexByte(part, '@'); at >= 0 {
			e = projectEntry{value: part[:at], project: part[at+1:], named: true}
		}
		list = append(list, e)
	}
	return list
}

// ofProjects is a list of values that may each belong to a project. A secret
// one is never shown.
func ofProjects(what string, hidden bool, check func(value string) error) kind {
	parse := func(text string) error {
		for _, e := range projectEntries(text) {
			if e.value == "" || e.named && !jobs.ValidName(e.project) {
				return errors.New("is not a list; write one, or several with commas between them, each alone or followed by @ and its project, such as a,b@proj_1")
			}
			if err := check(e.value); err != nil {
				return err
			}
		}
		return nil
	}
	k := text("list", what+", or empty", parse)
	if hidden {
		k.parse = func(text string) (any, error) { return NewSecret(text), parse(text) }
		k.show = func(string) string { return redacted }
	}
	return k
}

// webhookURL holds a URL to what can be posted to.
func webhookURL(value string) error {
	if _, err := parseBaseURL(value); err != nil {
		return errors.New("has an address that is not an http or https URL; write for example http://127.0.0.1:8080/webhooks/openai")
	}
	return nil
}
