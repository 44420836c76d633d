package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

// Redis is what the records are kept in.
type Redis struct {
	Client redis.UniversalClient
	// Sentinels are clients of the sentinels that the address names.
	Sentinels []*redis.SentinelClient
	URL       redisurl.URL
	// Prefix begins the keys.
	Prefix string
	// WaitReplicas and WaitDisk are what a create waits for.
	WaitReplicas int
	WaitDisk     bool
}

// patience bounds the questions to one server.
const patience = 5 * time.Second

// thorough is how many pings tell the latency.
const thorough = 50

// Inspect looks the Redis over, latency and permissions included.
func (r Redis) Inspect(ctx context.Context) Report {
	report := r.inspect(ctx, thorough)
	if report.Failed() && len(report) == 1 {
		return report // nobody answers
	}
	return append(report, r.permissions(ctx))
}

// Dangers returns what a worker should be warned of when it starts. It takes a
// few round trips.
func (r Redis) Dangers(ctx context.Context) Report {
	return slices.DeleteFunc(r.inspect(ctx, 0), func(f Finding) bool { return f.Status == OK })
}

func (r Redis) inspect(ctx context.Context, pings int) Report {
	report := Report{r.reach(ctx)}
	if report.Failed() {
		return report
	}
	servers, missing := r.servers(ctx, pings)
	if len(servers) == 0 {
		silent := ok("redis server", "it tells nothing of itself: %s", strings.Join(missing, ", "))
		return append(report, silent.advise(Fail, "allow INFO and CONFIG GET: without them nobody knows whether it keeps what it is given"))
	}
	report = append(report, r.topology(ctx, servers, missing))
	return append(report, judge(servers, wanted{replicas: r.WaitReplicas, disk: r.WaitDisk})...)
}

// reach asks whether anybody answers at the address.
func (r Redis) reach(ctx context.Context) Finding {
	found := ok("redis", "%s answers", r.URL)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := r.Client.Ping(ctx).Err()
	if err == nil {
		return found
	}
	found.Found = fmt.Sprintf("%s: %v", r.URL, err)
	return found.advise(Fail, "%s", reachAdvice(err, r.URL))
}

// Refusal says what to do about an error with which a Redis that answers refuses the
// user, a command or a key, "" for any other.
func Refusal(err error) string {
	if _, answered := errors.AsType[redis.Error](err); !answered {
		return ""
	}
	text := err.Error()
	says := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case says("WRONGPASS"), says("invalid username-password"):
		return "correct user and password in redis.url; in a password write %40 for @, %2F for / and %3A for :"
	case says("NOAUTH"):
		return "give user and password in redis.url: redis://user:password@host:port/0"
	case says("NOPERM") && wrongPlace(err):
		return "correct redis.prefix, or give the user its keys and channels, ~PREFIX:* and &PREFIX:*; the ACL line is in docs/operations.md"
	case says("NOPERM"):
		return "give the user the commands and keys of the ACL line in docs/operations.md"
	}
	return ""
}

// reachAdvice says what an error of the first contact calls for.
func reachAdvice(err error, url redisurl.URL) string {
	if advice := Refusal(err); advice != "" {
		return advice
	}
	text := err.Error()
	says := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case says("cluster support disabled"):
		return "this is no Cluster: write redis:// in the place of redis+cluster://"
	case says("x509"), says("certificate"):
		return "name the authority of the server's certificate, redis.url with ?ca_file=..., or its name, server_name=...; " +
			"if the server wants a client certificate, cert_file and key_file"
	case says("first record does not look like a TLS handshake"), says("handshake"):
		return "this server does not speak TLS: write redis in the place of rediss"
	case says("DB index is out of range"):
		return "choose a database that the server has; most have 0 to 15"
	case says("LOADING"):
		return "it reads its data; wait until it has"
	case says("READONLY"), says("MASTERDOWN"):
		return "point redis.url at the master, or at the sentinels"
	case url.Topology == redisurl.Sentinel && (says("sentinel") || says("no such master")):
		return "make sure that the sentinels run, and that they know the master under the name in redis.url"
	case url.TLS && errors.Is(err, context.DeadlineExceeded):
		return "start Redis or correct redis.url; a server that does not speak TLS needs redis in the place of rediss"
	case !url.TLS && (says("EOF") || errors.Is(err, context.DeadlineExceeded)):
		return "start Redis or correct redis.url; a server that speaks TLS only needs rediss:// in the place of redis://"
	}
	return "start Redis, or correct redis.url"
}

