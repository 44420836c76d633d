package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// indented returns JSON for people, or as it is where it is none.
func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}

// withoutHTML returns Markdown with a backslash before each < that begins raw HTML, so
// that what reads the file shows it as text. What is not [readable] is quoted.
func withoutHTML(source string) string {
	if !readable(source) {
		return fenced("", source)
	}
	raw := []byte(source)
	var cuts []int // where a backslash goes
	mark := func(s text.Segment) {
		for i := s.Start; i < s.Stop; i++ {
			if raw[i] == '<' {
				cuts = append(cuts, i)
			}
		}
	}
	doc := goldmark.DefaultParser().Parse(text.NewReader(raw))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.RawHTML:
			for i := range n.Segments.Len() {
				mark(n.Segments.At(i))
			}
		case *ast.HTMLBlock:
			for i := range n.Lines().Len() {
				mark(n.Lines().At(i))
			}
			if n.HasClosure() {
				mark(n.ClosureLine)
			}
		}
		return ast.WalkContinue, nil
	})
	slices.Sort(cuts)
	var b strings.Builder
	last := 0
	for _, i := range slices.Compact(cuts) {
		b.WriteString(source[last:i] + `\`)
		last = i
	}
	b.WriteString(source[last:])
	return b.String()
}

// converter turns a model's Markdown into HTML for a page of ours: raw HTML comes out
// as text, a picture as its description, and a link only if it leads to the web or
// to a mailbox.
func converter() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tamer{}, 100))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(asText{}, 100))),
	)
}

// toHTML converts Markdown; see converter. Its headings begin below those of the page.
// What is not [readable] comes out as text.
func toHTML(md goldmark.Markdown, markdown string) (string, error) {
	if !readable(markdown) {
		return "<pre>" + html.EscapeString(markdown) + "</pre>\n", nil
	}
	var b bytes.Buffer
	if err := md.Convert([]byte(markdown), &b); err != nil {
		return "", fmt.Errorf("convert a summary to HTML: %w", err)
	}
	return b.String(), nil
}

// tamer takes out of a parsed text what a page must not have.
type tamer struct{}

// Transform implements [parser.ASTTransformer].
func (tamer) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var unwanted []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(n.Level+3, 6)
		case *ast.Link:
			if !leadsOut(string(n.Destination)) {
				unwanted = append(unwanted, n)
			}
		case *ast.AutoLink:
			if !leadsOut(string(n.URL(reader.Source()))) && n.AutoLinkType != ast.AutoLinkEmail {
				unwanted = append(unwanted, n)
			}
		case *ast.Image:
			unwanted = append(unwanted, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range unwanted {
		replace(n, reader.Source())
	}
}

// replace puts what a link or picture holds in its place.
func replace(n ast.Node, source []byte) {
	parent := n.Parent()
	if auto, ok := n.(*ast.AutoLink); ok {
		parent.ReplaceChild(parent, n, ast.NewString(auto.Label(source)))
		return
	}
	for child := n.FirstChild(); child != nil; {
		next := child.NextSibling()
		parent.InsertBefore(parent, n, child)
		child = next
	}
	parent.RemoveChild(parent, n)
}

// leadsOut reports whether a link's destination is a page of the web or a mailbox.
func leadsOut(destination string) bool {
	u, err := url.Parse(destination)
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return u.Host != ""
	case "mailto":
		return true
	}
	return false
}

// asText renders raw HTML as text.
type asText struct{}

// RegisterFuncs implements [renderer.NodeRenderer].
func (asText) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if raw, ok := n.(*ast.RawHTML); ok && entering {
			for i := range raw.Segments.Len() {
				segment := raw.Segments.At(i)
				_, _ = w.WriteString(html.EscapeString(string(segment.Value(source)))) // Flush reports what fails
			}
		}
		return ast.WalkSkipChildren, nil
	})
	r.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		block, ok := n.(*ast.HTMLBlock)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		_, _ = w.WriteString("<p>") // Flush reports what fails
		for i := range block.Lines().Len() {
			segment := block.Lines().At(i)
			_, _ = w.WriteString(html.EscapeString(string(segment.Value(source))))
		}
		if block.HasClosure() {
			_, _ = w.WriteString(html.EscapeString(string(block.ClosureLine.Value(source))))
		}
		_, _ = w.WriteString("</p>\n")
		return ast.WalkContinue, nil
	})
}
