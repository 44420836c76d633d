package summarize_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestKindOfContent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mediaType, name string
		want            summarize.Kind
	}{
		{"text/html", "report.pdf", summarize.KindHTML},
		{"Application/JSON", "", summarize.KindJSON},
		{"text/plain", "main.go", summarize.KindCode},
		{"text/plain", "README", summarize.KindText},
		{"application/octet-stream", "a.docx", summarize.KindDOCX},
		{"", "a.csv", summarize.KindCSV},
		{"text/x-unheard-of", "", summarize.KindText},
		{"image/png", "a.png", ""},
		{"", "", ""},
	} {
		if got, ok := summarize.KindOfContent(tt.mediaType, tt.name); got != tt.want || ok != (tt.want != "") {
			t.Errorf("KindOfContent(%q, %q) = %q, %v; want %q", tt.mediaType, tt.name, got, ok, tt.want)
		}
	}
}
