package summarize

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// readAnswer is an answer to a document or to a part of one, by [readSchema].
type readAnswer struct {
	Answered      *bool           `json:"answered"`
	Title         string          `json:"title"`
	Language      string          `json:"language"`
	Summary       string          `json:"summary"`
	KeyPoints     []readStatement `json:"key_points"`
	OpenQuestions []readStatement `json:"open_questions"`
	Dates         []Mention       `json:"dates"`
	Names         []Mention       `json:"names"`
	Numbers       []Mention       `json:"numbers"`
}

type readStatement struct {
	Text    string       `json:"text"`
	Sources []readSource `json:"sources"`
}

type readSource struct {
	Section *int   `json:"section"`
	Quote   string `json:"quote"`
}

// mergeAnswer is an answer to summaries, by [mergeSchema].
type mergeAnswer struct {
	Answered      *bool            `json:"answered"`
	Title         string           `json:"title"`
	Language      string           `json:"language"`
	Summary       string           `json:"summary"`
	KeyPoints     []mergeStatement `json:"key_points"`
	OpenQuestions []mergeStatement `json:"open_questions"`
	Dates         []string         `json:"dates"`
	Names         []string         `json:"names"`
	Numbers       []string         `json:"numbers"`
}

type mergeStatement struct {
	Text string   `json:"text"`
	From []string `json:"from"`
}

// checker reads the answers of one stage.
type checker struct {
	validator

	options Options
	stage   stage
}

func (o Options) checker(s stage) (checker, error) {
	v, err := newValidator(o.schema(s))
	return checker{v, o, s}, err
}

// custom reports whether the answer is by a schema of the caller's.
func (c checker) custom() bool { return c.stage.answers() && len(c.options.Schema) > 0 }

// decode checks an answer and reads it. It returns what is wrong with it, "" if nothing is.
func (c checker) decode(text string, into any) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return "it is empty"
	}
	if problem := c.check(text); problem != "" {
		return problem
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return "it is not of the schema's form"
	}
	return ""
}

// read returns what an answer to a document or a part of one says. verify is given each source.
func (c checker) read(text string, verify func(*Citation)) (Summary, string) {
	if c.custom() {
		var custom json.RawMessage
		problem := c.decode(text, &custom)
		return Summary{Custom: compactJSON(custom)}, problem
	}
	var a readAnswer
	if problem := c.decode(text, &a); problem != "" {
		return Summary{}, problem
	}
	statements := func(list []readStatement) []Statement {
		out := make([]Statement, 0, len(list))
		for _, s := range list {
			if isBlank(s.Text) {
				continue
			}
			st := Statement{Text: strings.TrimSpace(s.Text), Sources: []Citation{}}
			for _, source := range s.Sources {
				if isBlank(source.Quote) {
					continue
				}
				citation := Citation{Quote: cutRunes(strings.TrimSpace(source.Quote), quoteRunes)}
				if source.Section != nil {
					citation.Number = max(0, *source.Section)
				}
				verify(&citation)
				st.Sources = appendCitation(st.Sources, citation)
			}
			out = append(out, st)
		}
		return out
	}
	return Summary{
		Answered: a.Answered, Title: oneLine(a.Title, titleRunes), Language: oneLine(a.Language, languageRunes), Text: strings.TrimSpace(a.Summary),
		KeyPoints: statements(a.KeyPoints), OpenQuestions: statements(a.OpenQuestions),
		Dates: tidied(a.Dates, "D"), Names: tidied(a.Names, "N"), Numbers: tidied(a.Numbers, "X"),
	}, ""
}

// cutRunes cuts a text to a number of characters.
func cutRunes(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit])
}

// maxSources is how many sources a statement keeps: one that was made of many has more than
// anybody looks up.
const maxSources = 8

// appendCitation adds a source that is not there yet. Those that are borne out come first when
// there are too many.
func appendCitation(list []Citation, c Citation) []Citation {
	same := func(other Citation) bool {
		return other.Document == c.Document && other.Unit == c.Unit && other.Number == c.Number && other.Quote == c.Quote
	}
	switch {
	case slices.ContainsFunc(list, same):
	case len(list) < maxSources:
		list = append(list, c)
	case c.Verified:
		if i := slices.IndexFunc(list, func(other Citation) bool { return !other.Verified }); i >= 0 {
			list[i] = c
		}
	}
	return list
}

// maxMentions is how many dates, names or numbers a summary keeps of each.
const maxMentions = 60

// tidied returns mentions without those that say nothing or that were said.
func tidied(list []Mention, letter string) []Mention {
	out := make([]Mention, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, m := range list {
		m.Value, m.Meaning = oneLine(m.Value, 300), oneLine(m.Meaning, 500)
		if key := mentionKey(letter, m); m.Value != "" && !seen[key] && len(out) < maxMentions {
			seen[key] = true
			out = append(out, m)
		}
	}
	return out
}

// mentionKey is the same for mentions that say the same, of dates D, names N or numbers X. A name
// is one however it is explained; a date or a number can mean several things.
func mentionKey(letter string, m Mention) string {
	key := letter + strings.ToLower(m.Value)
	if letter != "N" {
		key += "\x00" + strings.ToLower(m.Meaning)
	}
	return key
}

func compactJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return encodeJSON(raw)
}

// repair is the request that has an answer mended: it holds the answer and what is wrong with
// it, and not the document again, which a mistake of form does not need.
func (o Options) repair(s stage, answer, problem string) json.RawMessage {
	code := boundary(answer)
	return o.request(s, partItem{Role: "user", Content: fmt.Sprintf(`What you are asked to do was done already. The answer stands below, between two marker lines. It cannot be used, because it does not keep to the JSON schema: %s.

Give it again, with the same content in the form of the schema. Add nothing to it. Where it lacks something that the schema wants, use an empty text or list; where it breaks off, leave out what is not whole.

===== BEGIN ANSWER %s =====
%s
===== END ANSWER %s =====
`, problem, code, answer, code)})
}
