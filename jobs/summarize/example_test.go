package summarize_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

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
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, source := range selection.Sources {
		doc, err := summarize.Read(source, summarize.Limits{})
		if err != nil {
			fmt.Println(err)
			continue
		}
		prepared, err := preparer.Document(doc)
		if err != nil {
			fmt.Println(err)
			continue
		}
		if folder.Done(summarize.RequestFingerprint(prepared.Request), doc.Path) {
			continue
		}
		fmt.Println(doc.Heading(), json.Valid(prepared.Request), prepared.Forecast.Parts)
	}
	// Output:
	// skipped chart.png: unsupported type of file
	// notes.txt true 1
	// The plan true 1
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
