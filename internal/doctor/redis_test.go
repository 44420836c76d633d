package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/doctor"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/redisurl"
	"github.com/longhaul-jobs/longhaul/results"
)

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // servers are away here on purpose
	os.Exit(m.Run())
}

// visit has the doctor look at an address.
func visit(t *testing.T, address string) doctor.Redis {
	t.Helper()
	u, err := redisurl.Parse(address)
	if err != nil {
		t.Fatalf("the address %v", err)
	}
	rdb, err := results.Connect(address, 0)
	if err != nil {
		t.Fatalf("the address %v", err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	sentinels, err := results.ConnectSentinels(address)
	if err != nil {
		t.Fatalf("the address %v", err)
	}
	for _, s := range sentinels {
		t.Cleanup(func() { _ = s.Close() })
	}
	return doctor.Redis{Client: rdb, Sentinels: sentinels, URL: u, Prefix: "longhaul"}
}

// expect wants a finding of the status that says something.
func expect(t *testing.T, r doctor.Report, check string, status doctor.Status, says string) {
	t.Helper()
	f := find(t, r, check)
	if f.Status != status || !strings.Contains(f.Found+" "+f.Advice, says) {
		t.Errorf("%+v; want %s, and %q in it", f, status, says)
	}
}

func TestServerThatKeepsAndEvictsNothing(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	r := visit(t, server.URL())
	for _, f := range r.Inspect(t.Context()) {
		if f.Status != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	if dangers := r.Dangers(t.Context()); len(dangers) != 0 {
		t.Errorf("dangers %+v", dangers)
	}
	if n := server.Client(t).DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("the doctor left %d keys", n)
	}
}

func TestServersAsTheyShouldNotBe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config redistest.Config
		check  string
		status doctor.Status
		says   string
	}{
		{"keeps nothing", redistest.Config{}, "redis persistence", doctor.Fail, "appendonly yes"},
		{"snapshots alone", redistest.Config{Args: []string{"--save", "3600", "1"}}, "redis persistence", doctor.Warn, "appendonly yes"},
		{"syncs when it likes", redistest.Config{AppendDir: "", Args: []string{"--appendonly", "yes", "--appendfsync", "no"}}, "redis persistence", doctor.Warn, "everysec"},
		{"evicts", redistest.Config{Args: []string{"--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"}}, "redis eviction", doctor.Fail, "noeviction"},
		{"tells nothing", redistest.Config{Args: []string{"--rename-command", "INFO", ""}}, "redis server", doctor.Fail, "allow INFO"},
		{"lacks a replica", redistest.Config{Args: []string{"--min-replicas-to-write", "1"}}, "redis replicas", doctor.Fail, "min-replicas-to-write"},
		{"is full", redistest.Config{Args: []string{"--maxmemory", "1mb"}}, "redis memory", doctor.Fail, "maxmemory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := visit(t, redistest.StartWith(t, tt.config).URL())
			expect(t, r.Inspect(t.Context()), tt.check, tt.status, tt.says)
			expect(t, r.Dangers(t.Context()), tt.check, tt.status, tt.says)
		})
	}
}

func TestReplicaIsNoPlaceForJobs(t *testing.T) {
	t.Parallel()
	master := redistest.StartWith(t, redistest.Config{TCP: true, Args: []string{"--repl-diskless-sync-delay", "0"}})
	host, port, _ := strings.Cut(master.Addr(), ":")
	replica := redistest.StartWith(t, redistest.Config{TCP: true, Args: []string{"--replicaof", host, port}})
	expect(t, visit(t, replica.URL()).Inspect(t.Context()), "redis role", doctor.Fail, "at the master")

	r := visit(t, master.URL())
	r.WaitReplicas = 2
	expect(t, r.Inspect(t.Context()), "redis replicas", doctor.Fail, "redis.wait_replicas")
}

