package config

import (
	"fmt"
	"strconv"
	"strings"
)

// maxShownValue bounds the offending value in a message, in bytes.
const maxShownValue = 80

// Problem is one reason why a configuration cannot be used.
type Problem struct {
	// Key is the setting, the name that is no setting, or empty when the whole
	// source is at fault.
	Key string
	// Source is where the value came from: "flag --poll-floor", "environment
	// LONGHAUL_POLL_FLOOR", "file longhaul.yaml" or "default".
	Source string
	// Value is the offending value as it may be seen, quoted; empty when there
	// is none to show.
	Value string
	// Message says what is wrong and what to do about it; it follows the value
	// as the rest of a sentence.
	Message string
}

// String is one line: the key, the value, its source, and the message.
func (p Problem) String() string {
	switch {
	case p.Key == "":
		return p.Source + ": " + p.Message
	case p.Value == "":
		return p.Key + " (" + p.Source + ") " + p.Message
	}
	return p.Key + ": " + p.Value + " (" + p.Source + ") " + p.Message
}

// Error is every problem of a configuration, so that one attempt shows all
// there is to mend.
type Error struct {
	Problems []Problem
}

// Error lists the problems, one a line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("invalid configuration, ")
	if len(e.Problems) == 1 {
		b.WriteString("1 problem:")
	} else {
		fmt.Fprintf(&b, "%d problems:", len(e.Problems))
	}
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// quote returns a value for a message, cut to a readable length.
func quote(value string) string {
	if len(value) <= maxShownValue {
		return strconv.Quote(value)
	}
	return strconv.Quote(strings.ToValidUTF8(value[:maxShownValue], "")) + "..."
}
