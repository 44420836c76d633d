package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestLanesPrecedence(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", "lanes: {bulk: {concurrency: 3}, default: {window: 64}}\n")
	environ := []string{`LONGHAUL_LANES={"nightly": {"concurrency": 4, "window": 8}}`}
	flags := parse(t, "--lanes", `{"Urgent":null}`)
	standard := config.Lane{Concurrency: 32, Window: 128, Endpoint: "default"}
	tests := []struct {
		name    string
		sources config.Sources
		want    map[string]config.Lane
		source  map[string]string // of some of their settings
	}{
		{
			"default",
			config.Sources{},
			map[string]config.Lane{"default": standard},
			map[string]string{"lanes.default.concurrency": "default", "lanes.default.window": "default"},
		},
		{
			"file",
			config.Sources{File: path},
			map[string]config.Lane{"bulk": {Concurrency: 3, Window: 12, Endpoint: "default"}, "default": {Concurrency: 32, Window: 64, Endpoint: "default"}},
			map[string]string{
				"lanes.bulk.concurrency": "file " + path, "lanes.bulk.window": "default",
				"lanes.default.concurrency": "default", "lanes.default.window": "file " + path,
			},
		},
		{
			"environment hides those of the file",
			config.Sources{File: path, Environ: environ},
			map[string]config.Lane{"nightly": {Concurrency: 4, Window: 8, Endpoint: "default"}, "default": standard},
			map[string]string{"lanes.nightly.window": "environment LONGHAUL_LANES", "lanes.default.window": "default"},
		},
		{
			"environment alone",
			config.Sources{Environ: environ},
			map[string]config.Lane{"nightly": {Concurrency: 4, Window: 8, Endpoint: "default"}, "default": standard},
			nil,
		},
		{
			"flag hides both",
			config.Sources{File: path, Environ: environ, Flags: flags},
			map[string]config.Lane{"Urgent": standard, "default": standard},
			map[string]string{"lanes.Urgent.window": "default"},
		},
		{
			"none",
			config.Sources{File: path, Environ: []string{"LONGHAUL_LANES={}"}},
			map[string]config.Lane{"default": standard},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, tt.sources)
			if diff := cmp.Diff(tt.want, c.Lanes); diff != "" {
				t.Errorf("lanes (-want +got):\n%s", diff)
			}
			for key, want := range tt.source {
				if got := setting(t, c, key).Source; got != want {
					t.Errorf("%s comes from %q, want %q", key, got, want)
				}
			}
		})
	}
}

func TestPausedLane(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Environ: []string{`LONGHAUL_LANES={"a":{"paused":true},"b":{}}`}})
	if !c.Lanes["a"].Paused || c.Lanes["b"].Paused || setting(t, c, "lanes.a.paused").Value != "true" {
		t.Errorf("%+v", c.Lanes)
	}
	if _, err := config.Load(config.Sources{Environ: []string{`LONGHAUL_LANES={"a":{"paused":"now"}}`}}); err == nil || !strings.Contains(err.Error(), "lanes.a.paused") {
		t.Error(err)
	}
}

