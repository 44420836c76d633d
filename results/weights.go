package results

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

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

func formatWeights(weights []int) string {
	var b strings.Builder
	for i, w := range weights {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(w))
	}
	return b.String()
}

// ownWeights remembers the weights that were set at run time, as the last look at the
// room of a lane found them.
type ownWeights struct {
	mu    sync.Mutex
	lanes map[string]string
}

func (w *ownWeights) learn(lane, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lanes == nil {
		w.lanes = make(map[string]string)
	}
	w.lanes[lane] = text
}

func (w *ownWeights) of(lane string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lanes[lane]
}

// weights is how the script takes what the priorities of a lane weigh: what was set at
// run time, else what is configured.
func (s *Store) weights(lane string) string {
	if set := s.ownWeights.of(lane); set != "" {
		return set
	}
	if weights, given := s.config.Weights[lane]; given {
		return formatWeights(weights)
	}
	return formatWeights(DefaultWeights())
}

// SetWeights sets what the priorities of a lane weigh, for all workers and within a
// second or two; nil has what is configured count again.
func (s *Store) SetWeights(ctx context.Context, lane string, weights []int) error {
	var err error
	if weights == nil {
		err = s.rdb.HDel(ctx, s.settingsKey(lane), SettingWeights).Err()
	} else {
		if _, bad := jobs.ParseWeights(formatWeights(weights)); bad != nil {
			return jobs.Invalid(SettingWeights, "%v", bad)
		}
		err = s.rdb.HSet(ctx, s.settingsKey(lane), SettingWeights, formatWeights(weights)).Err()
	}
	if err != nil {
		return fmt.Errorf("set weights of lane %s: %w", lane, err)
	}
	return nil
}
