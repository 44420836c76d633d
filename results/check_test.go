package results_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// anyScore stands for a score that the records do not tell.
const anyScore = "any"

// keyspace is what the keys of an installation hold: fields of hashes, members
// of sorted sets with their scores, values of strings under "".
type keyspace map[string]map[string]string

// The places of the values in a job's head.
const (
	headSchema = iota
	headVersion
	_ // state
	_ // kind
	_ // lane
	_ // group
	headDedupe
	headRank
	_ // deadline
	_ // next
	headAdmitted
	headNudge
	headNonces
	headLooks
	_ // endpoint
	headBlobs
	headLapsed
	headAlone
	_ // tenant
	headAside
	headLinks
	headThread
	headSize
)

// head returns the values in a job's head.
func (h *harness) head(id jobs.ID) []string {
	h.t.Helper()
	head, err := h.rdb.HGet(h.t.Context(), h.key(id, "job:"+string(id)), "head").Result()
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Split(head, " ")
}

// setHead changes one value in a job's head.
func (h *harness) setHead(id jobs.ID, place int, value any) {
	h.t.Helper()
	head := h.head(id)
	head[place] = fmt.Sprint(value)
	err := h.rdb.HSet(h.t.Context(), h.key(id, "job:"+string(id)), "head", strings.Join(head, " ")).Err()
	if err != nil {
		h.t.Fatal(err)
	}
}

