package config_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

const page = "../../docs/configuration.md"

var update = flag.Bool("update", false, "write the tables of keys into "+page)

// groups returns the groups of the table, in its order.
func groups() []string {
	var list []string
	for _, k := range config.Keys() {
		if !slices.Contains(list, k.Group) {
			list = append(list, k.Group)
		}
	}
	return list
}

// render returns the table of a group as Markdown.
func render(group string) string {
	var b strings.Builder
	b.WriteString("| Key | Default | Allowed | Meaning |\n| --- | --- | --- | --- |\n")
	for _, k := range config.Keys() {
		if k.Group != group {
			continue
		}
		fallback := "empty"
		switch {
		case k.Name == "lanes.NAME.window":
			fallback = "4 × concurrency"
		case k.Name == "lanes":
			fallback = "`default` alone"
		case k.Name == "lanes.NAME.endpoint":
			fallback = "`openai.endpoint`"
		case k.Name == "lanes.NAME.priority_weights":
			fallback = "`1, 2, 4, 8, 16, 32, 64, 128, 256, 512`"
		case k.Name == "lanes.NAME.models":
			fallback = "none"
		case k.Name == "endpoints", k.Name == "prices", k.Name == "budgets":
			fallback = "none"
		case slices.Contains([]string{"endpoints.NAME.base_url", "endpoints.NAME.create_timeout", "endpoints.NAME.look_timeout"}, k.Name):
			fallback = "`" + strings.Replace(k.Name, "endpoints.NAME", "openai", 1) + "`"
		case k.Default != "":
			fallback = "`" + k.Default + "`"
		}
		doc := k.Doc
		if k.Alias != "" {
			doc += " Also from `" + k.Alias + "`."
		}
		if k.Flag == "" && !strings.Contains(k.Name, ".NAME.") {
			doc += " Has no flag."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, fallback, k.Allowed, doc)
	}
	return b.String()
}

// between returns the expression for the markers of a group and what is between
// them.
func between(group string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)(<!-- keys: ` + group + ` -->\n)(.*?)(<!-- end -->)`)
}

func readPage(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestDocumentationHasTheTableOfKeys(t *testing.T) {
	content := readPage(t)
	if *update {
		for _, group := range groups() {
			content = between(group).ReplaceAllString(content, "${1}"+strings.ReplaceAll(render(group), "$", "$$")+"${3}")
		}
		if err := os.WriteFile(page, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, group := range groups() {
		found := between(group).FindStringSubmatch(content)
		if found == nil {
			t.Errorf("%s has no markers for the keys of %s", page, group)
			continue
		}
		if diff := cmp.Diff(render(group), found[2]); diff != "" {
			t.Errorf("the keys of %s changed; run go test ./internal/config -update (-program +page):\n%s", group, diff)
		}
	}
	if got, want := strings.Count(content, "<!-- keys: "), len(groups()); got != want {
		t.Errorf("the page has tables of %d groups, want %d", got, want)
	}
}

// TestDocumentationExplainsEveryGroup wants prose after each table.
func TestDocumentationExplainsEveryGroup(t *testing.T) {
	t.Parallel()
	content := readPage(t)
	for _, group := range groups() {
		_, section, found := strings.Cut(content, "\n### "+group+"\n")
		if !found {
			t.Errorf("there is no section %s", group)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		if prose := strings.TrimSpace(between(group).ReplaceAllString(section, "")); len(prose) < 100 {
			t.Errorf("section %s does not say what happens when it is wrong: %q", group, prose)
		}
	}
}

// TestDocumentationExamplesLoad reads the examples as a user would paste them.
func TestDocumentationExamplesLoad(t *testing.T) {
	t.Parallel()
	content := readPage(t)
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(content)
	if example == nil {
		t.Fatal("there is no example of a file")
	}
	c := load(t, config.Sources{File: write(t, "longhaul.yaml", example[1])})
	if got, want := c.Lanes["nightly"], (config.Lane{Concurrency: 4, Window: 8, Endpoint: "eu"}); !cmp.Equal(got, want) {
		t.Errorf("lane nightly of the example is %+v, want %+v", got, want)
	}
	lanes := regexp.MustCompile(`(?m)^LONGHAUL_LANES='(.*)'$`).FindStringSubmatch(content)
	if lanes == nil {
		t.Fatal("there is no example of LONGHAUL_LANES")
	}
	c = load(t, config.Sources{Environ: []string{"LONGHAUL_LANES=" + lanes[1]}})
	if got, want := c.Lanes["nightly"], (config.Lane{Concurrency: 4, Window: 8, Endpoint: "default"}); !cmp.Equal(got, want) {
		t.Errorf("lane nightly of the variable is %+v, want %+v", got, want)
	}
}

// TestDocumentationOfModelsLoads reads the example of a lane with models.
func TestDocumentationOfModelsLoads(t *testing.T) {
	t.Parallel()
	example := regexp.MustCompile("(?s)```yaml\n(lanes:\n  large:.*?)```").FindStringSubmatch(readPage(t))
	if example == nil {
		t.Fatal("there is no example of a lane with models")
	}
	lane := load(t, config.Sources{File: write(t, "longhaul.yaml", example[1])}).Lanes["large"]
	if len(lane.Models) != 2 || len(lane.PriorityWeights) != 10 {
		t.Errorf("lane large of the example is %+v", lane)
	}
}

// TestDocumentationOfEndpointsLoads reads the example with three keys.
func TestDocumentationOfEndpointsLoads(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readPage(t), "\n### endpoints\n")
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(section)
	if example == nil {
		t.Fatal("there is no example of endpoints")
	}
	c := load(t, config.Sources{
		File:    write(t, "longhaul.yaml", example[1]),
		Environ: []string{"OPENAI_API_KEY=one", "EU_API_KEY=two", "BATCH_API_KEY=three", "BATCH_WEBHOOK_SECRET=four"},
	})
	var got []string
	for _, e := range c.AllEndpoints() {
		got = append(got, fmt.Sprintf("%s %s %s %d", e.Name, e.BaseURL, e.APIKey.Reveal(), len(e.WebhookSecrets)))
	}
	want := []string{
		"default https://api.openai.com/v1 one 0", "batch https://api.openai.com/v1 three 1", "eu https://eu.api.openai.com/v1 two 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if c.Lanes["nightly"].Endpoint != "batch" || c.Lanes["default"].Endpoint != "default" {
		t.Errorf("lanes of the example: %+v", c.Lanes)
	}
}

// TestKeysAreWellFormed guards the table itself.
func TestKeysAreWellFormed(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, k := range config.Keys() {
		if !regexp.MustCompile(`^[a-z]+(\.(NAME\.)?[a-z]+(_[a-z]+)*)?$`).MatchString(k.Name) {
			t.Errorf("%q is no name for a key", k.Name)
		}
		if !strings.HasSuffix(k.Doc, ".") || strings.ContainsAny(k.Doc, "|`\n") || k.Allowed == "" {
			t.Errorf("%s: the sentence %q or the values %q do not fit into a table", k.Name, k.Doc, k.Allowed)
		}
		for _, name := range []string{k.Env, k.Flag, k.Alias} {
			if other, taken := seen[name]; taken && name != "" {
				t.Errorf("%s and %s both go by %s", other, k.Name, name)
			}
			seen[name] = k.Name
		}
	}
}
