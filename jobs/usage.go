package jobs

import (
	"encoding/json"
	"strings"
	"time"
)

// Usage is what a response used of all that is charged for, as the provider counts
// it: tokens, and calls of its own tools.
type Usage struct {
	InputTokens int64 `json:"input_tokens"`
	// CachedTokens and CacheWriteTokens are those of the input that were read from
	// the prompt cache, and those that were written into it; CacheWriteLongTokens
	// are the ones of these that are kept for twelve hours.
	CachedTokens         int64 `json:"cached_tokens,omitempty"`
	CacheWriteTokens     int64 `json:"cache_write_tokens,omitempty"`
	CacheWriteLongTokens int64 `json:"cache_write_12h_tokens,omitempty"`
	OutputTokens         int64 `json:"output_tokens"`
	// ReasoningTokens are part of the output.
	ReasoningTokens int64 `json:"reasoning_tokens,omitempty"`
	TotalTokens     int64 `json:"total_tokens"`

	// WebSearches are those that are charged for; PreviewSearches were made by the
	// tool's preview, which has a price of its own.
	WebSearches     int64 `json:"web_searches,omitempty"`
	PreviewSearches int64 `json:"preview_searches,omitempty"`
	FileSearches    int64 `json:"file_searches,omitempty"`
	// CodeCalls are the runs of the code interpreter, Containers the containers that
	// they used, and ContainerSize is how large those are, "" if that is not known.
	CodeCalls     int64  `json:"code_interpreter_calls,omitempty"`
	Containers    int64  `json:"containers,omitempty"`
	ContainerSize string `json:"container_size,omitempty"`
	// Images are those that were made.
	Images int64 `json:"images,omitempty"`
}

// Add adds what somebody else used. What is left of the sizes of containers says
// nothing any more, and goes.
func (u *Usage) Add(more Usage) {
	u.InputTokens += more.InputTokens
	u.CachedTokens += more.CachedTokens
	u.CacheWriteTokens += more.CacheWriteTokens
	u.CacheWriteLongTokens += more.CacheWriteLongTokens
	u.OutputTokens += more.OutputTokens
	u.ReasoningTokens += more.ReasoningTokens
	u.TotalTokens += more.TotalTokens
	u.WebSearches += more.WebSearches
	u.PreviewSearches += more.PreviewSearches
	u.FileSearches += more.FileSearches
	u.CodeCalls += more.CodeCalls
	u.Containers += more.Containers
	u.Images += more.Images
	u.ContainerSize = ""
}

// Bill is what an attempt cost.
type Bill struct {
	// At is the day that it is charged to, and the time whose prices count.
	At time.Time `json:"at"`
	// Cost is nil when it is not known, and Unknown then says why.
	Cost    *Money `json:"cost_usd,omitempty"`
	Unknown string `json:"unknown,omitempty"`
	// Saved is by how much more it would have cost without the prompt cache. It is
	// less than nothing for what was written into the cache and not yet read.
	Saved Money `json:"saved_usd,omitempty"`
	// Prices is the day of the list that the prices are from.
	Prices string `json:"prices,omitempty"`
	// Outcome and Response are those of the attempt when it was billed.
	Outcome  Outcome `json:"outcome"`
	Response string  `json:"response,omitempty"`
	// Counted says that what it used was known by then.
	Counted bool `json:"counted,omitempty"`
}

// Billed reports whether the bill of an attempt that is over is still right.
func (a Attempt) Billed() bool {
	b := a.Bill
	return b != nil && b.Outcome == a.Outcome && b.Response == a.ResponseID && b.Counted == (a.Usage != nil)
}

// Wasted reports whether an attempt that is over has brought nothing: whatever it
// cost was for nothing.
func (a Attempt) Wasted() bool {
	return a.Outcome != "" && a.Outcome != OutcomeSucceeded && a.Outcome != OutcomeIncomplete
}

// Charged reports whether the attempt is to be billed: it is over, and its create was
// accepted, or may have been.
func (a Attempt) Charged() bool {
	return a.Outcome != "" && (a.ResponseID != "" || a.Outcome == OutcomeUncertain)
}