// check compares every key of the installation with what the records say that
// there must be: each job is in exactly the sets that it belongs to, everything
// that is owed is due, and nothing is left of what is gone.
func (h *harness) check() {
	h.t.Helper()
	got := h.read()
	want := keyspace{h.prefix() + ":{meta}:installation": {"shards": strconv.Itoa(h.Shards())}}
	h.expectBlobs(want, got)
	h.expectLedger(want, got)
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
func (h *harness) expect(want, space keyspace, base string, id jobs.ID, f map[string]string) {
	h.t.Helper()
	j := h.load(id)
	state, deadline := string(j.State), ""
	if !j.Deadline.IsZero() {
		deadline = ms(j.Deadline)
	}
	due, endpoint := "due", ""
	if j.Planning() {
		due = "plans:" + string(j.Kind)
	}
	if j.State == jobs.StateRunning {
		a, _ := j.CurrentAttempt()
		due, endpoint = "looks:"+a.Endpoint, a.Endpoint
		if j.Stop != nil {
			deadline = ms(j.Stop.At)
		}
	}
	got := strings.Split(f["head"], " ")
	if len(got) != headSize {
		h.t.Fatalf("%s has %d values in its head, want %d: %q", id, len(got), headSize, f["head"])
	}
	since := j.Created
	if parent, err := h.Load(h.t.Context(), j.Parent); j.Parent != "" && err == nil {
		since = parent.Created // a part goes in its parent's place
	}
	rank := strconv.FormatInt(int64(9-j.Priority)<<42+since.UnixMilli(), 10)
	if j.Parent != "" && since.Equal(j.Created) { // which is gone
		rank = got[headRank]
	}
	head := []string{
		strconv.Itoa(j.Schema), got[headVersion], state, string(j.Kind), j.Lane, j.Group, "", rank, deadline,
		strconv.Itoa(j.NextAttempt()), "", "", got[headNonces], "", endpoint, "", "", "", j.Tenant, "", "", "",
	}
	if j.Thread != "" {
		head[headThread] = got[headThread]
		hash, _, _ := strings.Cut(got[headThread], ",")
		if key := base + "thread:" + hash; space[key][""] == string(id) {
			want[key] = space[key]
		} else if strings.Contains(got[headLinks], "f") {
			head[headLinks] = "f"
		}
	}
	if waited := space[base+"dependents:"+string(id)]; len(waited) > 0 {
		want[base+"dependents:"+string(id)] = waited
		head[headLinks] = "d" + head[headLinks]
		if j.State.Terminal() && j.Telling() == nil {
			h.t.Fatalf("%s has ended, %v wait for it, and nobody is to tell them", id, waited)
		}
	}
	if told := space[base+"deltas:"+string(id)]; len(told) > 0 {
		want[base+"deltas:"+string(id)] = told
	}
	if j.State == jobs.StateRunning { // what a claim notes, and no step does
		head[headLapsed], head[headAlone] = got[headLapsed], got[headAlone]
	}
	version, _ := strconv.Atoi(got[headVersion])
	if n := len(strings.Split(got[headNonces], ",")); n != min(version, 8) {
		h.t.Fatalf("%s has %d nonces at version %d", id, n, version)
	}
	fields := map[string]string{"record": f["record"], "request": f["request"]}
	put := func(key, member, score string) {
		if want[base+key] == nil {
			want[base+key] = map[string]string{}
		}
		want[base+key][member] = score
	}
	member := string(id)
	stream := string(j.Kind) + ":" + j.Lane
	put("streams", stream, "")
	put("list:"+state+":"+stream, member, "0")
	if j.Group != "" {
		put("groupstate:"+state+":"+j.Group, member, "0")
	}
	if j.Kind.IsParent() {
		head[headLapsed] = got[headLapsed]
		if j.Group != "" {
			put("groupstate:"+state+":"+j.Group+"/"+string(j.Kind), member, "0")
		}
		for _, key := range []string{base + "parts:" + member, base + "open:" + member} {
			if len(space[key]) > 0 {
				want[key] = space[key] // what is in them is the planner's
			}
		}
	}
	if j.DedupeKey != "" {
		head[headDedupe] = got[headDedupe]
		switch key := "dedupe:" + got[headDedupe]; {
		case strings.Contains(got[headLinks], jobs.LinkReplaced):
			head[headLinks] += jobs.LinkReplaced
			if strings.HasPrefix(space[base+key][""], member) {
				h.t.Fatalf("%s has the key that another job has taken over", id)
			}
		case !j.Deleting: // which leaves the key to the next
			put(key, "", member+" "+j.RequestDigest)
		}
	}
	if j.Result != nil {
		fields["body"] = f["body"]
	}
	if h.config.Blobs != nil && got[headBlobs] == "1" {
		head[headBlobs] = "1"
	}
	if got[headBlobs] == "" && (strings.HasPrefix(f["request"], "\x00blob ") || strings.HasPrefix(f["body"], "\x00blob ")) {
		h.t.Fatalf("%s has a blob and is not marked", id)
	}
	switch {
	case j.Parked():
		head[headAside] = "1/" + j.Budget
		put("parked:"+j.Budget, member, rank)
	case j.Planning():
		head[headAside] = "plan"
	case j.Aside():
		head[headAside] = "1"
	}
	if j.State == jobs.StateWaiting {
		head[headAdmitted] = h.expectPlace(put, space, base, j, rank)
	}
	if _, owed := j.Due(h.timing()); owed {
		put(due, member, anyScore)
	}
	if j.State.Terminal() {
		put("expire", member, anyScore)
	}
	if len(j.Outbox) > 0 || j.Deleting {
		put("owing", member, anyScore)
	}
	if j.State == jobs.StateRunning {
		head[headLooks] = got[headLooks]
	}
	if j.State != jobs.StateWaiting || !j.Admitted.IsZero() || j.Aside() {
		head[headNudge] = got[headNudge]
	}
	if inOrder(head[headLinks]) == inOrder(got[headLinks]) {
		head[headLinks] = got[headLinks] // marks have no order
	}
	fields["head"] = strings.Join(head, " ")
	want[base+"job:"+member] = fields
}

func inOrder(marks string) string {
	letters := strings.Split(marks, "")
	slices.Sort(letters)
	return strings.Join(letters, "")
}

// expectBlobs adds to want what there may be because of a blob store.
func (h *harness) expectBlobs(want, got keyspace) {
	if h.config.Blobs == nil {
		return
	}
	meta := h.prefix() + ":{meta}:"
	if folder := got[meta+"installation"]["blobs"]; folder != "" {
		want[meta+"installation"]["blobs"] = folder
	}
	for key, fields := range got {
		if key == meta+"round" || strings.HasSuffix(key, "}:gone") {
			want[key] = fields
		}
	}
}

// expectPlace says where in its lane a waiting job must be: in the lane's queue
// if it is admitted, else among the later or the ready ones. It returns when the
// job was admitted.
func (h *harness) expectPlace(put func(key, member, score string), got keyspace, base string, j jobs.Job, rank string) string {
	h.t.Helper()
	member := string(j.ID)
	if j.Aside() {
		return ""
	}
	if !j.Admitted.IsZero() {
		put("admitted:"+j.Lane, member, ms(j.Admitted))
		return ms(j.Admitted)
	}
	set := "ready:" + j.Lane
	if j.Tenant != "" {
		set += "/" + j.Tenant
	}
	if _, ready := got[base+set][member]; ready {
		put(set, member, rank)
		put("turns:"+j.Lane, j.Tenant, anyScore)
		if tags, several := got[base+"bands:"+j.Lane][j.Tenant]; several {
			put("bands:"+j.Lane, j.Tenant, tags)
		}
		return ""
	}
	put("later:"+j.Lane, member, anyScore)
	return ""
}

// read returns every key of the installation.
func (h *harness) read() keyspace {
	h.t.Helper()
	ctx := h.t.Context()
	var keys []string
	scan := func(node redis.Cmdable) {
		for page := node.Scan(ctx, 0, h.prefix()+":*", 1000).Iterator(); ; {
			if !page.Next(ctx) {
				if err := page.Err(); err != nil {
					h.t.Error(err)
				}
				return
			}
			keys = append(keys, page.Val())
		}
	}
	if cluster, ok := h.rdb.(*redis.ClusterClient); ok {
		var mu sync.Mutex
		_ = cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			scan(node)
			return nil
		})
	} else {
		scan(h.rdb)
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
	case "set":
		answer := p.SMembers(ctx, key)
		return func() map[string]string {
			members := map[string]string{}
			for _, member := range answer.Val() {
				members[member] = ""
			}
			return members
		}
	case "stream":
		answer := p.XRange(ctx, key, "-", "+")
		return func() map[string]string {
			entries := map[string]string{}
			for _, entry := range answer.Val() {
				entries[entry.ID] = fmt.Sprint(entry.Values)
			}
			return entries
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
	return rest == "due" || strings.HasPrefix(rest, "plans:") || strings.HasPrefix(rest, "looks:") || rest == "expire" || rest == "owing" || strings.HasPrefix(rest, "later:") || strings.HasPrefix(rest, "turns:")
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
	got := h.read()
	delete(got, h.prefix()+":{workers}:endpoints")                                            // is kept: it holds no job
	maps.DeleteFunc(got, func(key string, _ map[string]string) bool { return ofLedger(key) }) // outlives the jobs
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
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
