package installation

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/results"
)

// Metric reads a series of a worker, by its name and labels as the text format
// has them; 0 if it is not there.
func Metric(tb testing.TB, addr, series string) float64 {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			value, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				tb.Fatalf("%s: %v", series, err)
			}
			return value
		}
	}
	return 0
}

// Status is what a worker's HTTP side answers on a path, 0 if it does not.
func Status(tb testing.TB, addr, path string) int {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// WaitStatus waits until a worker's HTTP side answers so.
func WaitStatus(tb testing.TB, addr, path string, want int) {
	tb.Helper()
	got := 0
	for range 600 {
		if got = Status(tb, addr, path); got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	tb.Fatalf("%s answers %d, want %d", path, got, want)
}

// WaitMetric waits until a series of a worker has the value.
func (in *Installation) WaitMetric(addr, series string, want float64) {
	in.tb.Helper()
	got := 0.
	for range 600 {
		if got = Metric(in.tb, addr, series); got == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	in.tb.Fatalf("%s is %v, want %v", series, got, want)
}

// WaitAttempts waits until each of n jobs has been attempted that many times, the
// attempts that are told as one included.
func (in *Installation) WaitAttempts(n, times int) {
	in.tb.Helper()
	for range 1800 {
		all := in.All(results.Filter{})
		made := 0
		for _, j := range all {
			if j.NextAttempt() > times {
				made++
			}
		}
		if made >= n {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	in.tb.Fatalf("%d jobs were never attempted %d times", n, times)
}
