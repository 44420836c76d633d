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

// laneKeys returns the settings of the lane called lane.
func laneKeys(lane string) (concurrency, window, endpoint key) {
	own := lanesKey + "." + lane + "."
	concurrency = key{
		name: own + "concurrency", fallback: "32", kind: count(1, 10_000),
		doc: "How many submits of the lane one worker makes at once.",
	}
	window = key{
		name: own + "window", kind: count(1, 1_000_000),
		doc: fmt.Sprintf("How many jobs of the lane may be in Asynq at once; %d times the concurrency unless given.", windowFactor),
	}
	endpoint = key{
		name: own + "endpoint", kind: name(),
		doc: "Endpoint that the lane's requests are sent to; that of openai.endpoint unless given.",
	}
	return concurrency, window, endpoint
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
	concurrency, window, endpoint := laneKeys(name)
	fields, ok := r.open(name, raw, []string{concurrency.leaf(), window.leaf(), endpoint.leaf()})
	if !ok {
		return Lane{}
	}
	var l Lane
	value, _ := r.value(endpoint, fields, r.endpoint, sourceDefault)
	l.Endpoint, _ = value.(string)
	value, ok = r.value(concurrency, fields, concurrency.fallback, sourceDefault)
	if !ok {
		return l
	}
	l.Concurrency, _ = value.(int)
	value, ok = r.value(window, fields, window.kind.format(windowFactor*l.Concurrency), sourceDefault)
	l.Window, _ = value.(int)
	if ok && l.Window < l.Concurrency {
		r.refuse(window.name, quote(window.kind.format(l.Window)), fmt.Sprintf(
			"is below the concurrency of the lane, %d, which could then never be reached; raise the window or lower the concurrency", l.Concurrency))
	}
	return l
}
