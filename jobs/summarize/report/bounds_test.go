package report

import (
	"html"
	"strings"
	"testing"
)

// A summary whose Markdown would take minutes or all memory to be laid out is shown as it
// is, on all pages.
func TestWhatIsNotReadAsMarkdownIsShownAsItIs(t *testing.T) {
	t.Parallel()
	table := func(columns, rows int) string {
		return strings.Repeat("a|", columns) + "\n" + strings.Repeat("-|", columns) + "\n" + strings.Repeat("x\n", rows)
	}
	for name, tt := range map[string]struct {
		text string
		want bool // it is read as Markdown
	}{
		"nothing":           {"", true},
		"a table":           {table(20, 2000), true},
		"several tables":    {strings.Repeat(table(20, 400)+"\n", 5), true},
		"a wide table":      {table(3000, 3000), false},
		"many tables":       {strings.Repeat(table(50, 500)+"\n", 5), false},
		"text with a bar":   {strings.Repeat("a | b\n", 20_000), true},
		"a rule":            {strings.Repeat("-", 500), true},
		"quotes":            {strings.Repeat("> a\n", 5000), true},
		"quotes in quotes":  {strings.Repeat(">", 2000) + "a", false},
		"lists in lists":    {"a\n\n" + strings.Repeat("+ ", 2000) + "a", false},
		"numbers in quotes": {strings.Repeat("> 1. ", 1000), false},
		"links":             {strings.Repeat("[a](https://example.com) ", 500), true},
		"links begun":       {strings.Repeat("[a](", 5000), false},
	} {
		text := tt.text + "<b>"
		if got := readable(text); got != tt.want {
			t.Errorf("%s: read as Markdown %t, want %t", name, got, tt.want)
			continue
		}
		if tt.want {
			continue
		}
		if got, err := toHTML(converter(), text); err != nil || got != "<pre>"+html.EscapeString(text)+"</pre>\n" {
			t.Errorf("%s: the page says %.200q, %v", name, got, err)
		}
		if got := withoutHTML(text); got != "```\n"+text+"\n```" {
			t.Errorf("%s: the file says %.200q", name, got)
		}
	}
	if got, want := gist(strings.Repeat("> ", 500)+"a", 20), "> > > > > > > > > > …"; got != want {
		t.Errorf("it begins with %q, want %q", got, want)
	}
}
