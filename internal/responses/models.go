package responses

import (
	"context"
	"encoding/json"

	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"
)

// Model asks whether the endpoint has a model that this key may use, and with it
// whether the key is accepted. It is a question for people: jobs are sent
// whatever its answer is.
//
// The error is a [*jobs.Error]: lost when the endpoint knows no such model or
// hides it from the key, unauthorized when it refuses the key, and of the other
// classes that [Client.Look] has. Endpoints that offer the Responses API alone
// answer as they do to a wrong path, which is unavailable.
func (c *Client) Model(ctx context.Context, name string) error {
	if !validID(name) {
		return misuse(opModel, "the model's name is malformed")
	}
	e := c.do(ctx, opModel, func(ctx context.Context, options ...option.RequestOption) error {
		options = append(options, option.WithMiddleware(c.to("models", name)))
		_, err := c.managing.Get(ctx, name, oai.ResponseGetParams{}, options...)
		return err
	})
	var model struct {
		ID string `json:"id"`
	}
	if !e.success() || json.Unmarshal(e.body, &model) != nil || model.ID == "" {
		return c.fail(e)
	}
	c.metrics.observe(opModel, outcomeOK, e.elapsed)
	return nil
}
