package summarize_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// A run over a folder: what is on record as done is passed over, and for the
// rest there is a request to hand over.
func Example() {
	dir, err := os.MkdirTemp("", "documents")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, text := range map[string]string{"plan.md": "# The plan\nShip it.", "notes.txt": "Ship it when?", "chart.png": "…"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			fmt.Println(err)
			return
		}
	}
	out := filepath.Join(dir, "summaries")
	folder, err := summarize.OpenFolder(out)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = folder.Close() }()

	selection, err := summarize.Expand(context.Background(), []string{dir}, summarize.ExpandOptions{Exclude: []string{out}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, skipped := range selection.Skipped {
		fmt.Println("skipped", filepath.Base(skipped.Path)+":", skipped.Err)
	}
	opts := summarize.Options{Model: "gpt-4.1"}
	for _, source := range selection.Sources {
		doc, err := summarize.Read(source, summarize.Limits{})
		if err != nil {
			fmt.Println(err)
			continue
		}
		if folder.Done(summarize.Fingerprint(doc, opts), doc.Path) {
			continue
		}
		request, err := summarize.Request(doc, opts)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(doc.Heading(), json.Valid(request))
	}
	// Output:
	// skipped chart.png: unsupported type of file
	// notes.txt true
	// The plan true
}

func ExampleRequest() {
	doc, err := summarize.Parse("notes/plan.html", summarize.KindHTML, []byte("<title>Plan</title><h1>Plan</h1><ul><li>Ship it</ul>"))
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := summarize.Request(doc, summarize.Options{Model: "gpt-4.1", Language: "German"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var body struct {
		Model string `json:"model"`
		Input []struct {
			Content string `json:"content"`
		} `json:"input"`
	}
	if err := json.Unmarshal(request, &body); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(body.Model)
	// The code that encloses a document depends on its text.
	code := regexp.MustCompile(`[0-9a-f]{16}`)
	fmt.Print(code.ReplaceAllString(body.Input[0].Content, "CODE"))
	// Output:
	// gpt-4.1
	// Summarize this document.
	//
	// File name: "plan.html"
	// Title: "Plan"
	// Format: text extracted from HTML
	//
	// ===== BEGIN DOCUMENT CODE =====
	// # Plan
	//
	// - Ship it
	// ===== END DOCUMENT CODE =====
}

func ExampleTooLargeError() {
	doc := summarize.Document{Path: "archive/1999.txt", Text: strings.Repeat("all work and no play ", 100_000)}
	_, err := summarize.Request(doc, summarize.Options{Model: "gpt-4o"})
	if tooLarge, ok := errors.AsType[*summarize.TooLargeError](err); ok {
		fmt.Println(tooLarge.Name, "is over", tooLarge.Limit)
	}
	// Output: archive/1999.txt is over 123904
}

func ExampleOutputName() {
	for _, path := range []string{"minutes.md", "minutes.txt", "2024/plan/minutes.html", "/srv/minutes.md"} {
		fmt.Println(summarize.OutputName(path))
	}
	// Output:
	// minutes.md
	// minutes.txt.md
	// 2024--plan--minutes.html.md
	// minutes~3dd18ac15072.md
}
