package simulator

import (
	"fmt"
	"net/http"
)

// Project is a group of API keys that see the same responses, as OpenAI's projects are. A response
// belongs to the project of the key that created it; to the keys of other projects it does not
// exist.
type Project struct {
	// ID is what the header OpenAI-Project may name, such as proj_1.
	ID string `json:"id"`
	// APIKeys are the project's own keys. A key of no project works for any that the header names.
	APIKeys []string `json:"api_keys,omitempty"`
	// Webhooks are told of the project's background responses that end.
	Webhooks []Webhook `json:"webhooks,omitempty"`
}

// projectProblems returns what is wrong with the projects of c, their keys and their webhooks.
func (c Config) projectProblems() []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	owners := make(map[string]string) // of keys
	for i, key := range c.APIKeys {
		if key == "" {
			refuse("api_keys[%d]: is empty", i)
		}
		owners[key] = "no project"
	}
	webhooks := func(path string, list []Webhook) {
		for i := range list {
			for _, err := range list[i].problems() {
				refuse("%swebhooks[%d].%w", path, i, err)
			}
		}
	}
	webhooks("", c.Webhooks)
	ids := make(map[string]bool)
	for i := range c.Projects {
		p := &c.Projects[i]
		path := fmt.Sprintf("projects[%d]", i)
		switch {
		case p.ID == "":
			refuse("%s.id: is empty", path)
		case ids[p.ID]:
			refuse("%s.id: %q is taken", path, p.ID)
		}
		ids[p.ID] = true
		webhooks(path+".", p.Webhooks)
		for j, key := range p.APIKeys {
			if key == "" {
				refuse("%s.api_keys[%d]: is empty", path, j)
			} else if owner, taken := owners[key]; taken {
				refuse("%s.api_keys[%d]: belongs to %s already", path, j, owner)
			}
			owners[key] = p.ID
		}
	}
	return errs
}

// access returns the project in which a request with the key works. The project that the request
// asks for by header, if any, has to be the key's own; a key of no project may name each.
func (s *settings) access(key, asked string) (project string, err *apiError) {
	project, known := s.keys[key]
	switch {
	case !known && len(s.keys) > 0:
		return "", errWrongKey(key)
	case asked == "" || asked == project, len(s.Projects) == 0:
		return project, nil
	case project == "" && s.hasProject(asked):
		return asked, nil
	}
	return "", &apiError{
		status: http.StatusUnauthorized, kind: "invalid_request_error", code: "mismatched_project",
		message: "OpenAI-Project header should match project for API key",
	}
}

func (s *settings) hasProject(id string) bool {
	for i := range s.Projects {
		if s.Projects[i].ID == id {
			return true
		}
	}
	return false
}
