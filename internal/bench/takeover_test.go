package bench_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// BenchmarkTakeover kills one of two workers in the midst of 5,000 jobs, with
// default settings, and measures how long what it had in hand lies there.
func BenchmarkTakeover(b *testing.B) {
	const n = 5000
	for b.Loop() {
		g := newGround(b, time.Second, 30*time.Second)
		victim := g.worker(b)
		g.worker(b)
		time.Sleep(9 * time.Second) // until they judge each other
		g.SubmitMany(n, body, jobs.Options{})
		g.WaitCount(jobs.StateRunning, n/4)
		victim.Kill()
		killed := time.Now()
		looks, debts := g.orphans(b, killed)
		for found := looks + debts; found > 0; {
			time.Sleep(50 * time.Millisecond)
			l, d := g.orphans(b, killed)
			found = l + d
		}
		took := time.Since(killed)
		g.succeeded(b, n)
		b.ReportMetric(took.Seconds(), "takeover-s")
		w := table()
		row(w, "a worker is killed, default settings")
		row(w, "  looks, submits and intents that were its own or in the queue", strconv.FormatInt(looks+debts, 10))
		row(w, "  from the kill to the last that moved on", fmt.Sprintf("%.1f s", took.Seconds()))
		_ = w.Flush()
		summary.tell("from a kill to the last orphan moved on", fmt.Sprintf("%.1f s", took.Seconds()), "under 20 s", fmt.Sprintf("%d orphans", looks+debts))
	}
}

// BenchmarkIdle measures what a worker without work asks of Redis.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		g := newGround(b, time.Second, time.Second)
		worker := process(g.worker(b).PID())
		time.Sleep(5 * time.Second)
		const watched = 20 * time.Second
		before, m := g.calls(b), newMeter(b, worker, g.redis(b))
		time.Sleep(watched)
		calls, used := float64(g.calls(b)-before)/watched.Seconds(), m.used(b)
		b.ReportMetric(calls, "commands/s")
		w := table()
		row(w, "a worker without work")
		row(w, "  commands that it sends to Redis, as scripts", fmt.Sprintf("%.0f/s", calls))
		row(w, "  processor of the worker, of Redis", fmt.Sprintf("%.1f %%", 100*used[0].Seconds()/watched.Seconds()),
			fmt.Sprintf("%.1f %%", 100*used[1].Seconds()/watched.Seconds()))
		_ = w.Flush()
		summary.tell("commands of a worker without work", fmt.Sprintf("%.0f/s", calls), "",
			fmt.Sprintf("%.1f %% of a processor, Redis %.1f %%", 100*used[0].Seconds()/watched.Seconds(), 100*used[1].Seconds()/watched.Seconds()))
	}
}

// calls is how many commands clients have sent: those within scripts are not.
func (g ground) calls(b *testing.B) int64 {
	b.Helper()
	text, err := g.rdb.Info(b.Context(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	return number(b, strings.ReplaceAll(text, ",", " "), "cmdstat_evalsha:calls=")
}

// orphans counts what was in some worker's hand or in a queue at that time and is so
// still: looks that were claimed, and submits and intents.
func (g ground) orphans(b *testing.B, at time.Time) (looks, debts int64) {
	b.Helper()
	defaults, err := config.Load(config.Sources{Environ: []string{}})
	if err != nil {
		b.Fatal(err)
	}
	kill, until := strconv.FormatInt(at.UnixMilli(), 10), strconv.FormatInt(at.Add(defaults.Poll.Lease).UnixMilli(), 10)
	var claimed []*redis.ZSliceCmd
	var counts []*redis.IntCmd
	var intents []*redis.StringSliceCmd
	_, err = g.rdb.Pipelined(b.Context(), func(p redis.Pipeliner) error {
		for shard := range g.Store.Shards() {
			base := fmt.Sprintf("longhaul:{s%02x}:", shard)
			claimed = append(claimed, p.ZRangeByScoreWithScores(b.Context(), base+"looks:default", &redis.ZRangeBy{
				Min: kill, Max: until,
			}))
			counts = append(counts, p.ZCount(b.Context(), base+"admitted:default", "-inf", kill))
			intents = append(intents, p.ZRange(b.Context(), base+"list:submitting:response:default", 0, -1))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := range claimed {
		for _, z := range claimed[i].Val() {
			if z.Score != math.Floor(z.Score) { // a lease has a fraction
				looks++
			}
		}
		debts += counts[i].Val()
		for _, id := range intents[i].Val() {
			j, err := g.Client.Get(b.Context(), jobs.ID(id))
			if err != nil {
				b.Fatal(err)
			}
			if a, ok := j.CurrentAttempt(); ok && j.State == jobs.StateSubmitting && a.Started.Before(at) {
				debts++
			}
		}
	}
	return looks, debts
}