// Cost is what the job has cost so far, and how many of its attempts cost something
// that is not known. Of a job that has parts it is nothing: they are jobs of their own,
// and what they cost is the sum over those whose [Job.Parent] it is.
func (j Job) Cost() (known Money, unknown int) {
	for _, a := range j.Attempts {
		switch {
		case a.Bill == nil:
		case a.Bill.Cost == nil:
			unknown++
		default:
			known += *a.Bill.Cost
		}
	}
	return known, unknown
}

// served notes what a response says that it used, and of what. What was counted
// before stays counted.
func served(a *Attempt, r Response) {
	a.Model, a.ServiceTier = r.Model, r.ServiceTier
	if usage := r.Usage(); usage != nil {
		a.Usage = usage
	}
}

type responseUsage struct {
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
	TotalTokens  int64 `json:"total_tokens"`
	InputDetails struct {
		CachedTokens     int64 `json:"cached_tokens"`
		CacheWriteTokens int64 `json:"cache_write_tokens"`
		CacheWrites      struct {
			LongTokens int64 `json:"ttl_12h_tokens"`
		} `json:"cache_write_tokens_details"`
	} `json:"input_tokens_details"`
	OutputDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
}

type responseTools struct {
	WebSearch *struct {
		Requests int64 `json:"num_requests"`
	} `json:"web_search"`
}

type responseTool struct {
	Type      string          `json:"type"`
	Container json.RawMessage `json:"container"`
}

// Usage returns what was used, nil when the response does not say.
func (r Response) Usage() *Usage {
	if r.Tokens == nil {
		return nil
	}
	in := r.Tokens.InputDetails
	u := &Usage{
		InputTokens: r.Tokens.InputTokens, CachedTokens: in.CachedTokens,
		CacheWriteTokens: in.CacheWriteTokens, CacheWriteLongTokens: in.CacheWrites.LongTokens,
		OutputTokens: r.Tokens.OutputTokens, ReasoningTokens: r.Tokens.OutputDetails.ReasoningTokens,
		TotalTokens: r.Tokens.TotalTokens,
	}
	r.countTools(u)
	return u
}

// countTools counts the calls of the provider's tools. How many searches are charged
// for it says itself where it does; else each item that searched is one.
func (r Response) countTools(u *Usage) {
	containers := make(map[string]bool)
	searches := int64(0)
	for _, item := range r.Output {
		switch item.Type {
		case "web_search_call":
			if searched(item.Action) {
				searches++
			}
		case "file_search_call":
			u.FileSearches++
		case "code_interpreter_call":
			u.CodeCalls++
			containers[item.ContainerID] = true
		case "image_generation_call":
			u.Images++
		}
	}
	u.Containers = int64(len(containers))
	if t := r.ToolUsage; t != nil && t.WebSearch != nil {
		searches = t.WebSearch.Requests
	}
	u.WebSearches = searches
	for _, tool := range r.Tools {
		switch {
		case strings.HasPrefix(tool.Type, "web_search_preview"):
			u.PreviewSearches, u.WebSearches = searches, 0
		case tool.Type == "code_interpreter" && u.Containers > 0:
			u.ContainerSize = containerSize(tool.Container)
		}
	}
}

// searched reports whether a web search call was a search, and not the reading of a
// page that one had found.
func searched(action json.RawMessage) bool {
	var a struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(action, &a) != nil || a.Type == "" || a.Type == "search"
}

// defaultContainer is the size of a container for which none is asked.
const defaultContainer = "1g"

// containerSize is the size of the containers that a code interpreter makes for
// itself, "" for one that somebody else has made.
func containerSize(container json.RawMessage) string {
	var auto struct {
		Type   string `json:"type"`
		Memory string `json:"memory_limit"`
	}
	switch {
	case json.Unmarshal(container, &auto) != nil || auto.Type != "auto":
		return ""
	case auto.Memory == "":
		return defaultContainer
	}
	return bounded(auto.Memory, 8)
}
