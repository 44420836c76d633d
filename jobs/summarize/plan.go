package summarize

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Planner says which requests summarize a document, and makes the summary of their answers. It
// is a [jobs.Planner] for jobs of kind summarize, whose requests a [Preparer] makes
// and whose result is a [Summary].
//
// A document that is not cut is one request. Of another, each part is one; then what they say is
// merged, as a tree, until one summary is left. An answer that does not keep to its schema is sent
// back once to be mended, in a phase of its own. When a part has failed for good, the summary
// fails, names the part and its reason, and keeps what the other parts say, with what is missing,
// as its result.
type Planner struct{}

// Next says what comes next for a request; see [jobs.Planner].
func (Planner) Next(request json.RawMessage, phases [][]jobs.PartEnd) (jobs.Next, error) {
	p, err := decodeParent(request)
	if err != nil {
		return jobs.Next{}, err
	}
	r := &run{parent: p, options: Options(p.Options), phases: phases}
	if p.Document == nil {
		err = r.across()
	} else {
		err = r.document()
	}
	if err == nil && r.next == nil {
		err = fmt.Errorf("%d phases have ended after the summary was done", len(r.phases))
	}
	if err != nil {
		return jobs.Next{}, err
	}
	return *r.next, nil
}

// run goes through the phases of a summary from its beginning. It ends as soon as there is
// something to say.
type run struct {
	*parent

	options Options
	phases  [][]jobs.PartEnd // those that nobody has looked at
	next    *jobs.Next

	splitter *splitter // nil across documents, and of a document that goes as a file
	chunks   []Chunk
	levels   int
}

// ask is a request with what is done with its answer.
type ask struct {
	name    string
	stage   stage
	request func() json.RawMessage
	// accept takes up an answer, or says what is wrong with it. The second answer is lenient: it may
	// name what there is not.
	accept func(text string, second bool) (problem string)
}

// document summarizes a document.
func (r *run) document() error {
	notes, done, err := r.read()
	if err != nil || !done {
		return err
	}
	return r.merge(notes, stageMerge, stageLast)
}

// across summarizes summaries.
func (r *run) across() error {
	notes := make([]note, len(r.Across))
	for i, named := range r.Across {
		notes[i] = note{Summary: named.Summary, from: i, to: i}
		for _, list := range [][]Statement{notes[i].KeyPoints, notes[i].OpenQuestions} {
			for j := range list {
				for k := range list[j].Sources {
					list[j].Sources[k].Document = named.Document
				}
			}
		}
	}
	return r.merge(notes, stageMergeAcross, stageLastAcross)
}

// read has the document read. It reports false if that is not over, or has failed.
func (r *run) read() ([]note, bool, error) {
	st := stageWhole
	chunks := []Chunk{{Total: 1}}
	if r.Document.File == nil {
		s, err := r.parent.splitter()
		if err != nil {
			return nil, false, err
		}
		r.splitter, chunks = s, s.chunks()
	}
	if r.chunks = chunks; len(chunks) > 1 {
		st = stagePart
	}
	check, err := r.options.checker(st)
	if err != nil {
		return nil, false, err
	}
	notes := make([]note, len(chunks))
	asks := make([]ask, len(chunks))
	for i, c := range chunks {
		notes[i] = note{from: i, to: i}
		asks[i] = ask{
			name: r.partName(c), stage: st,
			request: func() json.RawMessage { return r.options.request(st, r.input(c)) },
			accept: func(text string, _ bool) (problem string) {
				notes[i].Summary, problem = check.read(text, r.verifier(c))
				return problem
			},
		}
	}
	done, err := r.phase(asks, notes, "")
	return notes, done, err
}

// input is the message that carries a part of the document.
func (r *run) input(c Chunk) partItem {
	if r.splitter == nil {
		return fileInput(r.Document.document())
	}
	return partItem{Role: "user", Content: r.splitter.message(c)}
}

// verifier looks for the sources of statements about a part.
func (r *run) verifier(c Chunk) func(*Citation) {
	if r.splitter == nil {
		return func(citation *Citation) {
			if citation.Number > 0 {
				citation.Unit = unitPage
			}
		}
	}
	var e *evidence
	return func(citation *Citation) {
		if e == nil {
			e = r.splitter.evidence(c)
		}
		e.verify(citation)
	}
}

// unitPage is what a file is divided into.
const unitPage = "Page"

