package bench_test

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
)

// figures are what the benchmarks of a run have found, in their order.
type figures struct {
	mu   sync.Mutex
	rows [][4]string
}

var summary figures

// tell puts a figure into the summary at the end: what it is of, how much it is,
// what it has to be, and what stands beside it.
func (f *figures) tell(what, got, bar, beside string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, [4]string{what, got, bar, beside})
}

// print writes the summary, unless nothing was measured.
func (f *figures) print(out io.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) == 0 {
		return
	}
	_, _ = fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(w, "| all figures of this run\t| measured\t| to be\t| beside\t|")
	_, _ = fmt.Fprintln(w, "| ---\t| ---:\t| ---:\t| ---\t|")
	for _, r := range f.rows {
		_, _ = fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t|\n", r[0], r[1], r[2], r[3])
	}
	_ = w.Flush()
}