// Lists are written as lists in a file and in JSON, or in one text.
func TestLaneLists(t *testing.T) {
	t.Parallel()
	want := config.Lane{
		Concurrency: 32, Window: 128, Endpoint: "default",
		PriorityWeights: []int{1, 1, 1, 1, 1, 2, 3, 4, 5, 10}, Models: []string{"gpt-4.1*", "o3"},
	}
	for name, sources := range map[string]config.Sources{
		"file": {File: write(t, "c.yaml", "lanes: {a: {priority_weights: [1, 1, 1, 1, 1, 2, 3, 4, 5, 10], models: ['gpt-4.1*', o3]}}\n")},
		"json": {Environ: []string{`LONGHAUL_LANES={"a":{"priority_weights":[1,1,1,1,1,2,3,4,5,10],"models":["gpt-4.1*","o3"]}}`}},
		"text": {Environ: []string{`LONGHAUL_LANES={"a":{"priority_weights":"1 1 1 1 1 2 3 4 5 10","models":"gpt-4.1*, o3"}}`}},
	} {
		c := load(t, sources)
		if diff := cmp.Diff(want, c.Lanes["a"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := setting(t, c, "lanes.a.priority_weights").Value; got != "1, 1, 1, 1, 1, 2, 3, 4, 5, 10" {
			t.Errorf("%s: the weights are shown as %q", name, got)
		}
		if got := setting(t, c, "lanes.a.models").Value; got != "gpt-4.1*, o3" {
			t.Errorf("%s: the models are shown as %q", name, got)
		}
	}
}

func TestLaneNamesKeepTheirCase(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{File: write(t, "c.yaml", "lanes: {Bulk: {concurrency: 1}, bulk: {concurrency: 2}, a.b:c_D-1: {}}\n")})
	want := map[string]config.Lane{
		"Bulk": {Concurrency: 1, Window: 4, Endpoint: "default"}, "bulk": {Concurrency: 2, Window: 8, Endpoint: "default"},
		"a.b:c_D-1": {Concurrency: 32, Window: 128, Endpoint: "default"}, "default": {Concurrency: 32, Window: 128, Endpoint: "default"},
	}
	if diff := cmp.Diff(want, c.Lanes); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

func TestLanesRefused(t *testing.T) {
	t.Parallel()
	const (
		from      = "(environment LONGHAUL_LANES) "
		notObject = `is not a JSON object of lanes; write for example {"bulk":{"concurrency":8}}`
		notNumber = "is not a whole number; write digits only, such as 32"
	)
	tests := []struct {
		name, value string
		want        []string
	}{
		{"nothing", "", []string{`lanes: "" ` + from + notObject}},
		{"null", "null", []string{`lanes: "null" ` + from + notObject}},
		{"a list", "[1]", []string{`lanes: "[1]" ` + from + notObject}},
		{"more than one object", "{} {}", []string{`lanes: "{} {}" ` + from + notObject}},
		{"a number for a lane", `{"bulk":4}`, []string{`lanes.bulk ` + from + `is not a section; write "concurrency" and "window" below the name of the lane`}},
		{"no name", `{"":{}}`, []string{`lanes: "" ` + from + "is not a name of a lane; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit"}},
		{"a bad name", `{"a b":{}}`, []string{`lanes: "a b" ` + from + "is not a name of a lane; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit"}},
		{
			"unknown fields", `{"bulk":{"windo":4,"concurrency":2,"z":0,"y":[],"x":{}},"default":{"Concurrency":1}}`,
			[]string{
				"lanes.bulk.windo " + from + "is unknown; did you mean window?",
				"lanes.bulk.x " + from + "is unknown; docs/configuration.md lists what there is",
				"lanes.bulk.y " + from + "is unknown; docs/configuration.md lists what there is",
				"lanes.bulk.z " + from + "is unknown; docs/configuration.md lists what there is",
				"lanes.default.Concurrency " + from + "is unknown; did you mean concurrency?",
			},
		},
		{"no concurrency", `{"bulk":{"concurrency":0}}`, []string{`lanes.bulk.concurrency: "0" ` + from + "is too low; give at least 1"}},
		{"too few weights", `{"a":{"priority_weights":[1,2]}}`, []string{`lanes.a.priority_weights: "1,2" ` + from + "has 2 numbers; give one for each priority, from 0 to 9"}},
		{"no weight", `{"a":{"priority_weights":[1,1,1,0,1,1,1,1,1,1]}}`, []string{`lanes.a.priority_weights: "1,1,1,0,1,1,1,1,1,1" ` + from + "is at fault for priority 3; give a whole number from 1 to 10000"}},
		{"half a weight", `{"a":{"priority_weights":[1,1,1,1,1,1,1,1,1,1.5]}}`, []string{`lanes.a.priority_weights: "1,1,1,1,1,1,1,1,1,1.5" ` + from + "is at fault for priority 9; give a whole number from 1 to 10000"}},
		{"a bad pattern", `{"a":{"models":["gpt**"]}}`, []string{`lanes.a.models: "gpt**" ` + from + "has ** in it; one * stands for any part of a name"}},
		{"a number for a model", `{"a":{"models":[4]}}`, []string{"lanes.a.models " + from + "has something in its list that is not a string; put each into quotes"}},
		{"too much of it", `{"bulk":{"concurrency":10001}}`, []string{`lanes.bulk.concurrency: "10001" ` + from + "is too high; give at most 10000"}},
		{
			"no numbers", `{"a":{"concurrency":"many"},"b":{"window":1.5},"c":{"window":null},"d":{"window":[]}}`,
			[]string{
				`lanes.a.concurrency: "many" ` + from + notNumber,
				`lanes.b.window: "1.5" ` + from + notNumber,
				"lanes.c.window " + from + "has no value; give one, or remove the line to have the default",
				"lanes.d.window " + from + "is a list or a section; give a single value",
			},
		},
		{
			"a window below the concurrency", `{"bulk":{"concurrency":4,"window":3}}`,
			[]string{`lanes.bulk.window: "3" ` + from + "is below the concurrency of the lane, 4, which could then never be reached; raise the window or lower the concurrency"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := refused(t, config.Sources{Environ: []string{"LONGHAUL_LANES=" + tt.value}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWindowMayEqualTheConcurrency(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Environ: []string{`LONGHAUL_LANES={"default":{"concurrency":"10000","window":10000}}`}})
	if want := (config.Lane{Concurrency: 10_000, Window: 10_000, Endpoint: "default"}); !cmp.Equal(c.Lanes["default"], want) {
		t.Errorf("lane is %+v, want %+v", c.Lanes["default"], want)
	}
}
