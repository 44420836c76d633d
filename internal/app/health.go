package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The phases of a worker's life, as its health tells them.
const (
	healthStarting int32 = iota
	healthReady
	healthDraining
)

// health answers whether the worker is ready.
type health struct {
	rdb   redis.UniversalClient
	phase atomic.Int32
	// refused is what to do about a Redis that answers and refuses, nil for nothing.
	refused atomic.Pointer[string]
}

func (h *health) set(phase int32) { h.phase.Store(phase) }

// Ready returns why the worker is not ready, nil if it is.
func (h *health) Ready(ctx context.Context) error {
	switch h.phase.Load() {
	case healthStarting:
		if advice := h.refused.Load(); advice != nil {
			return errors.New("starting: redis refuses: " + *advice)
		}
		return errors.New("starting: redis has not answered yet")
	case healthDraining:
		return errors.New("draining")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := ping(ctx, h.rdb); err != nil {
		return fmt.Errorf("redis does not answer: %w", err)
	}
	return nil
}

// ping asks the server that takes writes, in a Cluster each of them: without one
// of them a part of the jobs rests.
func ping(ctx context.Context, rdb redis.UniversalClient) error {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return rdb.Ping(ctx).Err()
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		if err := node.Ping(ctx).Err(); err != nil {
			return fmt.Errorf("node %s: %w", node.Options().Addr, err)
		}
		return nil
	})
}
