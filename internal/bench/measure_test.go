package bench_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// process is a running process, as the kernel tells of it.
type process int

// itself is the process of the benchmark.
func itself() process { return process(os.Getpid()) }

// resident is its memory.
func (p process) resident(b *testing.B) int64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		b.Fatal(err)
	}
	return number(b, string(raw), "VmRSS:") << 10
}

// cpu is the time that it has had on any processor. The kernel counts it in
// hundredths of a second.
func (p process) cpu(b *testing.B) time.Duration {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// meter measures what some processes use.
type meter struct {
	processes []process
	before    []time.Duration
}

func newMeter(b *testing.B, processes ...process) *meter {
	b.Helper()
	m := &meter{processes: processes}
	for _, p := range processes {
		m.before = append(m.before, p.cpu(b))
	}
	return m
}

// used is how much time each has had since the meter was made.
func (m *meter) used(b *testing.B) []time.Duration {
	b.Helper()
	used := make([]time.Duration, len(m.processes))
	for i, p := range m.processes {
		used[i] = p.cpu(b) - m.before[i]
	}
	return used
}

// each is a share of a time, in whole microseconds.
func each(d time.Duration, n int) string { return fmt.Sprintf("%d µs", d.Microseconds()/int64(n)) }

func sum(list []time.Duration) time.Duration {
	var all time.Duration
	for _, d := range list {
		all += d
	}
	return all
}

// info is a number that Redis tells of itself.
func (g ground) info(b *testing.B, section, field string) int64 {
	b.Helper()
	text, err := g.rdb.Info(b.Context(), section).Result()
	if err != nil {
		b.Fatal(err)
	}
	return number(b, text, field+":")
}

// number reads the number after a word at the beginning of a line.
func number(b *testing.B, text, word string) int64 {
	b.Helper()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("%s is not told", word)
	return 0
}

func table() *tabwriter.Writer {
	_, _ = fmt.Fprintln(os.Stdout)
	return tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
}

// row writes a line: what, and how much of it, in columns.
func row(w *tabwriter.Writer, what string, columns ...string) {
	_, _ = fmt.Fprintln(w, strings.Join(append([]string{what}, columns...), "\t"))
}
