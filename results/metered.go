package results

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The operations of a blob store, and how they may come out, in the metrics.
const (
	blobPut    = "put"
	blobGet    = "get"
	blobDelete = "delete"
	blobList   = "list"

	blobOK      = "ok"
	blobMissing = "missing"
	blobRefused = "refused"
	blobAway    = "away"
)

// blobMetrics count what is done with the blob store.
type blobMetrics struct {
	operations *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	duration   *prometheus.HistogramVec
}

func newBlobMetrics() blobMetrics {
	m := blobMetrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "blob_operations_total",
			Help: "Operations on the blob store, by operation and outcome.",
		}, []string{"op", "outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "blob_bytes_total",
			Help: "Bytes written to the blob store and read from it, by operation.",
		}, []string{"op"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "blob_duration_seconds",
			Help:                        "Time that an operation on the blob store took.",
			Buckets:                     []float64{.005, .02, .1, .5, 2, 10, 30},
			NativeHistogramBucketFactor: 1.1,
		}, []string{"op"}),
	}
	for _, op := range []string{blobPut, blobGet, blobDelete, blobList} {
		for _, outcome := range []string{blobOK, blobMissing, blobRefused, blobAway} {
			m.operations.WithLabelValues(op, outcome)
		}
		m.duration.WithLabelValues(op)
	}
	m.bytes.WithLabelValues(blobPut)
	m.bytes.WithLabelValues(blobGet)
	return m
}

// metered is a blob store whose operations are counted.
type metered struct {
	blobs   Blobs
	metrics blobMetrics
}

func (s *Store) metered() metered { return metered{s.config.Blobs, s.metrics.blobs} }

func (m metered) Put(ctx context.Context, key string, value []byte) error {
	started := time.Now()
	err := m.blobs.Put(ctx, key, value)
	m.observe(blobPut, started, len(value), err)
	return err
}

func (m metered) Get(ctx context.Context, key string) ([]byte, error) {
	started := time.Now()
	value, err := m.blobs.Get(ctx, key)
	m.observe(blobGet, started, len(value), err)
	return value, err
}

func (m metered) Delete(ctx context.Context, folder string) error {
	started := time.Now()
	err := m.blobs.Delete(ctx, folder)
	m.observe(blobDelete, started, 0, err)
	return err
}

func (m metered) Walk(ctx context.Context, folder, after string, visit func(key string, modified time.Time) bool) error {
	started := time.Now()
	err := m.blobs.Walk(ctx, folder, after, visit)
	m.observe(blobList, started, 0, err)
	return err
}

func (m metered) observe(op string, started time.Time, bytes int, err error) {
	m.metrics.duration.WithLabelValues(op).Observe(time.Since(started).Seconds())
	outcome := blobAway
	switch class := jobs.ClassOf(err); {
	case err == nil:
		outcome = blobOK
		if bytes > 0 {
			m.metrics.bytes.WithLabelValues(op).Add(float64(bytes))
		}
	case errors.Is(err, fs.ErrNotExist):
		outcome = blobMissing
	case class == jobs.ClassInvalid, class == jobs.ClassUnauthorized:
		outcome = blobRefused
	}
	m.metrics.operations.WithLabelValues(op, outcome).Inc()
}
