package report

import "testing"

func TestGistIsWhatAReaderSees(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		markdown, want string
		limit          int
	}{
		"signs":       {"Revenue > 5 million and cost \\< 3 million. Ratio a->b, 2 * 3 | 4, file_name_2, #7.", "Revenue > 5 million and cost < 3 million. Ratio a->b, 2 * 3 | 4, file_name_2, #7.", 200},
		"emphasis":    {"**Bold**, *thin*, __both__, ~~gone~~, `a_b*c`.", "Bold, thin, both, gone, a_b*c.", 200},
		"blocks":      {"# Heading\n\n> quoted\nline\n\n- one\n- two\n\n1. three\n\n```\ncode > x\n```", "Heading quoted line - one - two - three code > x", 200},
		"table":       {"| a | b |\n| --- | --- |\n| 1 | 2 |", "a b 1 2", 200},
		"links":       {"See [the page](https://example.com) and <https://example.com/x>, ![a picture](x.png).", "See the page and https://example.com/x, a picture.", 200},
		"html":        {"<b>Not</b> bold &amp; 3 &lt; 4\n\n<div>\nblock\n</div>", "<b>Not</b> bold & 3 < 4 <div> block </div>", 200},
		"length":      {"one two three four", "one two th…", 11},
		"cut in rune": {"日本語の長い要約です。これは続きます。", "日本語の長い要約で…", 10},
		"nothing":     {"", "", 200},
	} {
		if got := gist(tt.markdown, tt.limit); got != tt.want {
			t.Errorf("%s: gist(%q) = %q, want %q", name, tt.markdown, got, tt.want)
		}
	}
}
