package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// line returns text on one line, without control characters and marks that turn the
// direction of writing, of at most limit characters.
func line(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
	}) {
		if n > 0 {
			b.WriteByte(' ')
			n++
		}
		for _, r := range word {
			if n >= limit-1 {
				b.WriteRune('…')
				return b.String()
			}
			b.WriteRune(r)
			n++
		}
	}
	return b.String()
}

// digits writes a number with commas.
func digits(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count writes a number of things, or only the number of what has no name.
func count(n int64, thing string) string {
	switch {
	case thing == "":
		return digits(n)
	case n == 1:
		return "1 " + thing
	}
	return digits(n) + " " + thing + "s"
}

// dollars writes an amount to the cent, or to two digits that say something.
func dollars(m jobs.Money) string {
	d := m.Dollars()
	switch {
	case m == 0:
		return "$0.00"
	case d >= 1:
		return fmt.Sprintf("$%.2f", d)
	case d >= 0.01:
		return fmt.Sprintf("$%.3f", d)
	case d >= 0.001:
		return fmt.Sprintf("$%.4f", d)
	}
	return m.String()
}
