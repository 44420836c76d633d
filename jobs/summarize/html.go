package summarize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

const (
	// maxNesting bounds what is remembered of nested lists, tables and dropped
	// regions. Deeper ones lose their indentation, not their text.
	maxNesting = 64
	// maxIndent bounds the indentation of nested lists, in levels: without it a
	// hostile page becomes many times as long as it was.
	maxIndent = 8
	// maxLooseTag is how much of a tag may be missing its end at the end of a
	// file. It covers a file that was cut within a tag; anything longer is text
	// swallowed by a quotation mark that was never closed.
	maxLooseTag = 1 << 10
)

// readHTML returns the readable text of an HTML document and its title.
//
// It works on the stream of tags rather than on a tree: the memory that it
// needs does not depend on nesting, and a region that is opened and never
// closed cannot swallow the rest of the document.
func readHTML(source string) (text, title string, err error) {
	x := extractor{tokens: html.NewTokenizer(strings.NewReader(source))}
	for {
		switch x.tokens.Next() {
		case html.ErrorToken:
			if err := x.end(); err != nil {
				return "", "", err
			}
			if x.title == "" {
				x.title = x.heading
			}
			return x.out.String(), x.title, nil
		case html.TextToken:
			x.text(x.tokens.Text())
		case html.StartTagToken:
			name, attrs := x.tokens.TagName()
			x.start(string(name), attrs)
		case html.SelfClosingTagToken:
			name, attrs := x.tokens.TagName()
			x.selfClosing(string(name), attrs)
		case html.EndTagToken:
			name, _ := x.tokens.TagName()
			x.close(string(name))
		case html.CommentToken:
			if isOpenComment(x.tokens.Raw()) {
				return "", "", fmt.Errorf("%w: a comment is never closed", ErrMalformed)
			}
		case html.DoctypeToken:
		}
	}
}

// isOpenComment reports whether the end of the document ended a comment.
func isOpenComment(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte("<!--")) && !bytes.HasSuffix(raw, []byte("-->")) && !bytes.HasSuffix(raw, []byte("--!>"))
}

// extractor turns tags and text into readable text.
type extractor struct {
	tokens *html.Tokenizer
	out    flow

	title, heading string
	// raw is the element whose content the tokenizer hands over as one piece.
	raw string
	// headingFrom is where the open heading of level one begins.
	headingFrom *mark

	// regions are the open elements whose text is taken back when they close.
	regions []region
	lists   []list
	// pre counts open elements that keep their white space.
	pre int
	// cells counts the cells of the current row in each open table.
	cells []int
}

// region is an element that is left out.
type region struct {
	name string
	from mark
	// keep is set when the main text turns out to stand in it.
	keep bool
}

type list struct {
	ordered bool
	next    int
}

// text handles a piece of text, with character references already resolved.
func (x *extractor) text(text []byte) {
	switch {
	case x.raw == "title":
		if x.title == "" && len(x.regions) == 0 {
			x.title = strings.TrimSpace(string(text))
		}
	case isDroppedRaw(x.raw):
	case x.raw == "xmp" || x.raw == "plaintext" || x.raw == "textarea" || x.pre > 0:
		x.out.verbatim(string(text))
	default:
		x.out.text(text)
	}
}

// isDroppedRaw reports whether an element's content, which is handed over as
// one piece, is not for reading.
func isDroppedRaw(name string) bool {
	switch name {
	case "script", "style", "noscript", "iframe", "noembed", "noframes":
		return true
	}
	return false
}

// selfClosing handles <tag/>, which encloses nothing.
func (x *extractor) selfClosing(name string, attrs bool) {
	switch name {
	case "br", "hr", "img", "td", "th", "tr", "p", "div":
		x.start(name, attrs)
	}
	// The tokenizer takes <script/> for a start tag of raw text, as browsers do
	// in HTML; in XHTML it is empty, and believing that loses no text.
	x.tokens.NextIsNotRawText()
}

func (x *extractor) start(name string, attrs bool) {
	switch name {
	case "title", "textarea", "script", "style", "noscript", "iframe", "noembed", "noframes", "xmp", "plaintext":
		x.raw = name
		if name == "xmp" || name == "plaintext" {
			x.out.paragraph()
		}
	case "nav", "template", "svg":
		if len(x.regions) < maxNesting {
			x.regions = append(x.regions, region{name: name, from: x.out.mark()})
		}
		x.out.paragraph()
	case "main", "article":
		for i := range x.regions {
			x.regions[i].keep = x.regions[i].keep || x.regions[i].name == "nav"
		}
		x.out.paragraph()
	case "h1", "h2", "h3", "h4", "h5", "h6":
		x.out.paragraph()
		x.out.prefix(strings.Repeat("#", int(name[1]-'0')) + " ")
		if name == "h1" && x.heading == "" && len(x.regions) == 0 {
			x.headingFrom = new(x.out.mark())
		}
	case "ul", "ol", "menu":
		x.openList(name == "ol", attrs)
	case "li":
		x.item(attrs)
	case "table":
		x.out.release()
		x.out.paragraph()
		if len(x.cells) < maxNesting {
			x.cells = append(x.cells, 0)
		}
	case "tr":
		x.row()
	case "td", "th":
		x.cell()
	case "pre", "listing":
		x.out.paragraph()
		x.pre++
	case "br":
		x.out.newline()
	case "img":
		x.picture(attrs)
	default:
		x.boundary(name)
	}
}

