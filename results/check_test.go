package results_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// anyScore stands for a score that the records do not tell.
const anyScore = "any"

// keyspace is what the keys of an installation hold: fields of hashes, members
// of sorted sets with their scores, values of strings under "".
type keyspace map[string]map[string]string

// check compares every key of the installation with what the records say that
// there must be: each job is in exactly the sets that it belongs to, everything
// that is owed is due, and nothing is left of what is gone.
func (h *harness) check() {
	h.t.Helper()
	got := h.read()
	want := keyspace{h.prefix() + ":{meta}:installation": {"shards": strconv.Itoa(h.Shards())}}
	for key, fields := range got {
		if base, id, ok := strings.Cut(key, "job:"); ok && !strings.Contains(key, "{workers}") {
			h.expect(want, got, base, jobs.ID(id), fields)
		}
		if strings.Contains(key, "{workers}") {
			want[key] = fields // not about jobs
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Fatalf("keys do not agree with the records (-want +got):\n%s", diff)
	}
}

// expect adds to want all that must be there because of one job, and checks the
// job's own fields.
func (h *harness) expect(want, got keyspace, base string, id jobs.ID, f map[string]string) {
	h.t.Helper()
	j := h.load(id)
	state, deadline := string(j.State), ""
	if !j.Deadline.IsZero() {
		deadline = ms(j.Deadline)
	}
	fields := map[string]string{
		"schema": strconv.Itoa(jobs.Schema), "version": f["version"], "nonces": f["nonces"], "state": state,
		"record": f["record"], "request": f["request"], "lane": j.Lane, "kind": string(j.Kind),
		"rank": strconv.FormatInt(int64(9-j.Priority)<<42+j.Created.UnixMilli(), 10), "deadline": deadline,
		"next": strconv.Itoa(j.NextAttempt()),
	}
	version, _ := strconv.Atoi(f["version"])
	if n := len(strings.Fields(f["nonces"])); n != min(version, 8) {
		h.t.Fatalf("%s has %d nonces at version %d", id, n, version)
	}
	put := func(key, member, score string) {
		if want[base+key] == nil {
			want[base+key] = map[string]string{}
		}
		want[base+key][member] = score
	}
	member := string(id)
	put("state:"+state, member, "0")
	put("kind:"+string(j.Kind), member, "0")
	put("lane:"+j.Lane, member, "0")
	if j.Group != "" {
		fields["group"] = j.Group
		put("group:"+j.Group, member, "0")
		put("groupstate:"+state+":"+j.Group, member, "0")
	}
	if j.DedupeKey != "" {
		fields["dedupe"] = f["dedupe"]
		if !j.Deleting { // which leaves the key to the next
			put("dedupe:"+f["dedupe"], "", member+" "+j.RequestDigest)
		}
	}
	if j.Result != nil {
		fields["body"] = f["body"]
	}
	if j.State == jobs.StateWaiting {
		h.expectPlace(put, got, base, j, fields)
	}
	if _, owed := j.Due(h.timing()); owed {
		if j.State == jobs.StateRunning {
			put("looks", member, anyScore)
		} else {
			put("due", member, anyScore)
		}
	}
	if j.State.Terminal() {
		put("expire", member, anyScore)
	}
	if len(j.Outbox) > 0 || j.Deleting {
		put("owing", member, "0")
	}
	if value, ok := f["looks"]; ok && j.State == jobs.StateRunning {
		fields["looks"] = value
	}
	if value, ok := f["nudge"]; ok && (j.State != jobs.StateWaiting || !j.Admitted.IsZero()) {
		fields["nudge"] = value
	}
	want[base+"job:"+member] = fields
}

// expectPlace says where in its lane a waiting job must be: in the lane's queue
// if it is admitted, else among the later or the ready ones.
func (h *harness) expectPlace(put func(key, member, score string), got keyspace, base string, j jobs.Job, fields map[string]string) {
	h.t.Helper()
	member := string(j.ID)
	if !j.Admitted.IsZero() {
		fields["admitted"] = ms(j.Admitted)
		put("admitted:"+j.Lane, member, ms(j.Admitted))
		return
	}
	if _, ready := got[base+"ready:"+j.Lane][member]; ready {
		put("ready:"+j.Lane, member, fields["rank"])
		return
	}
	put("later:"+j.Lane, member, anyScore)
}

// read returns every key of the installation.
func (h *harness) read() keyspace {
	h.t.Helper()
	ctx := h.t.Context()
	var keys []string
	for cursor := uint64(0); ; {
		page, next, err := h.rdb.Scan(ctx, cursor, h.prefix()+":*", 1000).Result()
		if err != nil {
			h.t.Fatal(err)
		}
		keys = append(keys, page...)
		if cursor = next; cursor == 0 {
			break
		}
	}
	slices.Sort(keys)
	return h.values(slices.Compact(keys))
}

func (h *harness) values(keys []string) keyspace {
	h.t.Helper()
	ctx := h.t.Context()
	types := make([]*redis.StatusCmd, len(keys))
	h.pipelined(func(p redis.Pipeliner) {
		for i, key := range keys {
			types[i] = p.Type(ctx, key)
		}
	})
	readers := make([]func() map[string]string, len(keys))
	h.pipelined(func(p redis.Pipeliner) {
		for i, key := range keys {
			readers[i] = reader(h, p, key, types[i].Val())
		}
	})
	space := make(keyspace, len(keys))
	for i, key := range keys {
		space[key] = readers[i]()
	}
	return space
}

// reader queues the reading of a key and returns how to get at its value.
func reader(h *harness, p redis.Pipeliner, key, kind string) func() map[string]string {
	ctx := h.t.Context()
	switch kind {
	case "hash":
		answer := p.HGetAll(ctx, key)
		return answer.Val
	case "zset":
		answer := p.ZRangeWithScores(ctx, key, 0, -1)
		return func() map[string]string {
			members := map[string]string{}
			for _, z := range answer.Val() {
				member, _ := z.Member.(string)
				members[member] = strconv.FormatInt(int64(z.Score), 10)
				if loose(key) {
					members[member] = anyScore
				}
			}
			return members
		}
	case "string":
		answer := p.Get(ctx, key)
		return func() map[string]string { return map[string]string{"": answer.Val()} }
	}
	h.t.Fatalf("key %s has the unexpected type %q", key, kind)
	return nil
}

// loose reports whether the scores of a set are more than the records tell: a
// lease, a settlement, a delay.
func loose(key string) bool {
	_, rest, _ := strings.Cut(key, "}:")
	return rest == "due" || rest == "looks" || rest == "expire" || strings.HasPrefix(rest, "later:")
}

func (h *harness) pipelined(queue func(p redis.Pipeliner)) {
	h.t.Helper()
	_, err := h.rdb.Pipelined(h.t.Context(), func(p redis.Pipeliner) error {
		queue(p)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// empty fails the test unless nothing is left but the installation.
func (h *harness) empty() {
	h.t.Helper()
	want := []string{h.prefix() + ":{meta}:installation"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(h.read()))); diff != "" {
		h.t.Fatalf("keys that are left (-want +got):\n%s", diff)
	}
}

func (h *harness) timing() jobs.Timing {
	if h.config.Timing != (jobs.Timing{}) {
		return h.config.Timing
	}
	return jobs.DefaultTiming()
}

func ms(t interface{ UnixMilli() int64 }) string { return strconv.FormatInt(t.UnixMilli(), 10) }
