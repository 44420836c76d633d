package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// windowFactor times its concurrency is the window of a lane that names none:
// enough for Asynq to have the next submits at hand, little enough for the rest
// of the backlog to stay where it can be reordered, paused and cancelled.
const windowFactor = 4

// laneKeys returns the settings of the lane called lane, in the order in which they
// are shown.
func laneKeys(lane string) []key {
	own := lanesKey + "." + lane + "."
	return []key{
		{name: own + "concurrency", fallback: "32", kind: count(1, 10_000), doc: "How many submits of the lane one worker makes at once."},
		{name: own + "window", kind: count(1, 1_000_000), doc: fmt.Sprintf("How many jobs of the lane may be in Asynq at once; %d times the concurrency unless given.", windowFactor)},
		{name: own + "endpoint", kind: name(), doc: "Endpoint that the lane's requests are sent to; that of openai.endpoint unless given."},
		{name: own + "requests_per_minute", fallback: "0", kind: count(0, 1_000_000_000), doc: "Most requests that all workers together send in a minute; 0 goes by what the provider tells of its limits."},
		{name: own + "tokens_per_minute", fallback: "0", kind: count(0, 1_000_000_000), doc: "Most tokens that those requests need in a minute; 0 likewise."},
		{name: own + "in_flight", fallback: "0", kind: count(0, 1_000_000_000), doc: "Most responses of the lane that have not ended, 0 for any number."},
		{name: own + "paused", fallback: "false", kind: toggle(), doc: "Whether the lane sends nothing until it is resumed."},
		{name: own + "priority_weights", kind: weights(), doc: "How often the priorities of a tenant go beside one another; each twice as often as the one below unless given."},
		{name: own + "models", kind: patterns(), doc: "Models whose jobs go to this lane when they name none, such as gpt-4.1*; of several lanes the first by name has them."},
	}
}

// laneKey is the setting of a lane with the given last part of its name.
func laneKey(lane, leaf string) key {
	for _, k := range laneKeys(lane) {
		if k.leaf() == leaf {
			return k
		}
	}
	return key{}
}

// laneReader reads the lanes of one source.
type laneReader struct {
	sectionReader

	// endpoint is that of a lane that names none.
	endpoint string
}

// read returns the lanes, the default one always among them.
func (r *laneReader) read(tree sections) map[string]Lane {
	lanes := make(map[string]Lane, len(tree)+1)
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		lanes[name] = r.lane(name, tree[name])
	}
	if _, ok := lanes[jobs.DefaultLane]; !ok {
		lanes[jobs.DefaultLane] = r.lane(jobs.DefaultLane, nil)
	}
	return lanes
}

// lane reads one lane; raw is nil for one that is only named.
func (r *laneReader) lane(name string, raw any) Lane {
	var known []string
	for _, k := range laneKeys(name) {
		known = append(known, k.leaf())
	}
	fields, ok := r.open(name, raw, known)
	if !ok {
		return Lane{}
	}
	var l Lane
	value, _ := r.value(laneKey(name, "endpoint"), fields, r.endpoint, sourceDefault)
	l.Endpoint, _ = value.(string)
	read := func(leaf, fallback string) (n int, ok bool) {
		k := laneKey(name, leaf)
		if fallback == "" {
			fallback = k.fallback
		}
		value, ok := r.value(k, fields, fallback, sourceDefault)
		n, _ = value.(int)
		return n, ok
	}
	l.RequestsPerMinute, _ = read("requests_per_minute", "")
	l.TokensPerMinute, _ = read("tokens_per_minute", "")
	l.InFlight, _ = read("in_flight", "")
	value, _ = r.value(laneKey(name, "paused"), fields, "false", sourceDefault)
	l.Paused, _ = value.(bool)
	value, _ = r.value(laneKey(name, "priority_weights"), fields, "", sourceDefault)
	l.PriorityWeights, _ = value.([]int)
	value, _ = r.value(laneKey(name, "models"), fields, "", sourceDefault)
	l.Models, _ = value.([]string)
	if l.Concurrency, ok = read("concurrency", ""); !ok {
		return l
	}
	window := laneKey(name, "window")
	l.Window, ok = read("window", window.kind.format(windowFactor*l.Concurrency))
	if ok && l.Window < l.Concurrency {
		r.refuse(window.name, quote(window.kind.format(l.Window)), fmt.Sprintf(
			"is below the concurrency of the lane, %d, which could then never be reached; raise the window or lower the concurrency", l.Concurrency))
	}
	return l
}
