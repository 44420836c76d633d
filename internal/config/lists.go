package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// parts splits a text with commas or spaces between its parts.
func parts(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// weights are what the priorities weigh, the lowest first, or nothing.
func weights() kind {
	k := text("ints", fmt.Sprintf("%d numbers from 1 to %d, the lowest priority first", jobs.MaxPriority+1, jobs.MaxWeight), nil)
	k.list, k.quoted = true, false
	k.parse = func(text string) (any, error) {
		if len(parts(text)) == 0 {
			return []int(nil), nil
		}
		return jobs.ParseWeights(text)
	}
	k.format = func(value any) string {
		list, _ := value.([]int)
		shown := make([]string, len(list))
		for i, n := range list {
			shown[i] = strconv.Itoa(n)
		}
		return strings.Join(shown, ", ")
	}
	return k
}

// patterns are names of models in which * stands for anything, or nothing.
func patterns() kind {
	k := text("strings", "names of models, * for any part of one", nil)
	k.list = true
	k.parse = func(text string) (any, error) {
		list := parts(text)
		if len(list) == 0 {
			return []string(nil), nil
		}
		for _, pattern := range list {
			if err := printable(pattern); err != nil {
				return nil, err
			}
			if strings.Contains(pattern, "**") {
				return nil, errors.New("has ** in it; one * stands for any part of a name")
			}
		}
		return list, nil
	}
	k.format = func(value any) string {
		list, _ := value.([]string)
		return strings.Join(list, ", ")
	}
	return k
}
