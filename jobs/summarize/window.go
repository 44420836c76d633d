package summarize

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// plainAnswer is kept free for the answer of a model that does not reason.
	plainAnswer = 4_096
	// reasonedAnswer is what OpenAI advises to keep free for reasoning and answer.
	reasonedAnswer = 25_000
)

// Window is how much a model takes at once, in tokens.
type Window struct {
	// Context is the most that a request and its answer hold together.
	Context int
	// Input is the most that a request alone holds; 0 if only Context binds it.
	Input int
	// Answer is how much of Context is kept free for the answer when the request
	// does not say how long it may be.
	Answer int
}

// ContextWindow returns the context window of an OpenAI model by its name, and
// whether it is known. Dated versions, fine-tuned models and names that a
// gateway put "openai/" before count as their model.
func ContextWindow(model string) (Window, bool) {
	model = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(model)), "openai/")
	if tuned, ok := strings.CutPrefix(model, "ft:"); ok {
		model, _, _ = strings.Cut(tuned, ":")
	}
	var (
		million   = Window{Context: 1_050_000, Input: 922_000, Answer: reasonedAnswer}
		reasoning = Window{Context: 400_000, Input: 272_000, Answer: reasonedAnswer}
		earlier   = Window{Context: 200_000, Answer: reasonedAnswer}
		chat      = Window{Context: 128_000, Answer: plainAnswer}
	)
	// The first family whose name begins the model's counts, so exceptions stand
	// before what they are exceptions from.
	for _, family := range []struct {
		name string
		Window
	}{
		{"gpt-4.1", Window{Context: 1_047_576, Answer: plainAnswer}},
		{"gpt-4o", chat},
		{"chatgpt-4o", chat},
		{"gpt-5-chat", chat},
		{"gpt-5.1-chat", chat},
		{"gpt-5.2-chat", chat},
		{"gpt-5.3-chat", chat},
		{"gpt-5", reasoning},
		{"gpt-5.1", reasoning},
		{"gpt-5.2", reasoning},
		{"gpt-5.4-mini", reasoning},
		{"gpt-5.4-nano", reasoning},
		{"gpt-5.4", million},
		{"gpt-5.5", million},
		{"gpt-5.6", million},
		{"gpt-6-astra", million},
		{"o1-mini", Window{Context: 128_000, Answer: reasonedAnswer}},
		{"o1-preview", Window{Context: 128_000, Answer: reasonedAnswer}},
		{"o1", earlier},
		{"o3", earlier},
		{"o4-mini", earlier},
	} {
		if rest, ok := strings.CutPrefix(model, family.name); ok && (rest == "" || rest[0] == '-') {
			return family.Window, true
		}
	}
	return Window{}, false
}

// Reasons reports whether a model thinks before it answers, and so takes a reasoning effort,
// and whether that is known of it.
func Reasons(model string) (yes, known bool) {
	w, known := ContextWindow(model)
	return w.Answer == reasonedAnswer, known && !strings.Contains(model, "-chat")
}

// thousands writes a number that is not negative with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
