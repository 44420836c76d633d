package report

import (
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// doubt says why a citation is not to be relied on, "" if its document bears it out; bad
// that it is known to be wrong. Of a document that went as a file nobody here has read
// the text, but how many pages it has is known.
func doubt(c summarize.Citation, of summarize.Coverage) (why string, bad bool) {
	switch {
	case c.Verified:
		return "", false
	case !of.File:
		return "not found there", true
	case of.Documents == 0 && of.Sections > 0 && c.Number > of.Sections:
		return "the document has only " + count(int64(of.Sections), strings.ToLower(line(of.Unit, 40))), true
	}
	return "not checked", false
}

// checked counts the citations that somebody here could check, those of them that are
// wrong, and those that nobody could.
func checked(s *summarize.Summary) (all, wrong, unknown int) {
	if !s.Coverage.File {
		return s.Coverage.Sources, s.Coverage.Unverified, 0
	}
	for _, list := range [][]summarize.Statement{s.KeyPoints, s.OpenQuestions} {
		for _, statement := range list {
			for _, c := range statement.Sources {
				switch why, bad := doubt(c, s.Coverage); {
				case bad:
					all++
					wrong++
				case why == "":
					all++
				default:
					unknown++
				}
			}
		}
	}
	return all, wrong, unknown
}
