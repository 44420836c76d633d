package results

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// nodePatience is how long a call that travels to all shards waits for one
	// node of a Cluster.
	nodePatience = 3 * time.Second
	// callPatience is how long a call for one job waits: what one read may take,
	// and no repeat.
	callPatience = 6 * time.Second
	// probePatience is how long a node that did not answer is given to answer a
	// PING.
	probePatience = time.Second
)

// errNodeAway says that a node of a Cluster did not answer lately.
var errNodeAway = errors.New("this node of the Cluster does not answer")

// nodes remembers which nodes of a Cluster are away. Callers of all shards
// would otherwise wait for a node that hangs over and over, and so would the
// shards of the others. It is left out until it answers a PING.
type nodes struct {
	// mu makes one probe of a node at a time.
	mu      sync.Mutex
	probing map[string]bool // the nodes that are away, and whether one is under way
}

// lose notes that a node did not answer, and reports whether that is news.
func (n *nodes) lose(addr string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.probing[addr]; known {
		return false
	}
	if n.probing == nil {
		n.probing = make(map[string]bool)
	}
	n.probing[addr] = false
	return true
}

// away reports whether a node is away, and whether the caller is to probe it.
func (n *nodes) away(addr string) (away, probe bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	probing, away := n.probing[addr]
	if !away || probing {
		return away, false
	}
	n.probing[addr] = true
	return true, true
}

// probed notes what came of a probe.
func (n *nodes) probed(addr string, answered bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if answered {
		delete(n.probing, addr)
	} else {
		n.probing[addr] = false
	}
}

// reachable returns nil unless the node is away, which is found out beside the
// caller, who does not wait for it.
func (s *Store) reachable(ctx context.Context, cluster *redis.ClusterClient, node *redis.Client) error {
	addr := node.Options().Addr
	away, probe := s.nodes.away(addr)
	if !away {
		return nil
	}
	if probe {
		ctx := context.WithoutCancel(ctx)
		go func() { // ends after probePatience
			ctx, cancel := context.WithTimeout(ctx, probePatience)
			defer cancel()
			answered := node.Ping(ctx).Err() == nil
			cluster.ReloadState(ctx) // another node may have its slots by now
			s.nodes.probed(addr, answered)
			if answered {
				s.log.InfoContext(ctx, "node of the cluster answers again", slog.String("node", addr))
			}
		}()
	}
	return fmt.Errorf("%s: %w", addr, errNodeAway)
}

// once makes a call that needs one shard. In a Cluster a node that is known to
// be away is not waited for, and one that turns out to be is waited for once: the
// client library would try four times, and hold its caller for twenty seconds.
func (s *Store) once(ctx context.Context, b base, call func(context.Context) error) error {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return call(ctx)
	}
	node, err := cluster.MasterForKey(ctx, string(b))
	if err != nil {
		return call(ctx) // which will tell
	}
	if err := s.reachable(ctx, cluster, node); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	err = call(bounded)
	s.heard(ctx, node, err)
	return err
}

// heard notes a node that did not answer a call.
func (s *Store) heard(ctx context.Context, node *redis.Client, err error) {
	if addr := node.Options().Addr; ctx.Err() == nil && unanswered(err) && s.nodes.lose(addr) {
		s.log.WarnContext(ctx, "node of the cluster does not answer; its shards are left out until it does",
			slog.String("node", addr), slog.Any("err", err))
	}
}

// pipeline makes the calls in one round trip, in a Cluster in one to each node.
// Each answer has its own error.
func (s *Store) pipeline(ctx context.Context, calls []call, eval evaluate) []*redis.Cmd {
	answers := make([]*redis.Cmd, len(calls))
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		all := make([]int, len(calls))
		for i := range all {
			all[i] = i
		}
		s.send(ctx, calls, all, eval, answers)
		return answers
	}
	byNode := make(map[*redis.Client][]int)
	for i, c := range calls {
		node, err := cluster.MasterForKey(ctx, string(s.base(c.shard)))
		if err == nil {
			err = s.reachable(ctx, cluster, node)
		}
		if err != nil {
			answers[i] = redis.NewCmd(ctx)
			answers[i].SetErr(err)
			continue
		}
		byNode[node] = append(byNode[node], i)
	}
	var all sync.WaitGroup
	for node, members := range byNode {
		all.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, nodePatience)
			defer cancel()
			s.send(bounded, calls, members, eval, answers)
			s.heard(ctx, node, answers[members[0]].Err())
		})
	}
	all.Wait()
	return answers
}

// evaluate calls a script by its digest or its source.
type evaluate func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd

// send makes the calls with the given indexes in one pipeline.
func (s *Store) send(ctx context.Context, calls []call, members []int, eval evaluate, answers []*redis.Cmd) {
	_, _ = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // the first of the answers' errors
		for _, i := range members {
			answers[i] = eval(ctx, p, []string{string(s.base(calls[i].shard))}, calls[i].args...)
		}
		return nil
	})
}

// unanswered reports whether an error is not the server's own.
func unanswered(err error) bool {
	_, answered := errors.AsType[redis.Error](err)
	return err != nil && !answered
}

// onMasters calls f on every server that takes writes, side by side, and returns
// the errors.
func (s *Store) onMasters(ctx context.Context, f func(ctx context.Context, node redis.UniversalClient) error) error {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return f(ctx, s.rdb)
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return f(ctx, node) })
}

// server is the one server that has a key, over whose connections commands
// travel that belong together.
func (s *Store) server(ctx context.Context, key string) (redis.UniversalClient, error) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return s.rdb, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("find the node of %s: %w", key, err)
	}
	return node, nil
}
