package summarize_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestDocumentsAreDividedAsTheirAuthorsDid(t *testing.T) {
	page := func(text string) string { return "<html><body><p>" + text + "</p></body></html>" }
	title := `<a:p><a:r><a:t>Where we stand</a:t></a:r></a:p>`
	tests := []struct {
		name    string
		path    string
		kind    summarize.Kind
		content string
		want    []summarize.Section
	}{
		{"plain text is one", "a.txt", summarize.KindText, "[Slide 2]\nnot a slide", []summarize.Section{{Text: "[Slide 2]\nnot a slide"}}},
		{"HTML is one", "a.html", summarize.KindHTML, page("text"), []summarize.Section{{Text: "text"}}},
		{"a book has parts", "a.epub", summarize.KindEPUB, string(epubOf(t, page("Once."), page("Then."))), []summarize.Section{
			{Unit: "Part", Number: 1, Text: "Once."}, {Unit: "Part", Number: 2, Text: "Then."},
		}},
		{
			"a presentation has slides", "a.pptx", summarize.KindPPTX,
			string(slides(t, shape(`<p:ph type="ctrTitle"/>`, title)+shape(`<p:ph idx="1"/>`, `<a:p><a:t>Up</a:t></a:p>`), "", "")),
			[]summarize.Section{{Unit: "Slide", Number: 1, Name: "Where we stand", Text: "- Up"}, {Unit: "Slide", Number: 2, Name: "(hidden)"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse(t, tt.path, tt.kind, tt.content)
			if diff := cmp.Diff(tt.want, doc.Sections); diff != "" {
				t.Errorf("sections (-want +got):\n%s", diff)
			}
		})
	}
}
