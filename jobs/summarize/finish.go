package summarize

import (
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// finish ends with the summary.
func (r *run) finish(s Summary) error {
	r.complete(&s)
	if len(r.phases) == 0 {
		r.next = &jobs.Next{Result: encodeJSON(s)}
	}
	return nil
}

// complete fills in what no model is asked for.
func (r *run) complete(s *Summary) {
	if r.Document != nil && r.Document.Title != "" {
		s.Title = r.Document.Title
	}
	for _, list := range []*[]Statement{&s.KeyPoints, &s.OpenQuestions} {
		if *list == nil {
			*list = []Statement{}
		}
	}
	for _, list := range []*[]Mention{&s.Dates, &s.Names, &s.Numbers} {
		if *list == nil {
			*list = []Mention{}
		}
	}
	s.Coverage = r.coverage(*s)
}

// coverage says what was read.
func (r *run) coverage(s Summary) Coverage {
	c := Coverage{Levels: r.levels}
	for _, list := range [][]Statement{s.KeyPoints, s.OpenQuestions} {
		for _, st := range list {
			c.Sources += len(st.Sources)
			for _, source := range st.Sources {
				if !source.Verified {
					c.Unverified++
				}
			}
		}
	}
	switch {
	case r.Document == nil:
		c.Documents = len(r.Across)
		for _, named := range r.Across {
			of := named.Summary.Coverage
			c.Parts += of.Parts
			c.Bytes += of.Bytes
			c.Sections += of.Sections
			c.File = c.File || of.File
		}
	case r.splitter == nil:
		c.Parts, c.File, c.Sections = 1, true, r.Document.File.Pages
		if c.Sections > 0 {
			c.Unit = unitPage
		}
	default:
		c.Parts, c.Bytes = len(r.chunks), r.splitter.size()
		if unit := r.splitter.sections[0].Unit; unit != "" {
			c.Sections, c.Unit = len(r.splitter.sections), unit
		}
	}
	return c
}

// partial is what is there of a summary that failed: what each of its parts says, one below
// another, without another request.
func (r *run) partial(notes []note) Summary {
	var s Summary
	var text strings.Builder
	seen := make(map[string]bool)
	mentions := func(letter string, all, list []Mention) []Mention {
		for _, m := range list {
			if key := mentionKey(letter, m); !seen[key] {
				seen[key] = true
				all = append(all, m)
			}
		}
		return all
	}
	for _, n := range notes {
		if n.Text != "" {
			if text.Len() > 0 {
				text.WriteString("\n\n")
			}
			if len(notes) > 1 {
				text.WriteString("**" + EscapeMarkdown(strings.TrimPrefix(r.about(n.from, n.to), "PART: ")) + "**\n\n")
			}
			text.WriteString(n.Text)
		}
		if s.Title == "" {
			s.Title = n.Title
		}
		if s.Language == "" {
			s.Language = n.Language
		}
		s.KeyPoints = append(s.KeyPoints, n.KeyPoints...)
		s.OpenQuestions = append(s.OpenQuestions, n.OpenQuestions...)
		s.Dates = mentions("D", s.Dates, n.Dates)
		s.Names = mentions("N", s.Names, n.Names)
		s.Numbers = mentions("X", s.Numbers, n.Numbers)
	}
	s.Text = text.String()
	r.complete(&s)
	return s
}
