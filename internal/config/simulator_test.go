package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestProjectsOfTheSimulator(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Environ: []string{
		"LONGHAUL_SIMULATOR_API_KEYS=sk-a@proj_1,sk-user,sk-b@proj_2,sk-c@proj_1",
		"LONGHAUL_SIMULATOR_WEBHOOK_URL=http://127.0.0.1:1/webhooks/openai@proj_1,https://h/webhooks@proj_3",
		"LONGHAUL_SIMULATOR_WEBHOOK_SECRET=whsec_AAA=@proj_1,whsec_BBB=,whsec_CCC=@proj_1",
	}})
	want := []config.SimulatorProject{
		{APIKeys: []string{"sk-user"}, WebhookSecrets: []string{"whsec_BBB="}},
		{
			ID: "proj_1", APIKeys: []string{"sk-a", "sk-c"}, WebhookURLs: []string{"http://127.0.0.1:1/webhooks/openai"},
			WebhookSecrets: []string{"whsec_AAA=", "whsec_CCC="},
		},
		{ID: "proj_2", APIKeys: []string{"sk-b"}},
		{ID: "proj_3", WebhookURLs: []string{"https://h/webhooks"}},
	}
	if diff := cmp.Diff(want, c.Simulator.Projects()); diff != "" {
		t.Errorf("projects (-want +got):\n%s", diff)
	}
	if got := (config.Simulator{}).Projects(); len(got) != 0 {
		t.Errorf("projects of nothing = %v", got)
	}
}
