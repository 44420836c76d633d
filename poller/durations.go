package poller

import (
	"math"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Durations are kept in buckets whose bounds grow by a quarter of an octave, from
// a quarter of a second to three days: one bucket is a fifth of its duration wide,
// whether that is seconds or hours.
const (
	perOctave     = 4
	shortest      = 250 * time.Millisecond
	buckets       = 80
	longestBucket = buckets - 1
)

// Memory is how many ends a distribution remembers: once it holds as many, each of
// them counts half, so that it follows what changes.
const Memory = 1024

// enoughEnds is how many ends a distribution must hold before looks go by it.
const enoughEnds = 24

// Sort is what responses have in common that take about as long.
type Sort struct {
	Kind   jobs.Kind
	Model  string
	Effort string
}

// SortOf is the sort of a job's responses.
func SortOf(j jobs.Job) Sort { return Sort{Kind: j.Kind, Model: j.Model, Effort: j.Effort} }

// Histogram counts ends by the bucket of their duration. The zero value is empty.
type Histogram struct {
	counts [buckets]float64
	total  float64
}

// Bucket is the number of the bucket that a duration falls into.
func Bucket(d time.Duration) int {
	if d <= shortest {
		return 0
	}
	return min(int(perOctave*math.Log2(float64(d)/float64(shortest)))+1, longestBucket)
}

// bounds are where a bucket begins and ends, in seconds.
func bounds(bucket int) (from, to float64) {
	if bucket > 0 {
		from = shortest.Seconds() * math.Exp2(float64(bucket-1)/perOctave)
	}
	return from, shortest.Seconds() * math.Exp2(float64(bucket)/perOctave)
}

// Add counts ends in a bucket; a bucket that does not exist is left out.
func (h *Histogram) Add(bucket int, ends float64) {
	if bucket < 0 || bucket >= buckets || !(ends > 0) {
		return
	}
	h.counts[bucket] += ends
	h.total += ends
}

// Observe counts one end, and forgets as the store does.
func (h *Histogram) Observe(d time.Duration) {
	h.Add(Bucket(d), 1)
	if h.total < Memory {
		return
	}
	for i := range h.counts {
		h.counts[i] /= 2
	}
	h.total /= 2
}

// merge adds another histogram.
func (h *Histogram) merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// Enough reports whether looks can go by it.
func (h *Histogram) Enough() bool { return h.total >= enoughEnds }
