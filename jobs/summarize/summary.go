package summarize

import "encoding/json"

// Summary is what is known of a document at the end: the result of its parent job, as
// the JSON object that the job keeps.
type Summary struct {
	// Answered says whether the document answers the question that was asked; nil if none was.
	Answered *bool `json:"answered,omitempty"`
	// Title is the document's title, its own where it has one.
	Title string `json:"title"`
	// Language is the tag of the language of the document, such as "en".
	Language string `json:"language"`
	// Text is the summary itself, or the answer to the question that was asked, in
	// Markdown.
	Text string `json:"summary"`
	// KeyPoints are complete statements, in the order of their weight.
	KeyPoints []Statement `json:"key_points"`
	// OpenQuestions are what the document leaves unresolved.
	OpenQuestions []Statement `json:"open_questions"`
	// Dates, Names and Numbers are those that matter, with what they mean.
	Dates   []Mention `json:"dates"`
	Names   []Mention `json:"names"`
	Numbers []Mention `json:"numbers"`
	// Custom is the answer to a schema of the caller's, instead of all the above but
	// the title.
	Custom json.RawMessage `json:"custom,omitempty"`
	// Coverage says what of the document was read.
	Coverage Coverage `json:"coverage"`
	// Raw are answers that could not be used, as they came. They are kept where the summary
	// failed for them.
	Raw []string `json:"raw,omitempty"`
}

// Statement is a sentence with where the document says so.
type Statement struct {
	Text    string     `json:"text"`
	Sources []Citation `json:"sources"`
}

// Citation is a place in a document that is to bear out a statement.
type Citation struct {
	// Document is which document it is in, "" in the summary of a single one.
	Document string `json:"document,omitempty"`
	// Unit is what the document is divided into, such as "Page", and Number which of
	// them it is, from 1; "" and 0 in a document that is not divided.
	Unit   string `json:"unit,omitempty"`
	Number int    `json:"number,omitempty"`
	// Heading is the path of headings above it, such as "Terms > Payment"; may be empty.
	Heading string `json:"heading,omitempty"`
	// Quote is a passage of the document, word for word.
	Quote string `json:"quote"`
	// Verified says that the document has the quote, and has it in that place.
	Verified bool `json:"verified"`
}

// Mention is a date, a name or a number.
type Mention struct {
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// Coverage says what of a document was read, and how.
type Coverage struct {
	// Documents is how many documents it is about, 0 for one.
	Documents int `json:"documents,omitempty"`
	// Parts is how many parts the document was read in, Levels how many levels of merging
	// followed.
	Parts  int `json:"parts"`
	Levels int `json:"levels"`
	// Bytes is the size of the text that was read, all of it.
	Bytes int `json:"bytes"`
	// Sections is how many pages, slides, sheets or parts it has, 0 if it is not
	// divided, and Unit what they are called.
	Sections int    `json:"sections"`
	Unit     string `json:"unit,omitempty"`
	// Sources and Unverified count the sources given, and those of them that the
	// document does not bear out.
	Sources    int `json:"sources"`
	Unverified int `json:"unverified"`
	// File says that the document went to the model as a file, so that nobody here has read its
	// text: none of its sources could be verified.
	File bool `json:"file,omitempty"`
	// Missing names what was not read, and why, in a summary that failed; see [Planner].
	Missing []string `json:"missing,omitempty"`
}
