package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// endpointKeys returns the settings of the endpoint called endpoint, in the
// order in which they are shown.
func endpointKeys(endpoint string) []key {
	own := endpointsKey + "." + endpoint + "."
	return []key{
		{name: own + "base_url", kind: baseURL(), private: true, doc: "Address that the paths of the API are appended to; openai.base_url unless given."},
		{name: own + "api_key", kind: secret(), private: true, doc: "Credential sent with every request. A worker without it does not serve the endpoint."},
		{name: own + "api_key_env", kind: variable(), private: true, doc: "Environment variable that holds the credential, in the place of api_key."},
		{name: own + "organization", kind: header("an id such as org-..., or empty"), private: true, doc: "Organization that is charged, if the key belongs to several."},
		{name: own + "project", kind: header("an id such as proj_..., or empty"), private: true, doc: "Project that is charged, if the key belongs to several."},
		{name: own + "webhook_secrets", kind: secrets(), private: true, doc: "Signing secrets of the webhooks that this endpoint sends."},
		{name: own + "webhook_secrets_env", kind: variable(), private: true, doc: "Environment variable that holds them, in the place of webhook_secrets."},
		{name: own + "create_timeout", kind: createTimeout(), private: true, doc: "How long one POST of a request may take; openai.create_timeout unless given."},
		{name: own + "look_timeout", kind: lookTimeout(), private: true, doc: "How long one look at a response may take; openai.look_timeout unless given."},
	}
}

// variable is the name of an environment variable.
func variable() kind {
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	return text("name", "the name of a variable", func(text string) error {
		switch {
		case !name.MatchString(text):
			return errors.New("is not the name of a variable; write the name, such as EU_API_KEY, and put the secret into the variable")
		case strings.HasPrefix(text, envPrefix):
			return fmt.Errorf("begins with %s, as only settings do; give the variable another name", envPrefix)
		}
		return nil
	})
}

// endpointReader reads the endpoints of one source.
type endpointReader struct {
	sectionReader

	env environment
	// first is the name of the endpoint that openai.* describes.
	first string
	// shared returns what an endpoint takes over from openai.*, as it is written.
	shared func(leaf string) string
}

// read returns the endpoints.
func (r *endpointReader) read(tree sections) map[string]Endpoint {
	endpoints := make(map[string]Endpoint, len(tree))
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if name == r.first {
			r.refuse(r.key+"."+name, "", "has the name of the endpoint that openai.* describes; give it another one, or change openai.endpoint")
			continue
		}
		endpoints[name] = r.endpoint(name, tree[name])
	}
	return endpoints
}

func (r *endpointReader) endpoint(name string, raw any) Endpoint {
	table := make(map[string]key)
	var known []string
	for _, k := range endpointKeys(name) {
		table[k.leaf()] = k
		known = append(known, k.leaf())
	}
	fields, ok := r.open(name, raw, known)
	if !ok {
		return Endpoint{}
	}
	own := func(leaf string) any {
		value, _ := r.value(table[leaf], fields, "", sourceDefault)
		return value
	}
	inherited := func(leaf string) any {
		value, _ := r.value(table[leaf], fields, r.shared(leaf), "openai."+leaf)
		return value
	}
	e := Endpoint{Name: name}
	e.BaseURL, _ = inherited("base_url").(string)
	e.CreateTimeout, _ = inherited("create_timeout").(time.Duration)
	e.LookTimeout, _ = inherited("look_timeout").(time.Duration)
	e.Organization, _ = own("organization").(string)
	e.Project, _ = own("project").(string)
	e.KeyVariable, _ = fields["api_key_env"].(string)
	e.APIKey, _ = r.secret(table, fields, "api_key").(Secret)
	e.WebhookSecrets, _ = r.secret(table, fields, "webhook_secrets").([]Secret)
	return e
}

// secret reads a secret that is given itself or as the name of a variable. A
// variable that is not set holds an empty one: where the key is not, the endpoint
// is not served, and the same file serves for every worker.
func (r *endpointReader) secret(table map[string]key, fields map[string]any, leaf string) any {
	k, named := table[leaf], table[leaf+"_env"]
	if _, given := fields[named.leaf()]; !given {
		value, _ := r.value(k, fields, "", sourceDefault)
		return value
	}
	if _, both := fields[leaf]; both {
		r.refuse(k.name, "", "is given beside "+named.leaf()+"; remove one of the two")
		return nil
	}
	value, ok := r.value(named, fields, "", sourceDefault)
	variable, _ := value.(string)
	if !ok {
		return nil
	}
	r.sources[k.name] = "environment " + variable
	value, shown, err := k.parse(r.env[variable])
	if err != nil {
		r.problems = append(r.problems, Problem{Key: k.name, Source: r.sources[k.name], Value: shown, Message: err.Error()})
		return nil
	}
	return value
}

// AllEndpoints returns the endpoint that openai.* describes and then the others,
// in the order of their names.
func (c Config) AllEndpoints() []Endpoint {
	o := c.OpenAI
	all := []Endpoint{{
		Name: o.Endpoint, BaseURL: o.BaseURL, APIKey: o.APIKey, Organization: o.Organization, Project: o.Project,
		WebhookSecrets: o.WebhookSecrets, CreateTimeout: o.CreateTimeout, LookTimeout: o.LookTimeout,
	}}
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		all = append(all, c.Endpoints[name])
	}
	return all
}

// checkEndpoints adds a problem for each lane whose endpoint there is not.
func (l *loader) checkEndpoints(c Config) {
	var names []string
	for _, e := range c.AllEndpoints() {
		names = append(names, e.Name)
	}
	for _, lane := range slices.Sorted(maps.Keys(c.Lanes)) {
		k := laneKey(lane, "endpoint")
		named := c.Lanes[lane].Endpoint
		if named == "" || slices.Contains(names, named) {
			continue
		}
		message := "is no endpoint; describe it as endpoints." + named + ", or name one that there is: " + strings.Join(names, ", ")
		l.problems = append(l.problems, Problem{Key: k.name, Source: l.sources[k.name], Value: quote(named), Message: message})
	}
}
