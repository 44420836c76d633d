package simulator

import (
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// material is what a request gives to be read, where it says so: the text between a line such as
// "===== BEGIN DOCUMENT 5f3a =====" and the END of the same kind and code. Lines in it that carry
// the code, such as "===== Page 12 5f3a =====", say where its sections begin. Without such lines
// all that the request says is the material.
type material struct {
	kind     string // the word behind BEGIN, such as DOCUMENT; empty if there are no such lines
	text     string // without the lines that carry the code
	passages []passage
	entries  []entryLine
	question string // what is asked about it, in lower case
	// most is how many statements of a kind an answer has at most.
	most int
	// pages is how many pages a file has that is given to be read, 0 without one.
	pages int
	// wrong is how likely a passage is cited wrongly, from 0 to 1.
	wrong float64
}

// passage is some words of the material as they stand in it, white space aside.
type passage struct {
	text    string
	section int // the number of the section that it stands in; 0 without one
	asks    bool
}

// entryLine is a line of the material that begins with a code by which it can be referred to,
// such as "K3: It was signed.".
type entryLine struct{ id, text string }

// The kinds of material that the stand-in treats in their own way.
const (
	kindDocument  = "DOCUMENT"
	kindSummaries = "SUMMARIES"
	kindAnswer    = "ANSWER"
)

const (
	shortestPassage = 24
	longestPassage  = 240
	keptPassages    = 4_000
	// contextOnly begins the name of a section that is there to be understood, not to be cited.
	contextOnly = "BEFORE "
)

// readMaterial finds the material in what a request says.
func readMaterial(text string) *material {
	m := &material{text: text, most: mostStatements}
	begin := strings.Index(text, "===== BEGIN ")
	if begin < 0 || begin > 0 && text[begin-1] != '\n' {
		return m
	}
	head, body, _ := strings.Cut(text[begin:], "\n")
	words := strings.Fields(head)
	if len(words) != 5 || words[4] != "=====" {
		return m
	}
	kind, code := words[2], words[3]
	body, _, closed := strings.Cut(body, "===== END "+kind+" "+code+" =====")
	if !closed {
		return m
	}
	m.kind = kind
	var kept strings.Builder
	section, hidden := 0, false
	var block strings.Builder
	flush := func() {
		if !hidden {
			kept.WriteString(block.String())
			if kind == kindDocument {
				m.cite(block.String(), section)
			}
		}
		block.Reset()
	}
	for line := range strings.Lines(body) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), " "+code+" ====="); ok && strings.HasPrefix(name, "===== ") {
			flush()
			name = strings.TrimPrefix(name, "===== ")
			section, hidden = sectionNumber(name), strings.HasPrefix(name, contextOnly)
			continue
		}
		if kind == kindSummaries {
			line = m.noted(line)
		}
		block.WriteString(line)
	}
	flush()
	m.text = kept.String()
	return m
}

// noted takes up a line of summaries, and returns what of it is prose.
func (m *material) noted(line string) string {
	first, rest, found := strings.Cut(line, ": ")
	switch {
	case found && first == "Summary":
		return rest
	case found && isEntryID(first):
		m.entries = append(m.entries, entryLine{first, strings.TrimSpace(rest)})
		if first[0] != 'K' {
			return ""
		}
		return rest
	case strings.HasSuffix(strings.TrimSpace(line), ":"):
		return "\n"
	}
	return line
}

// sectionNumber is the number in a name such as "Page 12: Terms".
func sectionNumber(name string) int {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == ':' })
	if len(words) < 2 {
		return 0
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// isEntryID reports whether a word is a capital letter with a number behind it.
func isEntryID(word string) bool {
	if len(word) < 2 || len(word) > 10 || word[0] < 'A' || word[0] > 'Z' {
		return false
	}
	_, err := strconv.Atoi(word[1:])
	return err == nil
}

// cite takes up what can be cited of a section.
func (m *material) cite(text string, section int) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		for _, s := range splitSentences(paragraph) {
			if len(m.passages) == keptPassages {
				return
			}
			if len(s) > longestPassage {
				s = clipWords(s, longestPassage)
			}
			if len(s) >= shortestPassage && strings.ContainsFunc(s, unicode.IsLetter) {
				m.passages = append(m.passages, passage{s, section, strings.HasSuffix(s, "?")})
			}
		}
	}
	// A text that is nothing but a word or two can be cited all the same.
	if s := clipWords(text, longestPassage); len(m.passages) == 0 && s != "" {
		m.passages = append(m.passages, passage{text: s, section: section})
	}
}

