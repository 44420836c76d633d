package responses

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// outcomeOK is the outcome of a request that brought what was asked for; every
// other outcome is the class of its failure.
const outcomeOK = "ok"

// metrics count the HTTP requests to one endpoint.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// newMetrics registers the metrics of an endpoint, with its name as a label.
func newMetrics(registerer prometheus.Registerer, endpoint string) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "responses", Name: "requests_total",
			Help: "HTTP requests to the endpoint by operation and outcome: ok, or the class of the failure.",
		}, []string{"op", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "longhaul", Subsystem: "responses", Name: "request_duration_seconds",
			Help: "How long an HTTP request to the endpoint took, up to the last byte of the answer.",
			// A look takes a tenth of a second; a create that is held, minutes.
			Buckets:                         []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"op"}),
	}
	registerer = prometheus.WrapRegistererWith(prometheus.Labels{"endpoint": endpoint}, registerer)
	for _, collector := range []prometheus.Collector{m.requests, m.duration} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics of endpoint %s: %w", endpoint, err)
		}
	}
	for _, op := range operations() {
		m.duration.WithLabelValues(string(op))
		m.requests.WithLabelValues(string(op), outcomeOK)
		for _, class := range jobs.Classes() {
			m.requests.WithLabelValues(string(op), string(class))
		}
	}
	return m, nil
}

// observe counts one request.
func (m *metrics) observe(op operation, outcome string, elapsed time.Duration) {
	m.requests.WithLabelValues(string(op), outcome).Inc()
	m.duration.WithLabelValues(string(op)).Observe(elapsed.Seconds())
}
