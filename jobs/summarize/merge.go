package summarize

import (
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

// note is a summary on the way to a larger one.
type note struct {
	Summary

	// from and to say what of the document it is about: the first and the last of its parts, or of
	// the documents that it is about.
	from, to int
}

// merging is the merging of some notes into one.
type merging struct {
	notes []note
	// Each statement and mention has a code by which an answer names it: a letter and its place in
	// one of these lists.
	points, questions     []Statement
	dates, names, numbers []Mention
	// written are the mentions in the lists.
	written map[string]bool
}

// text writes notes as a model gets to read them, and numbers what is in them. name says what a
// note is about. With quotes, the sources are shown as well.
func (m *merging) text(n note, name string, code string, quotes bool) string {
	var b strings.Builder
	b.WriteString("===== " + name + " " + code + " =====\n")
	if n.Answered != nil && !*n.Answered {
		b.WriteString("This does not answer the question.\n")
	}
	if n.Text != "" {
		b.WriteString("Summary: " + n.Text + "\n")
	}
	m.points = m.statements(&b, "Key points", "K", m.points, n.KeyPoints, quotes)
	m.questions = m.statements(&b, "Open questions", "Q", m.questions, n.OpenQuestions, quotes)
	m.dates = m.mentions(&b, "Dates", "D", m.dates, n.Dates)
	m.names = m.mentions(&b, "Names", "N", m.names, n.Names)
	m.numbers = m.mentions(&b, "Numbers", "X", m.numbers, n.Numbers)
	if len(n.Custom) > 0 {
		b.WriteString("Answer: " + string(n.Custom) + "\n")
	}
	return b.String()
}

func (m *merging) statements(b *strings.Builder, title, letter string, all, list []Statement, quotes bool) []Statement {
	if len(list) > 0 {
		b.WriteString(title + ":\n")
	}
	for _, s := range list {
		all = append(all, s)
		b.WriteString(letter + strconv.Itoa(len(all)) + ": " + strings.Join(strings.Fields(s.Text), " "))
		if quotes {
			for _, c := range s.Sources {
				b.WriteString(" [" + place(c) + strconv.Quote(strings.Join(strings.Fields(c.Quote), " ")) + "]")
			}
		}
		b.WriteByte('\n')
	}
	return all
}

// place is where a citation stands, with a colon behind it.
func place(c Citation) string {
	if c.Unit == "" {
		return ""
	}
	return c.Unit + " " + strconv.Itoa(c.Number) + ": "
}

// mentions writes those that were not written before: what several parts mention the same way
// is one mention, without a model having to find that out.
func (m *merging) mentions(b *strings.Builder, title, letter string, all, list []Mention) []Mention {
	begun := false
	for _, mention := range list {
		key := mentionKey(letter, mention)
		if m.written[key] {
			continue
		}
		m.written[key] = true
		if !begun {
			b.WriteString(title + ":\n")
			begun = true
		}
		all = append(all, mention)
		b.WriteString(letter + strconv.Itoa(len(all)) + ": " + mention.Value + " - " + mention.Meaning + "\n")
	}
	return all
}

// message is what a model gets to read of the notes that it merges.
func (m *merging) message(title, about string, names []string, quotes bool) string {
	// The text is written twice, since the code of its markers follows from it.
	code := boundary(m.body(names, "", quotes))
	var b strings.Builder
	if title != "" {
		b.WriteString("Title: " + strconv.Quote(oneLine(title, titleRunes)) + "\n")
	}
	b.WriteString("These summaries: " + about + "\n\n===== BEGIN SUMMARIES " + code + " =====\n")
	b.WriteString(m.body(names, code, quotes))
	b.WriteString("===== END SUMMARIES " + code + " =====\n")
	return b.String()
}

func (m *merging) body(names []string, code string, quotes bool) string {
	*m = merging{notes: m.notes, written: make(map[string]bool)}
	var b strings.Builder
	for i, n := range m.notes {
		b.WriteString(m.text(n, names[i], code, quotes))
	}
	return b.String()
}

// idPattern is how what is merged is named.
const idPattern = `^[KQDNX][1-9][0-9]{0,8}$`

// read returns what an answer to the merging says, or what is wrong with it.
func (m *merging) read(c checker, text string, lenient bool) (Summary, string) {
	if c.custom() {
		return c.read(text, func(*Citation) {})
	}
	var a mergeAnswer
	if problem := c.decode(text, &a); problem != "" {
		return Summary{}, problem
	}
	m.body(make([]string, len(m.notes)), "", false)
	r := resolver{merging: m, form: regexp.MustCompile(idPattern)}
	s := Summary{
		Answered: a.Answered, Title: oneLine(a.Title, titleRunes), Language: oneLine(a.Language, languageRunes), Text: strings.TrimSpace(a.Summary),
		KeyPoints: r.statements(a.KeyPoints), OpenQuestions: r.statements(a.OpenQuestions),
		Dates: r.mentions(a.Dates, "D", m.dates), Names: r.mentions(a.Names, "N", m.names), Numbers: r.mentions(a.Numbers, "X", m.numbers),
	}
	// Once that was said and came again, the statement is kept without the source that it lacks.
	if len(r.unknown) > 0 && !lenient {
		return Summary{}, "it names what there is not: " + oneLine(strings.Join(r.unknown, ", "), 200)
	}
	return s, ""
}

// resolver finds what the codes in an answer stand for.
type resolver struct {
	*merging

	form    *regexp.Regexp
	unknown []string
}

// number returns the place in a list that a code names.
func (r *resolver) number(id, letter string, count int) (int, bool) {
	id = strings.TrimSpace(id)
	if r.form.MatchString(id) && strings.HasPrefix(id, letter) {
		if n, err := strconv.Atoi(id[1:]); err == nil && n <= count {
			return n - 1, true
		}
	}
	return 0, false
}

// miss notes a code that stands for nothing. Only what looks like one is repeated.
func (r *resolver) miss(id string) {
	if !r.form.MatchString(id) {
		id = "something that is no code"
	}
	if !slices.Contains(r.unknown, id) {
		r.unknown = append(r.unknown, id)
	}
}

func (r *resolver) statements(list []mergeStatement) []Statement {
	out := make([]Statement, 0, len(list))
	for _, s := range list {
		if isBlank(s.Text) {
			continue
		}
		st := Statement{Text: strings.TrimSpace(s.Text), Sources: []Citation{}}
		// One source of each statement comes before a second of any.
		var sources [][]Citation
		for _, id := range s.From {
			if i, ok := r.number(id, "K", len(r.points)); ok {
				sources = append(sources, r.points[i].Sources)
			} else if i, ok := r.number(id, "Q", len(r.questions)); ok {
				sources = append(sources, r.questions[i].Sources)
			} else {
				r.miss(id)
			}
		}
		for i, more := 0, true; more; i++ {
			more = false
			for _, list := range sources {
				if i < len(list) {
					st.Sources = appendCitation(st.Sources, list[i])
					more = true
				}
			}
		}
		out = append(out, st)
	}
	return out
}

func (r *resolver) mentions(ids []string, letter string, all []Mention) []Mention {
	out := make([]Mention, 0, len(ids))
	for _, id := range ids {
		if i, ok := r.number(id, letter, len(all)); ok {
			out = append(out, all[i])
		} else {
			r.miss(id)
		}
	}
	return tidied(out, letter)
}

// grouping parts notes into those that are merged with one another. Like the document itself
// they are parted where what stands there says so, and not by counting: a note that was added
// changes the groups next to it, and no others.
//
// A group has at least two notes, but for one that is left at the end.
func grouping(notes []note, budget int, quotes bool) [][2]int {
	sizes := make([]int, len(notes))
	ends := make([]bool, len(notes))
	total := 0
	for i, n := range notes {
		h := fnv.New64a()
		_, _ = h.Write([]byte(noteText(n, quotes))) // a hash takes everything
		sizes[i], ends[i] = noteSize(n, quotes)+markerTokens, h.Sum64()>>20%3 == 0
		total += sizes[i]
	}
	if total <= budget {
		return [][2]int{{0, len(notes)}}
	}
	var groups [][2]int
	from, size := 0, 0
	for i := range notes {
		if i-from >= 2 && (size+sizes[i] > budget || size > budget/2 && ends[i-1]) {
			groups = append(groups, [2]int{from, i})
			from, size = i, 0
		}
		size += sizes[i]
	}
	return append(groups, [2]int{from, len(notes)})
}

// markerTokens is what the line above a note takes.
const markerTokens = 40

// noteText is a note as a merge shows it, without its name.
func noteText(n note, quotes bool) string {
	return (&merging{written: make(map[string]bool)}).text(n, "", "", quotes)
}

// noteSize is how many tokens a note has in a merge.
func noteSize(n note, quotes bool) int {
	text := noteText(n, quotes)
	count, _, err := tokens.Count(text, maxChunkTokens)
	if err != nil {
		return len(text) / usualBytes
	}
	return count
}
