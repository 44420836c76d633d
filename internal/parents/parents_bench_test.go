package parents_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/parents"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// BenchmarkSteps measures the steps of a parent of 2,000 parts of 20 kB: the one that
// accepts them, one that finds all of them there, and what the end of a part costs.
func BenchmarkSteps(b *testing.B) {
	const n = 2000
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(i, " ", strings.Repeat("the harbour was rebuilt ", 850))
	}
	for b.Loop() {
		s := newShop(b)
		j := s.submit(treeRequest{Texts: texts}, jobs.Options{})
		runner := s.runner(s.Store, s.config())
		step := func(name string) {
			claimed, err := s.ClaimPlans(b.Context(), jobs.ParentKinds(), 1, time.Minute)
			if err != nil || len(claimed) != 1 {
				b.Fatalf("claimed %v, %v", claimed, err)
			}
			began := time.Now()
			parents.Handle(b.Context(), runner, claimed[0])
			b.ReportMetric(float64(time.Since(began).Milliseconds()), name+"-ms/op")
		}
		step("accept")
		open, err := s.OpenParts(b.Context(), j.ID)
		if err != nil || len(open) != n {
			b.Fatalf("%d open, %v", len(open), err)
		}
		s.advance(2 * time.Minute)
		step("ask")
		began := time.Now()
		for _, id := range open[1:] {
			if _, err := s.PartsEnded(b.Context(), j.ID, []jobs.ID{id}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/n, "end-µs/op")
		if _, err := s.PartsEnded(b.Context(), j.ID, open[:1]); err != nil { // although none of them has: it is planned again
			b.Fatal(err)
		}
		s.advance(time.Second)
		step("again")
		began = time.Now()
		if found, err := s.Jobs(b.Context(), open); err != nil || len(found) != n {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "list-ms/op")
	}
}
