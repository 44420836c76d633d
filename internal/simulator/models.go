package simulator

import (
	"slices"
	"strings"
)

// model is what the simulator needs to know about a model's name.
type model struct {
	name      string // as requested
	snapshot  string // the dated name that responses carry
	context   int    // tokens that fit, input and output together
	reasoning bool   // spends reasoning tokens, and refuses sampling parameters
}

// catalogue is the set of models that exist.
type catalogue struct {
	listed []string // aliases and snapshots, in the order of GET /models
	byName map[string]model
}

func newCatalogue(names []string) *catalogue {
	c := &catalogue{byName: make(map[string]model, 2*len(names))}
	add := func(m model) {
		if _, ok := c.byName[m.name]; !ok {
			c.byName[m.name] = m
			c.listed = append(c.listed, m.name)
		}
	}
	for _, name := range names {
		m := model{name: name, snapshot: snapshotOf(name), context: contextOf(name), reasoning: reasons(name)}
		add(m)
		m.name = m.snapshot
		add(m)
	}
	return c
}

func (c *catalogue) find(name string) (model, bool) {
	m, ok := c.byName[name]
	return m, ok
}

// defaultModels are the models that OpenAI offered for the Responses API in late 2026.
func defaultModels() []string {
	return []string{
		"gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini", "o3", "o3-pro",
		"gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro", "gpt-5.1", "gpt-5.2", "gpt-5.2-pro",
		"gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.4-pro", "gpt-5.5", "gpt-5.5-pro",
		"gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna",
		"gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-6.1-sol", "gpt-6.1-terra",
	}
}

// snapshotOf returns the dated name behind an alias. Names without a known date stand for
// themselves.
func snapshotOf(name string) string {
	switch name {
	case "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano":
		return name + "-2025-04-14"
	case "gpt-4o":
		return name + "-2024-08-06"
	case "gpt-4o-mini":
		return name + "-2024-07-18"
	case "o3":
		return name + "-2025-04-16"
	case "o3-pro":
		return name + "-2025-06-10"
	case "gpt-5", "gpt-5-mini", "gpt-5-nano":
		return name + "-2025-08-07"
	case "gpt-5-pro":
		return name + "-2025-10-06"
	case "gpt-5.1":
		return name + "-2025-11-13"
	case "gpt-5.2", "gpt-5.2-pro":
		return name + "-2025-12-11"
	case "gpt-5.4-mini", "gpt-5.4-nano":
		return name + "-2026-03-17"
	case "gpt-5.5", "gpt-5.5-pro":
		return name + "-2026-04-23"
	}
	return name
}

func contextOf(name string) int {
	switch {
	case strings.HasPrefix(name, "gpt-4.1"):
		return 1_047_576
	case strings.HasPrefix(name, "gpt-4o"):
		return 128_000
	case strings.HasPrefix(name, "o"):
		return 200_000
	case strings.HasPrefix(name, "gpt-5.5"), strings.HasPrefix(name, "gpt-5.6"), strings.HasPrefix(name, "gpt-6"):
		return 1_050_000
	}
	return 400_000
}

func reasons(name string) bool {
	if strings.Contains(name, "-chat") {
		return false
	}
	for _, prefix := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// defaultEffort is what a request without reasoning.effort gets; empty for models without
// reasoning.
func (m model) defaultEffort() string {
	if !m.reasoning {
		return ""
	}
	for _, prefix := range []string{"gpt-5.1", "gpt-5.2", "gpt-5.4"} {
		if strings.HasPrefix(m.name, prefix) && !strings.Contains(m.name, "-pro") {
			return "none"
		}
	}
	return "medium"
}

// efforts lists the values of reasoning.effort that the model supports.
func (m model) efforts() []string {
	switch {
	case strings.HasPrefix(m.name, "o"):
		return []string{"low", "medium", "high"}
	case m.name == "gpt-5", strings.HasPrefix(m.name, "gpt-5-"):
		return []string{"minimal", "low", "medium", "high"}
	}
	return []string{"none", "low", "medium", "high", "xhigh", "max"}
}

func (m model) supportsEffort(effort string) bool { return slices.Contains(m.efforts(), effort) }

// reasoningTokens is how many tokens the stand-in pretends to think.
func reasoningTokens(effort string) int {
	switch effort {
	case "low":
		return 64
	case "medium":
		return 192
	case "high":
		return 576
	case "xhigh":
		return 1152
	case "max":
		return 2304
	}
	return 0
}
