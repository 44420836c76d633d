package summarize_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestRender(t *testing.T) {
	tests := []struct {
		name    string
		summary summarize.Page
		want    string
	}{
		{
			name: "everything",
			summary: summarize.Page{
				Title: "The plan", Text: "\nIt is *good*.\n\n## Key points\n\n- one\n\n", Note: "cut short:\nmax_output_tokens",
				Document: "docs/plan.md", Model: "gpt-4.1", JobID: "j1", ResponseID: "resp_1",
				FinishedAt: time.Date(2026, 11, 22, 11, 5, 0, 0, time.FixedZone("", 3600)),
			},
			want: "# The plan\n\n> **Note:** cut short: max\\_output\\_tokens\n\nIt is *good*.\n\n## Key points\n\n- one\n\n---\n\n" +
				"Summary of `docs/plan.md` · model `gpt-4.1` · job `j1` · response `resp_1` · 2026-11-22 10:05 UTC\n",
		},
		{
			name:    "as little as possible",
			summary: summarize.Page{Title: "a.md", Text: "Text.", Document: "a.md"},
			want:    "# a.md\n\nText.\n\n---\n\nSummary of `a.md`\n",
		},
		{
			name:    "a title that would be markup",
			summary: summarize.Page{Title: "[x](http://e) <b>*a*</b>\n# `b` & c|d", Text: "T", Document: "d/`a``b`.md"},
			want: "# \\[x\\](http://e) \\<b\\>\\*a\\*\\</b\\> \\# \\`b\\` \\& c\\|d\n\nT\n\n---\n\n" +
				"Summary of ``` d/`a``b`.md ```\n",
		},
		{
			name:    "no text",
			summary: summarize.Page{Title: "a", Text: " \n", Note: "nothing", Document: "a"},
			want:    "# a\n\n> **Note:** nothing\n\n---\n\nSummary of `a`\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(summarize.Render(tt.summary))); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
		})
	}
}
