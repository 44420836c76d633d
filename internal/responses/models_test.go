package responses_test

import (
	"net/http"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestModelOfTheStandIn(t *testing.T) {
	t.Parallel()
	_, s, c := standIn(t, simulator.Config{})
	if err := c.Model(t.Context(), "gpt-4.1"); err != nil {
		t.Errorf("gpt-4.1: %v", err)
	}
	if got := s.received()[0]; got.Method != http.MethodGet || got.Path != "/v1/models/gpt-4.1" || got.Header.Get("Authorization") != "Bearer "+testKey {
		t.Errorf("asked with %+v", got)
	}
	if err := c.Model(t.Context(), "gpt-0"); jobs.ClassOf(err) != jobs.ClassLost {
		t.Errorf("gpt-0: %v; want it lost", err)
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		class   jobs.Class
	}{
		"there":               {answer(http.StatusOK, `{"id":"m","object":"model"}`), ""},
		"bad key":             {answer(http.StatusUnauthorized, `{"error":{"code":"invalid_api_key","message":"Incorrect API key provided."}}`), jobs.ClassUnauthorized},
		"none":                {answer(http.StatusNotFound, `{"error":{"code":"model_not_found","message":"The model 'm' does not exist"}}`), jobs.ClassLost},
		"a page of a gateway": {answer(http.StatusNotFound, `<html>`), jobs.ClassUnavailable},
		"something else":      {answer(http.StatusOK, `<html>`), jobs.ClassUnavailable},
		"no answer":           {hangUp, jobs.ClassUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.handler)
			err := s.client(t).Model(t.Context(), "m")
			if tt.class == "" && err != nil || tt.class != "" && jobs.ClassOf(err) != tt.class {
				t.Errorf("%v; want class %q", err, tt.class)
			}
		})
	}
}

func TestModelWithASlashIsOnePartOfThePath(t *testing.T) {
	t.Parallel()
	s := serve(t, answer(http.StatusOK, `{"id":"openai/gpt-4.1"}`))
	c := s.client(t, func(config *responses.Config) { config.BaseURL = testURL + "/" })
	if err := c.Model(t.Context(), "openai/gpt-4.1"); err != nil {
		t.Fatal(err)
	}
	if got := s.received()[0].Path; got != "/v1/models/openai%2Fgpt-4.1" {
		t.Errorf("asked at %s", got)
	}
	if err := c.Model(t.Context(), ""); jobs.ClassOf(err) != jobs.ClassInternal {
		t.Errorf("no name: %v", err)
	}
}
