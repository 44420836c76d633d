package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// collector reads what the store holds when it is asked for metrics. Every
// worker tells the same numbers: they are the installation's.
type collector struct {
	store    *results.Store
	tasks    *queue.Client
	jobs     *prometheus.Desc
	due      *prometheus.Desc
	oldest   *prometheus.Desc
	unserved *prometheus.Desc
	up       *prometheus.Desc
}

// What a job can wait for at an endpoint.
const (
	debtLook   = "look"
	debtEffect = "effect"
)

func newCollector(store *results.Store, tasks *queue.Client) *collector {
	return &collector{
		tasks:    tasks,
		store:    store,
		jobs:     prometheus.NewDesc("longhaul_jobs", "Jobs kept by the installation, by state.", []string{"state"}, nil),
		due:      prometheus.NewDesc("longhaul_due_jobs", "Jobs of the installation that are owed a look, a submit or an effect, now or later.", nil, nil),
		oldest:   prometheus.NewDesc("longhaul_due_oldest_seconds", "How long the oldest overdue entry has been due; grows when looks or submits do not keep up.", nil, nil),
		unserved: prometheus.NewDesc("longhaul_unserved_jobs", "Jobs of the installation that cannot go on because no worker serves the endpoint of a response, by endpoint and by what they wait for.", []string{"endpoint", "debt"}, nil),
		up:       prometheus.NewDesc("longhaul_redis_up", "Whether Redis answered this scrape.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.jobs
	ch <- c.due
	ch <- c.oldest
	ch <- c.unserved
	ch <- c.up
}

// Collect implements [prometheus.Collector]. While Redis does not answer, only
// longhaul_redis_up is told, and the rest of the scrape stays whole.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := c.store.Counts(ctx, "")
	backlog, err2 := c.store.Backlog(ctx)
	endpoints, err3 := c.store.Endpoints(ctx)
	if err != nil || err2 != nil || err3 != nil {
		ch <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 0)
		return
	}
	ch <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 1)
	for _, state := range jobs.States() {
		ch <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
	ch <- prometheus.MustNewConstMetric(c.due, prometheus.GaugeValue, float64(backlog.Due))
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, float64(backlog.OldestMilliseconds)/1000)
	for _, use := range endpoints {
		looks, effects := 0, 0
		var unknown error
		if !use.Served {
			looks = int(use.Running)
			effects, unknown = c.tasks.Waiting(use.Name)
		}
		ch <- prometheus.MustNewConstMetric(c.unserved, prometheus.GaugeValue, float64(looks), use.Name, debtLook)
		if unknown == nil {
			ch <- prometheus.MustNewConstMetric(c.unserved, prometheus.GaugeValue, float64(effects), use.Name, debtEffect)
		}
	}
}
