package doctor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// facts are what one server says of itself, and how quickly.
type facts struct {
	addr string
	info map[string]string // the fields of INFO
	// settings are those of CONFIG GET, empty if the server does not tell.
	settings map[string]string
	// offset is the server's clock less ours.
	offset time.Duration
	// pings are the round trips of PING, sorted; script is one of a script.
	pings  []time.Duration
	script time.Duration
	// scriptFlags says that a script can say what it needs, diskWait that there
	// is WAITAOF.
	scriptFlags, diskWait bool
}

func (f facts) number(field string) int64 {
	n, err := strconv.ParseInt(f.info[field], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// version is the server's, with the name of one that is not Redis itself.
func (f facts) version() string {
	if v := f.info["valkey_version"]; v != "" {
		return "Valkey " + v
	}
	name := "Redis"
	if other := f.info["server_name"]; other != "" && other != "redis" {
		name = other + ", as Redis"
	}
	return name + " " + f.info["redis_version"]
}

// redisVersion is the version of Redis whose features there are.
func (f facts) redisVersion() (major, minor int) {
	parts := strings.SplitN(f.info["redis_version"], ".", 3)
	if len(parts) < 2 {
		return 0, 0
	}
	major, _ = strconv.Atoi(parts[0]) // 0 is older than any
	minor, _ = strconv.Atoi(parts[1])
	return major, minor
}

func (f facts) replica() bool { return f.info["role"] == "slave" }

func (f facts) clustered() bool { return f.info["cluster_enabled"] == "1" }

// syncedReplicas are those that keep up.
func (f facts) syncedReplicas() int {
	n := 0
	for name, value := range f.info {
		number, isReplica := strings.CutPrefix(name, "slave")
		if _, err := strconv.Atoi(number); isReplica && err == nil && strings.Contains(value, "state=online") {
			n++
		}
	}
	return n
}

// gather asks one server. The error is that of the first question; what a server
// does not answer later on is missing.
func gather(ctx context.Context, addr string, node redis.UniversalClient, pings int) (facts, error) {
	f := facts{addr: addr, info: make(map[string]string), settings: make(map[string]string)}
	text, err := node.Info(ctx).Result()
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			f.info[name] = value
		}
	}
	for _, name := range []string{"appendfsync", "save", "cluster-require-full-coverage", "min-replicas-to-write"} {
		if got, err := node.ConfigGet(ctx, name).Result(); err == nil {
			maps.Copy(f.settings, got)
		}
	}
	f.offset = clockOffset(ctx, node)
	f.scriptFlags = understood(node.Eval(ctx, "#!lua flags=allow-oom\nreturn 1", nil).Err())
	began := time.Now()
	if node.Eval(ctx, "return 1", nil).Err() == nil {
		f.script = time.Since(began)
	}
	f.diskWait = understood(node.Do(ctx, "waitaof", 0, 0, 1).Err())
	// Last: far away, they take the time that is left.
	for range pings {
		began := time.Now()
		if node.Ping(ctx).Err() == nil {
			f.pings = append(f.pings, time.Since(began))
		}
	}
	slices.Sort(f.pings)
	return f, nil
}

// understood reports whether a server knows what it was asked for, whatever it
// said to it.
func understood(err error) bool {
	e, answered := errors.AsType[redis.Error](err)
	return err == nil || answered && !strings.HasPrefix(e.Error(), "ERR ")
}

// clockOffset is the server's time less ours. Of a few answers the quickest
// counts.
func clockOffset(ctx context.Context, node redis.Cmdable) time.Duration {
	var offset, quickest time.Duration
	for i := range 3 {
		before := time.Now()
		theirs, err := node.Time(ctx).Result()
		if err != nil {
			continue
		}
		if took := time.Since(before); i == 0 || took < quickest {
			quickest, offset = took, theirs.Sub(before.Add(took/2))
		}
	}
	return offset
}
