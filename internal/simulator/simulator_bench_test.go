package simulator_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// discard is a response writer that keeps nothing but the first bytes.
type discard struct {
	header http.Header
	first  []byte
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	if len(d.first) == 0 {
		d.first = append(d.first, p[:min(len(p), 80)]...)
	}
	return len(p), nil
}

// id is the response id in what was written.
func (d *discard) id() string {
	_, rest, _ := bytes.Cut(d.first, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

// benchRequest is a create as a worker sends it.
const benchRequest = `{"model":"gpt-4.1","input":"Which rivers flow into the Black Sea?","background":true,"store":true,"metadata":{"longhaul_job":"j_0123456789abcdef","longhaul_attempt":"1"}}`

// serve sends one request to the handler alone.
func serve(handler http.Handler, method, path, body string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header["Authorization"] = []string{"Bearer k"}
	r.Header["Content-Type"] = []string{"application/json"}
	w := &discard{header: make(http.Header)}
	handler.ServeHTTP(w, r)
	return w.id()
}

// BenchmarkCreateAndGet measures the handler: one operation is a background create and one
// retrieval.
func BenchmarkCreateAndGet(b *testing.B) {
	sim := newSimulator(b, simulator.Config{Retention: 10_000})
	b.ReportAllocs()
	for b.Loop() {
		id := serve(sim, "POST", "/v1/responses", benchRequest)
		serve(sim, "GET", "/v1/responses/"+id, "")
	}
	b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// BenchmarkCreateAndGetOverTCP measures the same through a server and a client that share the
// machine.
func BenchmarkCreateAndGetOverTCP(b *testing.B) {
	sim := newSimulator(b, simulator.Config{Retention: 10_000})
	server := httptest.NewServer(sim)
	defer server.Close()
	client := server.Client()
	client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	send := func(method, url, body string) string {
		r, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer k")
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		w := &discard{}
		if _, err := io.Copy(w, response.Body); err != nil {
			b.Fatal(err)
		}
		_ = response.Body.Close()
		return w.id()
	}
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := send("POST", server.URL+"/v1/responses", benchRequest)
			send("GET", server.URL+"/v1/responses/"+id, "")
		}
	})
	b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// BenchmarkInFlight measures what a response in flight costs in memory, with and without somebody
// who is going to be told of its end.
func BenchmarkInFlight(b *testing.B) {
	for name, config := range map[string]simulator.Config{
		"untold": {Running: time.Hour},
		"told":   {Running: time.Hour, Webhooks: []simulator.Webhook{{URL: "http://127.0.0.1:1/", Secrets: []string{secretA}}}},
	} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			sim := newSimulator(b, config)
			n := 0
			for b.Loop() {
				n++
				serve(sim, "POST", "/v1/responses", strings.Replace(benchRequest, "j_0", fmt.Sprint("j_", n), 1))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/response")
			runtime.KeepAlive(sim)
		})
	}
}

// BenchmarkSummary measures the stand-in model with documents of several sizes.
func BenchmarkSummary(b *testing.B) {
	article := readArticle(b)
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 4 << 20} {
		document := strings.Repeat(article, size/len(article)+1)[:size]
		body := `{"model":"gpt-4.1","input":` + fmt.Sprintf("%q", document) + `}`
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			sim := newSimulator(b, simulator.Config{Retention: 10})
			b.SetBytes(int64(size))
			for b.Loop() {
				serve(sim, "POST", "/v1/responses", body)
			}
		})
	}
}

// BenchmarkLedger measures a snapshot with a hundred thousand entries.
func BenchmarkLedger(b *testing.B) {
	sim := newSimulator(b, simulator.Config{})
	for range 100_000 {
		serve(sim, "POST", "/v1/responses", benchRequest)
	}
	for b.Loop() {
		if got := len(sim.Ledger().Entries); got != 100_000 {
			b.Fatalf("%d entries", got)
		}
	}
}
