package tree_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// forbidden is text that Go files must not contain.
type forbidden struct {
	text *regexp.Regexp
	why  string

	// but maps the files that may contain it after all to the reason.
	but map[string]string
}

// forbiddenTexts is a function so that this file's own patterns are the only
// place that has to be excepted.
func forbiddenTexts() []forbidden {
	const self = "internal/tree/forbidden_test.go"
	return []forbidden{
		{
			text: regexp.MustCompile(`(?i:chat[/.]completions)|ChatCompletion[A-Z]`),
			why:  "this project speaks the Responses API only",
			but:  map[string]string{self: "the pattern and its test"},
		},
		{
			text: regexp.MustCompile(`\.Skip(f|Now)?\(`),
			why:  "a test that is skipped is taken for one that passed",
			but:  map[string]string{self: "the pattern and its test"},
		},
		{
			text: regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`),
			why:  "what is left to do belongs into an issue",
			but:  map[string]string{self: "the pattern and its test"},
		},
	}
}

func TestForbiddenTexts(t *testing.T) {
	t.Parallel()
	for _, f := range forbiddenTexts() {
		t.Run(f.text.String(), func(t *testing.T) {
			t.Parallel()
			checkTree(t, f.find)
			for exception := range f.but {
				source, err := fs.ReadFile(os.DirFS(root(t)), exception)
				if err != nil || !f.text.Match(source) {
					t.Errorf("exception for %s is no longer needed (err %v)", exception, err)
				}
			}
		})
	}
}

// find returns each line that contains the text, exceptions aside.
func (f forbidden) find(fsys fs.FS) ([]string, error) {
	paths, err := filesWith(fsys, ".go")
	if err != nil {
		return nil, err
	}
	var findings []string
	for _, p := range paths {
		if _, ok := f.but[p]; ok {
			continue
		}
		source, err := fs.ReadFile(fsys, p)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(source), "\n") {
			if f.text.MatchString(line) {
				findings = append(findings, fmt.Sprintf("%s:%d: %q: %s", p, i+1, f.text.FindString(line), f.why))
			}
		}
	}
	return findings, nil
}

func TestForbiddenTextsFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	fsys := plant(map[string]string{
		"a/a.go":      "package a\n\nvar path = \"/v1/chat/completions\"\n// TODO: more\n",
		"a/b.go":      "package a\n\nfunc f(p sdk.ChatCompletionNewParams) { c.Chat.Completions.New(p) }\n",
		"a/a_test.go": "package a\n\nfunc TestX(t *testing.T) { t.Skip(\"not today\") }\n",
		"a/fine.go":   "package a\n\n// Skipped is one of many ChatCompletions, as \"chat.completion\".\nvar skip = list.SkipList(1)\n",
	})
	var got []string
	for _, f := range forbiddenTexts() {
		findings, err := f.find(fsys)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, findings...)
	}
	want := []string{
		`a/a.go:3: "chat/completions": this project speaks the Responses API only`,
		`a/b.go:3: "ChatCompletionN": this project speaks the Responses API only`,
		`a/a_test.go:3: ".Skip(": a test that is skipped is taken for one that passed`,
		`a/a.go:4: "TODO": what is left to do belongs into an issue`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
