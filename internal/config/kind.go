package config

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// kind is a sort of value: how it is written and what it must be. Whatever the
// source, a value is read from text, so that it means the same everywhere.
type kind struct {
	// name says in a flag's help what to give.
	name string
	// allowed says in the documentation which values there are.
	allowed string
	// list says that a file may give several texts as a list.
	list bool
	// quoted says that a file must give a string: a number there would have lost
	// its leading zeros, or its exponent, before we see it.
	quoted bool
	// parse returns the value as its field in [Config] has it. Its errors follow
	// the offending text as the rest of a sentence, and never repeat it.
	parse func(text string) (any, error)
	// format writes a value of the field as parse would read it.
	format func(value any) string
	// show returns the part of an offending text that may be seen.
	show func(text string) string
}

// duration is a time span with its unit.
func duration(least, most time.Duration) kind {
	return kind{
		name: "duration", allowed: formatDuration(least) + " to " + formatDuration(most),
		parse: func(text string) (any, error) {
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, errors.New("is not a duration; write a number with its unit, such as 250ms, 30s or 1h30m")
			}
			return d, within(d, least, most, formatDuration)
		},
		format: func(value any) string {
			d, _ := value.(time.Duration)
			return formatDuration(d)
		},
		show: plainly,
	}
}

// count is a whole number.
func count(least, most int) kind {
	return kind{
		name: "int", allowed: strconv.Itoa(least) + " to " + strconv.Itoa(most),
		parse: func(text string) (any, error) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, errors.New("is not a whole number; write digits only, such as 32")
			}
			return n, within(n, least, most, strconv.Itoa)
		},
		format: func(value any) string { return fmt.Sprint(value) },
		show:   plainly,
	}
}

// toggleName is the name by which flags know a switch.
const toggleName = "bool"

// toggle is on or off.
func toggle() kind {
	return kind{
		name: toggleName, allowed: "true or false",
		parse: func(text string) (any, error) {
			if text != "true" && text != "false" {
				return nil, errors.New("is neither true nor false; write one of the two")
			}
			return text == "true", nil
		},
		format: func(value any) string { return fmt.Sprint(value) },
		show:   plainly,
	}
}

// size is a number of bytes.
func size(least, most int) kind {
	return kind{
		name: "size", allowed: formatSize(least) + " to " + formatSize(most),
		parse: func(text string) (any, error) {
			n, err := parseSize(text)
			if err != nil {
				return nil, err
			}
			return n, within(n, least, most, formatSize)
		},
		format: func(value any) string {
			n, _ := value.(int)
			return formatSize(n)
		},
		show: plainly,
	}
}

// name is what Longhaul calls something: it becomes part of Redis keys.
func name() kind {
	return text("name", "a name: letters, digits and . _ - :", func(text string) error {
		if !jobs.ValidName(text) {
			return errors.New("is not a name; " + jobs.NameRule)
		}
		return nil
	})
}

// header is what is sent to the provider as it is, or nothing.
func header(allowed string) kind {
	return text("string", allowed, printable)
}

// model is the provider's name of a model.
func model() kind {
	return text("string", "a model of the provider", func(text string) error {
		if text == "" {
			return errors.New("is empty; give the name of a model, such as " + jobs.DefaultModel)
		}
		return printable(text)
	})
}

// address is where to listen.
func address() kind {
	return text("host:port", "host:port, or empty for none", parseAddress)
}

// secret is never shown, not even when it is at fault.
func secret() kind {
	k := text("string", "any text without white space", printable)
	k.parse = func(text string) (any, error) { return NewSecret(text), printable(text) }
	k.show = hidden
	return k
}

// secrets are some secrets; in a text, commas or spaces are between them.
func secrets() kind {
	between := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	k := text("string", "secrets, in a text with commas between them", nil)
	k.list = true
	k.parse = func(text string) (any, error) {
		var list []Secret
		for _, one := range strings.FieldsFunc(text, between) {
			if err := signingSecret(one); err != nil {
				return nil, err
			}
			list = append(list, NewSecret(one))
		}
		return list, nil
	}
	k.format = func(value any) string {
		list, _ := value.([]Secret)
		shown := make([]string, len(list))
		for i, s := range list {
			shown[i] = s.String()
		}
		return strings.Join(shown, ", ")
	}
	k.show = hidden
	return k
}

