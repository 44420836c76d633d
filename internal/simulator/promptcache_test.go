package simulator_test

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// longText is some 1,700 tokens, of which 13 blocks of 128 are whole.
func longText() string { return strings.Repeat("The river rises in the mountains. ", 200) }

const wholeBlocks = 1664

// read is what a response says of the prompt cache.
type read struct{ input, cached, written, long int }

func readOf(t *testing.T, response object) read {
	t.Helper()
	n := func(path ...any) int {
		if at(response, path...) == nil {
			return 0
		}
		return int(number(t, at(response, path...)))
	}
	return read{
		input: n("usage", "input_tokens"), cached: n("usage", "input_tokens_details", "cached_tokens"),
		written: n("usage", "input_tokens_details", "cache_write_tokens"),
		long:    n("usage", "input_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"),
	}
}

func with(base object, more object) object {
	sum := object{}
	for _, from := range []object{base, more} {
		maps.Copy(sum, from)
	}
	return sum
}

// What a prompt begins with is read from the cache if a model has read the same before:
// for the same key, soon enough, and long enough.
func TestPromptCache(t *testing.T) {
	base := object{"model": "gpt-4.1", "instructions": longText(), "input": "One?", "prompt_cache_key": "k"}
	for _, tt := range []struct {
		name   string
		first  object
		wait   time.Duration
		second object
		cached int
	}{
		{"the same", nil, time.Second, nil, wholeBlocks},
		{"another question", nil, time.Second, object{"input": "Two?"}, wholeBlocks},
		{"a snapshot of the model", nil, time.Second, object{"model": "gpt-4.1-2025-04-14"}, wholeBlocks},
		{"at the same time", nil, 0, nil, 0},
		{"another key", nil, time.Second, object{"prompt_cache_key": "l"}, 0},
		{"no key", nil, time.Second, object{"prompt_cache_key": nil}, 0},
		{"both without a key", object{"prompt_cache_key": nil}, time.Second, object{"prompt_cache_key": nil}, wholeBlocks},
		{"another model", nil, time.Second, object{"model": "gpt-4.1-mini"}, 0},
		{"another beginning", nil, time.Second, object{"instructions": "No. " + longText()}, 0},
		{"tools come first", nil, time.Second, object{"tools": []object{{"type": "function", "name": "f", "parameters": object{}, "strict": false}}}, 0},
		{"a shorter one", nil, time.Second, object{"instructions": longText()[:4800]}, 1152},
		{"too short", object{"instructions": "Be brief."}, time.Second, object{"instructions": "Be brief."}, 0},
		{"a day later", nil, 24*time.Hour + time.Second, nil, 0},
		{"hours later", nil, 23 * time.Hour, nil, wholeBlocks},
		{"in memory, soon", object{"prompt_cache_retention": "in_memory"}, 9 * time.Minute, nil, wholeBlocks},
		{"in memory, later", object{"prompt_cache_retention": "in_memory"}, 11 * time.Minute, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Config{})
				if first := readOf(t, create(t, sim, with(base, tt.first))); first.cached != 0 || first.written != 0 {
					t.Errorf("the first one read %+v", first)
				}
				time.Sleep(tt.wait)
				second := readOf(t, create(t, sim, with(base, tt.second)))
				if second.cached != tt.cached || second.written != 0 || second.input < second.cached {
					t.Errorf("the second one read %+v, want %d cached", second, tt.cached)
				}
				if e := sim.Ledger().Entries[1]; e.CachedTokens != second.cached || e.CacheWriteTokens != 0 {
					t.Errorf("the ledger has %+v", e)
				}
			})
		})
	}
}

