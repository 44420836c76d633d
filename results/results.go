// Package results is the durable truth of Longhaul, kept in Redis: the records
// of jobs with their requests, responses and failures, the sets of what waits
// and what is due, groups, and retention. It owns every key about jobs and all
// Lua that touches them. What a job becomes is decided by package jobs; here a
// decision is written in one atomic step, or not at all.
//
// A job lives in one of the installation's shards, under that shard's hash tag,
// so that each step is one script on one slot, on a single Redis as in a
// Cluster. What spans shards, a listing or a count, is summed while reading. The
// layout of the keys is described in keys.go.
package results

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
)

// DefaultShards is the number of shards of a new installation.
const DefaultShards = 16

// Config says how a store uses its Redis. The zero value of a field means its
// default.
type Config struct {
	// Prefix begins every key; default "longhaul". Two installations can share a
	// Redis under different prefixes.
	Prefix string
	// Shards is the number of shards if the installation is new; default 16. An
	// installation keeps the number it was started with.
	Shards int
	// CompressBytes is the size over which requests and responses are
	// compressed; default 64 KiB.
	CompressBytes int
	// MaxRequestBytes is the largest request accepted; default 32 MiB.
	MaxRequestBytes int
	// Blobs keeps what is too large for Redis; nil for none. All processes of an
	// installation have the same one.
	Blobs Blobs
	// BlobsOver is the size over which requests and responses go there, after
	// compression; default 64 KiB.
	BlobsOver int
	// MaxInlineBytes is the size up to which Redis keeps a request itself, after
	// compression, and a response while the blob store is away; default 8 MiB.
	// Without a blob store, every response is kept in Redis.
	MaxInlineBytes int
	// Timing is when debts are overdue; default [jobs.DefaultTiming].
	Timing jobs.Timing
	// Prices is what responses cost; default the list that the build knows.
	Prices *prices.Table
	// Regional are the names of endpoints that process in one region, which may cost
	// more.
	Regional []string
	// Lanes are those that metrics name; others are one.
	Lanes []string
	// LedgerRetention is how long it is known what responses cost; default 400 days.
	LedgerRetention time.Duration
	// ProgressEvents is about how many events of a job's streamed responses are kept,
	// the latest, and ProgressKept for how long after the last one; default
	// [DefaultProgressEvents] and [DefaultProgressKept].
	ProgressEvents int
	ProgressKept   time.Duration
	// Durability says what must have an intent before its create may leave.
	Durability Durability
	// Pulse is a client of the same Redis for what workers say of themselves and
	// hear of each other, so that one whose connections are all busy does not look
	// dead; nil for the store's own.
	Pulse redis.UniversalClient
	// Clock is the time to go by; nil is Redis' own. What is to happen over hours can
	// then be seen in seconds.
	Clock func() time.Time
	// Weights are, of a lane, what its priorities weigh against each other, the lowest
	// first; default [DefaultWeights].
	Weights map[string][]int
	// Routes say to which lanes jobs go that name none, by their model; the first that
	// matches, and else [jobs.DefaultLane].
	Routes []Route
	// Embedded says that the server is the one in this process, which need not
	// be asked what it lacks.
	Embedded bool
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "longhaul"
	}
	if c.Shards == 0 {
		c.Shards = DefaultShards
	}
	if c.CompressBytes == 0 {
		c.CompressBytes = 64 << 10
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = jobs.DefaultMaxRequestBytes
	}
	if c.BlobsOver == 0 {
		c.BlobsOver = DefaultBlobsOver
	}
	if c.MaxInlineBytes == 0 {
		c.MaxInlineBytes = DefaultMaxInlineBytes
	}
	if c.LedgerRetention == 0 {
		c.LedgerRetention = DefaultLedgerRetention
	}
	if c.ProgressEvents == 0 {
		c.ProgressEvents = DefaultProgressEvents
	}
	if c.ProgressKept == 0 {
		c.ProgressKept = DefaultProgressKept
	}
	if c.Durability.Patience == 0 {
		c.Durability.Patience = time.Second
	}
	if c.Embedded {
		c.Durability.Replicas, c.Durability.Disk = 0, false // it has neither
	}
	if c.Timing == (jobs.Timing{}) {
		c.Timing = jobs.DefaultTiming()
	}
	return c
}

// validate says what is wrong with a configuration that has its defaults: an
// [*jobs.Error] of class invalid that names the field.
func (c Config) validate() error {
	if c.Shards < 1 || c.Shards > jobs.MaxShards {
		return jobs.Invalid("shards", "is %d; 1 to %d are possible", c.Shards, jobs.MaxShards)
	}
	if err := jobs.CheckName("prefix", c.Prefix); err != nil {
		return err
	}
	for _, size := range []struct {
		param string
		bytes int
	}{
		{"compress_bytes", c.CompressBytes},
		{"max_request_bytes", c.MaxRequestBytes},
		{"blobs_over", c.BlobsOver},
		{"max_inline_bytes", c.MaxInlineBytes},
	} {
		if size.bytes < 0 {
			return jobs.Invalid(size.param, "is %d; give a number of bytes, or 0 for the default", size.bytes)
		}
	}
	for i, route := range c.Routes {
		// The lane that a job names is checked with it, and the one that it is given is not.
		if err := jobs.CheckNameIfSet(fmt.Sprintf("routes[%d].lane", i), route.Lane); err != nil {
			return err
		}
	}
	return nil
}

