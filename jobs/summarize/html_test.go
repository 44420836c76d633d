package summarize_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestHTMLGolden(t *testing.T) {
	pages, err := filepath.Glob("testdata/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			doc, err := summarize.Read(summarize.Source{Path: page, Kind: summarize.KindHTML}, summarize.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(page, ".html")+".golden", "title: "+doc.Title+"\n\n"+doc.Text+"\n")
		})
	}
}

// golden compares got with a file, or writes the file if UPDATE_GOLDEN is set.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestHTMLText(t *testing.T) {
	tests := []struct {
		name, html, want string
	}{
		{"white space collapses", "<p> a \n\t b&nbsp;c </p>", "a b c"},
		{"inline elements join", "<p>a<b>b</b> <i> c</i>d", "ab cd"},
		{"paragraphs part", "<p>a<p>b</p><div>c</div><div>d</div>", "a\n\nb\n\nc\nd"},
		{"headings", "<h1>a</h1><h3><span>b</span></h3>c<h2></h2>d", "# a\n\n### b\n\nc\n\nd"},
		{"lists", "<ul><li>a<li><p>b</p><ol><li>c<li value=7>d<li>e</ol></ul>f", "- a\n- b\n  1. c\n  7. d\n  8. e\n\nf"},
		{"an item without a list", "<li>a<li>b", "- a\n- b"},
		{"an empty item", "<ul><li></li><li>a</ul>", "- a"},
		{"rows", "<table><tr><td>a<td><p>b</p><td><tr><td><td>c</table>d", "a | b |\n | c\n\nd"},
		{"blocks in a cell", "<table><tr><td><p>a</p><p>b</p><td>c</table>", "a\n\nb | c"},
		{"a cell without a table", "<td>a<td>b", "a\nb"},
		{"pre", "a<pre>\n  b\n\n   c\n</pre>d", "a\n\n  b\n\n   c\n\nd"},
		{"line breaks", "a<br>b<br/>c", "a\nb\nc"},
		{"references", "a &lt;b&gt; &amp;amp; &#8364; &eacute;", "a <b> &amp; € é"},
		{"links", `see <a href="https://example.com">this <b>page</b></a>.`, "see this page."},
		{"pictures", `<p>a<img alt="the  b">c<img alt=""><img src=x>`, "a [image: the b] c"},
		{"what is not read", "a<script>if (1<2) x('</p>')</script><style>b{}</style><noscript><p>c</noscript><iframe>d</iframe>e", "ae"},
		{"navigation", "a<nav>b<nav>c</nav>d</nav>e<template>f</template><svg><text>g</text></svg>h", "a\n\ne\n\nh"},
		{"navigation never closed", "a<nav>b<p>c", "a\n\nb\n\nc"},
		{"navigation after blanks", "<pre>x   <nav>é</nav>y</pre>", "x\n\ny"},
		{"main text in the navigation", "<nav>a<article>b</article></nav>c", "a\n\nb\n\nc"},
		{"a stray end", "a</nav></ul></table></pre></li>b", "a\n\nb"},
		{"self-closing script", `<script src="x"/><p>a</p>`, "a"},
		{"less than", "1 < 2 and <3", "1 < 2 and <3"},
		{"cut within a tag", "a b <stron", "a b"},
		{"verbatim elements", "<textarea> a  b</textarea><xmp><b>c</b></xmp>", "a  b\n\n<b>c</b>"},
		{"plaintext", "a<plaintext><b>c\n  d", "a\n\n<b>c\n  d"},
		{"comments", "a<!-- b -->c<!d>e", "ace"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := summarize.Parse("a.html", summarize.KindHTML, []byte(tt.html))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, doc.Text); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// What would hide the rest of a document is an error, not a shorter document.
func TestHTMLNeverLosesTheRest(t *testing.T) {
	rest := strings.Repeat("<p>text that matters</p>", 100)
	for _, opening := range []string{"<script>", "<style>", "<noscript>", "<iframe>", "<title>", "<!-- ", `<a href="`, "<p "} {
		page := "<p>beginning</p>" + opening + rest
		if opening == "<p " {
			// A tag that swallows text without a quotation mark.
			page = "<p>beginning</p>" + opening + strings.Repeat("text that matters ", 100)
		}
		doc, err := summarize.Parse("a.html", summarize.KindHTML, []byte(page))
		if !errors.Is(err, summarize.ErrMalformed) {
			t.Errorf("%s: text of %d bytes, error %v, want %v", opening, len(doc.Text), err, summarize.ErrMalformed)
		}
	}
}

// Every word of a page that is not inside an element that is left out is in its
// text, in order, however the page is built.
func TestHTMLKeepsEveryWord(t *testing.T) {
	tags := []string{
		"p", "div", "b", "span", "li", "ul", "ol", "table", "tr", "td", "th", "h1", "h2", "pre", "section", "blockquote",
		"dl", "dt", "dd", "a", "article", "main", "header", "footer", "option", "label", "center", "body", "html", "head",
	}
	dropped := []string{"script", "style", "noscript", "iframe", "template", "svg", "nav"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		var page strings.Builder
		var want []string
		for i := range 200 {
			word := fmt.Sprintf("word%d", i)
			switch random.IntN(10) {
			case 0:
				name := dropped[random.IntN(len(dropped))]
				fmt.Fprintf(&page, "<%s>gone%d</%s>", name, i, name)
			case 1, 2, 3, 4:
				fmt.Fprintf(&page, "<%s>", tags[random.IntN(len(tags))])
			case 5, 6, 7:
				fmt.Fprintf(&page, "</%s>", tags[random.IntN(len(tags))])
			default:
				page.WriteString([]string{" ", "\n", " &nbsp;", "\t"}[random.IntN(4)] + word + " ")
				want = append(want, word)
			}
		}
		doc, err := summarize.Parse("a.html", summarize.KindHTML, []byte(page.String()))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var got []string
		for word := range strings.FieldsSeq(doc.Text) {
			if strings.HasPrefix(word, "word") || strings.HasPrefix(word, "gone") {
				got = append(got, word)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: words of %s (-want +got):\n%s", seed, page.String(), diff)
		}
	}
}

// Pages made to exhaust a parser are read like any other.
func TestHTMLHostile(t *testing.T) {
	const many = 50_000
	tests := map[string]string{
		"nested inline elements":    strings.Repeat("<b>", many) + "end",
		"nested blocks":             strings.Repeat("<div>", many) + "end",
		"nested lists":              strings.Repeat("<ul><li>", many) + "end",
		"nested tables":             strings.Repeat("<table><tr><td>", many) + "end",
		"nested navigation":         strings.Repeat("<nav>", many) + "end",
		"attributes":                "<p " + strings.Repeat("a ", many) + ">end",
		"ends without beginning":    strings.Repeat("</div></ul></nav>", many) + "end",
		"one line of ten megabytes": strings.Repeat("word ", 2<<20) + "end",
		"less-than signs":           strings.Repeat("<", many) + " end",
		"ampersands":                strings.Repeat("&", many) + " end",
	}
	for name, page := range tests {
		t.Run(name, func(t *testing.T) {
			doc, err := summarize.Parse("a.html", summarize.KindHTML, []byte(page))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(doc.Text, "end") {
				t.Errorf("the text does not reach the end of the page")
			}
			if len(doc.Text) > len(page)+1024 {
				t.Errorf("%d bytes became %d", len(page), len(doc.Text))
			}
		})
	}
}
