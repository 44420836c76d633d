package redistest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/results"
)

// reach opens an address the way the product does.
func reach(t *testing.T, address string) redis.UniversalClient {
	t.Helper()
	rdb, err := results.Connect(address, 0)
	if err != nil {
		t.Fatalf("the address %v", err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// spread writes a key for each of many hash tags and reads all of them.
func spread(t *testing.T, rdb redis.UniversalClient, value string) {
	t.Helper()
	for i := range 64 {
		key := fmt.Sprintf("{%d}", i)
		if err := rdb.Set(t.Context(), key, value, 0).Err(); err != nil {
			t.Fatalf("set %s: %v", key, err)
		}
		if got, err := rdb.Get(t.Context(), key).Result(); err != nil || got != value {
			t.Fatalf("%s = %q, %v; want %s", key, got, err, value)
		}
	}
}

func TestClusterServesAllSlots(t *testing.T) {
	t.Parallel()
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secured), func(t *testing.T) {
			t.Parallel()
			c := redistest.StartClusterWith(t, redistest.ClusterConfig{TLS: secured})
			spread(t, c.Client(t), "a")
			spread(t, reach(t, c.URL()), "b")
			for _, node := range c.Nodes() {
				if n, err := node.Client(t).DBSize(t.Context()).Result(); err != nil || n < 5 {
					t.Errorf("node %s has %d keys, %v; want its share of 64", node.Addr(), n, err)
				}
			}
		})
	}
}

func TestClusterNodeComesBackWithItsData(t *testing.T) {
	t.Parallel()
	c := redistest.StartClusterWith(t, redistest.ClusterConfig{AppendDirs: []string{t.TempDir(), t.TempDir(), t.TempDir()}})
	rdb := c.Client(t)
	spread(t, rdb, "kept")
	node := c.Nodes()[1]
	node.Stop()
	node.Restart()
	c.Wait()
	for i := range 64 {
		if got, err := rdb.Get(t.Context(), fmt.Sprintf("{%d}", i)).Result(); err != nil || got != "kept" {
			t.Errorf("{%d} = %q, %v after a restart", i, got, err)
		}
	}
}

func TestPausedServerAnswersWhenItGoesOn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	rdb := s.Client(t)
	set(t, rdb, "key", "value")
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := reach(t, s.URL()).Ping(ctx).Err(); err == nil {
		t.Error("a paused server answers")
	}
	s.Resume()
	if got := get(t, rdb, "key"); got != "value" {
		t.Errorf("key = %q after a pause", got)
	}
}

func TestSentinelsFailOver(t *testing.T) {
	t.Parallel()
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secured), func(t *testing.T) {
			t.Parallel()
			s := redistest.StartSentinelsWith(t, redistest.SentinelConfig{TLS: secured})
			rdb := reach(t, s.URL())
			spread(t, rdb, "before")
			old := s.Master()
			// Replication is asynchronous: this waits for what was written.
			if n, err := old.Client(t).Do(t.Context(), "wait", 1, 5000).Int(); err != nil || n != 1 {
				t.Fatalf("%d replicas in step, %v", n, err)
			}
			if old != s.Servers()[0] {
				t.Errorf("the master at the start is %s", old.Addr())
			}
			old.Kill()
			master := s.WaitForFailover(old)
			if got := get(t, master.Client(t), "{0}"); got != "before" {
				t.Errorf("{0} = %q on the new master", got)
			}
			spread(t, rdb, "after")
			old.Restart()
			replica := old.Client(t)
			deadline := time.Now().Add(30 * time.Second)
			for info := ""; !strings.Contains(info, "role:slave"); {
				var err error
				if info, err = replica.Info(t.Context(), "replication").Result(); err != nil || time.Now().After(deadline) {
					t.Fatalf("the old master does not become a replica: %v\n%s", err, info)
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
}

func TestServerWithTLS(t *testing.T) {
	t.Parallel()
	s := redistest.StartWith(t, redistest.Config{TLS: true})
	if s.Network() != "tcp" || !strings.HasPrefix(s.URL(), "rediss://127.0.0.1:") {
		t.Errorf("it is at %s %s", s.Network(), s.URL())
	}
	spread(t, s.Client(t), "a")
	spread(t, reach(t, s.URL()), "b")
	plain := connect(t, "redis://"+s.Addr()+"?max_retries=-1")
	if err := plain.Ping(t.Context()).Err(); err == nil {
		t.Error("it speaks in the clear")
	}
}

func TestServerWithPassword(t *testing.T) {
	t.Parallel()
	s := redistest.StartWith(t, redistest.Config{TCP: true, Args: []string{"--requirepass", "hush"}})
	if err := s.Client(t).Ping(t.Context()).Err(); err == nil {
		t.Error("it asks for no password")
	}
	spread(t, reach(t, strings.Replace(s.URL(), "://", "://:hush@", 1)), "a")
}