// ErrNotFound says that there is no such job, or no longer.
var ErrNotFound = errors.New("no such job")

// Store reads and writes the records. It is safe for concurrent use.
type Store struct {
	rdb     redis.UniversalClient
	pulse   redis.UniversalClient // see [Config].Pulse
	config  Config
	scripts scripts
	packer  packer
	metrics *metrics
	// rotation says which shard a slow lane is next asked for.
	rotation rotation
	// planRotation says which shard is next asked first for parents.
	planRotation atomic.Uint32
	// ownWeights are the weights that were set at run time.
	ownWeights ownWeights
	log        *slog.Logger
	shards     int
	bases      []base
	clock      clock
	nodes      nodes
	memory     memory
	audit      audit
	late       late
	noted      sync.Map // the names of the endpoints that are in the list of all
	vault      vault
	horizon    horizon
	holder     holder
	convoy     convoy
}

// Open returns the store of the installation under the prefix, and starts the
// installation if it is new. It measures the difference between Redis' clock
// and ours, which [Store.Now] then takes into account. A configuration that cannot
// be is a [*jobs.Error] of class invalid that names the field. A nil log is one that
// nobody reads, and nil metrics are kept for nobody.
func Open(ctx context.Context, rdb redis.UniversalClient, config Config, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	packer, err := newPacker(config.CompressBytes)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if config.Prices == nil {
		if config.Prices, err = prices.Builtin(); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	s := &Store{rdb: rdb, pulse: rdb, config: config, packer: packer, log: log}
	if config.Pulse != nil {
		s.pulse = config.Pulse
	}
	if _, cluster := rdb.(*redis.ClusterClient); !cluster && !config.Embedded {
		s.convoy.rdb, s.convoy.patience = rdb, tripPatience
	}
	s.horizon.init()
	if err := s.SyncClock(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	flags, err := s.hasScriptFlags(ctx)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if s.scripts, err = scriptsFor(flags); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.checkDurability(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if s.shards, err = s.installation(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.bases = newBases(config.Prefix, s.shards)
	s.metrics = newMetrics(reg, config.Lanes) // last, so that a caller whose Redis is away can try again
	return s, nil
}

// Installed reports whether there is an installation under the prefix. It starts
// none, as [Open] does.
func Installed(ctx context.Context, rdb redis.UniversalClient, prefix string) (bool, error) {
	s := &Store{config: Config{Prefix: prefix}.withDefaults()}
	n, err := rdb.Exists(ctx, s.installationKey()).Result()
	if err != nil {
		return false, fmt.Errorf("look for an installation: %w", err)
	}
	return n > 0, nil
}

// installation reads the number of shards, or fixes it for good. What there is already
// is only read: who makes room in a Redis that is full opens the store first.
func (s *Store) installation(ctx context.Context) (int, error) {
	key := s.installationKey()
	text, err := s.rdb.HGet(ctx, key, "shards").Result()
	if errors.Is(err, redis.Nil) {
		err = s.rdb.HSetNX(ctx, key, "shards", s.config.Shards).Err()
		if redis.HasErrorPrefix(err, "OOM") {
			return 0, redisFull("Redis is at its maxmemory")
		}
		if err == nil {
			text, err = s.rdb.HGet(ctx, key, "shards").Result()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("read installation: %w", err)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > jobs.MaxShards {
		return 0, fmt.Errorf("read installation: %s has %q shards", key, text)
	}
	return n, nil
}

// Shards returns the number of shards of the installation.
func (s *Store) Shards() int { return s.shards }

// Now is Redis' time, as far as we know it. Every process that decides about
// jobs goes by it, so that a clock that is off does no harm.
func (s *Store) Now() time.Time {
	if s.config.Clock != nil {
		return s.config.Clock()
	}
	return s.clock.now()
}

// SyncClock measures the difference between Redis' clock and ours. Of a few
// answers the quickest counts, because it leaves the least room for error: the
// first may have waited for a connection.
func (s *Store) SyncClock(ctx context.Context) error {
	// In a Cluster always the same node: the clocks of several may differ.
	keeper, err := s.server(ctx, s.installationKey())
	if err != nil {
		return fmt.Errorf("ask redis for the time: %w", err)
	}
	quickest := time.Duration(math.MaxInt64)
	var ours, theirs time.Time
	for range 3 {
		before := time.Now()
		said, err := keeper.Time(ctx).Result()
		if err != nil {
			return fmt.Errorf("ask redis for the time: %w", err)
		}
		if took := time.Since(before); took < quickest {
			quickest, ours, theirs = took, before.Add(took/2), said
		}
	}
	s.clock.set(ours, theirs)
	return nil
}
