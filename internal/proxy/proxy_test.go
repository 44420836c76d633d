package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/proxy"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
)

// through opens a proxy to a private server, a client through it, and one beside
// it.
func through(t *testing.T, mark string, n int, at proxy.Moment, act func()) (p *proxy.Redis, inside, beside *redis.Client) {
	t.Helper()
	server := redistest.StartWith(t, redistest.Config{TCP: true})
	p, err := proxy.NewRedis(server.Addr(), mark, n, at, act)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	inside = redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = inside.Close() })
	return p, inside, server.Client(t)
}

func TestRedisPassesEveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t, "marked", 0, proxy.BeforeCommand, nil)
	ctx := t.Context()
	for name, ask := range map[string]func() (any, error){
		"text":    func() (any, error) { return c.Set(ctx, "k", "line\r\nline", 0).Result() },
		"bytes":   func() (any, error) { return c.Get(ctx, "k").Result() },
		"nothing": func() (any, error) { return c.Get(ctx, "none").Result() },
		"number":  func() (any, error) { return c.Incr(ctx, "n").Result() },
		"float":   func() (any, error) { return c.ZAdd(ctx, "z", redis.Z{Score: 1.5, Member: "m"}).Result() },
		"scores":  func() (any, error) { return c.ZRangeWithScores(ctx, "z", 0, -1).Result() },
		"map":     func() (any, error) { return c.HGetAll(ctx, "none").Result() },
		"nested":  func() (any, error) { return c.Do(ctx, "command", "info", "get").Result() },
		"script":  func() (any, error) { return c.Eval(ctx, "return {1, {'two', false}, 'three'}", []string{"k"}).Result() },
		"error":   func() (any, error) { return c.Do(ctx, "no-such-command").Result() },
		"empty":   func() (any, error) { return c.MGet(ctx, "none", "none").Result() },
	} {
		if _, err := ask(); err != nil && !errors.Is(err, redis.Nil) && name != "error" {
			t.Errorf("%s: %v", name, err)
		}
	}
	big := strings.Repeat("x", 3<<20)
	if err := c.Set(ctx, "big", big, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx, "big").Result(); err != nil || got != big {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(big), err)
	}
	if steps := p.Steps(); len(steps) != 0 {
		t.Errorf("counted %q; nothing was marked", steps)
	}
}

func TestRedisPassesMessages(t *testing.T) {
	t.Parallel()
	_, c, beside := through(t, "marked", 0, proxy.BeforeCommand, nil)
	sub := c.Subscribe(t.Context(), "channel")
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := beside.Publish(t.Context(), "channel", i).Err(); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.ReceiveMessage(t.Context()); err != nil || m.Payload != strconv.Itoa(i) {
			t.Errorf("message %v, %v; want %d", m, err, i)
		}
		if err := sub.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// path is what the process under test does: a marked command, one in a pipeline
// between others, and one whose answer alone has the mark.
func path(ctx context.Context, c *redis.Client) error {
	if err := c.Set(ctx, "a", "marked", 0).Err(); err != nil {
		return err
	}
	if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "before", 1, 0)
		p.Set(ctx, "marked", 1, 0)
		p.Set(ctx, "behind", 1, 0)
		return nil
	}); err != nil {
		return err
	}
	if err := c.Get(ctx, "a").Err(); err != nil {
		return err
	}
	return c.Set(ctx, "end", "marked", 0).Err()
}

func TestRedisStopsAtTheNthCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n    int
		at   proxy.Moment
		keys []string
	}{
		{1, proxy.BeforeCommand, nil},
		{1, proxy.BeforeAnswer, []string{"a"}},
		{2, proxy.BeforeCommand, []string{"a", "before"}},
		{2, proxy.BeforeAnswer, []string{"a", "before", "marked"}},
		{3, proxy.BeforeCommand, []string{"a", "before", "behind", "marked"}},
		{3, proxy.BeforeAnswer, []string{"a", "before", "behind", "marked"}},
		{4, proxy.BeforeCommand, []string{"a", "before", "behind", "marked"}},
		{4, proxy.BeforeAnswer, []string{"a", "before", "behind", "end", "marked"}},
		{5, proxy.BeforeCommand, []string{"a", "before", "behind", "end", "marked"}},
	} {
		t.Run(fmt.Sprintf("%d %s", tt.n, tt.at), func(t *testing.T) {
			t.Parallel()
			var acted atomic.Int32
			p, c, beside := through(t, "marked", tt.n, tt.at, func() { acted.Add(1) })
			err := path(t.Context(), c)
			if sprung := tt.n <= 4; (err != nil) != sprung || p.Sprung() != sprung || acted.Load() == 1 != sprung {
				t.Errorf("the process got %v, sprung %v, acted %d times", err, p.Sprung(), acted.Load())
			}
			keys, err := beside.Keys(t.Context(), "*").Result()
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(keys)
			if tt.n == 2 { // what was sent in the same breath may have been carried out as well
				keys = slices.DeleteFunc(keys, func(k string) bool { return k == "behind" })
			}
			if diff := cmp.Diff(tt.keys, keys); len(keys)+len(tt.keys) > 0 && diff != "" {
				t.Errorf("keys on the server (-want +got):\n%s", diff)
			}
			if again := c.Set(t.Context(), "late", 1, 0).Err(); p.Sprung() && again == nil {
				t.Error("a command passed after the trap had sprung")
			}
		})
	}
}

func TestRedisTellsTheSteps(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t, "marked", 0, proxy.BeforeCommand, nil)
	if err := path(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := c.Eval(t.Context(), "return ARGV[1]", []string{"key"}, "marked").Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"set a", "set marked", "get a", "set end", "eval key"}
	if diff := cmp.Diff(want, p.Steps()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestProviderStopsAtTheNthByte(t *testing.T) {
	t.Parallel()
	var whole atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && len(body) == 5 {
			whole.Add(1)
		}
		_, _ = io.WriteString(w, "thank you")
	}))
	t.Cleanup(server.Close)
	exchange := func(direction proxy.Direction, n int) (passed map[proxy.Direction]int, acted, arrived bool, err error) {
		sprung := false
		p, err := proxy.NewProvider(strings.TrimPrefix(server.URL, "http://"), direction, n, func() { sprung = true })
		if err != nil {
			t.Fatal(err)
		}
		before := whole.Load()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr(), strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
		p.Close()
		passed = map[proxy.Direction]int{proxy.Request: p.Passed(proxy.Request), proxy.Answer: p.Passed(proxy.Answer)}
		return passed, sprung, whole.Load() > before, err
	}
	all, acted, arrived, err := exchange(proxy.Request, 0)
	if err != nil || acted || !arrived || all[proxy.Request] < 50 || all[proxy.Answer] < 50 {
		t.Fatalf("without a trap: passed %v, acted %v, arrived %v, %v", all, acted, arrived, err)
	}
	for _, direction := range []proxy.Direction{proxy.Request, proxy.Answer} {
		for _, n := range []int{1, all[direction] / 2, all[direction] - 1} {
			passed, acted, arrived, err := exchange(direction, n)
			if err == nil || !acted || passed[direction] != n || arrived != (direction == proxy.Answer) {
				t.Errorf("%s byte %d: passed %v, acted %v, arrived %v, the process got %v", direction, n, passed, acted, arrived, err)
			}
		}
	}
}
