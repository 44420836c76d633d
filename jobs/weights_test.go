package jobs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestParseWeights(t *testing.T) {
	t.Parallel()
	want := []int{1, 1, 1, 1, 1, 2, 3, 4, 5, 10_000}
	for _, text := range []string{"1 1 1 1 1 2 3 4 5 10000", "1, 1, 1, 1, 1, 2, 3, 4, 5, 10000", "1,1,1,1,1,2,3,4,5,10000"} {
		if got, err := jobs.ParseWeights(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, problem := range map[string]string{
		"":                        "has 0 numbers",
		"1 2 3":                   "has 3 numbers; give one for each priority, from 0 to 9",
		"1 1 1 1 1 1 1 1 1 10001": "is at fault for priority 9",
		"0 1 1 1 1 1 1 1 1 1":     "is at fault for priority 0",
		"1 1 x 1 1 1 1 1 1 1":     "is at fault for priority 2",
	} {
		if got, err := jobs.ParseWeights(text); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v, %v; want %q", text, got, err, problem)
		}
	}
}
