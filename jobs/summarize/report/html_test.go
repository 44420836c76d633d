package report_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// elements are the elements of a page, in their order.
func elements(t *testing.T, text string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// records are the documents that a page holds.
func records(t *testing.T, text string) []map[string]any {
	t.Helper()
	for _, n := range elements(t, text) {
		if attribute(n, "id") != "data" {
			continue
		}
		var all []map[string]any
		if err := json.Unmarshal([]byte(n.FirstChild.Data), &all); err != nil {
			t.Fatalf("the page's data: %v", err)
		}
		return all
	}
	t.Fatal("the page has no data")
	return nil
}

func TestPageHoldsEachDocument(t *testing.T) {
	t.Parallel()
	all := records(t, page(t, report.Run{Name: "contracts"}, lease(), refused()))
	if len(all) != 2 || all[0]["path"] != "contracts/lease.pdf" || all[1]["reason"] != "the document is encrypted; save it without a password" {
		t.Fatalf("the page holds %v", all)
	}
	if got, want := all[0]["html"], "<p>The pier is let <strong>for ten years</strong>.</p>\n<ul>\n<li>Rent rises yearly.</li>\n</ul>\n"; got != want {
		t.Errorf("the summary is %q, want %q", got, want)
	}
}

// The page runs its own script and style only, known by their content, and asks nothing
// of the network.
func TestPageAllowsItselfNothingElse(t *testing.T) {
	t.Parallel()
	text := page(t, report.Run{Name: "contracts"}, lease())
	var policy string
	var inline []string
	for _, n := range elements(t, text) {
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "style" || strings.HasPrefix(a.Key, "on") || n.Data == "link" || a.Key == "href" && a.Val != "index.md" {
				t.Errorf("<%s %s=%q> is not the page's own", n.Data, a.Key, a.Val)
			}
		}
		switch {
		case n.Data == "meta" && attribute(n, "http-equiv") == "Content-Security-Policy":
			policy = attribute(n, "content")
		case n.Data == "style", n.Data == "script" && attribute(n, "type") == "":
			inline = append(inline, n.FirstChild.Data)
		}
	}
	if len(inline) != 2 {
		t.Fatalf("%d styles and scripts, want 2", len(inline))
	}
	for _, source := range inline {
		sum := sha256.Sum256([]byte(source))
		if digest := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, digest) {
			t.Errorf("the policy %q does not allow what begins with %.40q", policy, source)
		}
		if strings.Contains(source, "http://") || strings.Contains(source, "https://") || strings.Contains(source, "@import") || strings.Contains(source, "url(") {
			t.Errorf("what begins with %.40q asks something of the network", source)
		}
	}
	for _, want := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q allows what is unsafe", policy)
	}
}

