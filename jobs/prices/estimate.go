package prices

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// GuessedOutput is how many tokens an answer is taken to have, reasoning included, of
// which nothing is known. It is a guess, and no more than that: enough for some pages
// of text. A model that reasons first is taken to write more, by the effort that it is
// asked for; see [Ask.Guess].
const GuessedOutput = 4096

// Ask is a request that was not sent yet, as far as its cost is concerned.
type Ask struct {
	Model string
	// Tier is the service tier that it asks for, "" or "auto" for the default one:
	// what a project has set "auto" to is not known here.
	Tier string
	// Effort is its reasoning.effort, "" for the model's own.
	Effort string
	// Regional says that the endpoint processes in one region.
	Regional bool
	// Input is how many tokens it has the model read, as far as it tells by itself.
	Input int64
	// MaxOutput is its max_output_tokens, 0 for none.
	MaxOutput int64
	// Open is what else it may be charged for, of which it does not tell how much; ""
	// for nothing.
	Open string
	At   time.Time
}

// AskOf reads what the body of a request says of its cost. input is how many tokens
// the model reads, as package tokens estimates them. What is of another shape than
// OpenAI's is taken for not given.
func AskOf(body json.RawMessage, input int) Ask {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return Ask{Input: int64(max(0, input))}
	}
	a := Ask{Model: text(fields["model"]), Tier: text(fields["service_tier"]), Input: int64(max(0, input))}
	var reasoning struct {
		Effort string `json:"effort"`
	}
	if json.Unmarshal(fields["reasoning"], &reasoning) == nil {
		a.Effort = reasoning.Effort
	}
	var most float64
	if json.Unmarshal(fields["max_output_tokens"], &most) == nil && most > 0 && most < 1<<31 {
		a.MaxOutput = int64(most)
	}
	a.Open = open(fields)
	return a
}

// open says what a request may be charged for of which it does not tell how much.
func open(fields map[string]json.RawMessage) string {
	for _, before := range []string{"previous_response_id", "conversation", "prompt"} {
		if raw, given := fields[before]; given && string(raw) != "null" {
			return "what is behind its " + before + " is read again, and its length is not known here"
		}
	}
	var tools []struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(fields["tools"], &tools) // of another shape, which is the provider's to refuse
	for _, tool := range tools {
		switch tool.Type {
		case "function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview", "":
			// The caller runs these, and sends what they bring with another request.
		default:
			return "calls of " + tool.Type + ", and what the model reads of what they bring, cannot be foreseen"
		}
	}
	return ""
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Estimate is what a request is likely to cost, before it is sent, if one attempt is
// enough.
type Estimate struct {
	InputTokens int64 `json:"input_tokens"`
	// OutputTokens is how many the answer is expected to have; that is guessed, and
	// MaxOutputTokens, the most that it may have, is 0 when the request does not say.
	OutputTokens    int64 `json:"output_tokens"`
	MaxOutputTokens int64 `json:"max_output_tokens,omitempty"`
	// Expected is the cost of just that, nothing of it read from the prompt cache.
	Expected jobs.Money `json:"expected_usd"`
	// Hold is what to set aside for the request: all of its input written into the
	// prompt cache, where that costs more, and all the output that it may have, or
	// what is guessed where it does not say. It is never less than Expected, and is
	// there for every request that has a price.
	Hold jobs.Money `json:"hold_usd"`
	// Open is why it may cost more than that, "" if it cannot.
	Open string `json:"open,omitempty"`
	// Prices is the day of the line that the price is from.
	Prices string `json:"prices,omitempty"`
}

// Highest is the most that one attempt of the request can cost, and false if nothing
// bounds it; Open then says why. The input is counted roughly, so this is exact to
// some percent of what it is charged for.
func (e Estimate) Highest() (jobs.Money, bool) { return e.Hold, e.Open == "" }

// Estimate returns what a request is likely to cost, or why that is not known: its
// model, or its service tier, has no price.
func (t *Table) Estimate(a Ask) (Estimate, error) {
	p, err := t.Find(a.Model, a.At)
	if err != nil {
		return Estimate{}, err
	}
	guess := a.Guess()
	e := Estimate{InputTokens: a.Input, OutputTokens: guess, MaxOutputTokens: a.MaxOutput, Open: a.Open}
	most := guess
	if a.MaxOutput > 0 {
		e.OutputTokens, most = min(guess, a.MaxOutput), a.MaxOutput
	} else if e.Open == "" {
		e.Open = "no max_output_tokens is given, so an answer may have any length"
	}
	use := Use{Model: a.Model, Tier: a.Tier, Regional: a.Regional, At: a.At}
	use.Usage = jobs.Usage{InputTokens: a.Input, OutputTokens: e.OutputTokens}
	expected, err := t.Cost(use)
	if err != nil {
		return Estimate{}, err
	}
	use.Usage.OutputTokens = most
	if p.Write != nil && p.Input != nil && *p.Write > *p.Input {
		use.Usage.CacheWriteTokens = a.Input
	}
	hold, err := t.Cost(use)
	if err != nil {
		return Estimate{}, err
	}
	e.Expected, e.Hold, e.Prices = expected.Cost, max(hold.Cost, expected.Cost), expected.Prices
	return e, nil
}

// Guess is how many tokens the answer is taken to have, reasoning included:
// [GuessedOutput], twice that for a model that reasons with low effort, four times
// with medium or its own, eight times with high, and sixteen times with more.
func (a Ask) Guess() int64 {
	times := int64(1)
	switch a.Effort {
	case "none", "minimal":
	case "low":
		times = 2
	case "medium":
		times = 4
	case "high":
		times = 8
	case "":
		switch {
		case talks.MatchString(a.Model):
		case strings.Contains(a.Model, "-pro"):
			times = 8
		default:
			times = 4
		}
	default: // xhigh, max, and what may come
		times = 16
	}
	return times * GuessedOutput
}

// talks matches the models that do not reason before they answer. A model that
// nobody knows is taken to reason: it is better to hold too much.
var talks = regexp.MustCompile(`^(ft:)?(gpt-3\.5|gpt-4|chatgpt-)|-chat(-|$)`)
