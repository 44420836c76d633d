//go:build chaos

package chaos_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// enqueue runs the command line to its end.
func enqueue(t *testing.T, in *installation.Installation, args ...string) (code int, said string) {
	t.Helper()
	p := installation.Start(t, []string{"LONGHAUL_REDIS_URL=" + in.RedisURL()}, "enqueue", args...)
	code = p.Wait()
	return code, p.Stdout.String() + p.Stderr.String()
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestManyMegabytes has requests and responses of many megabytes stored, and
// those over the cap refused: a request at the door, a response with its id kept.
//
// Guarantees: G7, G9, G13.
func TestManyMegabytes(t *testing.T) {
	t.Parallel()
	const size = 9 << 20
	r := tell(t, 100, "a request or result of many megabytes", "4 requests of 18 MB, 4 responses of 9 MB; one of each over its cap")
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "300ms")
	image := "data:image/png;base64," + strings.Repeat("A", 2*size)
	long := strings.Repeat("x", size) // comes back in the response
	in.Worker()
	in.Submit(4, `{"input":[{"role":"user","content":[{"type":"input_text","text":"What is it? %d"},`+
		`{"type":"input_image","image_url":"`+image+`"}]}]}`, jobs.Options{})
	in.Submit(4, `{"input":"Document %d. The harbour was rebuilt.","truncation":"auto","instructions":"`+long+`"}`, jobs.Options{})
	ended, a := settle(t, r, in, 8)
	once(t, ended, a)
	large := 0
	for _, j := range ended {
		body, err := in.Client.Response(t.Context(), j.ID)
		if err != nil || len(body) != j.Result.Bytes || !json.Valid(body) {
			t.Errorf("%s: %d bytes are kept of a response of %d, %v", j.ID, len(body), j.Result.Bytes, err)
		}
		if len(body) > size {
			large++
		}
	}
	if large != 4 {
		t.Errorf("%d responses are larger than %d bytes, want 4", large, size)
	}

	over := file(t, "over.json", `{"input":"`+strings.Repeat("x", jobs.DefaultMaxRequestBytes)+`"}`)
	if code, said := enqueue(t, in, "submit", "--request", over); code != 2 || !strings.Contains(said, "bytes") {
		t.Errorf("a request over the cap: exit code %d: %s", code, installation.Tail(said, 300))
	}

	small := in.Apart(t)
	small.Worker("LONGHAUL_JOBS_MAX_RESPONSE_BYTES=1MiB")
	id := small.Submit(1, `{"input":"Document %d. The harbour was rebuilt.","truncation":"auto","instructions":"`+long[:size/4]+`"}`, jobs.Options{})
	j := small.WaitAll(id, time.Minute)[0]
	if j.State != jobs.StateFailed || j.Failure == nil || j.Failure.Class != jobs.ClassOversized || len(j.Attempts) != 1 || j.Attempts[0].ResponseID == "" {
		t.Errorf("a response over the cap: %s, %+v, %+v", j.State, j.Failure, j.Attempts)
	}
	r.add(t, installation.Compare([]jobs.Job{j}, small.LedgerOf(j.ID)))
	r.note = "over the cap: a request is refused by name, a response fails its job with its id kept"
}