// hostiles are texts that would run, load or break something if they were not escaped.
func hostiles() []string {
	return []string{
		`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `</textarea></style></title><img src=x onerror=alert(1)>`,
		`<!--<script>`, `--><svg/onload=alert(1)>`, `[go](javascript:alert(1))`, `[go](JaVaScRiPt&#58;alert(1))`, `[go]( javascript:alert(1) "t")`,
		`[go](data:text/html;base64,PHNjcmlwdD4=)`, `[go](vbscript:x)`, `[go](file:///etc/passwd)`, `[go](//evil.example/x)`, `<javascript:alert(1)>`,
		`![pixel](https://evil.example/p.png)`, `[a]: javascript:alert(1)` + "\n\n[a]", "```html\n</script><script>alert(1)</script>\n```",
		`"><iframe src=https://evil.example>`, "<div onclick=\"alert(1)\">\n\n*x*\n\n</div>", "\u2028\u2029</script>", `{{.}} ${alert(1)}`,
		"<a href=\"javascript:alert(1)\">x</a>", "<style>*{background:url(https://evil.example)}</style>", `<https://ok.example/"onmouseover="alert(1)>`,
	}
}

// hostile is a document all of whose texts are one.
func hostile(text string) report.Document {
	says := []summarize.Statement{{Text: text, Sources: []summarize.Citation{{Document: text, Unit: text, Number: 1, Heading: text, Quote: text}}}}
	mentions := []summarize.Mention{{Value: text, Meaning: text}}
	custom, err := json.Marshal(map[string]string{text: text})
	if err != nil {
		panic(err)
	}
	return report.Document{
		Entry: summarize.Entry{
			Document: text, Name: text, Model: text, Status: summarize.Status(text), Output: text, JobID: text, Note: text,
			Error: &summarize.EntryError{Class: text, Message: text},
		},
		Summary: &summarize.Summary{
			Title: text, Language: text, Text: text, KeyPoints: says, OpenQuestions: says, Dates: mentions, Names: mentions, Numbers: mentions, Custom: custom,
			Coverage: summarize.Coverage{Parts: 1, Sections: 2, Unit: text, Missing: []string{text}}, Raw: []string{text}, Answered: new(bool),
		},
	}
}

func TestPageEscapesWhatIsHostile(t *testing.T) {
	t.Parallel()
	clean := elements(t, page(t, report.Run{Name: "x", Question: "x", Settings: []string{"x"}}, lease()))
	var all []report.Document
	for _, text := range hostiles() {
		d := hostile(text)
		all = append(all, d)
		got := elements(t, page(t, report.Run{Name: text, Question: text, Settings: []string{text}, Across: &d}, d))
		// The same elements as in a page about something harmless: nothing got out of
		// its place.
		names := func(nodes []*html.Node) (names []string) {
			for _, n := range nodes {
				if n.Data != "option" && n.Data != "i" && n.Data != "li" && n.Data != "b" && n.Data != "span" { // as many as there are statuses and sums
					names = append(names, n.Data)
				}
			}
			return names
		}
		if got, want := names(got), names(clean); !slices.Equal(got, want) {
			t.Errorf("%q gives the elements\n%v\nwant\n%v", text, got, want)
		}
	}
	allowed := regexp.MustCompile(`^(html|head|body|p|em|strong|ul|ol|li|h[4-6]|pre|code|blockquote|table|thead|tbody|tr|th|td|del|br|hr|a)$`)
	for i, r := range records(t, page(t, report.Run{}, all...)) {
		text, _ := r["html"].(string)
		for _, n := range elements(t, text) {
			if !allowed.MatchString(n.Data) {
				t.Errorf("%q becomes a <%s>", hostiles()[i], n.Data)
			}
			for _, a := range n.Attr {
				outward := n.Data == "a" && a.Key == "href" && strings.HasPrefix(a.Val, "https://")
				if !outward && (n.Data != "code" || a.Key != "class") && a.Key != "title" {
					t.Errorf("%q becomes <%s %s=%q>", hostiles()[i], n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

// The text stays readable, and nothing of it is left out.
func TestPageShowsRawHTMLAsText(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Summary.Text = "Before <b>bold</b> and <!-- remark --> after.\n\n<div>\nblock\n</div>\n\n![a picture](https://x.example/p.png) [bad](javascript:x) [good](https://x.example)"
	got, _ := records(t, page(t, report.Run{}, d))[0]["html"].(string)
	for _, want := range []string{
		"&lt;b&gt;bold&lt;/b&gt;", "&lt;!-- remark --&gt;", "&lt;div&gt;\nblock\n&lt;/div&gt;", "a picture bad", `<a href="https://x.example">good</a>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the summary does not hold %q:\n%s", want, got)
		}
	}
}

func TestMarkdownHoldsNoRawHTML(t *testing.T) {
	t.Parallel()
	for _, text := range hostiles() {
		got := string(report.Markdown(hostile(text)))
		if strings.Contains(outsideCode(got), "<script") {
			t.Errorf("%q gives raw HTML:\n%s", text, got)
		}
	}
	d := lease()
	d.Summary.Text = "if a < b then `<b>` <b>x</b>\n\n```\n<p>\n```\n\n<table>\n<tr>\n</table>"
	want := "if a < b then `<b>` \\<b>x\\</b>\n\n```\n<p>\n```\n\n\\<table>\n\\<tr>\n\\</table>"
	if got := string(report.Markdown(d)); !strings.Contains(got, want) {
		t.Errorf("the file is\n%s\nwant it to hold\n%s", got, want)
	}
}

// outsideCode drops what is escaped or quoted as code.
func outsideCode(markdown string) string {
	var b strings.Builder
	fence := ""
	for line := range strings.Lines(markdown) {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && len(ticks) >= len(fence) && strings.TrimSpace(line) == ticks:
			fence = ""
		case fence == "":
			b.WriteString(line)
		}
	}
	plain := strings.ReplaceAll(b.String(), `\<`, "")
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(plain, "")
}

func TestPageOfManyDocumentsIsAsLargeAsTheyAre(t *testing.T) {
	t.Parallel()
	var some []report.Document
	for i := range 2000 {
		d := lease()
		d.Entry.Document = fmt.Sprintf("contracts/%04d.pdf", i)
		some = append(some, d)
	}
	text := page(t, report.Run{Name: "many"}, some...)
	if got := len(records(t, text)); got != 2000 {
		t.Errorf("the page holds %d documents, want 2000", got)
	}
	if n := len(elements(t, text)); n > 100 {
		t.Errorf("a browser makes %d elements before anything is asked for, want few", n)
	}
	if len(text) > 2000*2500 {
		t.Errorf("the page has %d bytes", len(text))
	}
}
