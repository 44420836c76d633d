package summarize

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

const (
	// minOutputTokens is the least max_output_tokens that the API accepts.
	minOutputTokens = 16
	// languageRunes bounds the name of a language, in characters.
	languageRunes = 64
)

// Options say how documents are summarized. They are the same for all documents
// of a run. Only Model is required.
type Options struct {
	// Model is the model that summarizes.
	Model string
	// Instructions replace [DefaultInstructions]. What guards against
	// instructions inside a document is added to either.
	Instructions string
	// Language is the language of the summary, as its name ("German") or tag
	// ("de"). Empty stands for the language of the document.
	Language string
	// MaxOutputTokens bounds the answer, reasoning included, in tokens. 0 leaves
	// it to the model.
	MaxOutputTokens int
	// ContextTokens is the size of the model's context window, in tokens, for
	// models that [ContextWindow] does not know or knows wrongly. 0 leaves it to
	// that table.
	ContextTokens int
}

// Validate checks the options and names the field that is wrong.
func (o Options) Validate() error {
	switch {
	case strings.TrimSpace(o.Model) == "":
		return errors.New("model: must be given")
	case !utf8.ValidString(o.Model) || strings.ContainsFunc(o.Model, isUnprintable):
		return errors.New("model: contains characters that cannot be printed")
	case !utf8.ValidString(o.Instructions):
		return errors.New("instructions: not valid UTF-8")
	case strings.ContainsFunc(o.Language, isUnprintable):
		return errors.New("language: contains characters that cannot be printed")
	case utf8.RuneCountInString(o.Language) > languageRunes:
		return fmt.Errorf("language: longer than %d characters", languageRunes)
	case o.MaxOutputTokens != 0 && o.MaxOutputTokens < minOutputTokens:
		return fmt.Errorf("max output tokens: %d is less than %d", o.MaxOutputTokens, minOutputTokens)
	case o.ContextTokens < 0:
		return fmt.Errorf("context tokens: %d is negative", o.ContextTokens)
	}
	if limit, known := o.InputTokens(); known && limit <= 0 {
		return fmt.Errorf("max output tokens: %d leave no room for a document in the context of %s",
			o.MaxOutputTokens, quoteName(o.Model))
	}
	return nil
}

// cachedTokens is how long the common beginning of prompts must be for OpenAI's prompt
// cache to keep it (https://platform.openai.com/docs/guides/prompt-caching).
const cachedTokens = 1024

// Cacheable reports whether the instructions, which all requests of a run begin with,
// are long enough for OpenAI's prompt cache. The usual ones are not.
func (o Options) Cacheable() bool {
	n, _, err := tokens.Count(instructions(o), cachedTokens)
	return err == nil && n >= cachedTokens
}

// InputTokens returns how many tokens a request made with these options may
// carry, and whether that is known. For an unknown model without ContextTokens
// it is not: then no document is refused here, and the API itself refuses what
// is too large.
func (o Options) InputTokens() (limit int, known bool) {
	w, known := ContextWindow(o.Model)
	if o.ContextTokens > 0 {
		w.Context, w.Input, known = o.ContextTokens, 0, true
		w.Answer = cmp.Or(w.Answer, plainAnswer)
	}
	if !known {
		return 0, false
	}
	answer := o.MaxOutputTokens
	if answer == 0 {
		answer = min(w.Answer, w.Context/4)
	}
	limit = w.Context - answer
	if w.Input > 0 {
		limit = min(limit, w.Input)
	}
	return limit, true
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }
