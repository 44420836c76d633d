package summarize_test

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// largeText returns prose of a size, in lines or in one.
func largeText(size int, separator string) string {
	random := rand.New(rand.NewPCG(1, 2))
	some := strings.Join(prose(random, 4_000), separator)
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		// Each round begins elsewhere, so that no two parts are the same.
		b.WriteString(some[i*977%len(some)/2:])
		b.WriteString(separator)
	}
	return b.String()[:size]
}

// peak runs f and returns the most memory that the heap held meanwhile, beyond what it held before.
func peak(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	done, most := make(chan struct{}), make(chan uint64)
	go func() {
		top := uint64(0)
		for {
			metrics.Read(sample)
			top = max(top, sample[0].Value.Uint64())
			select {
			case <-done:
				most <- top
				return
			default:
				time.Sleep(5 * time.Millisecond)
			}
		}
	}()
	f()
	close(done)
	return max(<-most, before) - before
}

// Preparing a document counts all of its tokens; planning does not.
func BenchmarkLargeDocument(b *testing.B) {
	const size = 40 << 20
	for name, text := range map[string]string{
		"paragraphs": largeText(size, "\n\n"),
		"one line":   largeText(size, " "),
		"letters":    strings.Repeat("a", size),
	} {
		doc := summarize.Document{Path: "a.txt", Kind: summarize.KindText, Sections: []summarize.Section{{Text: text}}}
		preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1"})
		if err != nil {
			b.Fatal(err)
		}
		var prepared summarize.Prepared
		b.Run(name+"/prepare", func(b *testing.B) {
			b.SetBytes(size)
			var most uint64
			for b.Loop() {
				most = max(most, peak(func() {
					if prepared, err = preparer.Document(doc); err != nil {
						b.Fatal(err)
					}
				}))
			}
			b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
		})
		var next jobs.Next
		b.Run(name+"/plan", func(b *testing.B) {
			b.SetBytes(size)
			var most uint64
			for b.Loop() {
				most = max(most, peak(func() {
					if next, err = (summarize.Planner{}).Next(prepared.Request, nil); err != nil {
						b.Fatal(err)
					}
				}))
			}
			b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(len(next.Parts)), "parts")
		})
		ends := make([]jobs.PartEnd, len(next.Parts))
		for i, part := range next.Parts {
			end, _ := quoting(part)
			ends[i] = end
		}
		next = jobs.Next{}
		b.Run(name+"/merge", func(b *testing.B) {
			b.SetBytes(size)
			var most uint64
			for b.Loop() {
				most = max(most, peak(func() {
					if _, err := (summarize.Planner{}).Next(prepared.Request, [][]jobs.PartEnd{ends}); err != nil {
						b.Fatal(err)
					}
				}))
			}
			b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
		})
	}
}
