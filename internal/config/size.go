package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// unit is a suffix of a size and what it stands for.
type unit struct {
	name  string
	bytes int
}

// units lists the units from the largest to the smallest, each power of 1024
// before its decimal neighbour, which is the order of preference when a size
// is written.
func units() []unit {
	return []unit{
		{"GiB", 1 << 30},
		{"GB", 1e9},
		{"MiB", 1 << 20},
		{"MB", 1e6},
		{"KiB", 1 << 10},
		{"kB", 1e3},
		{"B", 1},
	}
}

// parseSize reads a number of bytes: digits alone, or digits and a unit in
// upper or lower case, with or without spaces between them. "K" and "M" alone
// are refused, because nobody knows whether they mean 1000 or 1024.
func parseSize(text string) (int, error) {
	errSyntax := errors.New("is not a size; write a whole number of bytes, or one with a unit, such as 64KiB or 32MB")
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	digits, suffix := text[:end], strings.TrimSpace(text[end:])
	factor := 0
	if suffix == "" && end == len(text) {
		factor = 1
	}
	for _, u := range units() {
		if strings.EqualFold(suffix, u.name) {
			factor = u.bytes
		}
	}
	if factor == 0 || digits == "" {
		return 0, errSyntax
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > math.MaxInt/factor {
		return 0, errors.New("is larger than any size can be; give a smaller one")
	}
	return n * factor, nil
}

// formatSize writes a number of bytes exactly, with the largest unit that
// leaves no remainder.
func formatSize(n int) string {
	for _, u := range units() {
		if n != 0 && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.name
		}
	}
	return strconv.Itoa(n) + "B"
}
