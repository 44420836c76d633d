package summarize_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestOutputName(t *testing.T) {
	tests := []struct{ path, want string }{
		{"x.md", "x.md"},
		{"x.txt", "x.txt.md"},
		{"x.html", "x.html.md"},
		{"x.markdown", "x.markdown.md"},
		{"a/x.md", "a--x.md"},
		{"b/x.md", "b--x.md"},
		{"2024/plan/Meeting notes (2).htm", "2024--plan--Meeting notes (2).htm.md"},
		{"Größe/議事録.md", "Größe--議事録.md"},
		// What could be confused with one of the above, or cannot be a name.
		{"x.txt.md", "x.txt~38d81ffd314a.md"},
		{"a--x.md", "a--x~2857adc7b4db.md"},
		{"README", "README~2b7814d3fca2.md"},
		{"/home/me/x.md", "x~958e79c4e269.md"},
		{"../x.md", "x~8dd77e2cfe97.md"},
		{".hidden/x.md", "x~d2049811d239.md"},
		{".x.md", "x~92954e05bf86.md"},
		{"a/-x.md", "x~ca827db839d1.md"},
		{"a\nb*?.md", "a-b~0052783e2757.md"},
		{"index.md", "index~a48746cae70c.md"},
		{"Across.md", "Across~4c817cc8f57d.md"},
		{"a/index.md", "a--index.md"},
		{"con.md", "document~fbdfe56b1c45.md"},
		{"..", "document~5ec1f7e700f3.md"},
		{"", "document~e3b0c44298fc.md"},
	}
	seen := make(map[string]string)
	for _, tt := range tests {
		got := summarize.OutputName(tt.path)
		if got != tt.want {
			t.Errorf("OutputName(%q) = %q, want %q", tt.path, got, tt.want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both called %q", tt.path, other, got)
		}
		seen[got] = tt.path
	}
	long := summarize.OutputName("d/" + strings.Repeat("é", 300) + ".md")
	if !strings.HasPrefix(long, strings.Repeat("é", 60)+"~") || len(long) > 140 {
		t.Errorf("a very long name becomes %q", long)
	}
}

// Different paths made of confusable parts have different names.
func TestOutputNameIsUnique(t *testing.T) {
	parts := []string{"a", "b", "-", "--", ".", "..", "/", "/", ".md", ".txt", ".html", "~", " ", "é", "A", "\n"}
	random := rand.New(rand.NewPCG(1, 3))
	names := make(map[string]string)
	for range 50_000 {
		var b strings.Builder
		for range 1 + random.IntN(7) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		path := b.String()
		name := summarize.OutputName(path)
		if other, ok := names[name]; ok && other != path {
			t.Fatalf("%q and %q are both called %q", path, other, name)
		}
		names[name] = path
	}
}

func FuzzOutputName(f *testing.F) {
	for _, seed := range []string{
		"a.md", "../../etc/passwd", "/", "a/../b.md", "..\\..\\x.md", "C:\\x.md", "\x00.md", strings.Repeat("a/", 200) + "x.md",
		"LPT1.txt", "a:b.md", "summaries.jsonl", ".summaries.lock", "\u202egnp.md", "~.md", " .md", "\xff\xfe.md", "a\r\nb.md",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name := summarize.OutputName(path)
		switch {
		case name != summarize.OutputName(path):
			t.Errorf("%q has two names", path)
		case !filepath.IsLocal(name), filepath.Base(name) != name, strings.ContainsAny(name, "/\\:\x00\r\n*?\"<>|"):
			t.Errorf("%q escapes its folder as %q", path, name)
		case strings.HasPrefix(name, "."), strings.HasPrefix(name, "-"), !strings.HasSuffix(name, ".md"), len(name) > 140:
			t.Errorf("%q is called %q", path, name)
		case !utf8.ValidString(name):
			t.Errorf("%q is called %q, which is not valid UTF-8", path, name)
		}
	})
}
