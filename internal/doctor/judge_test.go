package doctor_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/doctor"
)

// healthy is a server as it should be, with some fields of INFO changed.
func healthy(change ...string) doctor.Server {
	info := map[string]string{
		"redis_version": "7.2.4", "role": "master", "cluster_enabled": "0", "aof_enabled": "1", "aof_last_write_status": "ok",
		"rdb_last_bgsave_status": "ok", "rdb_last_save_time": "1780000000",
		"maxmemory": "1000000000", "maxmemory_policy": "noeviction", "used_memory": "100000000",
	}
	for i := 0; i < len(change); i += 2 {
		info[change[i]] = change[i+1]
	}
	return doctor.Server{
		Info: info, DiskWait: true, Pings: []time.Duration{time.Millisecond},
		Settings: map[string]string{"appendfsync": "everysec", "save": ""},
	}
}

// find returns the finding of a check.
func find(t *testing.T, r doctor.Report, check string) doctor.Finding {
	t.Helper()
	for _, f := range r {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding about %q in %+v", check, r)
	return doctor.Finding{}
}

func TestHealthyServerHasNothingToMend(t *testing.T) {
	t.Parallel()
	for _, f := range doctor.Judge(0, false, healthy()) {
		if f.Status != doctor.OK || f.Advice != "" || f.Found == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestJudgements(t *testing.T) {
	t.Parallel()
	with := func(f func(*doctor.Server), change ...string) doctor.Server {
		s := healthy(change...)
		f(&s)
		return s
	}
	settings := func(change ...string) doctor.Server {
		return with(func(s *doctor.Server) {
			s.Settings = maps.Clone(s.Settings)
			for i := 0; i < len(change); i += 2 {
				s.Settings[change[i]] = change[i+1]
			}
		}, "aof_enabled", "0")
	}
	tests := []struct {
		name   string
		server doctor.Server
		check  string
		status doctor.Status
		says   string
	}{
		{"a replica", healthy("role", "slave"), "redis role", doctor.Fail, "at the master"},
		{"5.0", healthy("redis_version", "5.0.14"), "redis version", doctor.Fail, "7.0"},
		{"6.0", healthy("redis_version", "6.0.16"), "redis version", doctor.Fail, "7.0"},
		{"6.2 without flags", with(func(s *doctor.Server) { s.NoFlags = true }, "redis_version", "6.2.7"), "redis version", doctor.Warn, "script flags"},
		{"no version", healthy("redis_version", ""), "redis version", doctor.Warn, "Redis 7"},
		{"Valkey", healthy("valkey_version", "8.1.0"), "redis version", doctor.OK, "Valkey 8.1.0"},
		{"another server", healthy("server_name", "dragonfly"), "redis version", doctor.OK, "dragonfly"},
		{"everysec", healthy(), "redis persistence", doctor.OK, "everysec"},
		{"appendfsync no", with(func(s *doctor.Server) { s.Settings = map[string]string{"appendfsync": "no"} }), "redis persistence", doctor.Warn, "everysec"},
		{"appendfsync not told", with(func(s *doctor.Server) { s.Settings = nil }), "redis persistence", doctor.OK, "not told"},
		{"a full disk", healthy("aof_last_write_status", "err"), "redis persistence", doctor.Fail, "disk"},
		{"snapshots", settings("save", "3600 1"), "redis persistence", doctor.Warn, "appendonly yes"},
		{"snapshots perhaps", with(func(s *doctor.Server) { s.Settings = nil }, "aof_enabled", "0"), "redis persistence", doctor.Warn, "appendonly yes"},
		{
			"snapshots that fail", with(func(s *doctor.Server) { s.Settings = nil }, "aof_enabled", "0", "rdb_last_bgsave_status", "err"),
			"redis persistence", doctor.Fail, "snapshot failed",
		},
		{"nothing", settings("save", ""), "redis persistence", doctor.Fail, "appendonly yes"},
		{"persistence not told", healthy("aof_enabled", ""), "redis persistence", doctor.Warn, "make sure"},
		{"evicting", healthy("maxmemory_policy", "allkeys-lru"), "redis eviction", doctor.Fail, "noeviction"},
		{"evicting one day", healthy("maxmemory_policy", "volatile-ttl", "maxmemory", "0"), "redis eviction", doctor.Warn, "noeviction"},
		{"policy not told", healthy("maxmemory_policy", ""), "redis eviction", doctor.Warn, "noeviction"},
		{"80% full", healthy("used_memory", "800000000"), "redis memory", doctor.Warn, "maxmemory"},
		{"full", healthy("used_memory", "950000000"), "redis memory", doctor.Fail, "no job is accepted"},
		{"no limit", healthy("maxmemory", "0"), "redis memory", doctor.OK, "no maxmemory"},
		{"a clock ahead", with(func(s *doctor.Server) { s.Offset = 3 * time.Second }), "redis clock", doctor.Warn, "NTP"},
		{"a clock behind", with(func(s *doctor.Server) { s.Offset = -time.Minute }), "redis clock", doctor.Fail, "behind"},
		{"far away", with(func(s *doctor.Server) { s.Pings = []time.Duration{1, 30 * time.Millisecond, time.Second} }), "redis latency", doctor.Warn, "nearer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := find(t, doctor.Judge(0, false, tt.server), tt.check)
			if f.Status != tt.status || !strings.Contains(f.Found+" "+f.Advice, tt.says) {
				t.Errorf("%+v; want %s, and %q in it", f, tt.status, tt.says)
			}
			if (f.Status == doctor.OK) != (f.Advice == "") {
				t.Errorf("%s with the advice %q", f.Status, f.Advice)
			}
		})
	}
}

func TestJudgementOfWhatCreatesWaitFor(t *testing.T) {
	t.Parallel()
	withReplica := healthy("slave0", "ip=10.0.0.2,port=6379,state=online,offset=1,lag=0")
	old := withReplica
	old.DiskWait = false
	for name, tt := range map[string]struct {
		replicas int
		disk     bool
		server   doctor.Server
		status   doctor.Status
		says     string
	}{
		"enough":           {1, false, withReplica, doctor.OK, "1 in step"},
		"too few":          {2, false, withReplica, doctor.Fail, "redis.wait_replicas"},
		"one that lags":    {1, false, healthy("slave0", "ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0"), doctor.Fail, "0 in step"},
		"disk":             {1, true, withReplica, doctor.OK, "disk"},
		"disk, too old":    {0, true, old, doctor.Fail, "7.2"},
		"disk, no AOF":     {0, true, healthy("aof_enabled", "0"), doctor.Fail, "appendonly yes"},
		"field of a slave": {1, false, healthy("slave_repl_offset", "state=online"), doctor.Fail, "0 in step"},
	} {
		f := find(t, doctor.Judge(tt.replicas, tt.disk, tt.server), "redis replicas")
		if f.Status != tt.status || !strings.Contains(f.Found+" "+f.Advice, tt.says) {
			t.Errorf("%s: %+v; want %s, and %q in it", name, f, tt.status, tt.says)
		}
	}
}

// TestWorstNodeCounts names the node of a Cluster that is not as the others.
func TestWorstNodeCounts(t *testing.T) {
	t.Parallel()
	late := healthy("redis_version", "7.0.15")
	late.Offset = 5 * time.Second
	r := doctor.Judge(0, false, healthy(), healthy("maxmemory_policy", "allkeys-lru"), late)
	if f := find(t, r, "redis eviction"); f.Status != doctor.Fail || !strings.HasPrefix(f.Found, "b: ") {
		t.Errorf("%+v; want b named", f)
	}
	if f := find(t, r, "redis clock"); f.Status != doctor.Warn || !strings.HasPrefix(f.Found, "c: ") {
		t.Errorf("%+v; want c named", f)
	}
	if f := find(t, r, "redis nodes"); f.Status != doctor.Warn || !strings.Contains(f.Found, "7.0.15") || !strings.Contains(f.Found, "5s") {
		t.Errorf("%+v; want both versions and the clocks", f)
	}
	if f := find(t, doctor.Judge(0, false, healthy(), healthy("redis_version", "7.4.0")), "redis nodes"); f.Status != doctor.Warn {
		t.Errorf("%+v; want two versions told", f)
	}
}

func TestJudgementOfAClusterAndOfSentinels(t *testing.T) {
	t.Parallel()
	up := map[string]string{"cluster_state": "ok", "cluster_slots_ok": "16384"}
	stops := healthy()
	stops.Settings = map[string]string{"cluster-require-full-coverage": "yes"}
	for name, tt := range map[string]struct {
		got    doctor.Finding
		status doctor.Status
		says   string
	}{
		"a Cluster":           {doctor.JudgeCluster(nil, up, healthy()), doctor.OK, "16384"},
		"one that stops":      {doctor.JudgeCluster(nil, up, stops), doctor.Warn, "full-coverage no"},
		"one that is down":    {doctor.JudgeCluster(nil, map[string]string{"cluster_state": "fail", "cluster_slots_ok": "16384"}, healthy()), doctor.Fail, "slot"},
		"one that lacks some": {doctor.JudgeCluster(nil, map[string]string{"cluster_state": "ok", "cluster_slots_ok": "10923"}, healthy()), doctor.Fail, "10923"},
		"one without a node":  {doctor.JudgeCluster([]string{"h:1"}, up, healthy()), doctor.Fail, "h:1"},
		"sentinels":           {doctor.JudgeSentinels(3, 3, 1), doctor.OK, "3 of 3"},
		"no quorum":           {doctor.JudgeSentinels(0, 3, 1), doctor.Warn, "ckquorum"},
		"one away":            {doctor.JudgeSentinels(2, 3, 1), doctor.Warn, "bring back"},
		"no replica":          {doctor.JudgeSentinels(3, 3, 0), doctor.Warn, "take over"},
		"one named":           {doctor.JudgeSentinels(1, 1, 1), doctor.Warn, "name all"},
	} {
		if tt.got.Status != tt.status || !strings.Contains(tt.got.Found+" "+tt.got.Advice, tt.says) {
			t.Errorf("%s: %+v; want %s, and %q in it", name, tt.got, tt.status, tt.says)
		}
	}
}

func TestReportIsWrittenForPeopleAndMachines(t *testing.T) {
	t.Parallel()
	r := doctor.Report{
		{Check: "redis", Status: doctor.OK, Found: "answers"},
		{Check: "redis eviction", Status: doctor.Fail, Found: "allkeys-lru", Advice: "set noeviction"},
	}
	var table, object strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	want := "ok    redis           answers\nfail  redis eviction  allkeys-lru\n                      -> set noeviction\n1 ok, 0 to think about, 1 to mend\n"
	if table.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", table.String(), want)
	}
	if err := r.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"ok": false`, `"check": "redis eviction"`, `"status": "fail"`, `"found": "allkeys-lru"`, `"advice": "set noeviction"`} {
		if !strings.Contains(object.String(), part) {
			t.Errorf("no %s in %s", part, object.String())
		}
	}
	if r[:1].Failed() || !r.Failed() {
		t.Error("Failed does not tell")
	}
}