// TestReach has each mistake in an address told with what to write instead, and
// no password.
//
// Guarantee: G12.
func TestReach(t *testing.T) {
	t.Parallel()
	locked := redistest.StartWith(t, redistest.Config{TCP: true, Args: []string{"--requirepass", "sw0rdfish"}})
	secured := redistest.StartWith(t, redistest.Config{TLS: true})
	plain := redistest.StartWith(t, redistest.Config{TCP: true})
	cluster := redistest.StartCluster(t)
	files, err := url.Parse(secured.URL())
	if err != nil {
		t.Fatal(err)
	}
	files.RawQuery = "ca_file=" + files.Query().Get("ca_file")
	for name, tt := range map[string]struct{ address, says string }{
		"nobody":               {"redis://127.0.0.1:1/0?max_retries=-1", "start Redis"},
		"no such socket":       {"unix:///nowhere/redis.sock?max_retries=-1", "start Redis"},
		"no password":          {locked.URL(), "redis://user:password@host:port/0"},
		"wrong password":       {"redis://:sw0rdf1sh@" + locked.Addr(), "%40"},
		"no such database":     {plain.URL() + "/99", "0 to 15"},
		"plain to TLS":         {"redis://" + secured.Addr() + "?max_retries=-1", "rediss://"},
		"TLS to plain":         {"rediss://" + plain.Addr() + "?max_retries=-1", "redis in the place of rediss"},
		"unknown authority":    {"rediss://" + secured.Addr(), "ca_file"},
		"wrong name":           {secured.URL() + "&server_name=elsewhere.test", "server_name"},
		"no certificate":       {files.String(), "cert_file"},
		"a Cluster that isn't": {"redis+cluster://" + plain.Addr(), "redis:// in the place of redis+cluster://"},
		"no sentinels":         {"redis+sentinel://127.0.0.1:1/mymaster?max_retries=-1", "sentinels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := visit(t, tt.address).Inspect(t.Context())
			expect(t, r, "redis", doctor.Fail, tt.says)
			if len(r) != 1 {
				t.Errorf("%d findings although nobody answers", len(r))
			}
			if text := r[0].Found + r[0].Advice; strings.Contains(text, "sw0rdf") {
				t.Errorf("it tells a password: %s", text)
			}
		})
	}
	t.Run("a node as a single server", func(t *testing.T) {
		t.Parallel()
		r := visit(t, cluster.Nodes()[0].URL()).Inspect(t.Context())
		expect(t, r, "redis topology", doctor.Fail, "redis+cluster://")
	})
	t.Run("the right certificate", func(t *testing.T) {
		t.Parallel()
		expect(t, visit(t, secured.URL()).Inspect(t.Context()), "redis", doctor.OK, "answers")
		expect(t, visit(t, secured.URL()+"&server_name=redis.test").Inspect(t.Context()), "redis", doctor.OK, "answers")
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	cluster := redistest.StartClusterWith(t, redistest.ClusterConfig{AppendDirs: dirs})
	r := visit(t, cluster.URL())
	for _, f := range r.Inspect(t.Context()) {
		if f.Status != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	node := cluster.Nodes()[2]
	if err := node.Client(t).ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Nodes()[0].Client(t).ConfigSet(t.Context(), "cluster-require-full-coverage", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	found := r.Inspect(t.Context())
	expect(t, found, "redis eviction", doctor.Warn, node.Addr())
	expect(t, found, "redis topology", doctor.Warn, "cluster-require-full-coverage no")
	cluster.Nodes()[1].Kill()
	expect(t, r.Inspect(t.Context()), "redis topology", doctor.Fail, cluster.Nodes()[1].Addr())
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinelsWith(t, redistest.SentinelConfig{AppendDirs: []string{t.TempDir(), t.TempDir()}})
	r := visit(t, sentinels.URL())
	r.WaitReplicas = 1
	for _, f := range r.Inspect(t.Context()) {
		if f.Status != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	// One sentinel that does not exist, beside those that do.
	address := strings.Replace(sentinels.URL(), "/mymaster", ",127.0.0.1:1/mymaster", 1)
	expect(t, visit(t, address).Inspect(t.Context()), "redis topology", doctor.Warn, "3 of 4")
	expect(t, visit(t, strings.Replace(sentinels.URL(), "/mymaster", "/other?max_retries=-1", 1)).Inspect(t.Context()), "redis", doctor.Fail, "the name in redis.url")
}

// TestPermissions takes one right away after the other.
func TestPermissions(t *testing.T) {
	t.Parallel()
	all := []string{"on", ">hush", "~longhaul:*", "~asynq:*", "&longhaul:*", "&asynq:*", "+@all"}
	server := redistest.StartWith(t, redistest.Config{TCP: true, AppendDir: t.TempDir()})
	admin := server.Client(t)
	for name, tt := range map[string]struct {
		change []string
		status doctor.Status
		says   string
	}{
		"all":           {nil, doctor.OK, "user all may"},
		"nothing-but":   {[]string{"-@all", "+ping", "+info", "+hello"}, doctor.Fail, "+evalsha"},
		"no-script":     {[]string{"-eval"}, doctor.Fail, "give it +eval;"},
		"no-multi":      {[]string{"-multi"}, doctor.Fail, "multi"},
		"no-queue-keys": {[]string{"resetkeys", "~longhaul:*"}, doctor.Fail, "~asynq:*"},
		"other-prefix":  {[]string{"resetkeys", "~asynq:*", "~other:*"}, doctor.Fail, "~longhaul:*"},
		"no-channels":   {[]string{"resetchannels"}, doctor.Fail, "&asynq:*"},
		"no-listening":  {[]string{"-subscribe"}, doctor.Fail, "+subscribe"},
		"no-waiting":    {[]string{"-wait"}, doctor.Fail, "give it +wait;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := append(append([]string{"reset"}, all...), tt.change...)
			if err := admin.ACLSetUser(t.Context(), name, rules...).Err(); err != nil {
				t.Fatal(err)
			}
			address := strings.Replace(server.URL(), "://", "://"+name+":hush@", 1)
			r := visit(t, address)
			r.WaitReplicas = 1
			expect(t, r.Inspect(t.Context()), "redis permissions", tt.status, tt.says)
		})
	}
}

// answer is an error that a server answers with.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

// TestRefusal has what servers of several versions refuse with told by what to change.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"WRONGPASS invalid username-password pair or user is disabled.":                   "user and password",
		"NOAUTH Authentication required.":                                                 "user and password",
		"NOPERM this user has no permissions to access one of the keys used as arguments": "redis.prefix",
		"NOPERM No permissions to access a key":                                           "redis.prefix",
		"NOPERM No permissions to access a channel":                                       "redis.prefix",
		"NOPERM User me has no permissions to run the 'zadd' command":                     "the commands",
		"LOADING Redis is loading the dataset in memory":                                  "",
		"OOM command not allowed when used memory > 'maxmemory'.":                         "",
	} {
		got := doctor.Refusal(fmt.Errorf("open store: %w", answer(text)))
		if got == "" != (says == "") || !strings.Contains(got, says) {
			t.Errorf("%s: %q, want %q in it", text, got, says)
		}
	}
	if got := doctor.Refusal(errors.New("read tcp: NOPERM")); got != "" {
		t.Errorf("of an error that no server answered with it says %q", got)
	}
}
