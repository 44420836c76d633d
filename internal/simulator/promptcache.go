package simulator

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
)

// The rules of OpenAI's prompt cache (platform.openai.com/docs/guides/prompt-caching, and the
// description of the API about breakpoints): a beginning of a prompt is kept from 1,024 tokens on,
// in blocks of 128; what a request marks by a breakpoint ends exactly there.
const (
	minCachedTokens = 1024
	cacheBlock      = 128
	// maxWrites is how many breakpoints of its own a request writes, and maxImplicitWrites how many
	// beside the one that OpenAI chooses.
	maxWrites         = 4
	maxImplicitWrites = 3
)

// How long what was written is kept after it was last used.
const (
	ttlUsual    = 30 * time.Minute // from gpt-5.6 on
	ttlLong     = 12 * time.Hour   // the same, asked for
	ttlInMemory = 10 * time.Minute // before that
	ttlExtended = 24 * time.Hour
)

// defaultPrefixes bounds the memory of the cache: some 30 MB.
const defaultPrefixes = 1 << 19

// point is a place in a prompt up to which it may be cached.
type point struct {
	tokens int
	sum    uint64 // of everything before, and of what the cache keeps apart
}

// promptCache knows the beginnings of prompts that models have read. What is cached for one
// project, model and prompt_cache_key is not found by another.
type promptCache struct {
	capacity int
	seed     maphash.Seed

	// mu guards what follows.
	mu       sync.Mutex
	prefixes map[uint64]prefix
	order    []uint64 // by age
	head     int
}

// prefix is a beginning that is kept from the moment on at which a model has begun to read it.
type prefix struct{ from, until int64 }

func newPromptCache() *promptCache {
	return &promptCache{capacity: defaultPrefixes, seed: maphash.MakeSeed(), prefixes: make(map[uint64]prefix)}
}

// use takes what a prompt begins with from the cache, and keeps what it says is to be kept, at the
// moment at which the model begins to read it. It returns the tokens that were read from the cache
// and those that were written into it.
func (c *promptCache) use(p *prompt, at int64) (cached, written int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pt := range slices.Backward(p.points) {
		if known, ok := c.prefixes[pt.sum]; ok && known.from < at && at < known.until {
			cached = pt.tokens
			break
		}
	}
	until := at + int64(p.ttl)
	for _, pt := range p.points {
		kept := prefix{from: at, until: until}
		if known, ok := c.prefixes[pt.sum]; ok && at < known.until {
			kept = prefix{from: min(known.from, at), until: max(known.until, until)}
		}
		c.keepLocked(pt.sum, kept)
	}
	if n := len(p.points); n > 0 {
		written = max(0, p.points[n-1].tokens-cached)
	}
	return cached, written
}

// keepLocked keeps a beginning, and forgets the oldest one beyond the capacity.
func (c *promptCache) keepLocked(sum uint64, p prefix) {
	if _, again := c.prefixes[sum]; !again {
		c.order = append(c.order, sum)
	}
	c.prefixes[sum] = p
	if len(c.prefixes) <= c.capacity {
		return
	}
	delete(c.prefixes, c.order[c.head])
	if c.head++; c.head*2 > len(c.order) {
		c.order, c.head = append([]uint64(nil), c.order[c.head:]...), 0
	}
}

// prompt is what the cache is asked for: the places up to which a prompt may be cached, in their
// order, and how long they are kept.
type prompt struct {
	points []point
	ttl    time.Duration
}

// prompt lays out a request as the model reads it: what does not change from request to request
// comes first. It is nil for a request that does not use the cache.
func (c *promptCache) prompt(q *request, project string) *prompt {
	explicit := q.marksOnly()
	if q.inputTokens < minCachedTokens || explicit && !slices.ContainsFunc(q.input, func(i inputItem) bool { return len(i.marks) > 0 }) {
		return nil
	}
	l := layout{next: cacheBlock}
	l.sum.SetSeed(c.seed)
	for _, apart := range []string{project, q.model.snapshot, q.echo.cacheKey} {
		l.flat(apart, 0)
	}
	l.text(string(q.echo.tools))
	l.text(string(q.echo.instructions))
	l.text(string(q.format.raw))
	l.flat(q.previous, q.carried)
	for i := range q.input {
		l.item(&q.input[i])
	}
	p := &prompt{ttl: q.cacheTTL()}
	blocks, writes := l.blocks, maxImplicitWrites
	if explicit {
		blocks, writes = nil, maxWrites
	}
	marks := l.marks[max(0, len(l.marks)-writes):]
	if !q.model.writesCache() {
		marks = nil
	}
	p.points = slices.DeleteFunc(append(blocks, marks...), func(pt point) bool { return pt.tokens < minCachedTokens || pt.tokens > q.inputTokens })
	slices.SortStableFunc(p.points, func(a, b point) int { return a.tokens - b.tokens })
	return p
}

// marksOnly reports whether only what the request marks is cached.
func (q *request) marksOnly() bool { return q.echo.cacheMode == "explicit" && q.model.writesCache() }

// cacheTTL is how long the cache keeps what the request has it write.
func (q *request) cacheTTL() time.Duration {
	switch {
	case q.model.writesCache() && q.echo.cacheTTL == "12h":
		return ttlLong
	case q.model.writesCache():
		return ttlUsual
	case q.echo.cacheRetention == "in_memory":
		return ttlInMemory
	}
	return ttlExtended
}

// writesCache reports whether the model has breakpoints, and what is written into the cache counted.
func (m model) writesCache() bool {
	return strings.HasPrefix(m.name, "gpt-5.6") || strings.HasPrefix(m.name, "gpt-6")
}

// layout finds the places of a prompt while it is put together.
type layout struct {
	sum           maphash.Hash
	tokens, next  int
	blocks, marks []point
}

// text adds what is read, and notes the end of each block in it.
func (l *layout) text(s string) {
	for len(s) > 0 {
		room := (l.next - l.tokens) * bytesPerToken
		part := s[:min(room, len(s))]
		s = s[len(part):]
		_, _ = l.sum.WriteString(part) // a hash takes everything
		l.tokens += tokensOf(len(part))
		l.note()
	}
}

// flat adds something of a given number of tokens that is in the cache as a whole or not at all.
func (l *layout) flat(what string, tokens int) {
	_, _ = l.sum.WriteString(what)
	_ = l.sum.WriteByte(0)
	l.tokens += tokens
	l.note()
}

func (l *layout) note() {
	for ; l.next <= l.tokens; l.next += cacheBlock {
		l.blocks = append(l.blocks, point{tokens: l.next, sum: l.sum.Sum64()})
	}
}

// item adds an item of the input: its text, and then what else there is to it.
func (l *layout) item(i *inputItem) {
	l.flat(i.kind+"\x00"+i.role+"\x00"+i.name, itemOverheadTokens)
	from := 0
	for _, mark := range i.marks {
		l.text(i.text[from:mark])
		from = mark
		l.marks = append(l.marks, point{tokens: l.tokens, sum: l.sum.Sum64()})
	}
	l.text(i.text[from:])
	if more := i.tokens - itemOverheadTokens - tokensOf(len(i.text)); more > 0 {
		l.flat(string(i.raw), more)
	}
}
