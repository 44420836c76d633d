package simulator

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// shortSubject is the length in bytes up to which a text is taken for a question or an order, to
// which the stand-in can only say that it is one, and not for a document.
const shortSubject = 280

// wordsPerStatement is how many words of a summary there are for each statement, where it is said
// how long an answer is.
const wordsPerStatement = 25

// standIn answers a request in place of a language model: with a call of a function if the
// request demands one, else with text of the format that it asks for. The answer depends on the
// request alone.
//
// wrong is how many of the passages that it cites are cited wrongly, from 0 (none) to 1, and words
// about how long it is, 0 for as long as the text suggests.
func standIn(q *request, wrong float64, words int) (text, function string) {
	subject, ofTool := q.subject()
	m := readMaterial(subject)
	m.wrong, m.question = wrong, q.question()
	for _, item := range q.input {
		m.pages = max(m.pages, item.pages)
	}
	d := digestOf(m.text)
	if d.length = words; words > 0 {
		m.most = max(1, words/wordsPerStatement)
	}
	if tool := q.toolToCall(subject, ofTool); tool != nil {
		if tool.parameters == nil {
			return "{}", tool.name
		}
		return generate(tool.parameters, d, m), tool.name
	}
	switch q.format.kind {
	case "json_schema":
		if m.kind == kindAnswer {
			return mend(q.format.schema, strings.TrimSpace(m.text)), ""
		}
		return generate(q.format.schema, d, m), ""
	case "json_object":
		return string(appendQuoted([]byte(`{"answer":`), d.reply(ofTool, q.verbosity))) + "}", ""
	}
	return d.reply(ofTool, q.verbosity), ""
}

// question is what the instructions ask of the material, in lower case.
func (q *request) question() string {
	var text string
	if json.Unmarshal(q.echo.instructions, &text) != nil {
		return ""
	}
	_, asked, _ := strings.Cut(text, "The question: ")
	asked, _, _ = strings.Cut(asked, "\n")
	return strings.ToLower(asked)
}

// subject is what the request wants an answer to: the outputs of functions if they come last,
// else the last message of the user.
func (q *request) subject() (text string, ofTool bool) {
	var outputs []string
	for _, item := range slices.Backward(q.input) {
		if item.kind != "function_call_output" && item.kind != "custom_tool_call_output" {
			break
		}
		outputs = append(outputs, item.text)
	}
	if len(outputs) > 0 {
		slices.Reverse(outputs)
		return strings.Join(outputs, "\n\n"), true
	}
	for _, item := range slices.Backward(q.input) {
		if item.kind == "message" && item.role == "user" && item.text != "" {
			return item.text, false
		}
	}
	for _, item := range slices.Backward(q.input) {
		if item.text != "" {
			return item.text, false
		}
	}
	return "", false
}

// toolToCall returns the function that the answer calls, or nil. Left the choice, the stand-in
// calls a function only if the subject mentions its name, and none right after an output.
func (q *request) toolToCall(subject string, ofTool bool) *functionTool {
	for i := range q.tools {
		tool := &q.tools[i]
		if len(q.choice.allowed) > 0 && !slices.Contains(q.choice.allowed, tool.name) {
			continue
		}
		switch {
		case q.choice.mode == "none":
		case q.choice.function != "":
			if tool.name == q.choice.function {
				return tool
			}
		case q.choice.mode == "required":
			return tool
		case !ofTool && mentions(subject, tool.name):
			return tool
		}
	}
	return nil
}

// mentions reports whether name stands in text as a word of its own.
func mentions(text, name string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], name)
		if at < 0 {
			return false
		}
		start, end := from+at, from+at+len(name)
		if (start == 0 || notIdentifier(rune(text[start-1]))) && (end == len(text) || notIdentifier(rune(text[end]))) {
			return true
		}
		from = end
	}
}

// reply answers in prose: with an extract of a document, or, where there is nothing to extract,
// with a sentence that says so.
func (d *digest) reply(ofTool bool, verbosity string) string {
	const introduction = "This is the simulator answering in place of a language model. "
	switch {
	case d.text == "":
		return introduction + "The request held no text to answer."
	case ofTool && len(d.text) <= shortSubject:
		return introduction + "The function returned: " + d.text
	case len(d.text) > shortSubject:
		if summary := d.summary(verbosity); summary != "" {
			return summary
		}
	}
	quoted := "“" + clip(strings.Join(strings.Fields(d.text), " "), shortSubject) + "”"
	if strings.HasSuffix(d.text, "?") {
		return introduction + "You asked: " + quoted + " A real model would answer the question here."
	}
	return introduction + "You wrote: " + quoted + " A real model would respond to that here."
}

// isCJK reports whether r belongs to a script that writes without spaces between words.
func isCJK(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}
