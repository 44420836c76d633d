package simulator_test

import (
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// ask returns the answer to an input.
func ask(tb testing.TB, input any) string {
	tb.Helper()
	return outputText(tb, create(tb, newSimulator(tb, simulator.Config{}), object{"input": input}))
}

func TestSummaryIsAnExtract(t *testing.T) {
	article := readArticle(t)
	plain := strings.Join(strings.Fields(strings.NewReplacer("**", "", "[lights](https://example.com/lights)", "lights").Replace(article)), " ")
	summary := ask(t, article)
	if len(summary) < 300 || len(summary) > len(article)/2 {
		t.Errorf("summary has %d bytes of %d", len(summary), len(article))
	}
	last := 0
	for sentence := range strings.SplitAfterSeq(summary, ". ") {
		sentence = strings.TrimSuffix(strings.TrimSpace(sentence), ".")
		at := strings.Index(plain, sentence)
		if at < last {
			t.Errorf("%q stands at %d of the text, after one at %d", sentence, at, last)
		}
		last = at
	}
	for _, residue := range []string{"#", "*", "|", "```", "func main", "](", "Skarv |"} {
		if strings.Contains(summary, residue) {
			t.Errorf("summary holds %q: %s", residue, summary)
		}
	}
	if again := ask(t, article); again != summary {
		t.Errorf("a second answer differs:\n%s", again)
	}
}

func TestSummaryAnswersTheLastUserMessage(t *testing.T) {
	article := readArticle(t)
	want := ask(t, article)
	for name, input := range map[string]any{
		"after other messages": []object{
			{"role": "developer", "content": strings.Repeat("Summaries are written in three sentences. ", 20)},
			{"role": "user", "content": "Hello."},
			{"role": "assistant", "content": "Hello, what shall I read?"},
			{"role": "user", "content": article},
		},
		"behind an order":        "Summarize the following article in a few sentences, and keep to the facts.\n\n" + article,
		"behind a colon":         "Summarize this article:\n\n" + article,
		"in parts":               []object{{"role": "user", "content": []object{{"type": "input_text", "text": article}}}},
		"inside tags":            "<document>\n" + article + "\n</document>",
		"with scripts around it": "<script>\nvar x = 'A script is not prose. It must not be in a summary.';\n</script>\n" + article,
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(t, input); got != want {
				t.Errorf("answer = %s\nwant %s", got, want)
			}
		})
	}
}

func TestVerbosityChangesTheLength(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	length := func(verbosity string) int {
		return len(outputText(t, create(t, sim, object{"input": readArticle(t), "text": object{"verbosity": verbosity}})))
	}
	if low, medium, high := length("low"), length("medium"), length("high"); low >= medium || medium >= high {
		t.Errorf("answers have %d, %d and %d bytes", low, medium, high)
	}
}

func TestShortInputsAreRestated(t *testing.T) {
	for input, want := range map[string]string{
		"What is Redis?":     "You asked: “What is Redis?” A real model would answer the question here.",
		"Write a   haiku.\n": "You wrote: “Write a haiku.” A real model would respond to that here.",
		"   ":                "The request held no text to answer.",
	} {
		got := ask(t, input)
		if !strings.HasPrefix(got, "This is the simulator answering in place of a language model. ") || !strings.HasSuffix(got, want) {
			t.Errorf("answer to %q = %q", input, got)
		}
	}
}

func TestSentencesAreSplitWithCare(t *testing.T) {
	filler := " Some more words are needed here so that the text is long enough to be taken for a document by the stand-in." +
		" Another sentence about quite different matters follows, such as gardens, rain and the price of tea in winter."
	for _, tt := range []struct{ name, text, whole string }{
		{"abbreviations", "The lecture by Dr. A. Lovelace on engines, e.g. the analytical one, drew engines and engineers from afar." + filler, "The lecture by Dr. A. Lovelace on engines, e.g. the analytical one, drew engines and engineers from afar."},
		{"numbers", "Version 3.5 of the engine runs engines at 2.4 GHz and the engine needs 1.2 volts for its engine room." + filler, "Version 3.5 of the engine runs engines at 2.4 GHz and the engine needs 1.2 volts for its engine room."},
		{"quotes", "“The engine must run,” said the engineer about the engine, and the engines ran like an engine.” " + filler, "“The engine must run,” said the engineer about the engine, and the engines ran like an engine.”"},
		{"lines", "The engine of the\nship drove the ship's\r\nengine room and its engines." + filler, "The engine of the ship drove the ship's engine room and its engines."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, tt.text); !strings.Contains(got, tt.whole) {
				t.Errorf("answer = %s\nwant it to hold %s", got, tt.whole)
			}
		})
	}
}

func TestOddDocuments(t *testing.T) {
	for name, input := range map[string]string{
		"no punctuation":       strings.Repeat("lorem ipsum dolor sit amet ", 500),
		"one word":             strings.Repeat("x", 5000),
		"only code":            "```\n" + strings.Repeat("x := 1\n", 100) + "```",
		"only a table":         strings.Repeat("| a | b | c |\n", 100),
		"Chinese":              strings.Repeat("长江是亚洲最长的河流。它发源于青藏高原。许多城市位于它的岸边。", 20),
		"invalid UTF-8":        strings.Repeat("Bytes \xff\xfe that are no text. ", 50),
		"unclosed tag":         "<div class='x" + strings.Repeat("\nText goes on after the tag. It has several sentences.", 20),
		"ten million bytes":    strings.Repeat("The river rises in the mountains. It flows to the sea. ", 70_000),
		"nothing but newlines": strings.Repeat("\n", 5000) + "x",
	} {
		t.Run(name, func(t *testing.T) {
			answer := ask(t, input)
			if answer == "" || len(answer) > 4000 {
				t.Errorf("answer has %d bytes: %s", len(answer), clipped(answer))
			}
		})
	}
}

func FuzzStandIn(f *testing.F) {
	f.Add("What is Redis?", "medium")
	f.Add(readArticle(f), "high")
	f.Add("<b>*_`[x](y)` ![z](", "low")
	f.Add("1. a\n2) b\n- c\n| d |\n***\n# e:\n", "")
	f.Fuzz(func(t *testing.T, input, verbosity string) {
		sim := newSimulator(t, simulator.Config{})
		request := object{"model": "gpt-4.1", "input": []object{{"role": "user", "content": strings.Repeat(input, 1+300/(len(input)+1))}}}
		if verbosity == "low" || verbosity == "high" {
			request["text"] = object{"verbosity": verbosity}
		}
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != 200 || outputText(t, got.body) == "" {
			t.Errorf("create = %d %s", got.status, got.raw)
		}
	})
}
