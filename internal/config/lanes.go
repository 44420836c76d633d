package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// windowFactor times its concurrency is the window of a lane that names none:
// enough for Asynq to have the next submits at hand, little enough for the rest
// of the backlog to stay where it can be reordered, paused and cancelled.
const windowFactor = 4

// laneTree is the lanes as a file has them. It is a type of its own because
// viper turns the keys of a plain map into lower case, and "Bulk" and "bulk"
// are two lanes.
type laneTree map[string]any

// laneMap is the kind of the key "lanes". Its parse reads JSON, which is what a
// flag or a variable holds; what is in the lanes is for [laneReader] to check.
func laneMap() kind {
	return kind{
		name: "json", allowed: "names of lanes, each with the keys below",
		parse: func(text string) (any, error) {
			errSyntax := errors.New(`is not a JSON object of lanes; write for example {"bulk":{"concurrency":8}}`)
			d := json.NewDecoder(strings.NewReader(text))
			var tree laneTree
			if err := d.Decode(&tree); err != nil || tree == nil {
				return nil, errSyntax
			}
			if _, err := d.Token(); !errors.Is(err, io.EOF) {
				return nil, errSyntax
			}
			return tree, nil
		},
		format: func(value any) string { return fmt.Sprint(value) },
		show:   plainly,
	}
}

// laneKeys returns the settings of the lane called lane.
func laneKeys(lane string) (concurrency, window key) {
	concurrency = key{
		name: lanesKey + "." + lane + ".concurrency", fallback: "32", kind: count(1, 10_000),
		doc: "How many submits of the lane one worker makes at once.",
	}
	window = key{
		name: lanesKey + "." + lane + ".window", kind: count(1, 1_000_000),
		doc: fmt.Sprintf("How many jobs of the lane may be in Asynq at once; %d times the concurrency unless given.", windowFactor),
	}
	return concurrency, window
}

// laneReader reads the lanes of one source.
type laneReader struct {
	source   string
	sources  map[string]string // by key, what the lanes' settings came from
	problems []Problem
}

// read returns the lanes, the default one always among them.
func (r *laneReader) read(tree laneTree) map[string]Lane {
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
	concurrency, window := laneKeys(name)
	own := lanesKey + "." + name
	if !jobs.ValidName(name) {
		r.refuse(lanesKey, quote(name), "is not a name of a lane; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit")
		return Lane{}
	}
	fields, ok := section(raw)
	if !ok {
		r.refuse(own, "", `is not a section; write "concurrency" and "window" below the name of the lane`)
		return Lane{}
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if field != "concurrency" && field != "window" {
			r.refuse(own+"."+field, "", unknown(field, []string{"concurrency", "window"}))
		}
	}
	var l Lane
	fallback := concurrency.fallback
	l.Concurrency, ok = r.count(concurrency, fields, "concurrency", fallback)
	if !ok {
		return Lane{}
	}
	fallback = concurrency.kind.format(windowFactor * l.Concurrency)
	l.Window, ok = r.count(window, fields, "window", fallback)
	if ok && l.Window < l.Concurrency {
		r.refuse(window.name, quote(window.kind.format(l.Window)), fmt.Sprintf(
			"is below the concurrency of the lane, %d, which could then never be reached; raise the window or lower the concurrency", l.Concurrency))
	}
	return l
}

// count reads a number of a lane, or its default, and notes its source.
func (r *laneReader) count(k key, fields map[string]any, field, fallback string) (int, bool) {
	raw, given := fields[field]
	source := r.source
	if !given {
		raw, source = fallback, sourceDefault
	}
	r.sources[k.name] = source
	value, shown, err := k.parse(raw)
	if err != nil {
		r.refuse(k.name, shown, err.Error())
		return 0, false
	}
	n, ok := value.(int)
	return n, ok
}

func (r *laneReader) refuse(name, value, message string) {
	r.problems = append(r.problems, Problem{Key: name, Source: r.source, Value: value, Message: message})
}

// section returns a part of a tree that has keys of its own: a map, or nothing
// yet.
func section(raw any) (map[string]any, bool) {
	switch raw := raw.(type) {
	case nil:
		return nil, true
	case map[string]any:
		return raw, true
	case map[any]any: // YAML with a key that is no string, such as a lane called 2026
		fields := make(map[string]any, len(raw))
		for name, value := range raw {
			fields[fmt.Sprint(name)] = value
		}
		return fields, true
	}
	return nil, false
}
