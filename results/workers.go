package results

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Worker is what a living worker says of itself.
type Worker struct {
	ID        string    `json:"id"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Lanes     []string  `json:"lanes"`
	Endpoints []string  `json:"endpoints"`
	// Kinds are those of the parents that it plans.
	Kinds []jobs.Kind `json:"kinds,omitempty"`
	// Rates are what its lanes are configured to send, where that is limited.
	Rates map[string]Rates `json:"rates,omitempty"`
	// Budgets are those of its configuration.
	Budgets map[string]Budget `json:"budgets,omitempty"`
}

// Beat says that the worker lives, for the given time.
func (s *Store) Beat(ctx context.Context, w Worker, living time.Duration) error {
	raw, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("say that worker %s lives: %w", w.ID, err)
	}
	until := s.Now().Add(living)
	_, err = s.pulse.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, s.workersKey(), redis.Z{Score: float64(ms(until)), Member: w.ID})
		p.Set(ctx, s.workerKey(w.ID), raw, 2*living)
		for _, endpoint := range w.Endpoints {
			p.ZAdd(ctx, s.endpointsKey(), redis.Z{Score: float64(ms(until)), Member: endpoint})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("say that worker %s lives: %w", w.ID, err)
	}
	return nil
}

// Leave says that the worker is going and holds nothing any more.
func (s *Store) Leave(ctx context.Context, id string) error {
	_, err := s.pulse.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, s.workersKey(), id)
		p.Del(ctx, s.workerKey(id))
		return nil
	})
	if err != nil {
		return fmt.Errorf("take leave of worker %s: %w", id, err)
	}
	return nil
}

// Alive returns the ids of the workers whose last word has not run out, and
// forgets those that have been silent for a day.
func (s *Store) Alive(ctx context.Context) (map[string]bool, error) {
	now := s.Now()
	key := s.workersKey()
	var living *redis.StringSliceCmd
	_, err := s.pulse.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRemRangeByScore(ctx, key, "-inf", score(now.Add(-24*time.Hour)))
		living = p.ZRangeByScore(ctx, key, &redis.ZRangeBy{Min: score(now), Max: "+inf"})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read living workers: %w", err)
	}
	alive := make(map[string]bool, len(living.Val()))
	for _, id := range living.Val() {
		alive[id] = true
	}
	return alive, nil
}

// Workers returns what the living workers say of themselves, in the order of
// their ids.
func (s *Store) Workers(ctx context.Context) ([]Worker, error) {
	alive, err := s.Alive(ctx)
	if err != nil || len(alive) == 0 {
		return nil, err
	}
	keys := make([]string, 0, len(alive))
	for id := range alive {
		keys = append(keys, s.workerKey(id))
	}
	slices.Sort(keys)
	values, err := s.pulse.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("read living workers: %w", err)
	}
	workers := make([]Worker, 0, len(values))
	for _, value := range values {
		var w Worker
		// One without a value left between the two reads.
		if text, ok := value.(string); ok && json.Unmarshal([]byte(text), &w) == nil {
			workers = append(workers, w)
		}
	}
	return workers, nil
}
