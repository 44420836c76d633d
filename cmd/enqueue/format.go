package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// formatCount writes a number with commas.
func formatCount(n int64) string {
	if n < 0 {
		return "-" + formatCount(-n)
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// formatTokens writes a number of tokens in a few characters.
func formatTokens(n int64) string {
	switch {
	case n < 10_000:
		return formatCount(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	}
	return fmt.Sprintf("%.2fM", float64(n)/1e6)
}

// formatElapsed writes a duration to the second, or to the tenth where that
// says more.
func formatElapsed(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// formatTime writes a moment for people and machines alike.
func formatTime(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// formatUsage writes tokens with their parts.
func formatUsage(u jobs.Usage) string {
	text := formatCount(u.InputTokens) + " in"
	var parts []string
	if u.CachedTokens > 0 {
		parts = append(parts, formatCount(u.CachedTokens)+" cached")
	}
	if u.CacheWriteTokens > 0 {
		parts = append(parts, formatCount(u.CacheWriteTokens)+" written into the cache")
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	text += ", " + formatCount(u.OutputTokens) + " out"
	if u.ReasoningTokens > 0 {
		text += fmt.Sprintf(" (%s reasoning)", formatCount(u.ReasoningTokens))
	}
	return text
}

// clip cuts a line to a number of columns and takes out what could steer a
// terminal.
func clip(line string, columns int) string {
	if line = printable(line); columns < 1 {
		return ""
	}
	used, fits := 0, 0 // fits is where the line ends if it has to be cut
	for i, r := range line {
		if used < columns {
			fits = i
		}
		if used += width(r); used > columns {
			return line[:fits] + "…"
		}
	}
	return line
}

// width is how many columns a character takes at most: those of East Asian
// scripts, and pictures, take two.
func width(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// printable replaces what could break a line or steer a terminal: names and
// messages come from files and from the provider.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// plural is a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return formatCount(int64(n)) + " " + many
}

// shownNames is how many of several names are told.
const shownNames = 3

// someOf names the first few of some, and says how many more there are.
func someOf(names []string) string {
	text := printable(strings.Join(names[:min(len(names), shownNames)], ", "))
	if more := len(names) - shownNames; more > 0 {
		text += " and " + formatCount(int64(more)) + " more"
	}
	return text
}

// wrap joins words into lines of at most width characters.
func wrap(words []string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range words {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
