package summarize

import (
	"encoding/json"
)

// Preparer makes the requests that jobs of kind summarize carry, for [Planner], and says what
// they will take. What is the same for all documents of a run it works out once. It may be used
// by several goroutines.
type Preparer struct {
	options Options
	frames  frames
}

// Prepared is a request of a job of kind summarize.
type Prepared struct {
	// Request is what the job carries. The same document, whatever its path, and options give the
	// same bytes.
	Request json.RawMessage
	// Forecast is what carrying it out will take.
	Forecast Forecast

	// counts are the tokens of the parts that it is read in, none of a file.
	counts []int
}

// NewPreparer returns what prepares documents for the options.
func NewPreparer(opts Options) (*Preparer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	return &Preparer{opts, opts.frames()}, nil
}

// Document prepares a document. It counts the tokens of all of it, some five million bytes a
// second. A document that cannot be summarized is refused with a [*SourceError].
func (p *Preparer) Document(doc Document) (Prepared, error) {
	if err := checkDocument(doc); err != nil {
		return Prepared{}, &SourceError{Path: doc.Path, Err: err}
	}
	d := &parentDocument{Kind: doc.Kind, Title: doc.Title, Bytes: doc.Bytes, Hash: doc.Hash, Sections: doc.Sections, File: doc.File}
	var f Forecast
	var counts []int
	if doc.File == nil {
		s := newSplitter(doc)
		if err := s.split(p.frames); err != nil {
			return Prepared{}, &SourceError{Path: doc.Path, Err: err}
		}
		d.Cuts = append([]int{}, s.cuts()...)
		counts = s.counts
		f = p.forecast(counts)
	} else {
		f = p.forecastFile(doc)
	}
	return Prepared{encodeJSON(parent{Format: parentFormat, Options: parentOptions(p.options), Document: d}), f, counts}, nil
}

// Across prepares one summary over the summaries of several documents. Its citations name the
// document of each. The question of the options is asked of all of them together.
func (p *Preparer) Across(summaries []Named) (Prepared, error) {
	if err := checkAcross(summaries); err != nil {
		return Prepared{}, err
	}
	request := encodeJSON(parent{Format: parentFormat, Options: parentOptions(p.options), Across: summaries})
	return Prepared{request, p.forecastAcross(summaries), nil}, nil
}
