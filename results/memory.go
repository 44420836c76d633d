package results

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// watermark is the part of Redis' memory over which no job is accepted, so that
// what was already paid for still fits.
const watermark = 0.9

// codeRedisFull is the code of the error of a Redis without room.
const codeRedisFull = "redis_full"

// memory remembers how full Redis was when it was last asked. The mutex keeps
// the two fields of one answer together.
type memory struct {
	mu    sync.Mutex
	asked time.Time
	full  float64
}

// checkMemory refuses work when Redis is nearly full.
func (s *Store) checkMemory(ctx context.Context) error {
	if full := s.knownFullness(ctx); full > watermark {
		return &jobs.Error{Op: "accept job", Failure: redisFull("Redis is at %.0f%% of its maxmemory", 100*full).Failure}
	}
	return nil
}

// knownFullness is how full Redis is. It asks at most every five seconds; a
// server that does not say is taken to have room.
func (s *Store) knownFullness(ctx context.Context) float64 {
	m := &s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.asked) > 5*time.Second {
		m.asked, m.full = time.Now(), s.fullness(ctx)
	}
	return m.full
}

// fullness is the used part of Redis' memory, in a Cluster that of the fullest
// node: any of them may be the one that a new job belongs to. A node that does
// not say in a second keeps nobody waiting.
func (s *Store) fullness(ctx context.Context) float64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var mu sync.Mutex
	fullest := 0.0
	_ = s.onMasters(ctx, func(ctx context.Context, node redis.UniversalClient) error { // usedPart returns no errors
		part := usedPart(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		fullest = max(fullest, part)
		return nil
	})
	return fullest
}

func usedPart(ctx context.Context, node redis.Cmdable) float64 {
	info, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return 0
	}
	limit := infoInt(info, "\nmaxmemory:")
	if limit == 0 {
		return 0
	}
	return float64(infoInt(info, "\nused_memory:")) / float64(limit)
}

// redisFull is the error of a Redis without room for new jobs.
func redisFull(format string, args ...any) *jobs.Error {
	return &jobs.Error{Failure: jobs.Failure{
		Class: jobs.ClassUnavailable, Code: codeRedisFull,
		Message: fmt.Sprintf(format, args...) + fmt.Sprintf(
			" and takes no new jobs over %.0f%%; give it more memory or delete ended jobs", 100*watermark),
	}}
}

// infoInt reads the whole number that follows a field of INFO, 0 without one.
func infoInt(info, field string) int64 {
	_, rest, ok := strings.Cut(info, field)
	if !ok {
		return 0
	}
	var n int64
	for _, r := range rest {
		if r < '0' || r > '9' {
			break
		}
		n = n*10 + int64(r-'0')
	}
	return n
}
