package results_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func ofLedger(key string) bool {
	_, rest, _ := strings.Cut(key, "}:")
	return strings.HasPrefix(rest, "ledger:") || strings.HasPrefix(rest, "sums:")
}

// expectLedger adds to want a line for each attempt on record that has ended and was
// or may have been accepted, the lines of jobs that are gone as they are, and the sums
// of the lines.
func (h *harness) expectLedger(want, got keyspace) {
	h.t.Helper()
	put := func(key, field, value string) {
		if want[key] == nil {
			want[key] = map[string]string{}
		}
		want[key][field] = value
	}
	for key, fields := range got {
		base, day, ok := strings.Cut(key, "ledger:")
		for try, line := range fields {
			id, _, _ := strings.Cut(try, "/")
			if _, there := got[base+"job:"+id]; ok && !there {
				put(base+"ledger:"+day, try, line)
			}
		}
		base, id, ok := strings.Cut(key, "job:")
		if !ok || strings.Contains(key, "{workers}") {
			continue
		}
		for _, a := range h.load(jobs.ID(id)).Attempts {
			if a.Outcome != "" && a.Charged() != a.Billed() {
				h.t.Fatalf("attempt %d of %s is %s and billed %+v", a.Number, id, a.Outcome, a.Bill)
			}
			if a.Bill == nil {
				continue
			}
			try, ledger := fmt.Sprintf("%s/%d", id, a.Number), base+"ledger:"+a.Bill.At.Format("2006-01-02")
			line := got[ledger][try]
			if !strings.Contains(line, string(a.Bill.Outcome)) || a.Bill.Response != "" && strings.Count(line, a.Bill.Response) != 1 {
				h.t.Fatalf("the line of attempt %d of %s, billed %+v, is %q", a.Number, id, a.Bill, line)
			}
			put(ledger, try, line)
		}
	}
	for key, lines := range want {
		base, day, ok := strings.Cut(key, "ledger:")
		if !ok {
			continue
		}
		for _, line := range lines {
			parts := strings.Split(line, "\n")
			put(base+"sums:"+day, parts[0], plus(want[base+"sums:"+day][parts[0]], parts[1]))
		}
	}
}

// plus adds two rows of numbers; "" is a row of zeros.
func plus(a, b string) string {
	if a == "" {
		return b
	}
	sums, more := strings.Split(a, ","), strings.Split(b, ",")
	for i := range sums {
		x, _ := strconv.ParseInt(sums[i], 10, 64)
		y, _ := strconv.ParseInt(more[i], 10, 64)
		sums[i] = strconv.FormatInt(x+y, 10)
	}
	return strings.Join(sums, ",")
}
