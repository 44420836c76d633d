package results_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
	"github.com/longhaul-jobs/longhaul/results"
)

func connect(t *testing.T, address string, poolSize int) redis.UniversalClient {
	t.Helper()
	rdb, err := results.Connect(address, poolSize)
	if err != nil {
		t.Fatalf("Connect: the address %v", err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// TestConnectSaysTheSameToEachClient looks at what the client library was told.
func TestConnectSaysTheSameToEachClient(t *testing.T) {
	t.Parallel()
	const parameters = "?read_timeout=7s&pool_size=9&skip_verify=true"
	type told struct {
		addrs, user, password string
		database, poolSize    int
		read                  time.Duration
		skipVerify, deadlines bool
	}
	want := told{user: "me", password: "p@w", poolSize: 9, read: 7 * time.Second, skipVerify: true, deadlines: true}

	single, ok := connect(t, "rediss://me:p%40w@h:1/3"+parameters, 0).(*redis.Client)
	if !ok {
		t.Fatal("no client of a single server")
	}
	o := single.Options()
	got := told{o.Addr, o.Username, o.Password, o.DB, o.PoolSize, o.ReadTimeout, o.TLSConfig.InsecureSkipVerify, o.ContextTimeoutEnabled}
	want.addrs, want.database = "h:1", 3
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("single (-want +got):\n%s", diff)
	}

	cluster, ok := connect(t, "rediss+cluster://me:p%40w@h1:1,h2:2"+parameters, 0).(*redis.ClusterClient)
	if !ok {
		t.Fatal("no client of a Cluster")
	}
	c := cluster.Options()
	got = told{strings.Join(c.Addrs, ","), c.Username, c.Password, 0, c.PoolSize, c.ReadTimeout, c.TLSConfig.InsecureSkipVerify, c.ContextTimeoutEnabled}
	want.addrs, want.database = "h1:1,h2:2", 0
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("cluster (-want +got):\n%s", diff)
	}

	sentinel, ok := connect(t, "rediss+sentinel://me:p%40w@h1,h2/m/3"+parameters, 0).(*redis.Client)
	if !ok {
		t.Fatal("no client of a Sentinel set")
	}
	o = sentinel.Options()
	got = told{o.Addr, o.Username, o.Password, o.DB, o.PoolSize, o.ReadTimeout, o.TLSConfig.InsecureSkipVerify, o.ContextTimeoutEnabled}
	want.addrs, want.database = "FailoverClient", 3
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("sentinel (-want +got):\n%s", diff)
	}
}

func TestConnectTakesThePoolSizeOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"redis://h?pool_size=9", "redis+sentinel://h/m?pool_size=9"} {
		if rdb, ok := connect(t, address, 4).(*redis.Client); !ok || rdb.Options().PoolSize != 4 {
			t.Errorf("%s: the pool's size is not the configured one", address)
		}
	}
	if rdb, ok := connect(t, "redis+cluster://h?pool_size=9", 4).(*redis.ClusterClient); !ok || rdb.Options().PoolSize != 4 {
		t.Error("redis+cluster: the pool's size is not the configured one")
	}
}

// TestConnectTakesEachParameter holds the parameters that are documented to the
// client library's own.
func TestConnectTakesEachParameter(t *testing.T) {
	t.Parallel()
	for topology, address := range map[redisurl.Topology]string{
		redisurl.Single: "redis://h/", redisurl.Sentinel: "redis+sentinel://h/m", redisurl.Cluster: "redis+cluster://h",
	} {
		for _, name := range redisurl.Parameters(topology) {
			value := "1"
			switch {
			case strings.HasSuffix(name, "_file"), name == "server_name", name == "skip_verify":
				continue // ours; see the tests of TLS
			case name == "pool_fifo":
				value = "true"
			case strings.HasSuffix(name, "timeout"), strings.HasSuffix(name, "time"), strings.HasSuffix(name, "backoff"), strings.Contains(name, "lifetime"):
				value = "1s"
			}
			rdb, err := results.Connect(address+"?"+name+"="+value, 0)
			if err != nil {
				t.Errorf("%s with %s: %v", topology, name, err)
				continue
			}
			_ = rdb.Close()
		}
	}
}

func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, says := range map[string]string{
		"redis-cluster://h":                                     "redis+cluster://",
		"rediss://h?ca_file=" + dir + "/none.pem":               "ca_file that cannot be read",
		"rediss://h?ca_file=" + empty:                           "without a certificate",
		"rediss://h?cert_file=" + empty + "&key_file=" + empty:  "cert_file and key_file",
		"rediss+cluster://h?ca_file=" + dir + "/none.pem":       "ca_file",
		"rediss+sentinel://h/m?ca_file=" + dir + "/none.pem":    "ca_file",
		"redis://me:sw0rdfish@h?max_retries=99999999999999999x": "max_retries",
	} {
		rdb, err := results.Connect(address, 0)
		if err == nil {
			_ = rdb.Close()
			t.Errorf("%s is taken", address)
		} else if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "sw0rdfish") {
			t.Errorf("%s: %v; want an error that says %q", address, err, says)
		}
	}
}
