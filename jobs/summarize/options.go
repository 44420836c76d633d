package summarize

import (
	"cmp"
	"encoding/json"
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
	// styleRunes and questionRunes bound what is said about the style, and a question.
	styleRunes    = 2_000
	questionRunes = 20_000
	// maxChunkTokens is beyond what any model takes.
	maxChunkTokens = 1_000_000
)

// Options say how documents are summarized. They are the same for all documents
// of a run. Only Model is required.
type Options struct {
	// Model is the model that summarizes.
	Model string
	// Instructions say what matters, in place of what a preset or nothing says. What the
	// fields of an answer hold and what guards against instructions inside a document is
	// added to them.
	Instructions string
	// Preset is a kind of summary; "" for one that suits any document.
	Preset Preset
	// Length is how long the summary is to be: "short", "medium", "long", or a number of
	// words such as "250". "" leaves it to the preset.
	Length string
	// Style is how the summary is to be written, such as "plain words, no jargon".
	Style string
	// Question is what the document is asked, in place of being summarized.
	Question string
	// Schema is a JSON schema for the answer in place of the usual one, within what OpenAI's
	// strict mode allows.
	Schema json.RawMessage
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
	// ChunkTokens is how much of a document one request carries, in tokens; 0 stands for
	// [DefaultChunkTokens]. See [Split].
	ChunkTokens int
	// Effort is how hard the model thinks: its reasoning.effort; "" leaves it to the model.
	Effort string
	// ServiceTier is the service tier of the requests, such as "flex"; "" leaves it to the account.
	ServiceTier string
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
	if err := o.validateForm(); err != nil {
		return err
	}
	if limit, known := o.InputTokens(); known && limit <= 0 {
		return fmt.Errorf("max output tokens: %d leave no room for a document in the context of %s",
			o.MaxOutputTokens, quoteName(o.Model))
	}
	return nil
}

// validateForm checks what the answers are to be like.
func (o Options) validateForm() error {
	if _, known := o.Preset.wishes(); !known {
		return fmt.Errorf("preset: %s is none of %s", quoteName(string(o.Preset)), strings.Join(presetNames(), ", "))
	}
	if _, err := o.length(); err != nil {
		return err
	}
	for _, text := range []struct {
		name, value string
		runes       int
	}{{"style", o.Style, styleRunes}, {"question", o.Question, questionRunes}} {
		switch {
		case !utf8.ValidString(text.value):
			return fmt.Errorf("%s: not valid UTF-8", text.name)
		case utf8.RuneCountInString(text.value) > text.runes:
			return fmt.Errorf("%s: longer than %s characters", text.name, thousands(text.runes))
		}
	}
	if o.ChunkTokens != 0 && (o.ChunkTokens < minChunkTokens || o.ChunkTokens > maxChunkTokens) {
		return fmt.Errorf("chunk tokens: %d is not between %d and %d", o.ChunkTokens, minChunkTokens, maxChunkTokens)
	}
	for _, name := range []struct{ name, value string }{{"effort", o.Effort}, {"service tier", o.ServiceTier}} {
		if strings.ContainsFunc(name.value, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }) {
			return fmt.Errorf("%s: %s is not a name in small letters", name.name, quoteName(name.value))
		}
	}
	if len(o.Schema) > 0 {
		if err := checkSchema(o.Schema); err != nil {
			return fmt.Errorf("schema: %w", err)
		}
	}
	return nil
}

// chunkTokens is how many tokens the message of a part may have, but for what the model takes.
func (o Options) chunkTokens() int { return cmp.Or(o.ChunkTokens, DefaultChunkTokens) }

// cachedTokens is how long the common beginning of prompts must be for OpenAI's prompt
// cache to keep it (https://platform.openai.com/docs/guides/prompt-caching).
const cachedTokens = 1024

// Cacheable reports whether what all requests that read documents begin with, the
// instructions and the schema of the answer, is long enough for OpenAI's prompt cache.
func (o Options) Cacheable() bool {
	n, _, err := tokens.Count(o.instructions(stageWhole)+string(o.schema(stageWhole)), cachedTokens)
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
