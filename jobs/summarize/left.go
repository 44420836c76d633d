package summarize

import (
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

// Left is what is left to do of a document when there are answers to some of the requests
// of a phase of its [Planner], and to all of the phases before. phase is its number, from
// 1; there says for each of its parts whether the answer is there.
func (p *Preparer) Left(of Prepared, phase int, parts []jobs.Part, there []bool) Forecast {
	switch {
	case phase == 1 && len(there) == 1 && !there[0]:
		return of.Forecast
	case phase == 1 && len(of.counts) > 1:
		return p.leftToRead(of, there)
	}
	var f Forecast
	for i, part := range parts {
		if there[i] {
			continue
		}
		input := tokens.Estimate(part.Request).Input
		f.Merges, f.MergeTokens = f.Merges.Add(Exactly(1)), f.MergeTokens.Add(Exactly(input))
		f.OutputTokens = f.OutputTokens.Add(p.options.answer(stageLast, input))
	}
	if len(parts) > 1 {
		above := p.withMerges(Forecast{}, len(parts), noteTokens(), stageMerge, stageLast)
		f.Merges, f.MergeTokens = f.Merges.Add(above.Merges), f.MergeTokens.Add(above.MergeTokens)
		f.OutputTokens = f.OutputTokens.Add(above.OutputTokens)
	}
	if f.Requests().High == 0 {
		return f
	}
	return f.withRepairs()
}

// leftToRead is what is left when some parts of the document were read.
func (p *Preparer) leftToRead(of Prepared, there []bool) Forecast {
	var f Forecast
	all := 0
	for i, n := range of.counts {
		if i < len(there) && there[i] {
			all++
			continue
		}
		f.Parts++
		f.PartTokens += n + p.frames.overhead[stagePart]
		f.OutputTokens = f.OutputTokens.Add(p.options.answer(stagePart, n))
	}
	f = p.withMerges(f, len(of.counts), noteTokens(), stageMerge, stageLast)
	if all > 0 { // merges of parts that stand apart from those may be there as well
		f.MergeTokens.Low /= max(1, f.Merges.Low)
		f.Merges.Low = min(1, f.Merges.Low)
	}
	return f.withRepairs()
}
