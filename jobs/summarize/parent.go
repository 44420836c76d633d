package summarize

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// parentFormat names the form of the request that a parent carries.
const parentFormat = "longhaul/summarize/1"

// parent is the request that a job of kind summarize carries: a document with where it is cut,
// or summaries of several, and how they are to be summarized. It has neither the path nor the
// name of the document, so that copies of one document are one request.
type parent struct {
	Format   string          `json:"format"`
	Options  parentOptions   `json:"options"`
	Document *parentDocument `json:"document,omitempty"`
	Across   []Named         `json:"across,omitempty"`
}

type parentOptions struct {
	Model           string          `json:"model"`
	Instructions    string          `json:"instructions,omitempty"`
	Preset          Preset          `json:"preset,omitempty"`
	Length          string          `json:"length,omitempty"`
	Style           string          `json:"style,omitempty"`
	Question        string          `json:"question,omitempty"`
	Schema          json.RawMessage `json:"schema,omitempty"`
	Language        string          `json:"language,omitempty"`
	MaxOutputTokens int             `json:"max_output_tokens,omitempty"`
	ContextTokens   int             `json:"context_tokens,omitempty"`
	ChunkTokens     int             `json:"chunk_tokens,omitempty"`
	Effort          string          `json:"effort,omitempty"`
	ServiceTier     string          `json:"service_tier,omitempty"`
}

type parentDocument struct {
	Kind  Kind   `json:"kind"`
	Title string `json:"title,omitempty"`
	Bytes int64  `json:"bytes"`
	Hash  string `json:"hash"`
	// Sections are all that it says, and Cuts where it is cut, in bytes of their texts one behind
	// another. Whoever makes the request has counted; whoever carries it out need not, and a
	// newer build cuts an older request where the older build did. Without Cuts they are found.
	Sections []Section `json:"sections,omitempty"`
	Cuts     []int     `json:"cuts,omitzero"`
	File     *File     `json:"file,omitempty"`
}

// RequestFingerprint returns the SHA-256 of a request of [Preparer] in
// lower-case hex. It changes with everything that can change the summary, and with nothing else:
// it serves as a dedupe key, and a document on record with it need not be summarized again.
func RequestFingerprint(request json.RawMessage) string {
	sum := sha256.Sum256(request)
	return hex.EncodeToString(sum[:])
}

// Named is a summary of a document among several.
type Named struct {
	// Document is what the document is called in the citations of a summary over several, usually
	// its path.
	Document string  `json:"document"`
	Summary  Summary `json:"summary"`
}

// documentRunes bounds what a document among several is called, in characters.
const documentRunes = 500

func checkAcross(summaries []Named) error {
	seen := make(map[string]bool, len(summaries))
	for i, s := range summaries {
		switch {
		case s.Document == "" || utf8.RuneCountInString(s.Document) > documentRunes || !utf8.ValidString(s.Document):
			return fmt.Errorf("across[%d].document: must have 1 to %d characters", i, documentRunes)
		case seen[s.Document]:
			return fmt.Errorf("across[%d].document: %s is there twice", i, quoteName(s.Document))
		}
		seen[s.Document] = true
	}
	if len(summaries) == 0 {
		return errors.New("across: there is no summary to make one of")
	}
	return nil
}

// checkDocument says what is wrong with a document as such.
func checkDocument(doc Document) error {
	if doc.File != nil {
		switch {
		case len(doc.Sections) > 0:
			return errors.New("it has both a file and sections")
		case len(doc.File.Data) == 0:
			return ErrEmpty
		case doc.File.MediaType == "" || doc.File.Pages < 0:
			return errors.New("its file has no media type, or a negative number of pages")
		}
		return nil
	}
	blank := true
	for i, s := range doc.Sections {
		if !utf8.ValidString(s.Text) || !utf8.ValidString(s.Name) || !utf8.ValidString(s.Unit) {
			return fmt.Errorf("the text of its section %d is not valid UTF-8", i+1)
		}
		if s.Unit != "" && s.Number < 1 {
			return fmt.Errorf("the number of its section %d is %d", i+1, s.Number)
		}
		blank = blank && isBlank(s.Text)
	}
	if blank {
		return ErrEmpty
	}
	return nil
}

// decodeParent reads the request of a parent. An error names the field at fault.
func decodeParent(request json.RawMessage) (*parent, error) {
	var p parent
	dec := json.NewDecoder(bytes.NewReader(request))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("the request of a summary: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the request of a summary: more than one JSON value")
	}
	switch {
	case p.Format != parentFormat:
		return nil, fmt.Errorf("format: %s is not %s, the one that this build reads", quoteName(p.Format), parentFormat)
	case (p.Document == nil) == (len(p.Across) == 0):
		return nil, errors.New("document, across: exactly one of them must be given")
	}
	if err := Options(p.Options).Validate(); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	if p.Document == nil {
		return &p, checkAcross(p.Across)
	}
	if err := checkDocument(p.Document.document()); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return &p, nil
}

func (d *parentDocument) document() Document {
	return Document{Kind: d.Kind, Title: d.Title, Bytes: d.Bytes, Hash: d.Hash, Sections: d.Sections, File: d.File}
}

// splitter returns the document as it is cut.
func (p *parent) splitter() (*splitter, error) {
	s := newSplitter(p.Document.document())
	if p.Document.Cuts == nil {
		return s, s.split(Options(p.Options).frames())
	}
	if !s.cutAt(p.Document.Cuts) {
		return nil, errors.New("document.cuts: must be places between two characters of its text, in their order")
	}
	return s, nil
}
