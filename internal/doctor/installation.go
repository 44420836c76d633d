package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Store is the part of the store that tells of the installation.
type Store interface {
	Workers(ctx context.Context) ([]results.Worker, error)
	Counts(ctx context.Context, group string) (results.Counts, error)
	OpenLanes(ctx context.Context) (map[string]results.Counts, error)
	Endpoints(ctx context.Context) ([]results.EndpointUse, error)
	Pauses(ctx context.Context, lanes ...string) ([]results.Pause, error)
	LaneSettings(ctx context.Context, lane string) (results.LaneSettings, error)
	// InspectBlobs asks the blob store, and changes nothing; begun is false while
	// the installation has none of its blobs there.
	InspectBlobs(ctx context.Context) (begun bool, err error)
}

// Installation is what the workers of one prefix share.
type Installation struct {
	Prefix  string
	Version string // of this binary
	// Blobs is the address of the blob store, as anybody may see it; "" for none.
	Blobs string
	// Lanes are the lanes that this configuration has.
	Lanes []string
}

// Inspect looks at the workers that live, at the lanes and the jobs, and at the blob
// store.
func (i Installation) Inspect(ctx context.Context, store Store) Report {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	report := Report{i.workers(ctx, store), i.lanes(ctx, store), i.jobs(ctx, store)}
	report = append(report, stranded(ctx, store)...)
	return append(report, InspectBlobs(ctx, i.Blobs, store.InspectBlobs))
}

func (i Installation) workers(ctx context.Context, store Store) Finding {
	const check = "workers"
	workers, err := store.Workers(ctx)
	if err != nil {
		return ok(check, "%v", err).advise(Fail, "see the findings about Redis")
	}
	versions, lanes := make(map[string]int), make(map[string]bool)
	for _, w := range workers {
		versions[w.Version]++
		for _, lane := range w.Lanes {
			lanes[lane] = true
		}
	}
	var told []string
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		told = append(told, fmt.Sprintf("%d of %s", versions[version], version))
	}
	found := ok(check, "%d under the prefix %s", len(workers), i.Prefix)
	if len(told) > 0 {
		found.Found += ": " + strings.Join(told, ", ")
	}
	unserved := slices.DeleteFunc(slices.Clone(i.Lanes), func(lane string) bool { return lanes[lane] })
	switch {
	case len(workers) == 0:
		return found.advise(Warn, "start a worker with `worker run`: jobs wait until one runs under this prefix")
	case len(versions) > 1 || versions[i.Version] == 0:
		return found.advise(Warn, "bring all to one version; this is %s", i.Version)
	case len(unserved) > 0:
		return found.advise(Warn, "no worker that lives serves %s", strings.Join(unserved, ", "))
	}
	return found
}

func (i Installation) lanes(ctx context.Context, store Store) Finding {
	const check = "lanes"
	pauses, err := store.Pauses(ctx, i.Lanes...)
	if err != nil {
		return ok(check, "%v", err).advise(Fail, "see the findings about Redis")
	}
	workers, err := store.Workers(ctx)
	if err != nil {
		return ok(check, "%v", err).advise(Fail, "see the findings about Redis")
	}
	var paused, advice []string
	for n, p := range pauses {
		lane := i.Lanes[n]
		set, err := store.LaneSettings(ctx, lane)
		if err != nil {
			return ok(check, "%v", err).advise(Fail, "see the findings about Redis")
		}
		configured := slices.ContainsFunc(workers, func(w results.Worker) bool { return w.Rates[lane].Paused })
		switch {
		case set.Paused:
			paused = append(paused, strings.TrimSuffix(fmt.Sprintf("%s is paused by hand: %s", lane, set.Reason), ": "))
			advice = append(advice, fmt.Sprintf("`enqueue lanes resume %s` has it go on", lane))
		case configured && !set.Resumed:
			paused = append(paused, lane+" is paused by configuration")
			advice = append(advice, fmt.Sprintf("`enqueue lanes resume %s` has it go on", lane))
		}
		if p.On() {
			paused = append(paused, fmt.Sprintf("%s is paused since %s: %s: %s", lane, p.Since.Format(time.RFC3339), p.Class, p.Message))
			advice = append(advice, "mend the key or the bill: the lane resumes by itself with its next job")
		}
	}
	if len(paused) > 0 {
		return ok(check, "%s", strings.Join(paused, "; ")).advise(Warn, "%s", strings.Join(slices.Compact(advice), "; "))
	}
	return ok(check, "none is paused")
}

func (i Installation) jobs(ctx context.Context, store Store) Finding {
	const check = "jobs"
	counts, err := store.Counts(ctx, "")
	if err != nil {
		return ok(check, "%v", err).advise(Fail, "see the findings about Redis")
	}
	var told []string
	for _, state := range jobs.States() {
		if counts[state] > 0 {
			told = append(told, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	if len(told) == 0 {
		told = []string{"none"}
	}
	found := ok(check, "%s", strings.Join(told, ", "))
	if counts[jobs.StateUncertain] > 0 {
		return found.advise(Warn, "some may wait for a webhook; decide about those that do not: `enqueue list --held`")
	}
	return found
}

// stranded tells of jobs that no living worker goes on with, since their lane or the
// endpoint of their response is none of its own: those that have left a configuration are
// told of nowhere else. There is no finding if there are none, or if no worker lives.
func stranded(ctx context.Context, store Store) Report {
	const check = "stranded jobs"
	failed := func(err error) Report {
		return Report{ok(check, "%v", err).advise(Fail, "see the findings about Redis")}
	}
	workers, err := store.Workers(ctx)
	if err != nil {
		return failed(err)
	}
	if len(workers) == 0 {
		return nil // which is a finding of its own
	}
	open, err := store.OpenLanes(ctx)
	if err != nil {
		return failed(err)
	}
	for _, w := range workers {
		for _, lane := range w.Lanes {
			delete(open, lane)
		}
	}
	endpoints, err := store.Endpoints(ctx)
	if err != nil {
		return failed(err)
	}
	var told []string
	for _, lane := range slices.Sorted(maps.Keys(open)) {
		if n := open[lane][jobs.StateWaiting]; n > 0 { // what was sent goes on all the same
			told = append(told, fmt.Sprintf("%d waiting in lane %s", n, lane))
		}
	}
	for _, e := range endpoints {
		if !e.Served && e.Running > 0 {
			told = append(told, fmt.Sprintf("%d running at endpoint %s", e.Running, e.Name))
		}
	}
	if len(told) == 0 {
		return nil
	}
	return Report{ok(check, "no worker that lives goes on with %s", strings.Join(told, ", ")).
		advise(Warn, "have a worker serve it: lanes.NAME in its configuration for a lane, endpoints.NAME with its key for an endpoint; or cancel them: `enqueue cancel --all --lane NAME`")}
}

// InspectBlobs looks at the blob store at an address, "" for none. Inspect asks it, and
// says whether the installation has blobs there already.
func InspectBlobs(ctx context.Context, address string, inspect func(context.Context) (begun bool, err error)) Finding {
	if address == "" {
		return ok(checkBlobs, "none: Redis keeps everything")
	}
	begun, err := inspect(ctx)
	switch {
	case err != nil && !begun && errors.Is(err, fs.ErrNotExist):
		return ok(checkBlobs, "%s is not there yet; the first worker or job makes it", address)
	case err != nil:
		return ok(checkBlobs, "%s: %v", address, err).
			advise(Fail, "correct blobs.url and its credentials, or bring it back: large requests are refused, and large results wait")
	}
	return ok(checkBlobs, "%s takes, gives back and deletes", address)
}

const checkBlobs = "blob store"
