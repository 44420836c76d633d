package summarize

import (
	"cmp"

	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

// Range is what a number will be: hardly less than Low, hardly more than High.
type Range struct {
	Low      int `json:"low"`
	Expected int `json:"expected"`
	High     int `json:"high"`
}

// Exactly is the range of a number that is known.
func Exactly(n int) Range { return Range{n, n, n} }

// Add returns the sum of two ranges.
func (r Range) Add(other Range) Range {
	return Range{r.Low + other.Low, r.Expected + other.Expected, r.High + other.High}
}

// within bounds a range by a limit, 0 for none.
func (r Range) within(limit int) Range {
	if limit <= 0 {
		return r
	}
	return Range{min(r.Low, limit), min(r.Expected, limit), min(r.High, limit)}
}

// Forecast is what summarizing a document will take.
type Forecast struct {
	// Parts is how many requests read the document, and PartTokens what they have as input: a
	// count, and no estimate, but for a document that goes as a file, which Estimated says.
	Parts      int  `json:"parts"`
	PartTokens int  `json:"part_tokens"`
	Estimated  bool `json:"estimated,omitempty"`
	// Merges are the requests that make one summary of the parts, and MergeTokens their input:
	// it depends on what the parts' answers say. High has room for answers that are mended.
	Merges      Range `json:"merges"`
	MergeTokens Range `json:"merge_tokens"`
	// OutputTokens are what the model writes in all of them, with what it thinks before.
	OutputTokens Range `json:"output_tokens"`
}

// Requests is how many requests there will be.
func (f Forecast) Requests() Range { return Exactly(f.Parts).Add(f.Merges) }

// InputTokens is the input of all requests.
func (f Forecast) InputTokens() Range { return Exactly(f.PartTokens).Add(f.MergeTokens) }

// forecast is that of a document whose parts have these tokens.
func (p *Preparer) forecast(counts []int) Forecast {
	st := stageWhole
	if len(counts) > 1 {
		st = stagePart
	}
	f := Forecast{Parts: len(counts)}
	for _, n := range counts {
		f.PartTokens += n + p.frames.overhead[st]
		f.OutputTokens = f.OutputTokens.Add(p.options.answer(st, n))
	}
	if len(counts) > 1 {
		f = p.withMerges(f, len(counts), noteTokens(), stageMerge, stageLast)
	}
	return f.withRepairs()
}

// filePageTokens is what a page of a file costs: OpenAI reads both its text and a picture of it.
const filePageTokens = 1_500

// forecastFile estimates a document that goes as a file, by its pages or its size.
func (p *Preparer) forecastFile(doc Document) Forecast {
	input := doc.File.Pages * filePageTokens
	if input == 0 {
		input = tokens.Estimate(encodeJSON(partBody{Input: []partItem{fileInput(doc)}})).Input
	}
	f := Forecast{Parts: 1, PartTokens: input + p.frames.overhead[stageWhole], Estimated: true}
	f.OutputTokens = p.options.answer(stageWhole, input)
	return f.withRepairs()
}

func (p *Preparer) forecastAcross(across []Named) Forecast {
	size := 0
	for _, named := range across {
		size += noteSize(note{Summary: named.Summary}, false)
	}
	mean := size / len(across)
	return p.withMerges(Forecast{}, len(across), Range{mean, mean, mean + mean/4}, stageMergeAcross, stageLastAcross).withRepairs()
}

// What one answer has, in tokens: a word, a statement with its sources, one that is merged, and
// what is always there.
const (
	wordTokens      = 1.4
	statementTokens = 110
	mergedTokens    = 45
	fixedTokens     = 250
)

// answer is how long the answer of a stage is to some input.
func (o Options) answer(s stage, input int) Range {
	l := noteLength()
	if s.answers() {
		l, _ = o.length() // checked before
	}
	each := statementTokens
	if !s.reads() {
		each = mergedTokens
	}
	full := int(wordTokens*float64(l.words)) + each*l.points + fixedTokens
	r := Range{Low: min(60, input/8+20), Expected: min(full*3/4, fixedTokens/2+input), High: full*2 + 4*fixedTokens}
	if s.answers() && len(o.Schema) > 0 {
		r = Range{Low: 10, Expected: max(200, len(o.Schema)/4), High: max(4_000, len(o.Schema)*2)}
	}
	return r.Add(o.thought()).within(o.MaxOutputTokens)
}

// thought is how much a model thinks before it answers. That is not known before, and differs
// from one request to the next.
func (o Options) thought() Range {
	w, known := ContextWindow(o.Model)
	if known && w.Answer != reasonedAnswer {
		return Range{}
	}
	if o.Effort == "" && !known {
		return Range{0, 0, 4_000}
	}
	switch cmp.Or(o.Effort, "medium") {
	case "none", "minimal":
		return Range{}
	case "low":
		return Range{0, 150, 1_500}
	case "medium":
		return Range{0, 500, 5_000}
	}
	return Range{0, 2_000, 20_000}
}

// noteTokens is how much of the answer to a part a merge reads: all but the quotes.
func noteTokens() Range {
	l := noteLength()
	full := int(wordTokens*float64(l.words)) + mergedTokens*l.points + fixedTokens
	return Range{Low: 60, Expected: full * 3 / 4, High: full * 2}
}

// withMerges adds the merging of n notes of a size.
func (p *Preparer) withMerges(f Forecast, n int, size Range, between, last stage) Forecast {
	later := noteTokens()
	low, expected, high := p.merges(n, size.Low, later.Low, between, last), p.merges(n, size.Expected, later.Expected, between, last),
		p.merges(n, size.High, later.High, between, last)
	each, end := p.options.answer(between, p.frames.part), p.options.answer(last, p.frames.part)
	f.Merges = Range{low.requests, expected.requests, high.requests}
	f.MergeTokens = Range{low.input, expected.input, high.input}
	f.OutputTokens = f.OutputTokens.Add(end).Add(Range{
		(low.requests - 1) * each.Low, (expected.requests - 1) * each.Expected, (high.requests - 1) * each.High,
	})
	return f
}

// tree is how many requests merge notes into one, and what they read.
type tree struct{ requests, input int }

// merges works out the tree over n notes that have so many tokens each, and what is made of them
// later many.
func (p *Preparer) merges(n, size, later int, between, last stage) tree {
	var t tree
	size += markerTokens
	for n > 2 && n*size > p.frames.part {
		// Groups are parted before they are full; see [grouping].
		per := max(2, p.frames.part*3/4/size)
		groups := (n + per - 1) / per
		t.requests += groups
		t.input += n*size + groups*p.frames.overhead[between]
		n, size = groups, later+markerTokens
	}
	return tree{t.requests + 1, t.input + n*size + p.frames.overhead[last]}
}

// withRepairs makes room for one answer in ten to be mended.
func (f Forecast) withRepairs() Forecast {
	requests := f.Requests().High
	repairs := (requests + 9) / 10
	mean := f.OutputTokens.High / requests
	f.Merges.High += repairs
	f.MergeTokens.High += repairs * (mean + repairTokens)
	f.OutputTokens.High += repairs * mean
	return f
}

// repairTokens is what the request of a repair has beside the answer.
const repairTokens = 2_000
