package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is how many slots every Cluster has.
const slots = 16384

// ClusterConfig says how a Cluster differs from the usual one: three masters
// without replicas that keep nothing on disk.
type ClusterConfig struct {
	// AppendDirs are existing directories, one for each master, as in
	// [Config.AppendDir]; their number is that of the masters.
	AppendDirs []string
	// TLS has the nodes speak TLS, among themselves as well.
	TLS bool
	// Args are appended to each node's command line.
	Args []string
}

// Cluster is a Redis Cluster that belongs to one test and ends with it. When a
// node is away the others go on serving their slots.
type Cluster struct {
	nodes []*Server
}

// StartCluster runs a Cluster of three masters and returns when it serves all
// slots.
func StartCluster(tb testing.TB) *Cluster {
	tb.Helper()
	return StartClusterWith(tb, ClusterConfig{})
}

// StartClusterWith runs a Cluster as cfg says and returns when it serves all
// slots.
func StartClusterWith(tb testing.TB, cfg ClusterConfig) *Cluster {
	tb.Helper()
	if cfg.AppendDirs == nil {
		cfg.AppendDirs = make([]string, 3)
	}
	c := &Cluster{}
	var certs *certificates
	for _, dir := range cfg.AppendDirs {
		d, err := newNode(cfg, dir, certs)
		if err != nil {
			tb.Fatalf("prepare a node of a Cluster: %v", err)
		}
		tb.Cleanup(d.close)
		certs = d.certs // the first makes those of all
		if err := d.start(); err != nil {
			tb.Fatalf("start a node of a Cluster: %v", err)
		}
		c.nodes = append(c.nodes, &Server{tb: tb, d: d})
	}
	if err := c.form(); err != nil {
		tb.Fatalf("form a Cluster: %v", err)
	}
	return c
}

// newNode prepares a node. Its bus has a port of its own below the range of
// outgoing connections: the usual one, 10,000 above, lies within.
func newNode(cfg ClusterConfig, appendDir string, certs *certificates) (*daemon, error) {
	d, err := newDaemon(Config{TCP: true, TLS: cfg.TLS, AppendDir: appendDir})
	if err != nil {
		return nil, err
	}
	bus, err := freePort()
	if err != nil {
		d.close()
		return nil, err
	}
	if certs != nil {
		d.certs = certs
		d.args = serverArgs(d, appendDir)
	}
	d.args = append(d.args,
		"--cluster-enabled", "yes", "--cluster-config-file", d.dir+"/nodes.conf", "--cluster-port", strconv.Itoa(bus),
		"--cluster-require-full-coverage", "no", "--cluster-node-timeout", "5000",
	)
	d.args = append(d.args, cfg.Args...)
	return d, nil
}

// form gives each node its slots and makes them known to one another.
func (c *Cluster) form() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	share := (slots + len(c.nodes) - 1) / len(c.nodes)
	for i, node := range c.nodes {
		admin, err := node.d.admin()
		if err != nil {
			return err
		}
		_, err = admin.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.Do(ctx, "cluster", "set-config-epoch", i+1)
			p.ClusterAddSlotsRange(ctx, i*share, min((i+1)*share, slots)-1)
			for _, other := range c.nodes[:i] {
				host, port, err := net.SplitHostPort(other.Addr())
				if err != nil {
					return err
				}
				p.Do(ctx, "cluster", "meet", host, port, other.d.argument("--cluster-port"))
			}
			return nil
		})
		_ = admin.Close()
		if err != nil {
			return fmt.Errorf("set up %s: %w", node.Addr(), err)
		}
	}
	return c.wait(ctx)
}

// wait returns when each node knows all others and all slots are served.
func (c *Cluster) wait(ctx context.Context) error {
	for _, node := range c.nodes {
		admin, err := node.d.admin()
		if err != nil {
			return err
		}
		ready := func() bool {
			info, err := admin.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots)) &&
				strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(len(c.nodes))+"\r")
		}
		err = until(ctx, ready)
		_ = admin.Close()
		if err != nil {
			return fmt.Errorf("%s does not serve: %w; its log:\n%s", node.Addr(), err, node.d.logTail())
		}
	}
	return nil
}

// until returns when a condition holds.
func until(ctx context.Context, holds func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// Nodes returns the masters. Each has a third of the slots, in order.
func (c *Cluster) Nodes() []*Server { return c.nodes }

// Addrs returns the addresses of the nodes.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.nodes))
	for i, node := range c.nodes {
		addrs[i] = node.Addr()
	}
	return addrs
}

// URL returns the Cluster's address as Longhaul's configuration takes it.
func (c *Cluster) URL() string {
	url := "redis+cluster://" + strings.Join(c.Addrs(), ",")
	if certs := c.nodes[0].d.certs; certs != nil {
		url = strings.Replace(url, "redis", "rediss", 1) + "?" + certs.query()
	}
	return url
}

// Client returns a client of the Cluster, closed when tb ends.
func (c *Cluster) Client(tb testing.TB) *redis.ClusterClient {
	tb.Helper()
	options := &redis.ClusterOptions{Addrs: c.Addrs()}
	if certs := c.nodes[0].d.certs; certs != nil {
		config, err := certs.client()
		if err != nil {
			tb.Fatalf("open a Redis client: %v", err)
		}
		options.TLSConfig = config
	}
	client := redis.NewClusterClient(options)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Wait returns when all nodes serve again, after one was restarted.
func (c *Cluster) Wait() {
	c.nodes[0].tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.wait(ctx); err != nil {
		c.nodes[0].tb.Fatalf("wait for a Cluster: %v", err)
	}
}
