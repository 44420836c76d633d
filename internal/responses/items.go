package responses

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"
)

// itemsPage is how many items one request asks for, the most that OpenAI gives.
const itemsPage = 100

// InputItems returns the items that the response was made from, oldest first,
// each byte for byte. It makes one request for every 100 items.
//
// The error is a [*jobs.Error] of the classes that [Client.Look] has; all pages
// together are held to the cap on an answer.
func (c *Client) InputItems(ctx context.Context, responseID string) ([]json.RawMessage, error) {
	if !validID(responseID) {
		return nil, misuse(opInputItems, "the response id is malformed")
	}
	var items []json.RawMessage
	after, total := "", int64(0)
	for {
		e := c.do(ctx, opInputItems, func(ctx context.Context, options ...option.RequestOption) error {
			options = append(options, option.WithQuery("limit", strconv.Itoa(itemsPage)))
			if after != "" {
				options = append(options, option.WithQuery("after", after))
			}
			query := oai.InputItemListParams{Order: oai.InputItemListParamsOrderAsc}
			_, err := c.managing.InputItems.List(ctx, responseID, query, options...)
			return err
		})
		page, ok := e.page(after)
		if total += int64(len(e.body)); total > e.limit {
			e.over, ok = true, false
		}
		if !ok {
			return nil, c.fail(e)
		}
		c.metrics.observe(opInputItems, outcomeOK, e.elapsed)
		items = append(items, page.Data...)
		if !page.HasMore {
			return items, nil
		}
		after = page.LastID
	}
}

// itemPage is one page of a list of items.
type itemPage struct {
	Data    []json.RawMessage `json:"data"`
	LastID  string            `json:"last_id"`
	HasMore bool              `json:"has_more"`
}

// page reads the page that follows the item with the id after. One that says
// that there is more must lead on, or we would ask for ever.
func (e *exchange) page(after string) (itemPage, bool) {
	var page itemPage
	if !e.success() || json.Unmarshal(e.body, &page) != nil || page.Data == nil {
		return itemPage{}, false
	}
	if page.HasMore && (len(page.Data) == 0 || !validID(page.LastID) || page.LastID == after) {
		return itemPage{}, false
	}
	return page, true
}
