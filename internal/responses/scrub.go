package responses

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessageBytes and maxWordBytes bound what is kept of the provider's text.
	maxMessageBytes = 300
	maxWordBytes    = 128
	// maxScrubBytes bounds what is looked at.
	maxScrubBytes = 1024

	// minSecret is the length from which on a whole string of a request is
	// recognised in a message.
	minSecret = 6
	// echoBlock is the length of the blocks by which a part of a longer string
	// is recognised: twice as many bytes in a row are always found.
	echoBlock = 16

	hiddenKey     = "[key]"
	hiddenContent = "[…]"
)

// scrubber makes a provider's text fit to be stored and shown: without keys,
// without what the request said, on one line and bounded.
type scrubber struct {
	key      string
	patterns *regexp.Regexp
}

func newScrubber(key string) scrubber {
	return scrubber{key: key, patterns: regexp.MustCompile(
		`(?i)\bbearer\s+\S+` +
			`|\b(?:sk|sess|ek|whsec)[-_][^\s'"<>,;]+` + // OpenAI's keys and secrets, whole or masked
			`|[^\s'"<>,;]*\*{3,}[^\s'"<>,;]*`, // anything masked with stars
	)}
}

// message scrubs a text for people. request is the body of the request that the
// text answers, nil if there was none.
func (s scrubber) message(text string, request []byte) string {
	if text = clip(text, maxScrubBytes); text == "" {
		return ""
	}
	return ellipsis(s.line(hideEcho(text, request)), maxMessageBytes)
}

// word scrubs a code, a type or the name of a field.
func (s scrubber) word(text string) string {
	return ellipsis(s.line(clip(text, maxScrubBytes)), maxWordBytes)
}

// line makes the text one line of valid characters, and removes keys; in that
// order, or what is removed could join the parts of a key.
func (s scrubber) line(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r): // Cf: marks that turn or hide text
			return -1
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if s.key != "" {
		text = strings.ReplaceAll(text, s.key, hiddenKey)
	}
	return s.patterns.ReplaceAllString(text, hiddenKey)
}

// hideEcho replaces in text what the request said: some servers repeat a value
// that they refuse.
func hideEcho(text string, request []byte) string {
	var body map[string]json.RawMessage
	if len(request) == 0 || json.Unmarshal(request, &body) != nil {
		return text
	}
	for _, field := range []string{"input", "instructions", "prompt", "metadata"} {
		var value any
		if json.Unmarshal(body[field], &value) == nil {
			text = hideValue(text, value, field == "input")
		}
	}
	return text
}

// hideValue hides every string below a value. The members of input items that
// hold words of the API are left out: they make a message worth reading.
func hideValue(text string, value any, items bool) string {
	switch v := value.(type) {
	case string:
		return hideString(text, v)
	case []any:
		for _, member := range v {
			text = hideValue(text, member, items)
		}
	case map[string]any:
		for key, member := range v {
			switch key {
			case "type", "role", "status", "id", "call_id", "name", "detail":
				if items {
					continue
				}
			}
			text = hideValue(text, member, items)
		}
	}
	return text
}

func hideString(text, secret string) string {
	secret = strings.TrimSpace(secret)
	if len(secret) < minSecret {
		return text
	}
	text = strings.ReplaceAll(text, secret, hiddenContent)
	for i := 0; i+echoBlock <= len(text); {
		at := strings.Index(secret, text[i:i+echoBlock])
		if at < 0 {
			i += echoBlock
			continue
		}
		from, to := i, i+echoBlock
		for before := at - 1; from > 0 && before >= 0 && text[from-1] == secret[before]; before-- {
			from--
		}
		for after := at + echoBlock; to < len(text) && after < len(secret) && text[to] == secret[after]; after++ {
			to++
		}
		text = text[:from] + hiddenContent + text[to:]
		i = from + len(hiddenContent)
	}
	return text
}

// ellipsis bounds a text and shows where it was cut.
func ellipsis(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return clip(s, limit-len("…")) + "…"
}

// clip cuts s to at most limit bytes between two characters.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
