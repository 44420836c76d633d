package summarize

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

const (
	// framingTokens allows for what the API puts around the parts of a request.
	framingTokens = 64
	// maxInputRunes is the longest text that the API takes in one piece, in
	// characters.
	maxInputRunes = 10_485_760
)

// body is the part of a request that summaries need; see POST /v1/responses.
type body struct {
	Model           string      `json:"model"`
	Instructions    string      `json:"instructions"`
	Input           []inputItem `json:"input"`
	MaxOutputTokens int         `json:"max_output_tokens,omitempty"`
}

type inputItem struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request returns the body of the POST /v1/responses that summarizes doc. It
// holds the model, the instructions and the whole text of the document as a
// user message; metadata and all that concerns the running of the request are
// the caller's to add. The same document and options give the same bytes.
//
// A document that does not fit is refused with a [*TooLargeError]. Its tokens
// are counted only if it has more bytes than the model takes tokens, since a
// token is at least one byte: small documents cost no counting, and none is
// refused by a guess from its size. For models that [Options.InputTokens] does not
// know, nothing is refused for its tokens.
func Request(doc Document, opts Options) (json.RawMessage, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if !utf8.ValidString(doc.Text) {
		return nil, &SourceError{Path: doc.Path, Err: errors.New("its text is not valid UTF-8")}
	}
	b := newBody(doc, opts)
	if err := checkSize(doc, opts, b); err != nil {
		return nil, err
	}
	return b.encode(), nil
}

// Fingerprint returns the SHA-256 of the request for doc in lower-case hex. It
// changes with everything that can change the summary: the text, title and name
// of the document, the model, the instructions, this package's own wording, and
// the other options of the request. Two requests with one fingerprint are the
// same to the byte, so it serves as a dedupe key, and a document whose
// fingerprint is on record as done need not be summarized again.
func Fingerprint(doc Document, opts Options) string {
	sum := sha256.Sum256(newBody(doc, opts).encode())
	return hex.EncodeToString(sum[:])
}

func newBody(doc Document, opts Options) body {
	return body{
		Model:        opts.Model,
		Instructions: instructions(opts),
		// One message with plain text: the form that OpenAI's description of the API
		// takes for a message and for nothing else.
		Input:           []inputItem{{Role: "user", Content: message(doc)}},
		MaxOutputTokens: opts.MaxOutputTokens,
	}
}

func (b body) text() string { return b.Input[0].Content }

func (b body) encode() json.RawMessage {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	// Escaping <, > and & is for JSON inside of HTML and would bloat the request.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(b); err != nil {
		panic(fmt.Sprintf("summarize: encode strings and a number: %v", err))
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// checkSize refuses a request that the model cannot take.
func checkSize(doc Document, opts Options, b body) error {
	text := b.text()
	if len(text) > maxInputRunes {
		if n := utf8.RuneCountInString(text); n > maxInputRunes {
			return &SourceError{Path: doc.Path, Err: fmt.Errorf(
				"%s characters, but the API takes %s in one text; split the document", thousands(n), thousands(maxInputRunes))}
		}
	}
	limit, known := opts.InputTokens()
	if !known || len(b.Instructions)+len(text)+framingTokens <= limit {
		return nil
	}
	needed, _, err := tokens.Count(b.Instructions, limit)
	if err != nil {
		return &SourceError{Path: doc.Path, Err: err}
	}
	needed += framingTokens
	inText, counted, err := tokens.Count(text, max(0, limit-needed))
	if err != nil {
		return &SourceError{Path: doc.Path, Err: err}
	}
	if needed+inText <= limit {
		return nil
	}
	tooLarge := &TooLargeError{Name: doc.Path, Model: opts.Model, Limit: limit, Tokens: needed + inText}
	if counted < len(text) {
		tooLarge.Estimated = true
		tooLarge.Tokens = needed + int(float64(inText)/float64(counted)*float64(len(text)))
	}
	return tooLarge
}
