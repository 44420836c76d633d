package tree_test

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// page is a Markdown page, taken apart as far as the checks need it.
type page struct {
	path   string
	prose  string // what stands outside of fences
	fences []fence
}

// fence is a block of code.
type fence struct {
	language string
	line     int // of its first line, counted from 1
	text     string
}

var (
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *#*$`)
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	linkText   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	htmlAnchor = regexp.MustCompile(`<a +(?:id|name)="([^"]+)"`)
)

// pages parses all Markdown files.
func pages(fsys fs.FS) ([]page, error) {
	paths, err := filesWith(fsys, ".md")
	if err != nil {
		return nil, err
	}
	var all []page
	for _, p := range paths {
		source, err := fs.ReadFile(fsys, p)
		if err != nil {
			return nil, err
		}
		all = append(all, parsePage(p, string(source)))
	}
	return all, nil
}

func parsePage(path, source string) page {
	p := page{path: path}
	var prose strings.Builder
	marker := "" // of the fence we are in
	for i, line := range strings.Split(source, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case marker == "" && (strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")):
			info := strings.TrimLeft(trimmed, trimmed[:1])
			marker = strings.TrimSuffix(trimmed, info)
			language, _, _ := strings.Cut(strings.TrimSpace(info), " ")
			p.fences = append(p.fences, fence{language: language, line: i + 2})
		case marker != "" && trimmed == marker:
			marker = ""
		case marker != "":
			p.fences[len(p.fences)-1].text += line + "\n"
		default:
			prose.WriteString(line + "\n")
		}
	}
	p.prose = prose.String()
	return p
}

// anchors returns the names that a link to the page may have after its "#": the
// slugs that code hosts give to headings, and explicit anchors.
func (p page) anchors() map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(p.prose, -1) {
		base := slug(m[1])
		name := base
		for n := 1; names[name]; n++ {
			name = base + "-" + strconv.Itoa(n)
		}
		names[name] = true
	}
	for _, m := range htmlAnchor.FindAllStringSubmatch(p.prose, -1) {
		names[m[1]] = true
	}
	return names
}

func slug(title string) string {
	title = linkText.ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, title)
}

func TestParsePage(t *testing.T) {
	t.Parallel()
	got := parsePage("docs/x.md", "# A `page`: with [links](y.md)!\n\n## Twice\n\n```sh title\n# not a heading\n```\n\n## Twice\n\n"+
		"- item\n\n  ````\n  ```\n  inner\n  ````\n\n<a id=\"here\"></a>\n")
	wantFences := []fence{
		{language: "sh", line: 6, text: "# not a heading\n"},
		{line: 14, text: "  ```\n  inner\n"},
	}
	if diff := cmp.Diff(wantFences, got.fences, cmp.AllowUnexported(fence{})); diff != "" {
		t.Errorf("fences (-want +got):\n%s", diff)
	}
	wantAnchors := map[string]bool{"a-page-with-links": true, "twice": true, "twice-1": true, "here": true}
	if diff := cmp.Diff(wantAnchors, got.anchors()); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
}