func (r *run) partName(c Chunk) string {
	name := "the document"
	if c.Total > 1 {
		name = fmt.Sprintf("part %d of %d", c.Index+1, c.Total)
		if span := r.splitter.span(c); span != "" {
			name += ", " + span
		}
	}
	return name
}

// merge merges notes until one is left, and ends with the summary.
func (r *run) merge(notes []note, between, last stage) error {
	budget := 0
	if len(notes) > 1 || r.Document == nil {
		budget = r.options.partBudget()
	}
	for len(notes) > 1 || r.Document == nil && r.levels == 0 {
		quotes := len(r.options.Schema) > 0
		groups := grouping(notes, budget, quotes)
		st := between
		if len(groups) == 1 {
			st = last
		}
		r.levels++
		merged, done, err := r.mergeLevel(notes, groups, st)
		if err != nil || !done {
			return err
		}
		notes = merged
	}
	return r.finish(notes[0].Summary)
}

// mergeLevel merges each group of notes into one.
func (r *run) mergeLevel(notes []note, groups [][2]int, st stage) ([]note, bool, error) {
	check, err := r.options.checker(st)
	if err != nil {
		return nil, false, err
	}
	merged := make([]note, len(groups))
	var asks []ask
	for i, g := range groups {
		group := notes[g[0]:g[1]]
		merged[i] = note{from: group[0].from, to: group[len(group)-1].to}
		if len(group) == 1 && len(groups) > 1 {
			merged[i] = group[0]
			continue
		}
		m := &merging{notes: group}
		name := "the last merge"
		if len(groups) > 1 {
			name = fmt.Sprintf("merge %d of %d on level %d", i+1, len(groups), r.levels)
		}
		asks = append(asks, ask{
			name: name, stage: st,
			request: func() json.RawMessage { return r.options.request(st, r.mergeInput(m, check.custom())) },
			accept: func(text string, second bool) (problem string) {
				merged[i].Summary, problem = m.read(check, text, second)
				return problem
			},
		})
	}
	done, err := r.phase(asks, notes, "merging")
	return merged, done, err
}

// mergeInput is the message that carries notes.
func (r *run) mergeInput(m *merging, quotes bool) partItem {
	names := make([]string, len(m.notes))
	for i, n := range m.notes {
		names[i] = r.about(n.from, n.to)
	}
	var title, about string
	if r.Document != nil {
		title = r.Document.Title
	}
	first, last := m.notes[0].from, m.notes[len(m.notes)-1].to
	switch {
	case r.Document == nil && first == 0 && last == len(r.Across)-1:
		about = "of all documents"
	case r.Document == nil:
		about = fmt.Sprintf("of some of the documents, on level %d of merging", r.levels)
	case first == 0 && last == len(r.chunks)-1:
		about = "of the whole document, in its order"
	default:
		about = fmt.Sprintf("of %s, on level %d of merging", strings.TrimPrefix(r.about(first, last), "PART: "), r.levels)
	}
	return partItem{Role: "user", Content: m.message(title, about, names, quotes)}
}

// about says which parts, or documents, a note is about.
func (r *run) about(first, last int) string {
	if r.Document == nil {
		var names []string
		for i := first; i <= last; i++ {
			name := quoteName(r.Across[i].Document)
			if title := r.Across[i].Summary.Title; title != "" {
				name += ", " + quoteName(title)
			}
			names = append(names, name)
		}
		return "DOCUMENT: " + strings.Join(names, "; ")
	}
	c := r.chunks[first]
	c.To, c.Last = r.chunks[last].To, r.chunks[last].Last
	return "PART: " + r.splitter.whereabouts(c)
}

// phase takes up the answers to requests. It reports false if they have to be made first, or if
// one has failed; notes are then what is kept of the summary.
func (r *run) phase(asks []ask, notes []note, doing string) (bool, error) {
	if len(r.phases) == 0 {
		r.submit(asks, func(a ask) jobs.Part { return jobs.Part{Name: a.name, Request: a.request()} })
		return false, nil
	}
	broken, problems, raw, failed, err := r.take(asks, false)
	if err != nil {
		return false, err
	}
	if len(failed) == 0 && len(broken) > 0 {
		if len(r.phases) == 0 {
			i := -1
			r.submit(broken, func(a ask) jobs.Part {
				i++
				return jobs.Part{Name: "repair of " + a.name, Request: r.options.repair(a.stage, raw[i], problems[i])}
			})
			return false, nil
		}
		broken, problems, raw, failed, err = r.take(broken, true)
		if err != nil {
			return false, err
		}
	}
	for i, a := range broken {
		failed = append(failed, partFailure{a.name, jobs.Failure{
			Class: jobs.ClassInvalid, Code: CodeInvalidAnswer, Message: "its answer cannot be used: " + problems[i],
		}})
	}
	if len(failed) > 0 {
		r.fail(failed, notes, doing, raw)
		return false, nil
	}
	return true, nil
}