// TestMalformedInput hands nonsense of every kind to every door: each answer
// names what is wrong, and nothing is stored.
//
// Guarantee: G13.
func TestMalformedInput(t *testing.T) {
	t.Parallel()
	r := tell(t, 101, "malformed input at every door", "")
	in := installation.New(t)
	doors := 0
	refused := func(door, named string, code int, said string) {
		t.Helper()
		doors++
		if code != 2 || !strings.Contains(said, named) {
			t.Errorf("%s: exit code %d, want 2 and %q named:\n%s", door, code, named, installation.Tail(said, 500))
		}
	}
	pairs := make([]string, 17)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	for body, named := range map[string]string{
		``: "JSON", `{`: "JSON", `[]`: "object", `"text"`: "object", `{"input":`: "JSON", "{\"input\":\"\xff\"}": "UTF-8",
		`{"input":"a","stream":true}`: "stream", `{"input":"a","background":false}`: "background", `{"input":"a","store":false}`: "store",
		`{"input":"a","model":7}`: "model", `{"input":"a","metadata":[]}`: "metadata",
		`{"input":"a","metadata":{` + strings.Join(pairs, ",") + `}}`: "metadata",
		`{"input":"a","metadata":{"longhaul_job":"x"}}`:               "longhaul_job",
		`{"input":"a","input":"b"}`:                                   "input",
	} {
		code, said := enqueue(t, in, "submit", "--request", file(t, "request.json", body))
		refused("enqueue submit of "+body, named, code, said)
	}
	for _, tt := range [][]string{
		{"--priority", "11", "priority"},
		{"--lane", "no name!", "lane"},
		{"--deadline", "soon", "deadline"},
		{"--max-attempts", "1000", "max"},
		{"--uncertain", "perhaps", "uncertain"},
		{"--no-such-flag", "1", "no-such-flag"},
	} {
		code, said := enqueue(t, in, "submit", "--input", "a", tt[0], tt[1])
		refused("enqueue submit "+tt[0], tt[2], code, said)
	}
	for body, named := range map[string]string{
		"{\n": "line 1",
		`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"input":"a"}}`: "url",
		`{"method":"POST","url":"/v1/responses","body":{"input":"a"}}`:                  "custom_id",
		`{"custom_id":"a","method":"POST","url":"/v1/responses","body":[]}`:             "body",
	} {
		code, said := enqueue(t, in, "batch", file(t, "lines.jsonl", body))
		refused("enqueue batch of "+body, named, code, said)
	}
	for _, command := range []string{"get", "cancel", "retry", "delete", "wait"} {
		code, said := enqueue(t, in, command, "no-job")
		refused("enqueue "+command, "no-job", code, said)
	}
	for setting, named := range map[string]string{
		"LONGHAUL_POLL_FLOOR=soon": "poll.floor", "LONGHAUL_REDIS_URL=nowhere": "redis.url", "LONGHAUL_NO_SUCH_KEY=1": "LONGHAUL_NO_SUCH_KEY",
		"LONGHAUL_LANES={": "lanes", "LONGHAUL_HTTP_ADDR=nowhere": "http.addr",
	} {
		p := installation.Start(t, slices.Concat(in.Environ(), []string{setting}), "worker", "run")
		refused("worker with "+setting, named, p.Wait(), p.Stdout.String()+p.Stderr.String())
	}
	addr := installation.FreeAddr(t)
	worker := in.Worker("LONGHAUL_HTTP_ADDR=" + addr)
	for _, path := range []string{"/nowhere", "/v1/responses", "/livez/../../etc/passwd", "/%00"} {
		doors++
		if got := installation.Status(t, addr, path); got < http.StatusBadRequest || got >= http.StatusInternalServerError {
			t.Errorf("GET %s answers %d, want a 4xx", path, got)
		}
	}
	doors++
	if first := garbage(t, addr); !strings.HasPrefix(first, "HTTP/1.1 400") {
		t.Errorf("garbage is answered with %q, want a 400", first)
	}
	if all := in.All(results.Filter{}); len(all) > 0 {
		t.Errorf("%d jobs were stored", len(all))
	}
	if stored := keys(t, in, "*:job:*"); len(stored) > 0 {
		t.Errorf("stored: %v", stored)
	}
	if code := worker.Terminate(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	r.done = fmt.Sprintf("%d kinds of nonsense: requests, options, batch files, ids, settings, HTTP", doors)
	r.note = "each is a usage error or a 4xx that names what is wrong; nothing is stored"
}

// garbage sends what is no HTTP and returns the first line that comes back.
func garbage(t *testing.T, addr string) string {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("\x16\x03\x01\x00\xff nonsense\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 200)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, _ := conn.Read(answer)
	return string(answer[:n])
}
