package results

import (
	"strconv"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// DefaultWeights are what the priorities of a lane weigh against each other, the
// lowest first: each step doubles how often a tenant's jobs of a priority go. A higher
// priority is soon served and the lowest never starves.
func DefaultWeights() []int {
	weights := make([]int, jobs.MaxPriority+1)
	for p := range weights {
		weights[p] = 1 << p
	}
	return weights
}

// weights is how the script takes what the priorities of a lane weigh.
func (s *Store) weights(lane string) string {
	weights, given := s.config.Weights[lane]
	if !given {
		weights = DefaultWeights()
	}
	var b strings.Builder
	for i, w := range weights {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(w))
	}
	return b.String()
}
