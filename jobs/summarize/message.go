package summarize

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// message is what the model gets to read of a part of a document. The text of the document
// stands in it unaltered, between marker lines with a code that nobody who wrote the text could
// have put into it. All of it depends on the part and what it stands below, and on nothing else
// of the document, so that a change elsewhere leaves it as it is.
func (s *splitter) message(c Chunk) string {
	from, to := c.From-c.Overlap, c.To
	lead := s.lead(c)
	var content strings.Builder
	content.Grow(to - from)
	content.WriteString(lead)
	s.pieces(c, func(_, _ int, text string) { content.WriteString(text) })
	code := boundary(content.String())

	var b strings.Builder
	b.Grow(content.Len() + 1024)
	if s.doc.Title != "" {
		b.WriteString("Title: " + strconv.Quote(oneLine(s.doc.Title, titleRunes)) + "\n")
	}
	b.WriteString("Format: " + form(s.doc.Kind) + "\n")
	if c.From > 0 || c.To < s.size() {
		b.WriteString("This part: " + s.whereabouts(c) + "\n")
	}
	b.WriteString("\n===== BEGIN DOCUMENT " + code + " =====\n")
	if c.Overlap > 0 || lead != "" {
		b.WriteString("===== BEFORE THIS PART, for its context only " + code + " =====\n")
		if lead != "" {
			b.WriteString(lead)
			newLine(&b)
		}
		b.WriteString(s.overlapText(c))
		newLine(&b)
		if s.sections[c.First].Unit == "" {
			b.WriteString("===== THIS PART " + code + " =====\n")
		}
	}
	s.marked(&b, c, code)
	newLine(&b)
	b.WriteString("===== END DOCUMENT " + code + " =====\n")
	return b.String()
}

// marked writes the text of a part, with a line at the beginning of each section.
func (s *splitter) marked(b *strings.Builder, c Chunk, code string) {
	s.pieces(c, func(first, last int, text string) {
		section := s.sections[first]
		if section.Unit != "" {
			newLine(b)
			b.WriteString("===== " + section.Unit + " " + strconv.Itoa(section.Number))
			if last > first {
				b.WriteString(" to " + strconv.Itoa(s.sections[last].Number))
			}
			if section.Name != "" && last == first {
				b.WriteString(": " + section.Name)
			}
			if c.From > s.starts[first] && first == c.First && text != "" {
				b.WriteString(" (continued)")
			}
			if text == "" {
				b.WriteString(" (no text)")
			}
			b.WriteString(" " + code + " =====\n")
		}
		b.WriteString(text)
	})
}

// pieces goes through what a part has of each section. Sections without text that follow one
// another are one piece.
func (s *splitter) pieces(c Chunk, piece func(first, last int, text string)) {
	for i := c.First; i <= c.Last; i++ {
		from, to := max(c.From, s.starts[i]), min(c.To, s.starts[i+1])
		text := s.sections[i].Text
		if from < to {
			text = text[from-s.starts[i] : to-s.starts[i]]
		} else if text != "" {
			continue
		}
		last := i
		for text == "" && last < c.Last && s.sections[last+1].Text == "" {
			last++
		}
		piece(i, last, text)
		i = last
	}
}

// lead is the first line of a table that a part begins inside of.
func (s *splitter) lead(c Chunk) string {
	first := s.section(c.From)
	if s.doc.Kind != KindCSV && s.sections[first].Unit != unitSheet || c.From == s.starts[first] {
		return ""
	}
	text := s.sections[first].Text[:c.From-s.starts[first]]
	line, _, _ := strings.Cut(text[:min(len(text), leadBytes)], "\n")
	if len(line) == leadBytes || c.Overlap > 0 && c.From-c.Overlap == s.starts[first] {
		return ""
	}
	return line
}

// overlapText is the text before a part that it repeats.
func (s *splitter) overlapText(c Chunk) string {
	section := s.section(c.From)
	at := c.From - s.starts[section]
	return s.sections[section].Text[at-c.Overlap : at]
}

// newLine ends the line that is open, if one is.
func newLine(b *strings.Builder) {
	if text := b.String(); text != "" && text[len(text)-1] != '\n' {
		b.WriteByte('\n')
	}
}

// whereabouts says where in the document a part stands, in words that stay true when the
// document changes elsewhere: not which part of how many it is.
func (s *splitter) whereabouts(c Chunk) string {
	var b strings.Builder
	switch {
	case c.From == 0:
		b.WriteString("the beginning of the document")
	case c.To == s.size():
		b.WriteString("the end of the document")
	default:
		b.WriteString("from the middle of the document")
	}
	if span := s.span(c); span != "" {
		b.WriteString(", " + span)
	}
	if c.Heading != "" {
		b.WriteString(", beginning below the headings " + strconv.Quote(c.Heading))
	}
	return b.String()
}

// span names the sections of a part, such as "Page 12 to 31"; "" in a document that has none.
func (s *splitter) span(c Chunk) string {
	first, last := s.sections[c.First], s.sections[c.Last]
	switch {
	case first.Unit == "":
		return ""
	case first.Number == last.Number:
		return first.Unit + " " + strconv.Itoa(first.Number)
	}
	return fmt.Sprintf("%s %d to %d", first.Unit, first.Number, last.Number)
}

// form says in which form the text reaches the model.
func form(kind Kind) string {
	switch kind {
	case KindMarkdown:
		return "Markdown"
	case KindHTML:
		return "text extracted from HTML"
	case KindCSV:
		return "a table, one row on each line"
	case KindJSON:
		return "JSON"
	case KindCode:
		return "source code or configuration"
	case KindPDF:
		return "text extracted from a PDF, page by page"
	case KindDOCX:
		return "text extracted from a Word document"
	case KindPPTX:
		return "text extracted from a presentation, slide by slide"
	case KindXLSX:
		return "cells extracted from a workbook, sheet by sheet, one row on each line"
	case KindODT:
		return "text extracted from a text document"
	case KindEPUB:
		return "text extracted from a book, part by part"
	case KindRTF:
		return "text extracted from rich text"
	case KindEML:
		return "an e-mail: headers, text and the names of its attachments"
	case KindText:
	}
	return "plain text"
}

// fileInput is the message of a document that goes as a file.
func fileInput(doc Document) partItem {
	sum := sha256.Sum256(doc.File.Data)
	name := fmt.Sprintf("document-%x", sum[:4])
	if doc.File.MediaType == "application/pdf" {
		name += ".pdf"
	}
	text := "The attached file is the document. Where it has pages, section is the number of the page, counted from 1.\n"
	if doc.Title != "" {
		text = "Title: " + strconv.Quote(oneLine(doc.Title, titleRunes)) + "\n" + text
	}
	return partItem{Role: "user", Content: []partContent{
		{Type: "input_file", Filename: name, FileData: "data:" + doc.File.MediaType + ";base64," + base64.StdEncoding.EncodeToString(doc.File.Data)},
		{Type: "input_text", Text: text},
	}}
}
