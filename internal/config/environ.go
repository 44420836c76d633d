package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	// envFile names the file, as --config does.
	envFile = envPrefix + "CONFIG"
	// envOpenAPI is read by tests only; it names OpenAI's description of its API.
	envOpenAPI = envPrefix + "OPENAPI"
)

// environment is the variables by name.
type environment map[string]string

// newEnvironment reads "NAME=value" pairs; the last of a name counts, as it
// does for the processes that we start.
func newEnvironment(pairs []string) environment {
	env := make(environment, len(pairs))
	for _, pair := range pairs {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	return env
}

// unknown returns a problem for each variable with our prefix that no key goes
// by. Its value is not shown: it may be a misspelt secret.
func (env environment) unknown(table []key) []Problem {
	known := make([]string, 0, len(table)+1)
	for _, k := range table {
		known = append(known, k.env())
	}
	known = append(known, envFile)
	isLink := serviceLinks()
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, envPrefix) || name == envOpenAPI || slices.Contains(known, name) || isLink(name, env[name]) {
			continue
		}
		message := unknown(name, known)
		for _, key := range sectional() {
			if together := envPrefix + strings.ToUpper(key); strings.HasPrefix(name, together+"_") {
				message = "is unknown; " + key + " are given together, as a JSON object in " + together
			}
		}
		problems = append(problems, Problem{Key: name, Source: "environment", Message: message})
	}
	return problems
}

// serviceLinks tells the variables that Kubernetes puts into every container
// beside a Service whose name begins with "longhaul": LONGHAUL_SERVICE_HOST,
// LONGHAUL_REDIS_PORT_6379_TCP_ADDR and their like. Nobody chose them, so they
// must not keep a worker from starting.
func serviceLinks() func(name, value string) bool {
	byName := regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	byValue := regexp.MustCompile(`^(tcp|udp|sctp)://`)
	return func(name, value string) bool {
		return byName.MatchString(name) || strings.HasSuffix(name, "_PORT") && byValue.MatchString(value)
	}
}
