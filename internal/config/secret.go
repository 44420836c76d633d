package config

import (
	"fmt"
	"log/slog"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

// redacted stands for what is not shown.
const redacted = redisurl.Redacted

// Secret is a text that must not be printed. However it is rendered, by fmt
// with any verb, by slog, as JSON or as text, only the part that anybody may
// see appears; [Secret.Reveal] alone returns the text itself. The zero value is
// the empty text.
type Secret struct {
	// value is a pointer because fmt, when it meets a Secret in an unexported
	// field, calls no method but prints what it finds, and of a pointer that is
	// the address.
	value *string
	shown string
}

// NewSecret returns a secret of which nothing is shown but that it is there.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value, shown: redacted}
}

// NewSecretURL returns a secret that is shown as the URL it is, with the
// password, or a user name that stands alone, left out.
func NewSecretURL(value string) Secret {
	s := NewSecret(value)
	if value != "" {
		s.shown = redisurl.Show(value)
	}
	return s
}

// Reveal returns the text. What is done with it must not print it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String returns what may be seen: "[redacted]", a URL without its password, or
// "" for the empty text.
func (s Secret) String() string { return s.shown }

// Format implements [fmt.Formatter], so that no verb reaches the text.
func (s Secret) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), s.shown) // fmt has no way to report it
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.shown) }

// MarshalText implements [encoding.TextMarshaler], which JSON and YAML encoders
// use as well.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown), nil }
