package jobs

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// The statuses of a response that Longhaul knows. Any other is carried as it is
// and taken for "not ended yet": the deadline ends what never ends.
const (
	StatusQueued     = "queued"
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusIncomplete = "incomplete"
	StatusFailed     = "failed"
	StatusCancelled  = "cancelled"
)

// Response is what we read of OpenAI's response object, beside the object
// itself, byte for byte.
type Response struct {
	ID                string           `json:"id"`
	Status            string           `json:"status"`
	Model             string           `json:"model"`
	ServiceTier       string           `json:"service_tier"`
	CompletedAt       float64          `json:"completed_at"` // 0 for one that has not completed
	Error             *ResponseError   `json:"error"`
	IncompleteDetails *responseDetails `json:"incomplete_details"`
	Output            []outputItem     `json:"output"`
	Tokens            *responseUsage   `json:"usage"`
	ToolUsage         *responseTools   `json:"tool_usage"`
	Tools             []responseTool   `json:"tools"`
	// Metadata is what the create gave it, ours included; see [Response.Origin].
	Metadata map[string]string `json:"metadata"`

	Raw json.RawMessage `json:"-"`
}

// ResponseError is the error inside a failed response, which OpenAI delivers
// with HTTP 200.
type ResponseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type responseDetails struct {
	Reason string `json:"reason"`
}

type outputItem struct {
	Type    string          `json:"type"`
	CallID  string          `json:"call_id"`
	Content json.RawMessage `json:"content"`
	// Action is what a web search call did, ContainerID where code ran.
	Action      json.RawMessage `json:"action"`
	ContainerID string          `json:"container_id"`
}

type contentPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Reply is a response as an answer of the provider brought it.
type Reply struct {
	Response Response
	// RequestID is the answer's x-request-id.
	RequestID string
	// PollAfter is the provider's wish for the next look
	// (openai-poll-after-ms), 0 when it named none.
	PollAfter time.Duration
	// Limits is what the answer says of the account's rate limits.
	Limits RateLimits
}

// RateLimits is what an answer says of the account's rate limits: its
// x-ratelimit-limit and x-ratelimit-remaining headers. Where a limit is 0, nothing
// was said of it.
type RateLimits struct {
	LimitRequests, RemainingRequests int // per minute
	LimitTokens, RemainingTokens     int
}

// ParseResponse reads a response object. An object without an id or a status is
// an error: a proxy's "{}" with HTTP 200 is not a response. Any other field of a
// shape that we do not know is left empty, and carried in Raw.
func ParseResponse(raw []byte) (Response, error) {
	var r Response
	err := json.Unmarshal(raw, &r)
	if _, shape := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !shape {
		return Response{}, syntaxError(err)
	}
	if r.ID == "" || r.Status == "" {
		return Response{}, errors.New("has no id or no status: not a response object")
	}
	r.Raw = raw
	return r, nil
}

// Terminal reports whether the response has ended.
func (r Response) Terminal() bool {
	switch r.Status {
	case StatusCompleted, StatusIncomplete, StatusFailed, StatusCancelled:
		return true
	}
	return false
}

// Text is the answer: every output_text part, in order, joined without a
// separator, as OpenAI's own clients do.
func (r Response) Text() string {
	var b strings.Builder
	r.parts(func(p contentPart) {
		if p.Type == "output_text" {
			b.WriteString(p.Text)
		}
	})
	return b.String()
}

// Refused reports whether the model refused and said nothing else.
func (r Response) Refused() bool {
	refusal, text := false, false
	r.parts(func(p contentPart) {
		refusal = refusal || p.Type == "refusal"
		text = text || p.Type == "output_text"
	})
	return refusal && !text
}

func (r Response) parts(visit func(contentPart)) {
	for _, item := range r.Output {
		if item.Type != "message" {
			continue
		}
		var parts []contentPart
		if json.Unmarshal(item.Content, &parts) != nil {
			continue // an item of a shape we do not know is carried in Raw
		}
		for _, p := range parts {
			visit(p)
		}
	}
}

// RequiresAction lists the types of output items that wait for the caller: calls
// whose output is not in the response.
func (r Response) RequiresAction() []string {
	answered := make(map[string]bool)
	for _, item := range r.Output {
		if strings.HasSuffix(item.Type, "_output") && item.CallID != "" {
			answered[item.CallID] = true
		}
	}
	var pending []string
	for _, item := range r.Output {
		switch item.Type {
		case "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call":
			if !answered[item.CallID] {
				pending = append(pending, item.Type)
			}
		case "mcp_approval_request":
			pending = append(pending, item.Type)
		}
	}
	return pending
}

// Failure classifies a failed response, nil for any other.
func (r Response) Failure() *Failure {
	if r.Status != StatusFailed {
		return nil
	}
	f := Failure{Class: ClassUnavailable, Message: "the response failed without saying why"}
	if r.Error != nil {
		f.Code, f.Message = r.Error.Code, bounded(r.Error.Message, 500)
		f.Class = ClassifyCode(r.Error.Code, r.Error.Message)
	}
	return &f
}

// result is what is indexed of the response.
func (r Response) result() *Result {
	res := &Result{
		ResponseID: r.ID, Status: r.Status, Model: r.Model, ServiceTier: r.ServiceTier,
		Refusal: r.Refused(), RequiresAction: r.RequiresAction(), Usage: r.Usage(), Bytes: len(r.Raw),
	}
	if r.IncompleteDetails != nil {
		res.IncompleteReason = r.IncompleteDetails.Reason
	}
	return res
}

// ClassifyCode returns the class of an error code of OpenAI's, as it stands in
// an error body or in a failed response. A code that we do not know is
// unavailable: worth a bounded number of new attempts.
func ClassifyCode(code, message string) Class {
	lower := strings.ToLower(message)
	switch code {
	case "insufficient_quota", "billing_hard_limit_reached", "quota_exceeded":
		return ClassQuota
	case "resource_unavailable":
		return ClassCapacity
	case "rate_limit_exceeded":
		return classifyRate(lower)
	case "invalid_api_key", "account_deactivated", "organization_required":
		return ClassUnauthorized
	case "bio_policy", "misalignment_policy_violation", "content_policy_violation", "image_content_policy_violation",
		"cyber_policy", "content_filter":
		return ClassRejected
	case "conversation_locked":
		return ClassConflict
	case "server_error", "vector_store_timeout", "failed_to_download_image":
		return ClassUnavailable
	case "invalid_prompt", "data_residency_mismatch", "context_length_exceeded", "model_not_found",
		"previous_response_not_found", "unknown_parameter", "image_too_large", "image_too_small",
		"image_parse_error", "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
		"image_file_not_found":
		return ClassInvalid
	}
	switch {
	case strings.HasPrefix(code, "invalid_"), strings.HasPrefix(code, "missing_"), strings.HasPrefix(code, "unsupported_"):
		return ClassInvalid
	case strings.Contains(lower, "exceeded your current quota"):
		return ClassQuota
	}
	return ClassUnavailable
}

// classifyRate tells a rate limit that time heals from a request that can never
// fit, to which OpenAI gives the same code, and from the 429 of a service tier
// that has no room.
func classifyRate(lower string) Class {
	switch {
	case strings.Contains(lower, "exceeded your current quota"):
		return ClassQuota
	case strings.Contains(lower, "request too large"):
		return ClassInvalid
	case strings.Contains(lower, "resource unavailable"):
		return ClassCapacity
	}
	return ClassRateLimited
}
