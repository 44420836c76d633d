package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"
)

// watchEvery is how often a folder is looked at. A file that has changed is left alone
// until it looks the same twice, so that what is still being written is not read. Files
// are looked at rather than waited for: that works on every file system, and ten
// thousand of them take some hundredths of a second.
const watchEvery = 2 * time.Second

// stamp is what tells that a file has changed.
type stamp struct {
	bytes    int64
	modified time.Time
}

// keepWatching goes on with files that come or change, until ctx ends. seen is what
// the first pass went by, and before how it ended.
func (r *summarizeRun) keepWatching(ctx context.Context, args []string, found inputs, seen map[string]stamp, before error) error {
	local := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return scheme(arg) != "" })
	if before != nil && !errors.Is(before, errReported) {
		return before
	}
	elsewhere := found.elsewhere()
	r.console.say("watching %s; an interrupt ends it", plural(len(local), "path", "paths"))
	for last := seen; ; {
		if err := sleep(ctx, watchEvery); err != nil {
			r.console.say("stopped watching")
			return before
		}
		now, err := r.inputs.gather(ctx, local)
		if err != nil {
			return r.stopped(ctx, err, "the same command")
		}
		looks := stamps(now)
		if maps.Equal(looks, seen) || !maps.Equal(looks, last) {
			last = looks
			continue
		}
		changed := now.without(func(path string) bool {
			entry, _ := r.folder.Entry(path) // a spent budget leaves some open, and may be raised by hand
			return looks[path] == seen[path] && !entry.Status.Open()
		})
		all := now.and(elsewhere)
		all.gone = slices.DeleteFunc(slices.Collect(maps.Keys(seen)), func(path string) bool { return looks[path] != stamp{} })
		seen, last = looks, looks
		if changed.count() == 0 && (!r.across || len(all.gone) == 0) && len(r.mended(all)) == 0 {
			// The summaries of what was removed stay, and the pages say so.
			if err := errors.Join(r.markGone(all), r.writePages(ctx)); err != nil {
				return r.noRoom(err)
			}
			continue
		}
		if before = r.pass(ctx, changed, all); before != nil && !errors.Is(before, errReported) {
			return before
		}
	}
}

// stamps looks at files, also at those that are no documents because something is wrong
// with them. One that is not there looks like one that never was: it is no news.
func stamps(found inputs) map[string]stamp {
	all := make(map[string]stamp, found.count())
	for _, d := range found.documents {
		all[d.Path] = stampOf(d.OnDisk())
	}
	for _, f := range found.failed {
		all[f.Path] = stampOf(f.OnDisk())
	}
	maps.DeleteFunc(all, func(_ string, s stamp) bool { return s == stamp{} })
	return all
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{} // it is going, or no file
	}
	return stamp{info.Size(), info.ModTime()}
}
