package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/results"
)

// The store learns from the configuration which lanes have models, by name, and what
// the priorities weigh where it says so.
func TestStoreConfigOfLanes(t *testing.T) {
	t.Parallel()
	weights := []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 2}
	got, err := app.StoreConfig(config.Config{Lanes: map[string]config.Lane{
		"b": {Models: []string{"gpt-4.1*"}}, "a": {Models: []string{"o3"}, PriorityWeights: weights}, "default": {},
	}}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]results.Route{{Lane: "a", Models: []string{"o3"}}, {Lane: "b", Models: []string{"gpt-4.1*"}}}, got.Routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]int{"a": weights}, got.Weights); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
}
