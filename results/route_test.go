package results_test

import (
	"fmt"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A job that names no lane goes to the first whose models it is one of, and one that
// does stays there.
func TestLaneByModel(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Routes: []results.Route{
		{Lane: "exact", Models: []string{"o3", "gpt-4.1*mini"}},
		{Lane: "large", Models: []string{"gpt-4.1*", "*pro*2025*"}},
	}})
	for _, test := range []struct{ model, lane, want string }{
		{"o3", "", "exact"},
		{"o3-mini", "", jobs.DefaultLane},
		{"gpt-4.1", "", "large"},
		{"gpt-4.1-mini", "", "exact"},
		{"gpt-4.1-mini-2025-04-14", "", "large"},
		{"gpt-4o", "", jobs.DefaultLane},
		{"o1-pro-2025-03-19", "", "large"},
		{"2025-pro", "", jobs.DefaultLane},
		{"ft:gpt-4.1", "", jobs.DefaultLane},
		{"gpt-4.1", "mine", "mine"},
		{"gpt-4.1", jobs.DefaultLane, jobs.DefaultLane},
	} {
		request, err := jobs.ParseRequest(fmt.Appendf(nil, `{"input":"hello","model":%q}`, test.model), jobs.DefaultModel)
		if err != nil {
			t.Fatal(err)
		}
		j, _, err := h.Accept(t.Context(), request, jobs.Options{Lane: test.lane})
		if err != nil {
			t.Fatal(err)
		}
		if j.Lane != test.want {
			t.Errorf("%s with lane %q goes to %s, want %s", test.model, test.lane, j.Lane, test.want)
		}
	}
}
