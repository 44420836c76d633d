package client

import (
	"context"
	"iter"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// watchPage is how many events are read at once.
const watchPage = 500

// Watch follows the progress of a job that was submitted with [jobs.Options].Stream:
// each event behind the given place once and in order, as it comes, until the job has
// ended or is held for a person, whatever becomes of the workers meanwhile. The zero
// place is the beginning.
// [Client.Get] and [Client.Text] then have the end.
//
// An event of a later attempt begins the answer anew. Of a long answer only the latest
// events are kept, so the first one that comes need not be the first that there was;
// and what a provider does not stream is missing: the stored text is the answer, and
// its progress is a preview.
//
// An error ends it: [results.ErrNotFound], one of Redis, or the cause of ctx's end.
// Who goes on then does so from the place of the last event.
func (c *Client) Watch(ctx context.Context, id jobs.ID, after jobs.Place) iter.Seq2[jobs.Progress, error] {
	return func(yield func(jobs.Progress, error) bool) {
		const first, most = 50 * time.Millisecond, 500 * time.Millisecond
		for pause := first; ; pause = min(pause*3/2, most) {
			// In this order: what comes before the end is there when the end is.
			j, err := heeding(ctx, func() (jobs.Job, error) { return c.store.Load(ctx, id) })
			if err != nil {
				yield(jobs.Progress{}, err)
				return
			}
			for more := true; more; {
				place := after
				events, err := heeding(ctx, func() ([]jobs.Progress, error) { return c.store.Progress(ctx, id, place, watchPage) })
				if err != nil {
					yield(jobs.Progress{}, err)
					return
				}
				for _, p := range events {
					if !yield(p, nil) {
						return
					}
					after, pause = p.Place, first
				}
				more = len(events) == watchPage
			}
			if j.State.Terminal() || j.Held() {
				return
			}
			if err := sleep(ctx, pause); err != nil {
				yield(jobs.Progress{}, err)
				return
			}
		}
	}
}
