package app_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/jobs"
)

const metricsPage = "../../docs/metrics.md"

var update = flag.Bool("update", false, "write the table of metrics into "+metricsPage)

// startedMetrics are our metrics of a worker that has done nothing yet.
func startedMetrics(t *testing.T, r *runner) []*dto.MetricFamily {
	t.Helper()
	return gather(t, r.started())
}

// gather returns our metrics: the Go runtime's and the process' have pages of
// their own.
func gather(t *testing.T, r *runner) []*dto.MetricFamily {
	t.Helper()
	families, err := app.Gatherer(r.App).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return !strings.HasPrefix(f.GetName(), "longhaul_") })
}

// labels are the names of a family's labels, sorted.
func labels(f *dto.MetricFamily) []string {
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
		}
	}
	slices.Sort(names)
	return names
}

// renderMetrics returns the families as a table in Markdown.
func renderMetrics(families []*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString("| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range families {
		names := labels(f)
		for i, name := range names {
			names[i] = "`" + name + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(names, ", "), f.GetHelp())
	}
	return b.String()
}

var metricsTable = regexp.MustCompile(`(?s)(<!-- metrics -->\n)(.*?)(<!-- end -->)`)

func TestDocumentationHasTheTableOfMetrics(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	content := string(raw)
	families := startedMetrics(t, newWorld(t, quick()).work(`LONGHAUL_BUDGETS={"all":{"amount":1}}`))
	table := renderMetrics(families)
	if *update {
		content = metricsTable.ReplaceAllString(content, "${1}"+strings.ReplaceAll(table, "$", "$$")+"${3}")
		if err := os.WriteFile(metricsPage, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := metricsTable.FindStringSubmatch(content)
	if found == nil {
		t.Fatalf("%s has no markers for the table", metricsPage)
	}
	if diff := cmp.Diff(table, found[2]); diff != "" {
		t.Errorf("the metrics changed; run go test ./internal/app -run Documentation -update (-worker +page):\n%s", diff)
	}

	// What the prose and the expressions name must exist, with its suffixes.
	names := make(map[string]bool)
	for _, f := range families {
		names[f.GetName()] = true
		if f.GetType() == dto.MetricType_HISTOGRAM {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				names[f.GetName()+suffix] = true
			}
		}
	}
	for _, name := range regexp.MustCompile(`longhaul_[a-z_]+`).FindAllString(content, -1) {
		if !names[name] {
			t.Errorf("%s names %s, which does not exist", metricsPage, name)
		}
	}
}

// TestDocumentationNamesLabelValues wants each value that a worker begins with
// explained.
func TestDocumentationNamesLabelValues(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	open := []string{"endpoint", "lane", "version"} // names that somebody chose
	missing := make(map[string]bool)
	for _, f := range startedMetrics(t, newWorld(t, quick()).work()) {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(open, l.GetName()) && !strings.Contains(string(raw), "`"+l.GetValue()+"`") {
					missing[l.GetName()+" "+l.GetValue()] = true
				}
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("%s does not name %q", metricsPage, slices.Sorted(maps.Keys(missing)))
	}
}

// TestMetricsAreThereFromTheStart: a series that begins with its first event
// hides that event from rate().
func TestMetricsAreThereFromTheStart(t *testing.T) {
	t.Parallel()
	series := func(families []*dto.MetricFamily) map[string]bool {
		set := make(map[string]bool)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				set[fmt.Sprint(f.GetName(), m.GetLabel())] = true
			}
		}
		return set
	}
	w := newWorld(t, quick())
	r := w.work()
	before := series(startedMetrics(t, r))
	for _, body := range []string{question, `{"input":"x","model":"no-such-model"}`, `{"input":"x","metadata":{"simulator_fault":"fail=server_error,attempt=1"}}`} {
		w.wait(w.submit(body, jobs.Options{MaxAttempts: 2}))
	}
	cancelled := w.submit(question, jobs.Options{NotBefore: w.store.Now().Add(1e12)})
	if _, err := w.client.Cancel(t.Context(), cancelled); err != nil {
		t.Fatal(err)
	}
	for name := range series(gather(t, r)) {
		if !before[name] {
			t.Errorf("%s was not there from the start", name)
		}
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	r := newWorld(t, quick()).work()
	startedMetrics(t, r)
	problems, err := testutil.GatherAndLint(app.Gatherer(r.App))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
