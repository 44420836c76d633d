package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// probe is a command that Longhaul or Asynq needs, in a form that does no harm.
type probe struct {
	name string
	args []any
}

// full is the name as a rule of an ACL has it.
func (p probe) full() string {
	if p.name == "memory" {
		return "memory|usage"
	}
	return p.name
}

// probes are what a worker sends, to a key or a channel that nobody else has.
// KEY stands for it.
func probes() []probe {
	const key = "KEY"
	list := func(name string, args ...any) probe { return probe{name: name, args: append([]any{name}, args...)} }
	return []probe{
		list("del", key), list("unlink", key), list("exists", key),
		list("set", key, "1", "px", 1000), list("setex", key, 1, "1"), list("get", key), list("mget", key), list("incr", key),
		list("expire", key, 1), list("pexpire", key, 1000), list("expireat", key, 1), list("del", key),
		list("hset", key, "a", "1"), list("hsetnx", key, "a", "1"), list("hget", key, "a"), list("hmget", key, "a"),
		list("hgetall", key), list("hscan", key, 0), list("hlen", key), list("hincrby", key, "a", 1), list("hdel", key, "a"), list("del", key),
		list("sadd", key, "a"), list("sismember", key, "a"), list("smembers", key), list("srem", key, "a"), list("del", key),
		list("lpush", key, "a"), list("rpush", key, "a"), list("llen", key), list("lrange", key, 0, -1), list("lrem", key, 0, "a"),
		list("rpoplpush", key, key), list("del", key),
		list("zadd", key, 0, "a"), list("zcard", key), list("zcount", key, "-inf", "+inf"), list("zscore", key, "a"), list("zrange", key, 0, -1),
		list("zrevrange", key, 0, -1), list("zrangebyscore", key, 0, 0), list("zrevrangebylex", key, "+", "-"),
		list("zremrangebyscore", key, 1, 2), list("zremrangebyrank", key, 1, 2), list("zrem", key, "a"), list("del", key),
		list("xadd", key, "maxlen", "~", 1, "1-1", "a", "1"), list("xrange", key, "-", "+"), list("xrevrange", key, "+", "-"), list("del", key),
		list("evalsha", "0000000000000000000000000000000000000000", 1, key), list("eval", "return 1", 1, key),
		list("publish", key, ""), list("multi"), list("exec"), list("time"), list("info", "memory"), list("memory", "usage", key),
	}
}

// waits are what a create waits with, if it does.
func (r Redis) waits() []probe {
	switch {
	case r.WaitDisk:
		return []probe{{name: "waitaof", args: []any{"waitaof", 0, 0, 1}}}
	case r.WaitReplicas > 0:
		return []probe{{name: "wait", args: []any{"wait", 0, 1}}}
	}
	return nil
}

// permissions tries each command on a key of each kind. Without an ACL nothing is
// refused; with one, what is missing is named all at once.
func (r Redis) permissions(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var commands, keys []string
	for _, key := range []string{r.Prefix + ":{doctor}:probe", "asynq:{" + r.Prefix + ":doctor}:probe"} {
		refusedCommands, refused := r.refused(ctx, key)
		commands = append(commands, refusedCommands...)
		if refused {
			keys = append(keys, strings.SplitAfter(key, ":")[0]+"*")
		}
	}
	slices.Sort(commands)
	commands = slices.Compact(commands)
	who := "the default user"
	if r.URL.User != "" {
		who = "user " + r.URL.User
	}
	switch {
	case len(keys) > 0:
		return ok("redis permissions", "%s may not use the keys or channels %s", who, strings.Join(keys, ", ")).
			advise(Fail, "give it %s; the ACL line is in docs/operations.md", grants(keys))
	case len(commands) > 0:
		return ok("redis permissions", "%s may not call %s", who, strings.Join(commands, ", ")).
			advise(Fail, "give it +%s; the ACL line is in docs/operations.md", strings.Join(commands, " +"))
	}
	return ok("redis permissions", "%s may do all that is needed", who)
}

func grants(keys []string) string {
	var rules []string
	for _, key := range keys {
		rules = append(rules, "~"+key, "&"+key)
	}
	return strings.Join(rules, " ")
}

// refused returns the commands that the user may not call, and whether the key
// or channel itself is refused.
func (r Redis) refused(ctx context.Context, key string) (commands []string, keyRefused bool) {
	node, all := r.keeper(ctx, key), append(probes(), r.waits()...)
	answers := make([]*redis.Cmd, len(all))
	_, _ = node.Pipelined(ctx, func(p redis.Pipeliner) error { // each answer has its own error
		for i, probe := range all {
			args := slices.Clone(probe.args)
			for k, arg := range args {
				if arg == "KEY" {
					args[k] = key
				}
			}
			answers[i] = p.Do(ctx, args...)
		}
		return nil
	})
	for i, answer := range answers {
		e, ok := errors.AsType[redis.Error](answer.Err())
		if !ok || !strings.Contains(e.Error(), "NOPERM") {
			continue
		}
		if wrongPlace(e) {
			keyRefused = true
		} else {
			commands = append(commands, all[i].name)
		}
	}
	sub := node.Subscribe(ctx, key)
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(ctx); err != nil && strings.Contains(err.Error(), "NOPERM") {
		if wrongPlace(err) {
			keyRefused = true
		} else {
			commands = append(commands, "subscribe")
		}
	}
	return commands, keyRefused
}

// wrongPlace reports whether an ACL refused the key or the channel, not the
// command. Redis 7.2 says it in other words than those before.
func wrongPlace(err error) bool {
	return slices.ContainsFunc([]string{"of the keys", "of the channels", "access a key", "access a channel"}, func(part string) bool {
		return strings.Contains(err.Error(), part)
	})
}

// keeper is the server that has a key.
func (r Redis) keeper(ctx context.Context, key string) redis.UniversalClient {
	if cluster, ok := r.Client.(*redis.ClusterClient); ok {
		if node, err := cluster.MasterForKey(ctx, key); err == nil {
			return node
		}
	}
	return r.Client
}