// signingSecret holds a secret to what signatures can be checked with: one that
// says that it is encoded has to be.
func signingSecret(text string) error {
	if encoded, prefixed := strings.CutPrefix(text, "whsec_"); prefixed {
		if raw, err := base64.StdEncoding.Strict().DecodeString(encoded); err != nil || len(raw) == 0 {
			return errors.New("is cut or misspelt: what follows whsec_ is no Base64; copy the whole secret")
		}
	}
	return printable(text)
}

// createTimeout and lookTimeout bound one request to the provider.
func createTimeout() kind { return duration(time.Millisecond, day) }

func lookTimeout() kind { return duration(time.Millisecond, time.Hour) }

// redisURL is an address with a password in it.
func redisURL() kind {
	k := text("url", "redis://, unix://, redis+sentinel:// or redis+cluster://; with rediss for TLS", nil)
	k.parse = func(text string) (any, error) {
		_, err := redisurl.Parse(text)
		return NewSecretURL(text), err
	}
	k.show = redisurl.Show
	return k
}

// baseURL is what the provider's paths are appended to.
func baseURL() kind {
	k := text("url", "http:// or https://", nil)
	k.parse = func(text string) (any, error) { return parseBaseURL(text) }
	k.show = redisurl.Show
	return k
}

// blobsURL is where blobs are kept.
func blobsURL() kind {
	k := text("url", "file://, s3:// or empty for none", parseBlobsURL)
	k.show = showBlobsURL
	return k
}

// level is the least serious level that is logged.
func level() kind {
	k := choice("debug", "info", "warn", "error")
	oneOf := k.parse
	k.parse = func(text string) (any, error) {
		var l slog.Level
		if _, err := oneOf(text); err != nil {
			return nil, err
		}
		return l, l.UnmarshalText([]byte(text))
	}
	k.format = func(value any) string { return strings.ToLower(fmt.Sprint(value)) }
	return k
}

// logFormat is how log records are written.
func logFormat() kind {
	return choice(string(LogAuto), string(LogText), string(LogJSON))
}

// choice is one of a few words.
func choice(words ...string) kind {
	return text("string", strings.Join(words, ", "), func(text string) error {
		if slices.Contains(words, text) {
			return nil
		}
		message := "is not one of " + strings.Join(words, ", ")
		if near := nearest(text, words); near != "" {
			message += "; did you mean " + near + "?"
		}
		return errors.New(message)
	})
}

// text is a string that check accepts.
func text(name, allowed string, check func(text string) error) kind {
	return kind{
		name: name, allowed: allowed, quoted: true,
		parse:  func(text string) (any, error) { return text, check(text) },
		format: func(value any) string { return fmt.Sprint(value) },
		show:   plainly,
	}
}

// plainly shows all of an offending text.
func plainly(text string) string { return text }

// hidden shows nothing of an offending text.
func hidden(string) string { return redacted }

// printable holds text to what a header can carry.
func printable(text string) error {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return errors.New("contains white space or a character beyond ASCII; check for a line break or a quote that was copied along")
		}
	}
	return nil
}

// within holds a value to its bounds.
func within[T cmp.Ordered](value, least, most T, format func(T) string) error {
	switch {
	case value < least:
		return errors.New("is too low; give at least " + format(least))
	case value > most:
		return errors.New("is too high; give at most " + format(most))
	}
	return nil
}

// formatDuration writes a duration without the zeros that [time.Duration.String]
// puts at its end: 10m, not 10m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// scalar returns the text of a value as a file's decoder delivers it.
func (k kind) scalar(raw any) (string, error) {
	switch raw := raw.(type) {
	case string:
		return raw, nil
	case nil:
		return "", errors.New("has no value; give one, or remove the line to have the default")
	case []any:
		if !k.list {
			return "", errors.New("is a list or a section; give a single value")
		}
		texts := make([]string, len(raw))
		for i, one := range raw {
			text, isText := one.(string)
			if !isText && (k.quoted || one == nil) {
				return "", errors.New("has something in its list that is not a string; put each into quotes")
			}
			if !isText {
				text = fmt.Sprint(one) // a number, however it is written, or what parse will refuse
			}
			texts[i] = text
		}
		return strings.Join(texts, ","), nil
	case map[string]any, map[any]any:
		return "", errors.New("is a list or a section; give a single value")
	case float64: // every number of JSON
		return strconv.FormatFloat(raw, 'f', -1, 64), k.needsQuotes()
	default: // integers of any size, booleans, dates
		return fmt.Sprint(raw), k.needsQuotes()
	}
}

func (k kind) needsQuotes() error {
	if k.quoted {
		return errors.New("is not a string; put it in quotes")
	}
	return nil
}