func (r *run) submit(asks []ask, part func(ask) jobs.Part) {
	r.next = &jobs.Next{Parts: make([]jobs.Part, len(asks))}
	for i, a := range asks {
		r.next.Parts[i] = part(a)
	}
}

// take takes up the ends of a phase. It returns the requests whose answers are broken, with what
// is wrong with them and how they read, and those that have failed.
func (r *run) take(asks []ask, second bool) (broken []ask, problems, raw []string, failed []partFailure, err error) {
	ends := r.phases[0]
	r.phases = r.phases[1:]
	if len(ends) != len(asks) {
		return nil, nil, nil, nil, fmt.Errorf("%d parts have ended in a phase of %d", len(ends), len(asks))
	}
	for i, a := range asks {
		if f := failureOf(ends[i]); f != nil {
			failed = append(failed, partFailure{a.name, *f})
			continue
		}
		if problem := a.accept(ends[i].Text, second); problem != "" {
			broken, problems, raw = append(broken, a), append(problems, problem), append(raw, ends[i].Text)
		}
	}
	return broken, problems, raw, failed, nil
}

// The codes of failures that are answers. They are there when the job is tried again, which
// brings the same failure and costs nothing.
const (
	// CodeInvalidAnswer: the answer does not keep to its form, and nor does the second one.
	CodeInvalidAnswer = "invalid_answer"
	// CodeRefusal: the model refused to answer.
	CodeRefusal = "refusal"
)

// Answered reports whether a summary has failed by what the model has answered.
func Answered(f *jobs.Failure) bool {
	switch {
	case f == nil:
		return false
	case f.Code == CodeRefusal:
		return f.Class == jobs.ClassRejected
	}
	return f.Code == CodeInvalidAnswer
}

// partFailure is a part that has failed for good.
type partFailure struct {
	name string
	jobs.Failure
}

// failureOf is why a part brought no answer, nil if it brought one.
func failureOf(end jobs.PartEnd) *jobs.Failure {
	j := end.Job
	refusal := j.Result != nil && j.Result.Refusal
	switch {
	case refusal:
		return &jobs.Failure{Class: jobs.ClassRejected, Code: CodeRefusal, Message: "the model refused to answer"}
	case j.State == jobs.StateSucceeded:
		return nil
	case j.State == jobs.StateIncomplete:
		reason := ""
		if j.Result != nil {
			reason = j.Result.IncompleteReason
		}
		if reason == "max_output_tokens" {
			return &jobs.Failure{
				Class: jobs.ClassInvalid, Code: reason, Param: "max_output_tokens",
				Message: "its answer was cut off: allow it more output tokens, or none of its own, or smaller parts",
			}
		}
		return &jobs.Failure{Class: jobs.ClassRejected, Code: cmp.Or(reason, "incomplete"), Message: "its answer was cut off: " + cmp.Or(reason, "no reason was given")}
	case j.State == jobs.StateExpired:
		return &jobs.Failure{Class: jobs.ClassExpired, Message: "its deadline passed"}
	case j.Failure != nil:
		f := *j.Failure
		return &f
	}
	return &jobs.Failure{Class: jobs.ClassDependency, Code: string(j.State), Message: "it was " + string(j.State)}
}

// fail ends the summary with what is there of it.
func (r *run) fail(failed []partFailure, notes []note, doing string, raw []string) {
	f := failed[0].Failure
	f.Message = failed[0].name + ": " + cmp.Or(f.Message, f.Code, string(f.Class))
	if more := len(failed) - 1; more > 0 {
		f.Message += fmt.Sprintf(" (and %d more)", more)
	}
	s := r.partial(notes)
	s.Raw = raw
	for _, p := range failed {
		s.Coverage.Missing = append(s.Coverage.Missing, p.name+": "+cmp.Or(p.Message, p.Code, string(p.Class)))
	}
	r.next = &jobs.Next{Failure: &f}
	if s.Text != "" || len(raw) > 0 || doing != "" {
		r.next.Result = encodeJSON(s)
	}
}
