//go:build chaos

package chaos_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
)

// row is a line of the table at the end.
type row struct {
	order   int
	fault   string
	done    string
	account installation.Account
	note    string
	passed  bool
	took    time.Duration
}

// rows are what the tests of this run have to tell.
type rows struct {
	mu     sync.Mutex
	rows   []row
	beside []string
}

// compare puts a line below the table, for what is measured beside Longhaul.
func (r *rows) compare(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beside = append(r.beside, fmt.Sprintf(format, args...))
}

var table rows

// tell puts a row into the table when the test ends. What it returns is for the
// test to fill in.
func tell(t *testing.T, order int, fault, done string) *row {
	t.Helper()
	r := &row{order: order, fault: fault, done: done}
	started := time.Now()
	t.Cleanup(func() {
		r.passed, r.took = !t.Failed(), time.Since(started)
		table.mu.Lock()
		defer table.mu.Unlock()
		table.rows = append(table.rows, *r)
		fmt.Printf("%s  %-7s %s: %s (%.0f s)\n", time.Now().Format("15:04:05"), r.result(), r.fault, r.done, r.took.Seconds())
	})
	return r
}

// add adds what another comparison found, and fails the test with its problems.
func (r *row) add(t *testing.T, a installation.Account) {
	t.Helper()
	for _, problem := range a.Problems {
		t.Error(problem)
	}
	r.account.Jobs += a.Jobs
	r.account.Succeeded += a.Succeeded
	r.account.Creates += a.Creates
	r.account.Resubmissions += a.Resubmissions
	r.account.NeverArrived += a.NeverArrived
	r.account.Unknown += a.Unknown
	r.account.PaidTwice += a.PaidTwice
}

func (r *row) result() string {
	if r.passed {
		return "holds"
	}
	return "BROKEN"
}

func (r *rows) print(w io.Writer, took time.Duration, passed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.rows, func(a, b row) int { return a.order - b.order })
	_, _ = fmt.Fprintf(w, "\nseed %d\n\n", seed)
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(out, "| fault\t| what was done\t| jobs\t| creates\t| resubmitted\t| never arrived\t| unknown\t| result\t| s\t| beside\t|")
	_, _ = fmt.Fprintln(out, "| ---\t| ---\t| ---:\t| ---:\t| ---:\t| ---:\t| ---:\t| ---\t| ---:\t| ---\t|")
	for _, r := range r.rows {
		a := r.account
		_, _ = fmt.Fprintf(out, "| %s\t| %s\t| %d\t| %d\t| %d\t| %d\t| %d\t| %s\t| %.0f\t| %s\t|\n", r.fault, r.done,
			a.Jobs, a.Creates, a.Resubmissions, a.NeverArrived, a.Unknown, r.result(), r.took.Seconds(), r.note)
	}
	_ = out.Flush()
	slices.Sort(r.beside)
	for i, line := range r.beside {
		_, _ = fmt.Fprintf(w, "%s%s\n", strings.Repeat("\n", max(0, 1-i)), line)
	}
	verdict := "every row holds"
	if !passed {
		verdict = "NOT every row holds"
	}
	_, _ = fmt.Fprintf(w, "\n%s; %s in all\n", verdict, took.Round(time.Second))
}
