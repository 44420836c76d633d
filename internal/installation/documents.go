package installation

import (
	"fmt"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/results"
)

// SubmitDocuments accepts n documents to be summarized, each of so many parts or a few
// more, and returns the ids of their jobs. Every document begins with the same text, so
// that they have parts in common.
func (in *Installation) SubmitDocuments(n, parts int, options jobs.Options) []jobs.ID {
	in.tb.Helper()
	const chunk = 2000
	preparer, err := summarize.NewPreparer(summarize.Options{Model: jobs.DefaultModel, ChunkTokens: chunk})
	if err != nil {
		in.tb.Fatal(err)
	}
	ids := make([]jobs.ID, n)
	for i := range ids {
		doc, err := summarize.Parse("towns.md", summarize.KindMarkdown, []byte(towns(i, parts*chunk)))
		if err != nil {
			in.tb.Fatal(err)
		}
		prepared, err := preparer.Document(doc)
		if err != nil {
			in.tb.Fatal(err)
		}
		s, err := in.Client.SubmitParent(in.tb.Context(), jobs.KindSummarize, prepared.Request, jobs.DefaultModel, options)
		if err != nil {
			in.tb.Fatal(err)
		}
		ids[i] = s.Job.ID
	}
	return ids
}

// towns is a text of about so many tokens, whose second half is another one for each
// document.
func towns(document, tokens int) string {
	const perSentence = 22
	var text strings.Builder
	for i := range tokens / perSentence {
		name := fmt.Sprint("town ", i)
		if i > tokens/perSentence/2 {
			name += fmt.Sprint(" of country ", document)
		}
		if i%20 == 0 {
			fmt.Fprintf(&text, "\n# The harbour of %s\n\n", name)
		}
		fmt.Fprintf(&text, "The harbour of %s was rebuilt after the storm of %d. Trade came back. ", name, 1800+i%100)
	}
	return text.String()
}

// Parts returns all jobs that others have asked for.
func (in *Installation) Parts() []jobs.Job {
	in.tb.Helper()
	return in.All(results.Filter{Kind: jobs.KindResponse})
}
