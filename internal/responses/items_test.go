package responses_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestInputItemsOfAllPages(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"":  `{"object":"list","data":[{"id":"a", "type":"message"},{"new":[1.50]}],"first_id":"a","last_id":"b","has_more":true}`,
		"b": `{"object":"list","data":[{"id":"c"}],"first_id":"c","last_id":"c","has_more":false}`,
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(200, pages[r.URL.Query().Get("after")])(w, r)
	})
	items, err := s.client(t).InputItems(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	want := []json.RawMessage{
		json.RawMessage(`{"id":"a", "type":"message"}`), json.RawMessage(`{"new":[1.50]}`), json.RawMessage(`{"id":"c"}`),
	}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	var asked []string
	for _, r := range s.received() {
		asked = append(asked, r.Method+" "+r.Path+"?"+r.Query)
	}
	wantAsked := []string{
		"GET /v1/responses/" + testID + "/input_items?limit=100&order=asc",
		"GET /v1/responses/" + testID + "/input_items?after=b&limit=100&order=asc",
	}
	if diff := cmp.Diff(wantAsked, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestInputItemsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	const item = `{"id":"a"}`
	tests := []struct {
		name, body string
		want       jobs.Class
		requests   int
	}{
		{"without data", `{"object":"list"}`, jobs.ClassUnavailable, 1},
		{"null as data", `{"data":null}`, jobs.ClassUnavailable, 1},
		{"more without a last id", `{"data":[` + item + `],"has_more":true}`, jobs.ClassUnavailable, 1},
		{"more after an empty page", `{"data":[],"last_id":"a","has_more":true}`, jobs.ClassUnavailable, 1},
		{"more of the same", `{"data":[` + item + `],"last_id":"a","has_more":true}`, jobs.ClassUnavailable, 2},
		{"page over the cap", `{"data":[{"id":"` + strings.Repeat("x", 1000) + `"}]}`, jobs.ClassOversized, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, answer(200, tt.body))
			c := s.client(t, func(c *responses.Config) { c.MaxResponseBytes = 500 })
			items, err := c.InputItems(t.Context(), testID)
			if f := failure(t, err); f.Class != tt.want || items != nil {
				t.Errorf("%s with %d items, want %s without any", f, len(items), tt.want)
			}
			if n := len(s.received()); n != tt.requests {
				t.Errorf("server received %d requests, want %d", n, tt.requests)
			}
		})
	}
}

func TestInputItemsWithoutEndStopAtTheCap(t *testing.T) {
	t.Parallel()
	n := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		answer(200, fmt.Sprintf(`{"data":[{"id":"%d"}],"last_id":"%d","has_more":true}`, n, n))(w, r)
	})
	c := s.client(t, func(c *responses.Config) { c.MaxResponseBytes = 500 })
	_, err := c.InputItems(t.Context(), testID)
	if f := failure(t, err); f.Class != jobs.ClassOversized {
		t.Errorf("failure = %s, want oversized", f)
	}
}
