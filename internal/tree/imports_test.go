package tree_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Libraries by the one purpose that lets a package import them.
const (
	redisClient = "github.com/redis/go-redis/v9"
	prometheus  = "github.com/prometheus/client_golang"
	sdk         = "github.com/openai/openai-go/v3"
)

// direction says what a package's own code may import beside the standard
// library. A trailing /... stands for everything below as well.
type direction struct {
	pkg   string
	allow []string
	why   string
}

// directions has a row for each package: a new one is a decision.
func directions() []direction {
	planner := "a planner is a pure function over jobs; it needs its document libraries and nothing that talks"
	step := "a step of a job's life reaches the store and the provider through interfaces of its own"
	adapter := "adapters meet as small interfaces declared by who calls them, wired in internal/app"
	return []direction{
		{"jobs", nil, "everything imports the vocabulary, so it imports nothing"},
		{"jobs/prices", []string{module + "/jobs"}, "a price is a pure function over what was used"},
		{"jobs/tokens", []string{"github.com/tiktoken-go/tokenizer/..."}, "it counts, and knows nothing of what is counted"},
		{"jobs/summarize", []string{module + "/jobs", module + "/jobs/tokens", module + "/jobs/summarize/pdf", "github.com/santhosh-tekuri/jsonschema/v6/...", "github.com/tiktoken-go/tokenizer/...", "github.com/wlynxg/chardet", "golang.org/x/net/...", "golang.org/x/text/..."}, planner},
		{"jobs/summarize/report", []string{module + "/jobs", module + "/jobs/summarize", "github.com/yuin/goldmark/..."}, "pages are written from what is known, for anybody who has a writer"},
		{"jobs/summarize/pdf", []string{"github.com/klippa-app/go-pdfium/...", "github.com/tetratelabs/wazero/..."}, "the only speaker of PDFium; it knows pages, and nothing of what becomes of them"},
		{"poller", []string{module + "/jobs", prometheus + "/..."}, "when to look is decided without knowing where records or responses live"},
		{"internal/redisurl", nil, "everybody who meets an address reads it here, so it brings nothing along"},
		{"internal/blobsurl", nil, "everybody who meets the URL of a blob store reads it here, so it brings nothing along"},
		{"internal/fetch", nil, "it reads what it is told to, and knows nothing of who asks"},
		{"results", []string{module + "/jobs", module + "/jobs/prices", module + "/internal/redisurl", redisClient + "/...", prometheus + "/...", "github.com/klauspost/compress/zstd"}, "the durable truth knows Redis and no other outside world"},
		{"results/blobs", []string{module + "/jobs", module + "/internal/blobsurl", "github.com/minio/minio-go/v7/..."}, "the only speaker of S3; it knows keys and values, and nothing of Redis"},
		{"client", []string{module + "/jobs", module + "/jobs/...", module + "/results"}, "what other programs import must bring along as little as possible"},
		{"internal/queue", []string{module + "/jobs", redisClient + "/...", prometheus + "/...", "github.com/hibiken/asynq"}, "the only speaker of Asynq; " + adapter},
		{"internal/dispatch", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/limits", []string{module + "/jobs", module + "/jobs/tokens", module + "/results", prometheus + "/..."}, step},
		{"internal/submit", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/parents", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/watchdog", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/effects", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/batches", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/webhooks", []string{module + "/jobs", module + "/results", prometheus + "/..."}, step},
		{"internal/responses", []string{module + "/jobs", sdk + "/option", sdk + "/responses", sdk + "/webhooks", prometheus + "/..."}, "the only speaker of the SDK; its root package would double the cold build"},
		{"internal/config", []string{module + "/jobs", module + "/internal/blobsurl", module + "/internal/redisurl", "github.com/spf13/viper", "github.com/spf13/pflag", "github.com/go-viper/mapstructure/v2"}, "configuration is plain values, with the vocabulary's defaults, that know nobody who uses them"},
		{"internal/api", []string{module + "/jobs", prometheus + "/..."}, adapter},
		{"internal/simulator", []string{"github.com/tiktoken-go/tokenizer/..."}, "a stand-in for OpenAI must not share code with what is tested against it"},
		{"internal/doctor", []string{module + "/jobs", module + "/results", module + "/internal/redisurl", redisClient}, "it asks Redis as it is, and the endpoints through an interface of its own"},
		{"internal/app", []string{module + "/...", redisClient + "/...", prometheus + "/...", "github.com/alicebob/miniredis/v2/...", "golang.org/x/sync/..."}, "the composition root knows everyone and speaks to no outside world itself"},
		{"internal/testlog", nil, "for tests"},
		{"internal/corpus", nil, "for tests: it runs other programs and knows nothing of what reads the documents"},
		{"internal/pdftest", nil, "for tests: it shares no code with what reads its documents"},
		{"internal/redistest", []string{redisClient}, "for tests"},
		{"internal/installation", []string{module + "/client", module + "/internal/redistest", module + "/internal/simulator", module + "/jobs", module + "/jobs/summarize", module + "/results", redisClient}, "for tests: it speaks to the binaries from outside, as a user would"},
		{"internal/proxy", nil, "for tests: it counts what passes and knows nothing of what it means"},
		{"internal/bench", []string{"github.com/hibiken/asynq"}, "measurements only; Asynq by itself is one of the floors"},
		{"internal/bench/plain", []string{"github.com/hibiken/asynq", sdk + "/option", sdk + "/responses", redisClient}, "what is measured beside Longhaul shares nothing with it"},
		{"internal/e2e", nil, "tests only"},
		{"internal/chaos", nil, "tests only"},
		{"internal/tree", nil, "tests only"},
		{"cmd/worker", []string{module + "/internal/app", module + "/internal/config", module + "/internal/simulator", module + "/client", module + "/jobs", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"}, "a command is flags, signals and an exit code"},
		{"cmd/enqueue", []string{module + "/internal/app", module + "/internal/config", module + "/internal/fetch", module + "/client", module + "/jobs", module + "/jobs/...", module + "/results", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term", "github.com/vbauerster/mpb/v8/..."}, "a command is flags, signals and an exit code"},
	}
}

// testImports is what tests may import on top of their package's row.
func testImports() []string {
	return []string{
		module + "/...",
		redisClient + "/...",
		prometheus + "/...",
		"github.com/prometheus/client_model/go",
		sdk + "/...",
		"github.com/alicebob/miniredis/v2/...",
		"github.com/getkin/kin-openapi/...",
		"github.com/google/go-cmp/...",
		"github.com/johannesboyne/gofakes3/...",
		"github.com/santhosh-tekuri/jsonschema/v6",
		"golang.org/x/net/html",
		"golang.org/x/sync/...",
	}
}

// notInTests are packages that not even tests may reach for, but for the ones
// named: tests of everything else use the interfaces that production uses.
func notInTests() map[string][]string {
	return map[string][]string{
		module + "/internal/app":          {"internal/app", "internal/bench", "internal/e2e", "cmd/worker", "cmd/enqueue"},
		module + "/internal/chaos":        nil,
		module + "/internal/e2e":          nil,
		module + "/internal/installation": {"internal/bench", "internal/chaos", "internal/corpus", "internal/e2e", "internal/installation"},
	}
}

// unreachable says what must not come along, however indirectly, with a package.
type unreachable struct {
	from, to, why string
}

func unreachables() []unreachable {
	light := "a program that imports client should not have to build this"
	return []unreachable{
		{"client", "github.com/hibiken/asynq", light},
		{"client", sdk, light},
		{"client", "github.com/spf13/viper", light},
		{"client", "github.com/minio/minio-go/v7", light},
		{"client", module + "/results/blobs", "who opens a client passes the store for blobs"},
		{"cmd/worker", sdk, "the SDK's root package doubles the cold build; import its parts"},
		{"cmd/worker", "github.com/google/go-cmp/cmp", "for tests only"},
		{"cmd/worker", "github.com/getkin/kin-openapi/openapi3", "for tests only"},
		{"cmd/worker", "github.com/johannesboyne/gofakes3", "for tests only"},
		{"cmd/worker", module + "/internal/redistest", "for tests only"},
		{"cmd/worker", module + "/internal/pdftest", "for tests only"},
		{"cmd/worker", module + "/internal/corpus", "for tests only"},
		{"cmd/worker", module + "/internal/installation", "for tests only"},
		{"cmd/worker", module + "/internal/proxy", "for tests only"},
		{"cmd/enqueue", sdk, "the SDK's root package doubles the cold build; import its parts"},
		{"cmd/enqueue", "github.com/google/go-cmp/cmp", "for tests only"},
		{"cmd/enqueue", "github.com/getkin/kin-openapi/openapi3", "for tests only"},
		{"cmd/enqueue", "github.com/johannesboyne/gofakes3", "for tests only"},
		{"cmd/enqueue", module + "/internal/redistest", "for tests only"},
		{"cmd/enqueue", module + "/internal/pdftest", "for tests only"},
		{"cmd/enqueue", module + "/internal/corpus", "for tests only"},
		{"cmd/enqueue", module + "/internal/installation", "for tests only"},
		{"cmd/enqueue", module + "/internal/proxy", "for tests only"},
	}
}

func TestLayoutNamesEachPackage(t *testing.T) {
	t.Parallel()
	checkTree(t, func(fsys fs.FS) ([]string, error) {
		page, err := fs.ReadFile(fsys, "CONTRIBUTING.md")
		if err != nil {
			return nil, err
		}
		var findings []string
		for _, row := range directions() {
			if !strings.Contains(string(page), "`"+row.pkg+"`") {
				findings = append(findings, "CONTRIBUTING.md: does not name "+row.pkg)
			}
		}
		return findings, nil
	})
}

// listed is what go list tells about a package.
type listed struct {
	ImportPath   string   `json:"ImportPath"`
	Imports      []string `json:"Imports"`
	TestImports  []string `json:"TestImports"`
	XTestImports []string `json:"XTestImports"`
	Deps         []string `json:"Deps"`
}

func TestImportDirections(t *testing.T) {
	t.Parallel()
	packages := goList(t)
	for _, finding := range slices.Concat(wrongImports(packages), wrongDependencies(packages)) {
		t.Error(finding)
	}
}

func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-tags=chaos,corpus", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = root(t)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for decoder := json.NewDecoder(out); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read the output of go list: %v", err)
		}
		packages = append(packages, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	return packages
}

// wrongImports finds imports that no row allows, packages without a row and
// rows without a package.
func wrongImports(packages []listed) []string {
	rows := map[string]direction{}
	for _, row := range directions() {
		rows[module+"/"+row.pkg] = row
	}
	var findings []string
	for _, p := range packages {
		row, ok := rows[p.ImportPath]
		if !ok {
			findings = append(findings, p.ImportPath+": has no row in the table of import directions")
			continue
		}
		delete(rows, p.ImportPath)
		for _, imported := range p.Imports {
			if !allowed(row.allow, imported) {
				findings = append(findings, fmt.Sprintf("%s imports %s: %s", row.pkg, imported, row.why))
			}
		}
		inTests := slices.Concat(row.allow, testImports())
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			exceptions, restricted := notInTests()[imported]
			if restricted && !slices.Contains(exceptions, row.pkg) || !allowed(inTests, imported) {
				findings = append(findings, fmt.Sprintf("tests of %s import %s: %s", row.pkg, imported, row.why))
			}
		}
	}
	for _, row := range directions() {
		if _, ok := rows[module+"/"+row.pkg]; ok {
			findings = append(findings, row.pkg+": has a row in the table of import directions but does not exist")
		}
	}
	return findings
}

// allowed reports whether a list of packages covers an import. The standard
// library always is: the first element of its paths has no dot.
func allowed(list []string, imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true
	}
	return slices.ContainsFunc(list, func(entry string) bool {
		if tree, ok := strings.CutSuffix(entry, "/..."); ok {
			return imported == tree || strings.HasPrefix(imported, tree+"/")
		}
		return imported == entry
	})
}

func wrongDependencies(packages []listed) []string {
	deps := map[string][]string{}
	for _, p := range packages {
		deps[p.ImportPath] = p.Deps
	}
	var findings []string
	for _, u := range unreachables() {
		if slices.Contains(deps[module+"/"+u.from], u.to) {
			findings = append(findings, fmt.Sprintf("%s depends on %s: %s", u.from, u.to, u.why))
		}
	}
	return findings
}

func TestWrongImportsAreFound(t *testing.T) {
	t.Parallel()
	var packages []listed
	for _, row := range directions() {
		packages = append(packages, listed{ImportPath: module + "/" + row.pkg, Imports: row.allow})
	}
	if findings := wrongImports(packages); len(findings) > 0 {
		t.Fatalf("exactly what the table allows has findings: %q", findings)
	}

	change := func(pkg string, f func(p *listed)) {
		i := slices.IndexFunc(packages, func(p listed) bool { return p.ImportPath == module+"/"+pkg })
		f(&packages[i])
	}
	change("jobs", func(p *listed) {
		p.Imports = []string{"context", redisClient}
		p.TestImports = []string{"github.com/google/go-cmp/cmp", "github.com/hibiken/asynq"}
	})
	change("poller", func(p *listed) { p.Imports = []string{module + "/jobs/summarize"} })
	change("client", func(p *listed) { p.Deps = []string{"github.com/hibiken/asynq"} })
	change("internal/api", func(p *listed) { p.XTestImports = []string{module + "/internal/app"} })
	change("internal/e2e", func(p *listed) { p.ImportPath = module + "/internal/new" })

	got := slices.Concat(wrongImports(packages), wrongDependencies(packages))
	for i, finding := range got {
		got[i], _, _ = strings.Cut(finding, ": ") // what, not why
	}
	want := []string{
		"jobs imports " + redisClient,
		"tests of jobs import github.com/hibiken/asynq",
		"poller imports " + module + "/jobs/summarize",
		"tests of internal/api import " + module + "/internal/app",
		module + "/internal/new",
		"internal/e2e",
		"client depends on github.com/hibiken/asynq",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
