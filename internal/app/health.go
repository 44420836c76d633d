package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
}

func (h *health) set(phase int32) { h.phase.Store(phase) }

// Ready returns why the worker is not ready, nil if it is.
func (h *health) Ready(ctx context.Context) error {
	switch h.phase.Load() {
	case healthStarting:
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

// inspectRedis warns of a Redis that may forget what was paid for.
func (a *App) inspectRedis(ctx context.Context) {
	if a.options.Embedded {
		return
	}
	info, err := a.rdb.Info(ctx, "memory", "persistence").Result()
	if err != nil {
		a.log.WarnContext(ctx, "redis does not tell how it keeps its data", slog.Any("err", err))
		return
	}
	if policy := infoField(info, "maxmemory_policy"); policy != "" && policy != "noeviction" {
		a.log.WarnContext(ctx, "redis may evict jobs: set maxmemory-policy noeviction", slog.String("policy", policy))
	}
	if infoField(info, "aof_enabled") == "0" {
		a.log.WarnContext(ctx, "redis forgets jobs when it restarts: set appendonly yes")
	}
}

// infoField reads a field of INFO's answer.
func infoField(info, field string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
