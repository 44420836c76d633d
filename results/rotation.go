package results

import (
	"slices"
	"sync"
)

// rotation has the shards of a lane take turns in this process. Its mutex guards next,
// the shard of each lane that is to be asked first.
type rotation struct {
	mu   sync.Mutex
	next map[string]int
}

// from puts shards, which are in order, into the order of their turns.
func (r *rotation) from(lane string, shards []int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, _ := slices.BinarySearch(shards, r.next[lane])
	return slices.Concat(shards[at:], shards[:at])
}

// passed notes that a shard has had its turn.
func (r *rotation) passed(lane string, shard int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = make(map[string]int)
	}
	r.next[lane] = shard + 1
}