func (x *extractor) close(name string) {
	switch name {
	case "title", "textarea", "script", "style", "noscript", "iframe", "noembed", "noframes":
		x.raw = ""
	case "xmp", "plaintext":
		x.raw = ""
		x.out.paragraph()
	case "nav", "template", "svg":
		x.closeRegion(name)
	case "h1", "h2", "h3", "h4", "h5", "h6":
		if name == "h1" && x.headingFrom != nil {
			x.heading = strings.TrimPrefix(strings.TrimSpace(x.out.since(*x.headingFrom)), "# ")
			x.headingFrom = nil
		}
		x.out.unprefix()
		x.out.paragraph()
	case "ul", "ol", "menu":
		x.closeList()
	case "table":
		if len(x.cells) > 0 {
			x.cells = x.cells[:len(x.cells)-1]
		}
		x.out.release()
		x.out.paragraph()
	case "li":
		x.out.unprefix()
		x.out.newline()
	case "tr":
		x.out.release()
		x.out.newline()
	case "td", "th":
	case "pre", "listing":
		x.pre = max(0, x.pre-1)
		x.out.paragraph()
	default:
		x.boundary(name)
	}
}

// boundary separates the text before and after the tag of a block.
func (x *extractor) boundary(name string) {
	if name == "p" && len(x.lists) > 0 {
		// Items stand close together, with a <p> around their text or without.
		name = "div"
	}
	switch name {
	case "p", "section", "header", "footer", "aside", "main", "article", "blockquote", "figure", "address",
		"details", "dl", "form", "fieldset", "hr", "hgroup", "body":
		x.out.paragraph()
	case "div", "dt", "dd", "figcaption", "caption", "summary", "legend", "option", "center", "search",
		"thead", "tbody", "tfoot", "select", "dialog":
		x.out.newline()
	}
}

// closeRegion takes back the text of the innermost region of this name, unless
// the main text stood in it.
func (x *extractor) closeRegion(name string) {
	for i, r := range slices.Backward(x.regions) {
		if r.name == name {
			x.regions = x.regions[:i]
			if !r.keep {
				x.out.rewind(r.from)
			}
			x.out.paragraph()
			return
		}
	}
}

func (x *extractor) openList(ordered bool, attrs bool) {
	if len(x.lists) == 0 {
		x.out.paragraph()
	} else {
		x.out.newline()
	}
	if len(x.lists) < maxNesting {
		x.lists = append(x.lists, list{ordered: ordered, next: x.number("start", attrs, 1)})
	}
}

func (x *extractor) closeList() {
	if len(x.lists) > 0 {
		x.lists = x.lists[:len(x.lists)-1]
	}
	if len(x.lists) == 0 {
		x.out.paragraph()
	} else {
		x.out.newline()
	}
}

func (x *extractor) item(attrs bool) {
	x.out.newline()
	if len(x.lists) == 0 {
		x.out.prefix("- ")
		return
	}
	indent := strings.Repeat("  ", min(len(x.lists)-1, maxIndent))
	l := &x.lists[len(x.lists)-1]
	if !l.ordered {
		x.out.prefix(indent + "- ")
		return
	}
	l.next = x.number("value", attrs, l.next)
	x.out.prefix(indent + strconv.Itoa(l.next) + ". ")
	l.next++
}

func (x *extractor) row() {
	x.out.release()
	x.out.newline()
	if len(x.cells) > 0 {
		x.cells[len(x.cells)-1] = 0
	}
}

func (x *extractor) cell() {
	if len(x.cells) == 0 {
		x.out.newline()
		return
	}
	n := &x.cells[len(x.cells)-1]
	if *n > 0 {
		x.out.join(" | ")
	}
	*n++
	x.out.hold()
}

// picture writes the text that stands for a picture.
func (x *extractor) picture(attrs bool) {
	if alt := strings.TrimSpace(x.attr("alt", attrs)); alt != "" {
		x.out.text([]byte(" [image: " + alt + "] "))
	}
}

// number returns an attribute that is a number, or otherwise.
func (x *extractor) number(key string, attrs bool, otherwise int) int {
	if n, err := strconv.ParseInt(strings.TrimSpace(x.attr(key, attrs)), 10, 32); err == nil {
		return int(n)
	}
	return otherwise
}

// attr returns an attribute of the tag that was just read.
func (x *extractor) attr(name string, more bool) string {
	for more {
		var key, value []byte
		key, value, more = x.tokens.TagAttr()
		if string(key) == name {
			return string(value)
		}
	}
	return ""
}

// end checks that the document did not break off in the middle of something
// that hides text.
func (x *extractor) end() error {
	if err := x.tokens.Err(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if isDroppedRaw(x.raw) || x.raw == "title" {
		return fmt.Errorf("%w: <%s> is never closed", ErrMalformed, x.raw)
	}
	if len(x.tokens.Raw()) > maxLooseTag {
		return fmt.Errorf("%w: a tag is never closed", ErrMalformed)
	}
	return nil
}
