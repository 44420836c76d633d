package tree_test

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// requiredPages are the ones that readers of any project look for, and the
// contract of this one.
func requiredPages() []string {
	return []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", guaranteesPage}
}

var (
	inlineLink    = regexp.MustCompile(`\[[^\]]*\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)`)
	linkReference = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]: +<?(\S+?)>?(?: +"[^"]*")?$`)
	htmlLink      = regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	scheme        = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

func TestLinksResolve(t *testing.T) {
	t.Parallel()
	checkTree(t, brokenLinks)
}

// brokenLinks finds links to files or headings that do not exist, pages under
// docs that nothing links to, and required pages that are missing. Addresses
// on the web are not visited.
func brokenLinks(fsys fs.FS) ([]string, error) {
	all, err := pages(fsys)
	if err != nil {
		return nil, err
	}
	byPath := map[string]page{}
	for _, p := range all {
		byPath[p.path] = p
	}
	var findings []string
	linked := map[string]bool{}
	for _, p := range all {
		for _, target := range links(p) {
			file, anchor, _ := strings.Cut(target, "#")
			resolved := p.path
			if file != "" {
				resolved = path.Join(path.Dir(p.path), file)
			}
			if _, err := fs.Stat(fsys, resolved); err != nil {
				findings = append(findings, fmt.Sprintf("%s: link to %s: no such file", p.path, target))
				continue
			}
			if resolved != p.path {
				linked[resolved] = true
			}
			if anchor != "" && !byPath[resolved].anchors()[anchor] {
				findings = append(findings, fmt.Sprintf("%s: link to %s: no such heading", p.path, target))
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.path, "docs/") && !linked[p.path] {
			findings = append(findings, p.path+": no other page links to it")
		}
	}
	for _, required := range requiredPages() {
		if _, ok := byPath[required]; !ok {
			findings = append(findings, required+": is missing")
		}
	}
	return findings, nil
}

// links returns the targets of a page's links within the repository.
func links(p page) []string {
	prose := codeSpan.ReplaceAllString(p.prose, "")
	var targets []string
	for _, kind := range []*regexp.Regexp{inlineLink, linkReference, htmlLink} {
		for _, m := range kind.FindAllStringSubmatch(prose, -1) {
			if !scheme.MatchString(m[1]) {
				targets = append(targets, m[1])
			}
		}
	}
	return targets
}

func TestBrokenLinksFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	got, err := brokenLinks(plant(map[string]string{
		"README.md": "# Top\n\n[a](docs/a.md) [b](docs/a.md#part-two) [c](#top) [d](https://example.com/x.md) `[e](gone.md)`\n\n" +
			"[f](gone.md)\n[g](docs/a.md#part-three)\n![h](gone.png \"title\")\n<img src=\"gone.svg\">\n[i]: docs/gone.md\n[j](../outside.md)\n" +
			"[k](main.go)\n[l](main.go#L3)\n\n```\n[m](gone-too.md)\n```\n",
		"CONTRIBUTING.md": "",
		"CHANGELOG.md":    "",
		"docs/a.md":       "# A\n\n## Part two\n\n[back](../README.md#top)\n",
		"docs/orphan.md":  "[self](#orphan) [itself](orphan.md)\n# Orphan\n",
		"main.go":         "package main\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md: link to gone.md: no such file",
		"README.md: link to docs/a.md#part-three: no such heading",
		"README.md: link to gone.png: no such file",
		"README.md: link to ../outside.md: no such file",
		"README.md: link to main.go#L3: no such heading",
		"README.md: link to docs/gone.md: no such file",
		"README.md: link to gone.svg: no such file",
		"docs/orphan.md: no other page links to it",
		"docs/guarantees.md: is missing",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
