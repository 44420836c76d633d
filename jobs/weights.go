package jobs

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// MaxWeight bounds what a priority may weigh against the least one.
const MaxWeight = 10_000

// ParseWeights reads what the priorities of a lane weigh: a number for each priority, the
// lowest first, with commas or spaces between them. The error follows the text as the
// rest of a sentence.
func ParseWeights(text string) ([]int, error) {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(fields) != MaxPriority+1 {
		return nil, fmt.Errorf("has %d numbers; give one for each priority, from %d to %d", len(fields), MinPriority, MaxPriority)
	}
	weights := make([]int, len(fields))
	for i, field := range fields {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || n > MaxWeight {
			return nil, fmt.Errorf("is at fault for priority %d; give a whole number from 1 to %d", i, MaxWeight)
		}
		weights[i] = n
	}
	return weights, nil
}