// From gpt-5.6 on, what is written counts as well: all of the prompt that was not there.
func TestPromptCacheWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		base := object{"model": "gpt-6-sol", "instructions": longText(), "input": "One?"}
		if got := readOf(t, create(t, sim, base)); got.cached != 0 || got.written != wholeBlocks || got.long != 0 {
			t.Errorf("the first one: %+v", got)
		}
		time.Sleep(time.Second)
		got := readOf(t, create(t, sim, with(base, object{"input": longText()})))
		if got.cached != wholeBlocks || got.written != got.input/128*128-wholeBlocks || got.written == 0 {
			t.Errorf("one that goes on differently: %+v", got)
		}
		time.Sleep(31 * time.Minute)
		if got := readOf(t, create(t, sim, with(base, object{"prompt_cache_options": object{"ttl": "12h"}}))); got.cached != 0 || got.written != wholeBlocks || got.long != wholeBlocks {
			t.Errorf("after half an hour: %+v", got)
		}
		time.Sleep(11 * time.Hour)
		if got := readOf(t, create(t, sim, base)); got.cached != wholeBlocks || got.written != 0 {
			t.Errorf("within the twelve hours that were asked for: %+v", got)
		}
		for _, e := range sim.Ledger().Entries {
			if e.CachedTokens+e.CacheWriteTokens > e.InputTokens || e.CachedTokens+e.CacheWriteTokens == 0 {
				t.Errorf("the ledger has %+v", e)
			}
		}
	})
}

// A breakpoint ends a beginning just there. Where only those count, nothing else is kept.
func TestPromptCacheBreakpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		ask := func(model, question string, marked bool) read {
			document := object{"type": "input_text", "text": longText()}
			if marked {
				document["prompt_cache_breakpoint"] = object{"mode": "explicit"}
			}
			time.Sleep(time.Second)
			return readOf(t, create(t, sim, object{
				"model": model, "prompt_cache_options": object{"mode": "explicit"},
				"input": []object{{"role": "user", "content": []object{document, {"type": "input_text", "text": question}}}},
			}))
		}
		if first, again := ask("gpt-6-sol", "One?", false), ask("gpt-6-sol", "One?", false); first.written+again.cached+again.written != 0 {
			t.Errorf("without a breakpoint: %+v and %+v", first, again)
		}
		first, again := ask("gpt-6-sol", "One?", true), ask("gpt-6-sol", "Two, and more?", true)
		if first.cached != 0 || first.written == 0 || first.written%128 == 0 || again.cached != first.written || again.written != 0 {
			t.Errorf("with one: %+v and %+v", first, again)
		}
		// Models before have no breakpoints, and keep blocks.
		if first, again := ask("gpt-4.1", "One?", true), ask("gpt-4.1", "Two?", true); first.cached+first.written+again.written != 0 || again.cached != wholeBlocks {
			t.Errorf("with an older model: %+v and %+v", first, again)
		}
	})
}

// What is in the queue has not been read yet.
func TestPromptCacheIsFilledWhenTheResponseRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Queued: 10 * time.Second, Running: time.Second})
		ask := func() string {
			return text(t, create(t, sim, object{"instructions": longText(), "background": true})["id"])
		}
		first, second := ask(), ask()
		time.Sleep(time.Second)
		third := ask()
		time.Sleep(time.Minute)
		for i, want := range []int{0, 0, wholeBlocks} {
			id := []string{first, second, third}[i]
			if got := readOf(t, get(t, sim, id)); got.cached != want {
				t.Errorf("number %d: %+v, want %d cached", i+1, got, want)
			}
		}
	})
}

// However many beginnings there are, some are forgotten first, and memory stays bounded.
func TestPromptCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		sim.SetCacheCapacity(20)
		ask := func(key string) int {
			time.Sleep(time.Second)
			return readOf(t, create(t, sim, object{"instructions": longText(), "prompt_cache_key": key})).cached
		}
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			if got := ask(key); got != 0 {
				t.Errorf("%s has %d cached tokens of others", key, got)
			}
			if got := ask(key); got != wholeBlocks {
				t.Errorf("%s has %d cached tokens of its own, want %d", key, got, wholeBlocks)
			}
		}
		if got := ask("a"); got != 0 {
			t.Errorf("a has %d cached tokens, long after there was no room", got)
		}
		if n := sim.CachedPrefixes(); n > 20 {
			t.Errorf("%d beginnings are kept, want 20 at most", n)
		}
	})
}

func TestPromptCacheOptionsAreChecked(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	for options, param := range map[string]string{
		`{"ttl":"1h"}`: "prompt_cache_options.ttl", `{"mode":"none"}`: "prompt_cache_options.mode", `{"size":1}`: "prompt_cache_options.size",
	} {
		got := call(t, sim, "POST", "/v1/responses", `{"model":"gpt-6-sol","input":"x","prompt_cache_options":`+options+`}`)
		if got.status != 400 || at(got.body, "error", "param") != param {
			t.Errorf("%s: %d %s", options, got.status, got.raw)
		}
	}
}