// statements are the passages that an answer states, at most n of them, from all over the text.
func (m *material) statements(questions bool, n int) []passage {
	var fit []passage
	for _, p := range m.passages {
		if p.asks == questions {
			fit = append(fit, p)
		}
	}
	if len(fit) <= n {
		return fit
	}
	out := make([]passage, n)
	for i := range out {
		out[i] = fit[i*len(fit)/n]
	}
	return out
}

// ids are the codes in the material that match a pattern.
func (m *material) ids(pattern string) []entryLine {
	re, err := regexp.Compile(pattern)
	if err != nil || len(m.entries) == 0 {
		return nil
	}
	var out []entryLine
	for _, e := range m.entries {
		if re.MatchString(e.id) {
			out = append(out, e)
		}
	}
	return out
}

// answers reports whether the material speaks of what is asked. Without a question it does.
func (m *material) answers() bool {
	if m.question == "" {
		return true
	}
	if m.kind == kindSummaries {
		return len(m.ids("^K")) > 0
	}
	asked := words(m.question)
	lower := strings.ToLower(m.text)
	found := 0
	for _, word := range asked {
		if mentions(lower, word) {
			found++
		}
	}
	return len(asked) == 0 || 2*found >= len(asked)
}

// errs reports whether something is cited wrongly, always the same things, and draws a number.
func (m *material) errs(what string) (sum uint64, wrong bool) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what)) // a hash takes everything
	sum = h.Sum64()
	return sum, float64(sum>>11)/(1<<53) < m.wrong
}

// page is the page of a file that the nth source of an answer cites. Nobody here reads what
// stands on it, but it is there, unless it is cited wrongly.
func (m *material) page(nth int) int {
	if _, wrong := m.errs("page " + strconv.Itoa(nth) + " " + m.text); wrong {
		return m.pages + 1
	}
	return 1 + nth%m.pages
}

// citation is what an answer says of a passage: some are wrong, always the same ones. Half of
// those say another section, the others words that do not stand there.
func (m *material) citation(p passage) passage {
	sum, wrong := m.errs(p.text)
	if !wrong {
		return p
	}
	if p.section > 0 && sum%2 == 0 {
		p.section++
		return p
	}
	list := strings.Fields(p.text)
	slices.Reverse(list)
	p.text = strings.Join(list, " ") + ", as it were"
	return p
}

// mention is a date, a name or a number in the material, and the words around it.
type mention struct{ value, meaning string }

const keptMentions = 5

// mentions finds some of what a list of that name would hold.
func (m *material) mentions(list string) []mention {
	var pattern string
	switch {
	case strings.Contains(list, "date"):
		pattern = `\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}\.? (?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4}\b|\b(?:19|20)\d{2}\b`
	case strings.Contains(list, "name"):
		pattern = `\b[A-Z][a-z]+(?: [A-Z][a-z]+)+\b`
	case strings.Contains(list, "number"):
		pattern = `\b\d+(?:[.,]\d+)*(?: ?%| (?:percent|million|euros|dollars|km|kg|days|years))?`
	default:
		return nil
	}
	re := regexp.MustCompile(pattern)
	text := m.text[:min(len(m.text), analysed)]
	var out []mention
	seen := make(map[string]bool)
	for _, at := range re.FindAllStringIndex(text, 50*keptMentions) {
		value := text[at[0]:at[1]]
		if seen[value] || len(out) == keptMentions {
			continue
		}
		seen[value] = true
		from, to := max(0, at[0]-40), min(len(text), at[1]+40)
		around := strings.ToValidUTF8(text[from:to], "")
		out = append(out, mention{value, strings.Join(strings.Fields(around), " ")})
	}
	return out
}
