package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is as it should be.
const (
	// lateClock and lostClock are differences between clocks. Times of jobs are
	// Redis'; the leases of Asynq, thirty seconds, go by the workers' own clocks.
	lateClock = 2 * time.Second
	lostClock = 20 * time.Second
	// slowPing is a round trip that is felt: a job takes some twenty of them.
	slowPing = 20 * time.Millisecond
	// Parts of maxmemory: over the second no job is accepted.
	muchMemory = 0.75
	fullMemory = 0.9
)

// wanted is what the configuration asks of Redis.
type wanted struct {
	replicas int
	disk     bool
}

// judgements are those about each server, in the order of the report.
func judgements(want wanted) []func(facts) Finding {
	return []func(facts) Finding{
		judgeRole, judgeVersion, judgePersistence, judgeEviction, judgeMemory, judgeClock, judgeLatency,
		func(f facts) Finding { return judgeDurability(f, want) },
	}
}

// judge makes one finding of each point, that of the server where it is worst.
func judge(servers []facts, want wanted) Report {
	var report Report
	for _, j := range judgements(want) {
		var worst Finding
		differ := false
		for i, server := range servers {
			f := j(server)
			if f.Check == "" {
				continue
			}
			differ = differ || i > 0 && f.Found != worst.Found
			if f.Status != OK && len(servers) > 1 {
				f.Found = server.addr + ": " + f.Found
			}
			if worst.Check == "" || rank(f.Status) > rank(worst.Status) {
				worst = f
			}
		}
		if worst.Check == "" {
			continue
		}
		if differ && worst.Status == OK {
			worst.Found = servers[0].addr + ": " + worst.Found + "; the other nodes are as well"
		}
		report = append(report, worst)
	}
	if len(servers) > 1 {
		report = append(report, judgeAlike(servers))
	}
	return report
}

func rank(s Status) int { return slices.Index([]Status{OK, Warn, Fail}, s) }

func judgeRole(f facts) Finding {
	if !f.replica() {
		return Finding{}
	}
	found := ok("redis role", "%s is a replica, which takes no writes", f.addr)
	return found.advise(Fail, "point redis.url at the master, or at the sentinels: redis+sentinel://host:26379/mymaster/0")
}

func judgeVersion(f facts) Finding {
	found := ok("redis version", "%s", f.version())
	major, minor := f.redisVersion()
	switch {
	case f.info["redis_version"] == "":
		return found.advise(Warn, "the server does not tell its version; Longhaul is tested with Redis 7")
	case major < 6 || major == 6 && minor < 2:
		return found.advise(Fail, "upgrade it to 7.0 or later: scripts of Longhaul and Asynq use what came with 6.2")
	case !f.scriptFlags:
		return found.advise(Warn, "upgrade it to 7.0 or later: without script flags, what is already paid for cannot be recorded when Redis is full")
	}
	return found
}

func judgePersistence(f facts) Finding {
	const check = "redis persistence"
	fsync, told := f.settings["appendfsync"]
	rules := f.settings["save"]
	switch {
	case f.info["aof_enabled"] == "1":
		found := ok(check, "append-only file, appendfsync %s", orUnknown(fsync, told))
		switch {
		case f.info["aof_last_write_status"] == "err":
			return found.advise(Fail, "the last write to the file failed: make room on its disk")
		case fsync == "no":
			return found.advise(Warn, "set appendfsync everysec: a crash of the machine may forget half a minute of what was paid for")
		}
		return found
	case f.info["aof_enabled"] == "":
		return ok(check, "the server does not tell").advise(Warn, "make sure that it keeps an append-only file: what it forgets is paid for again")
	case rules != "" || !told:
		found := ok(check, "snapshots only, last of %s", since(f.number("rdb_last_save_time")))
		if f.info["rdb_last_bgsave_status"] == "err" {
			return found.advise(Fail, "the last snapshot failed: make room on its disk, and set appendonly yes")
		}
		return found.advise(Warn, "set appendonly yes: a crash forgets everything since the last snapshot, and what was paid for is paid for again")
	}
	return ok(check, "none: neither append-only file nor snapshots").
		advise(Fail, "set appendonly yes: a restart forgets every job, and responses that are paid for")
}

func since(unix int64) string {
	if unix == 0 {
		return "an unknown time"
	}
	return time.Unix(unix, 0).UTC().Format(time.RFC3339)
}

func orUnknown(value string, told bool) string {
	if !told {
		return "not told"
	}
	return value
}

