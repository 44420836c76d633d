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

// memoryAge is how old what is known of Redis' memory may be.
const memoryAge = 5 * time.Second

// memory remembers how full each server was when it last said. The mutex makes one
// question at a time, and is not held while that is out.
type memory struct {
	mu    sync.Mutex
	asked time.Time
	full  map[string]float64 // by the server's address
	// asking is closed when the question that is out has come back, nil while none is.
	asking chan struct{}
}

// checkMemory refuses work when Redis is nearly full.
func (s *Store) checkMemory(ctx context.Context) error {
	if full := s.knownFullness(ctx); full > watermark {
		return &jobs.Error{Op: "accept job", Failure: redisFull("Redis is at %.0f%% of its maxmemory", 100*full).Failure}
	}
	return nil
}

// knownFullness is the used part of Redis' memory, in a Cluster that of the fullest
// node: any of them may be the one that a new job belongs to. It is asked for at most
// every five seconds, for all callers and beside them: none waits longer for it than its
// own context lasts, and one that leaves ends it for nobody.
func (s *Store) knownFullness(ctx context.Context) float64 {
	m := &s.memory
	m.mu.Lock()
	if m.asking == nil && time.Since(m.asked) > memoryAge {
		m.asking = make(chan struct{})
		go s.askFullness(context.WithoutCancel(ctx), m.full) // ends after memoryPatience
	}
	asking := m.asking
	m.mu.Unlock()
	if asking != nil {
		select {
		case <-asking:
		case <-ctx.Done():
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fullest := 0.0
	for _, part := range m.full {
		fullest = max(fullest, part)
	}
	return fullest
}

// memoryPatience is how long a server is given to say how full it is.
const memoryPatience = time.Second

// askFullness asks each server how full it is. Of one that does not say, what it said
// before counts; one that never did is taken to have room.
func (s *Store) askFullness(ctx context.Context, before map[string]float64) {
	ctx, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	var mu sync.Mutex
	now := make(map[string]float64)
	err := s.onMasters(ctx, func(ctx context.Context, node redis.UniversalClient) error { // which returns none
		addr := addressOf(node)
		part, ok := usedPart(ctx, node)
		if !ok {
			part = before[addr]
		}
		mu.Lock()
		defer mu.Unlock()
		now[addr] = part
		return nil
	})
	if err != nil {
		now = before // the nodes are not known
	}
	m := &s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked, m.full = time.Now(), now
	close(m.asking)
	m.asking = nil
}

// addressOf is the address of a node of a Cluster; beside any other client there is none
// to tell it from.
func addressOf(node redis.UniversalClient) string {
	if one, ok := node.(*redis.Client); ok {
		return one.Options().Addr
	}
	return ""
}

// usedPart is the used part of a server's memory, 0 of one that has no limit. It is not
// ok when the server does not say.
func usedPart(ctx context.Context, node redis.Cmdable) (part float64, ok bool) {
	info, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return 0, false
	}
	limit := infoInt(info, "\nmaxmemory:")
	if limit == 0 {
		return 0, true
	}
	return float64(infoInt(info, "\nused_memory:")) / float64(limit), true
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
