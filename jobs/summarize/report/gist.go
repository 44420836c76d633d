package report

import (
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// gist is the beginning of a summary as plain text: what a reader of its Markdown sees,
// in one line. Nothing but markup is left out, for a > may be "more than"; what is listed
// has a dash.
func gist(markdown string, limit int) string {
	raw := []byte(strings.ToValidUTF8(markdown[:min(len(markdown), 32*limit)], ""))
	if !readable(string(raw)) {
		return line(string(raw), limit)
	}
	var b strings.Builder
	doc := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough)).Parser().Parse(text.NewReader(raw))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function returns no error
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.ListItem:
			b.WriteString("- ")
		case *ast.Text:
			value := n.Value(raw)
			if n.Parent().Kind() != ast.KindCodeSpan {
				value = util.UnescapePunctuations(util.ResolveNumericReferences(util.ResolveEntityNames(value)))
			}
			b.Write(value)
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.AutoLink:
			b.Write(n.Label(raw))
		case *ast.RawHTML:
			b.Write(n.Segments.Value(raw))
		case *ast.CodeBlock, *ast.FencedCodeBlock, *ast.HTMLBlock:
			b.Write(n.Lines().Value(raw))
			if block, ok := n.(*ast.HTMLBlock); ok && block.HasClosure() {
				b.Write(block.ClosureLine.Value(raw))
			}
		}
		return ast.WalkContinue, nil
	})
	return line(b.String(), limit)
}
