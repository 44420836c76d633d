package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestTableHasEveryKeyInOrder(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Environ: []string{
		`LONGHAUL_LANES={"e":{},"c":{},"a":{},"b":{},"d":{}}`, `LONGHAUL_ENDPOINTS={"f":{},"c":{},"a":{},"b":{},"d":{},"e":{}}`,
	}})
	var want []string
	for _, k := range config.Keys() {
		switch k.Name {
		case "lanes":
			for _, lane := range []string{"a", "b", "c", "d", "default", "e"} {
				for _, leaf := range []string{"concurrency", "window", "endpoint", "requests_per_minute", "tokens_per_minute", "in_flight", "paused", "priority_weights", "models"} {
					want = append(want, "lanes."+lane+"."+leaf)
				}
			}
		case "prices", "budgets": // has none here
		case "endpoints":
			for _, endpoint := range []string{"a", "b", "c", "d", "e", "f"} {
				for _, leaf := range []string{"base_url", "api_key", "organization", "project", "webhook_secrets", "create_timeout", "look_timeout"} {
					want = append(want, "endpoints."+endpoint+"."+leaf)
				}
			}
		default:
			if strings.Contains(k.Name, ".NAME.") {
				continue
			}
			want = append(want, k.Name)
		}
	}
	var got []string
	for _, s := range c.Table() {
		got = append(got, s.Key)
		if s.Doc == "" || s.Source == "" {
			t.Errorf("%s has the sentence %q and the source %q", s.Key, s.Doc, s.Source)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// TestTableReadsBack gives the values that are shown to another Load.
func TestTableReadsBack(t *testing.T) {
	t.Parallel()
	var environ []string
	samples, hidden := samples(), secrets(config.Config{})
	for _, k := range config.Keys() {
		if _, secret := hidden[k.Name]; secret {
			continue
		}
		if sample, ok := samples[k.Name]; ok {
			environ = append(environ, k.Env+"="+sample[0])
		}
	}
	c := load(t, config.Sources{Environ: environ})
	environ = nil
	for _, s := range c.Table() {
		if _, secret := hidden[s.Key]; !secret && !strings.HasPrefix(s.Key, "lanes.") {
			environ = append(environ, "LONGHAUL_"+strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))+"="+s.Value)
		}
	}
	if diff := cmp.Diff(c, load(t, config.Sources{Environ: environ}), comparer()); diff != "" {
		t.Errorf("configuration (-first +second):\n%s", diff)
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := config.WriteTable(&b, []config.Setting{
		{Key: "poll.floor", Value: "2s", Source: "default", Doc: "not shown"},
		{Key: "http.addr", Value: "", Source: "flag --http-addr"},
	})
	want := "KEY         VALUE  SOURCE\npoll.floor  2s     default\nhttp.addr   \"\"     flag --http-addr\n"
	if err != nil || b.String() != want {
		t.Errorf("written %q, %v, want %q", b.String(), err, want)
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	settings := load(t, config.Sources{Environ: []string{"OPENAI_API_KEY=a"}}).Table()
	var b bytes.Buffer
	if err := config.WriteJSON(&b, settings); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "[\n  {\n    \"key\": \"redis.url\",\n    \"value\": \"redis://127.0.0.1:6379/0\",\n    \"source\": \"default\",\n") {
		t.Errorf("begins with %.120s", b.String())
	}
	var got []config.Setting
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(settings, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// full is a writer that takes nothing.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWritersReportWhatFails(t *testing.T) {
	t.Parallel()
	settings := load(t, config.Sources{}).Table()
	if err := config.WriteTable(full{}, settings); !errors.Is(err, errFull) {
		t.Errorf("WriteTable returns %v", err)
	}
	if err := config.WriteJSON(full{}, settings); !errors.Is(err, errFull) {
		t.Errorf("WriteJSON returns %v", err)
	}
}