func judgeEviction(f facts) Finding {
	policy := f.info["maxmemory_policy"]
	found := ok("redis eviction", "maxmemory-policy %s", policy)
	switch {
	case policy == "":
		return ok("redis eviction", "the server does not tell").advise(Warn, "make sure that maxmemory-policy is noeviction: what is evicted is lost")
	case policy == "noeviction":
		return found
	case f.number("maxmemory") > 0:
		return found.advise(Fail, "set maxmemory-policy noeviction: when memory is used up, Redis would drop jobs")
	}
	return found.advise(Warn, "set maxmemory-policy noeviction: once a maxmemory is set, Redis would drop jobs")
}

func judgeMemory(f facts) Finding {
	used, limit := f.number("used_memory"), f.number("maxmemory")
	if limit == 0 {
		return ok("redis memory", "%s used, no maxmemory", mebibytes(used))
	}
	part := float64(used) / float64(limit)
	found := ok("redis memory", "%s of %s used, %.0f%%", mebibytes(used), mebibytes(limit), 100*part)
	switch {
	case part >= fullMemory:
		return found.advise(Fail, "raise maxmemory or delete ended jobs: over 90%% no job is accepted")
	case part >= muchMemory:
		return found.advise(Warn, "raise maxmemory, shorten the retention of ended jobs, or configure blobs.url: over 90%% no job is accepted")
	}
	return found
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func judgeClock(f facts) Finding {
	off := f.offset.Abs()
	word := "ahead of"
	if f.offset < 0 {
		word = "behind"
	}
	found := ok("redis clock", "%v %s this machine's", off.Round(time.Millisecond), word)
	switch {
	case off >= lostClock:
		return found.advise(Fail, "set both clocks, with NTP: Asynq's leases of 30s go by this machine's, and webhooks are refused when it is minutes off")
	case off >= lateClock:
		return found.advise(Warn, "set both clocks, with NTP; jobs go by Redis' time, Asynq's leases by this machine's")
	}
	return found
}

func judgeLatency(f facts) Finding {
	if len(f.pings) == 0 {
		return Finding{}
	}
	median, longest := f.pings[len(f.pings)/2], f.pings[len(f.pings)-1]
	found := ok("redis latency", "median %v, longest %v of %d pings; %v for a script",
		median.Round(10*time.Microsecond), longest.Round(10*time.Microsecond), len(f.pings), f.script.Round(10*time.Microsecond))
	if median >= slowPing {
		return found.advise(Warn, "bring workers nearer to Redis: a job takes some twenty round trips")
	}
	return found
}

// judgeDurability holds the server to what its writes and our creates have to wait for.
func judgeDurability(f facts, want wanted) Finding {
	if least, err := strconv.Atoi(f.settings["min-replicas-to-write"]); err == nil && f.info["min_slaves_good_slaves"] != "" &&
		f.number("min_slaves_good_slaves") < int64(least) {
		return ok("redis replicas", "%s in step of the %d that min-replicas-to-write wants", f.info["min_slaves_good_slaves"], least).
			advise(Fail, "bring replicas back, or lower min-replicas-to-write: until enough are in step, Redis takes no write")
	}
	if want.replicas == 0 && !want.disk {
		return Finding{}
	}
	synced := f.syncedReplicas()
	found := ok("redis replicas", "%d in step; a create waits for %d%s", synced, want.replicas, andDisk(want.disk))
	switch {
	case synced < want.replicas:
		return found.advise(Fail, "attach replicas, or lower redis.wait_replicas: until enough are in step, nothing is sent")
	case want.disk && !f.diskWait:
		return found.advise(Fail, "upgrade to Redis 7.2, which has WAITAOF, or switch redis.wait_disk off: the worker does not start")
	case want.disk && f.info["aof_enabled"] == "0":
		return found.advise(Fail, "set appendonly yes, or switch redis.wait_disk off: there is no file that could have the intent")
	}
	return found
}

func andDisk(disk bool) string {
	if disk {
		return " and for the disk"
	}
	return ""
}

// judgeAlike compares the nodes of a Cluster with one another.
func judgeAlike(servers []facts) Finding {
	var versions []string
	earliest, latest := servers[0].offset, servers[0].offset
	for _, s := range servers {
		versions = append(versions, s.version())
		earliest, latest = min(earliest, s.offset), max(latest, s.offset)
	}
	slices.Sort(versions)
	versions = slices.Compact(versions)
	found := ok("redis nodes", "%d masters, %s, clocks within %v", len(servers), strings.Join(versions, " and "), (latest - earliest).Round(time.Millisecond))
	switch {
	case latest-earliest >= lateClock:
		return found.advise(Warn, "set the clocks of the nodes, with NTP")
	case len(versions) > 1:
		return found.advise(Warn, "bring all nodes to one version; Longhaul uses what the oldest has")
	}
	return found
}