// servers asks each server that takes writes. Missing are those that did not
// answer.
func (r Redis) servers(ctx context.Context, pings int) (servers []facts, missing []string) {
	cluster, ok := r.Client.(*redis.ClusterClient)
	if !ok {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		f, err := gather(bounded, r.URL.String(), r.Client, pings)
		if err != nil {
			return nil, []string{err.Error()}
		}
		return []facts{f}, nil
	}
	var mu sync.Mutex
	_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		f, err := gather(ctx, node.Options().Addr, node, pings)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			missing = append(missing, node.Options().Addr)
		} else {
			servers = append(servers, f)
		}
		return nil
	})
	slices.SortFunc(servers, func(a, b facts) int { return strings.Compare(a.addr, b.addr) })
	slices.Sort(missing)
	return servers, missing
}

// topology compares what there is with what the address says.
func (r Redis) topology(ctx context.Context, servers []facts, missing []string) Finding {
	const check = "redis topology"
	switch r.URL.Topology {
	case redisurl.Cluster:
		return judgeCluster(servers, missing, r.clusterInfo(ctx))
	case redisurl.Sentinel:
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		usable := 0
		for _, s := range r.Sentinels {
			if s.CkQuorum(ctx, r.URL.Master).Err() == nil {
				usable++
			}
		}
		return judgeSentinels(usable, len(r.Sentinels), servers[0].syncedReplicas())
	case redisurl.Single:
	}
	found := ok(check, "a single server, %d replicas in step", servers[0].syncedReplicas())
	if servers[0].clustered() {
		return found.advise(Fail, "this is a node of a Cluster: write redis+cluster://host:port,host:port in redis.url")
	}
	return found
}

func (r Redis) clusterInfo(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fields := make(map[string]string)
	text, err := r.Client.ClusterInfo(ctx).Result()
	if err != nil {
		return fields // which judgeCluster takes for one that is down
	}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	return fields
}

func judgeCluster(servers []facts, missing []string, info map[string]string) Finding {
	lone := 0
	coverage := false
	for _, s := range servers {
		if s.syncedReplicas() == 0 {
			lone++
		}
		coverage = coverage || s.settings["cluster-require-full-coverage"] == "yes"
	}
	found := ok("redis topology", "a Cluster, %s, %s of 16384 slots served, %d of %d masters without a replica",
		info["cluster_state"], info["cluster_slots_ok"], lone, len(servers)+len(missing))
	switch {
	case len(missing) > 0:
		return found.advise(Fail, "bring back %s: what it has rests", strings.Join(missing, ", "))
	case info["cluster_state"] != "ok" || info["cluster_slots_ok"] != "16384":
		return found.advise(Fail, "have every slot served by a master; see `redis-cli --cluster check`")
	case coverage:
		return found.advise(Warn, "set cluster-require-full-coverage no: as it is, one master that is away stops all of them")
	}
	return found
}

func judgeSentinels(usable, named, replicas int) Finding {
	found := ok("redis topology", "a Sentinel set, %d of %d sentinels have a quorum, %d replicas in step", usable, named, replicas)
	switch {
	case usable == 0:
		return found.advise(Warn, "no sentinel could carry out a fail-over: start enough of them, and see `redis-cli sentinel ckquorum`")
	case usable < named:
		return found.advise(Warn, "bring back the sentinels that do not answer, or name others in redis.url")
	case replicas == 0:
		return found.advise(Warn, "no replica is in step, so none could take over")
	case named == 1:
		return found.advise(Warn, "name all sentinels in redis.url: with one, nobody can be asked when it is away")
	}
	return found
}
