package summarize

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// docxStyle is what a style of paragraphs says of their place in the document.
type docxStyle struct {
	basedOn string
	title   bool
	// outline is the level of a heading, from 0; nil if the style says nothing.
	outline *int
	// list and level are those of the numbering.
	list  string
	level *int
}

// docxStyles are the styles of a document by their ids.
type docxStyles map[string]docxStyle

// heading returns the level of a heading from 1 to 6, or 0.
func (s docxStyle) heading() int {
	switch {
	case s.title:
		return 1
	case s.outline != nil && *s.outline < 9:
		return min(*s.outline+1, 6)
	}
	return 0
}

// resolve returns a style with what it inherits.
func (s docxStyles) resolve(id string) docxStyle {
	resolved := s[id]
	for from, steps := resolved, 0; from.basedOn != "" && steps < 16; steps++ {
		from = s[from.basedOn]
		if resolved.outline == nil {
			resolved.outline = from.outline
		}
		if resolved.list == "" {
			resolved.list = from.list
		}
		if resolved.level == nil {
			resolved.level = from.level
		}
	}
	return resolved
}

func readDOCXStyles(a *archive, part string) (docxStyles, error) {
	styles, id, style := make(docxStyles), "", docxStyle{}
	err := a.walk(part, xmlHandler{
		start: func(e xml.StartElement) bool {
			switch e.Name.Local {
			case "style":
				id, style = attr(e, "styleId"), docxStyle{}
			case "name":
				// Built-in styles have English names in every language.
				name := strings.ToLower(attr(e, "val"))
				style.title = name == "title"
				if digit, ok := strings.CutPrefix(name, "heading "); ok {
					if n, err := strconv.ParseUint(digit, 10, 8); err == nil && n >= 1 {
						style.outline = new(int(n - 1))
					}
				}
			case "basedOn":
				style.basedOn = attr(e, "val")
			case "outlineLvl":
				style.outline = level(e)
			case "numId":
				style.list = attr(e, "val")
			case "ilvl":
				style.level = level(e)
			}
			return true
		},
		end: func(name string) {
			if name == "style" {
				styles[id] = style
			}
		},
	})
	return styles, err
}

// level returns a level of headings or lists from 0 to 9, nil if there is none.
func level(e xml.StartElement) *int {
	if n, err := strconv.ParseUint(attr(e, "val"), 10, 8); err == nil {
		return new(int(min(n, 9)))
	}
	return nil
}

// numbering writes the numbers of lists.
type numbering struct {
	// lists maps the ids that paragraphs use to those of levels.
	lists  map[string]string
	levels map[string]*[10]listLevel
	counts map[string]*[10]int
}

// listLevel is how the items on one level of a list are numbered.
type listLevel struct {
	format string
	// text is the number as it is shown, with %1 for that of the first level.
	text  string
	start int
}

func readNumbering(a *archive, part string) (numbering, error) {
	n := numbering{lists: map[string]string{}, levels: map[string]*[10]listLevel{}, counts: map[string]*[10]int{}}
	abstract, list := "", ""
	at := &listLevel{}
	err := a.walk(part, xmlHandler{start: func(e xml.StartElement) bool {
		switch value := attr(e, "val"); e.Name.Local {
		case "abstractNum":
			abstract = attr(e, "abstractNumId")
			n.levels[abstract] = &[10]listLevel{}
		case "num":
			list = attr(e, "numId")
		case "abstractNumId":
			n.lists[list] = value
		case "lvlOverride":
			return false
		case "lvl":
			at = &listLevel{}
			if i, err := strconv.ParseUint(attr(e, "ilvl"), 10, 8); err == nil && i < 10 && n.levels[abstract] != nil {
				at = &n.levels[abstract][i]
			}
			at.start = 1
		case "numFmt":
			at.format = value
		case "lvlText":
			at.text = value
		case "start":
			if i, err := strconv.ParseUint(value, 10, 31); err == nil {
				at.start = int(i)
			}
		}
		return true
	}})
	return n, err
}

// next returns the number or bullet of the next item of a list, "" if there is
// no such list, and the level that it stands on.
func (n *numbering) next(list string, at *int) (number string, level int) {
	abstract, ok := n.lists[list]
	levels := n.levels[abstract]
	if !ok || levels == nil || list == "0" {
		return "", 0
	}
	if at != nil {
		level = *at
	}
	counts := n.counts[abstract]
	if counts == nil {
		counts = &[10]int{}
		n.counts[abstract] = counts
	}
	counts[level]++
	for i := level + 1; i < len(counts); i++ {
		counts[i] = 0
	}
	switch levels[level].format {
	case "bullet":
		return "-", level
	case "none", "":
		return "", level
	}
	number = levels[level].text
	for i := range level + 1 {
		value := levels[i].start + max(counts[i], 1) - 1
		number = strings.ReplaceAll(number, "%"+strconv.Itoa(i+1), formatNumber(value, levels[i].format))
	}
	return oneLine(number, 40), level
}

// formatNumber writes the number of an item.
func formatNumber(n int, format string) string {
	switch format {
	case "lowerLetter", "a":
		return letters(n)
	case "upperLetter", "A":
		return strings.ToUpper(letters(n))
	case "lowerRoman", "i":
		return strings.ToLower(roman(n))
	case "upperRoman", "I":
		return roman(n)
	}
	return strconv.Itoa(n)
}

// letters counts a, b, … z, aa, bb.
func letters(n int) string {
	if n < 1 || n > 26*8 {
		return strconv.Itoa(n)
	}
	return strings.Repeat("abcdefghijklmnopqrstuvwxyz"[(n-1)%26:][:1], 1+(n-1)/26)
}

func roman(n int) string {
	if n < 1 || n > 3999 {
		return strconv.Itoa(n)
	}
	var b strings.Builder
	for _, digit := range []struct {
		value int
		text  string
	}{
		{1000, "M"},
		{900, "CM"},
		{500, "D"},
		{400, "CD"},
		{100, "C"},
		{90, "XC"},
		{50, "L"},
		{40, "XL"},
		{10, "X"},
		{9, "IX"},
		{5, "V"},
		{4, "IV"},
		{1, "I"},
	} {
		for ; n >= digit.value; n -= digit.value {
			b.WriteString(digit.text)
		}
	}
	return b.String()
}
