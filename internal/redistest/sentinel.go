package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// masterName is the name under which the sentinels know the master.
const masterName = "mymaster"

// SentinelConfig says how a Sentinel set differs from the usual one: a master, a
// replica and three sentinels that take a master for dead after a second.
type SentinelConfig struct {
	// AppendDirs are existing directories, for the master and each replica, as in
	// [Config.AppendDir]; their number is that of the servers.
	AppendDirs []string
	// DownAfter is how long a master may be silent; default a second.
	DownAfter time.Duration
	// TLS has servers and sentinels speak TLS.
	TLS bool
	// Args are appended to each server's command line.
	Args []string
}

// Sentinels is a Sentinel set that belongs to one test and ends with it.
type Sentinels struct {
	tb        testing.TB
	servers   []*Server // the master at the start is the first
	sentinels []*daemon
}

// StartSentinels runs a Sentinel set and returns when the replica is in step and
// the sentinels know one another.
func StartSentinels(tb testing.TB) *Sentinels {
	tb.Helper()
	return StartSentinelsWith(tb, SentinelConfig{})
}

// StartSentinelsWith runs a Sentinel set as cfg says.
func StartSentinelsWith(tb testing.TB, cfg SentinelConfig) *Sentinels {
	tb.Helper()
	if cfg.AppendDirs == nil {
		cfg.AppendDirs = make([]string, 2)
	}
	if cfg.DownAfter == 0 {
		cfg.DownAfter = time.Second
	}
	s := &Sentinels{tb: tb}
	for _, dir := range cfg.AppendDirs {
		s.startServer(cfg, dir)
	}
	for range 3 {
		s.startSentinel(cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.wait(ctx); err != nil {
		tb.Fatalf("form a Sentinel set: %v", err)
	}
	return s
}

func (s *Sentinels) startServer(cfg SentinelConfig, appendDir string) {
	s.tb.Helper()
	d, err := newDaemon(Config{TCP: true, TLS: cfg.TLS, AppendDir: appendDir})
	if err != nil {
		s.tb.Fatalf("prepare a server of a Sentinel set: %v", err)
	}
	s.tb.Cleanup(d.close)
	if len(s.servers) > 0 {
		first := s.servers[0].d
		d.certs = first.certs
		d.args = append(serverArgs(d, appendDir), "--replicaof", "127.0.0.1", strconv.Itoa(first.port))
	}
	// Without a wait for more replicas, a new one is in step at once.
	d.args = append(d.args, "--repl-diskless-sync-delay", "0")
	d.args = append(d.args, cfg.Args...)
	if err := d.start(); err != nil {
		s.tb.Fatalf("start a server of a Sentinel set: %v", err)
	}
	s.servers = append(s.servers, &Server{tb: s.tb, d: d})
}

// startSentinel runs one sentinel, which keeps what it learns in its own
// configuration file.
func (s *Sentinels) startSentinel(cfg SentinelConfig) {
	s.tb.Helper()
	d, err := newProcess(true)
	if err != nil {
		s.tb.Fatalf("prepare a sentinel: %v", err)
	}
	s.tb.Cleanup(d.close)
	master := s.servers[0].d
	d.certs = master.certs
	file := filepath.Join(d.dir, "sentinel.conf")
	lines := []string{
		"bind 127.0.0.1", "daemonize no", "dir " + d.dir,
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", masterName, master.port),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", masterName, cfg.DownAfter.Milliseconds()),
		fmt.Sprintf("sentinel failover-timeout %s %d", masterName, (5 * time.Second).Milliseconds()),
	}
	for args := portArgs(d.port, d.certs); len(args) > 0; args = args[2:] {
		lines = append(lines, strings.TrimPrefix(args[0], "--")+" "+args[1])
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.tb.Fatalf("prepare a sentinel: %v", err)
	}
	d.args = []string{file, "--sentinel"}
	if err := d.start(); err != nil {
		s.tb.Fatalf("start a sentinel: %v", err)
	}
	s.sentinels = append(s.sentinels, d)
}

// wait returns when every replica is in step and every sentinel knows the
// replicas and the other sentinels.
func (s *Sentinels) wait(ctx context.Context) error {
	for _, replica := range s.servers[1:] {
		admin, err := replica.d.admin()
		if err != nil {
			return err
		}
		err = until(ctx, func() bool {
			info, err := admin.Info(ctx, "replication").Result()
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
		_ = admin.Close()
		if err != nil {
			return fmt.Errorf("replica %s is not in step: %w; its log:\n%s", replica.Addr(), err, replica.d.logTail())
		}
	}
	for _, d := range s.sentinels {
		sentinel, err := d.sentinel()
		if err != nil {
			return err
		}
		err = until(ctx, func() bool {
			master, err := sentinel.Master(ctx, masterName).Result()
			return err == nil && master["num-slaves"] == strconv.Itoa(len(s.servers)-1) &&
				master["num-other-sentinels"] == strconv.Itoa(len(s.sentinels)-1)
		})
		_ = sentinel.Close()
		if err != nil {
			return fmt.Errorf("sentinel %s does not know the others: %w; its log:\n%s", d.addr(), err, d.logTail())
		}
	}
	return nil
}

// URL returns the set's address as Longhaul's configuration takes it.
func (s *Sentinels) URL() string {
	addrs := make([]string, len(s.sentinels))
	for i, d := range s.sentinels {
		addrs[i] = d.addr()
	}
	url := "redis+sentinel://" + strings.Join(addrs, ",") + "/" + masterName
	if certs := s.servers[0].d.certs; certs != nil {
		url = strings.Replace(url, "redis", "rediss", 1) + "?" + certs.query()
	}
	return url
}

// Servers returns the servers; the first is the master at the start.
func (s *Sentinels) Servers() []*Server { return s.servers }

// Master returns the server that most of the sentinels take for the master.
func (s *Sentinels) Master() *Server {
	s.tb.Helper()
	master := s.master(context.Background())
	if master == nil {
		s.tb.Fatal("the sentinels agree on no master")
	}
	return master
}

// master is [Sentinels.Master], or nil when they do not agree.
func (s *Sentinels) master(ctx context.Context) *Server {
	votes := map[string]int{}
	for _, d := range s.sentinels {
		sentinel, err := d.sentinel()
		if err != nil {
			continue
		}
		addr, err := sentinel.GetMasterAddrByName(ctx, masterName).Result()
		_ = sentinel.Close()
		if err == nil && len(addr) == 2 {
			votes[net.JoinHostPort(addr[0], addr[1])]++
		}
	}
	for _, server := range s.servers {
		if votes[server.Addr()] > len(s.sentinels)/2 {
			return server
		}
	}
	return nil
}

// WaitForFailover returns the new master when the sentinels have agreed on one
// that is not the server given, and it takes writes.
func (s *Sentinels) WaitForFailover(old *Server) *Server {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var master *Server
	err := until(ctx, func() bool {
		if master = s.master(ctx); master == nil || master == old {
			return false
		}
		admin, err := master.d.admin()
		if err != nil {
			return false
		}
		defer func() { _ = admin.Close() }()
		role, err := admin.Do(ctx, "role").Slice()
		return err == nil && len(role) > 0 && role[0] == "master"
	})
	if err != nil {
		s.tb.Fatalf("no new master: %v; a sentinel's log:\n%s", err, s.sentinels[0].logTail())
	}
	return master
}

// sentinel opens a client of a sentinel.
func (d *daemon) sentinel() (*redis.SentinelClient, error) {
	options := &redis.Options{Addr: d.addr()}
	if d.certs != nil {
		config, err := d.certs.client()
		if err != nil {
			return nil, err
		}
		options.TLSConfig = config
	}
	return redis.NewSentinelClient(options), nil
}
