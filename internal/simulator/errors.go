package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// apiError is a refusal in OpenAI's shape: an HTTP status and the body
// {"error":{"message","type","param","code"}}, where an empty param or code is null. Its message
// goes to clients, so it holds no more of a request than the names of its parameters and the
// values that OpenAI repeats too.
type apiError struct {
	status     int
	message    string
	kind       string // the member called "type"
	param      string
	code       string
	retryAfter time.Duration // sent as Retry-After and retry-after-ms when positive
}

// body returns the JSON that the client receives.
func (e *apiError) body() []byte {
	dst := append(make([]byte, 0, len(e.message)+128), `{"error":{"message":`...)
	dst = appendQuoted(dst, e.message)
	dst = append(dst, `,"type":`...)
	dst = appendQuoted(dst, e.kind)
	dst = append(dst, `,"param":`...)
	dst = appendNullable(dst, e.param)
	dst = append(dst, `,"code":`...)
	dst = appendNullable(dst, e.code)
	return append(dst, "}}\n"...)
}

// invalid returns a 400 invalid_request_error.
func invalid(param, code, format string, args ...any) *apiError {
	return &apiError{
		status: http.StatusBadRequest, kind: "invalid_request_error", param: param, code: code,
		message: fmt.Sprintf(format, args...),
	}
}

// notFound returns a 404 invalid_request_error.
func notFound(format string, args ...any) *apiError {
	return &apiError{
		status: http.StatusNotFound, kind: "invalid_request_error", message: fmt.Sprintf(format, args...),
	}
}

func errResponseNotFound(id string) *apiError {
	return notFound("Response with id '%s' not found.", id)
}

func errUnknownParameter(path string) *apiError {
	return invalid(path, "unknown_parameter", "Unknown parameter: '%s'.", path)
}

func errMissingParameter(path string) *apiError {
	return invalid(path, "missing_required_parameter", "Missing required parameter: '%s'.", path)
}

func errInvalidType(path, expected string, got []byte) *apiError {
	return invalid(path, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.",
		path, expected, typeName(got))
}

func errInvalidValue(path, got string, supported []string) *apiError {
	return invalid(path, "invalid_value", "Invalid value: '%s'. Supported values are: %s.",
		clip(got, 64), quotedList(supported, "and"))
}

func errStringTooLong(path string, limit, got int) *apiError {
	return invalid(path, "string_above_max_length",
		"Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.",
		path, limit, got)
}

func errUnsupportedByModel(param string) *apiError {
	return invalid(param, "", "Unsupported parameter: '%s' is not supported with this model.", param)
}

// errMoved is the refusal of a parameter of the older Chat Completions API.
func errMoved(param, to string) *apiError {
	return invalid("", "unsupported_parameter",
		"Unsupported parameter: '%s'. In the Responses API, this parameter has moved to '%s'. Try again with the new parameter. "+
			"See the API documentation for more information: https://platform.openai.com/docs/api-reference/responses/create.",
		param, to)
}

// errModelNotFound is a 404: OpenAI answered 400 until August 2026 and 404 since September.
func errModelNotFound(name string) *apiError {
	err := notFound("The requested model '%s' does not exist.", clip(name, 128))
	err.param, err.code = "model", "model_not_found"
	return err
}

func errInvalidJSON() *apiError {
	return invalid("", "", "Invalid body: failed to parse JSON value. Please check the value to ensure it is valid JSON. "+
		"(Common errors include trailing commas, missing closing brackets, missing quotation marks, etc.)")
}

func errBodyTooLarge(limit int64) *apiError {
	err := invalid("", "request_too_large", "Maximum content size limit (%d) exceeded.", limit)
	err.status = http.StatusRequestEntityTooLarge
	return err
}

func errMissingKey() *apiError {
	return &apiError{
		status: http.StatusUnauthorized, kind: "invalid_request_error",
		message: "Missing bearer or basic authentication in header",
	}
}

func errWrongKey(key string) *apiError {
	return &apiError{
		status: http.StatusUnauthorized, kind: "invalid_request_error", code: "invalid_api_key",
		message: "Incorrect API key provided: " + maskKey(key) +
			". You can find your API key at https://platform.openai.com/account/api-keys.",
	}
}

// errQuota is what an account without credit gets.
func errQuota() *apiError {
	return &apiError{
		status: http.StatusTooManyRequests, kind: "insufficient_quota", code: "insufficient_quota",
		message: quotaMessage,
	}
}

const quotaMessage = "You exceeded your current quota, please check your plan and billing details. For more information " +
	"on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."

const serverErrorMessage = "The server had an error processing your request. Sorry about that! You can retry your request, " +
	"or contact us through our help center at help.openai.com if you keep seeing this error."

// maskKey hides the middle of a key, keeping what a person needs to tell keys apart.
func maskKey(key string) string {
	if len(key) <= 12 {
		return strings.Repeat("*", len(key))
	}
	return key[:4] + strings.Repeat("*", min(len(key)-8, 32)) + key[len(key)-4:]
}

// maskKeys returns a copy of keys, each masked.
func maskKeys(keys []string) []string {
	masked := make([]string, len(keys))
	for i, key := range keys {
		masked[i] = maskKey(key)
	}
	return masked
}

// quotedList renders 'a', 'b', and 'c', without the comma when there are two.
func quotedList(values []string, conjunction string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return "'" + values[0] + "'"
	case 2:
		return "'" + values[0] + "' " + conjunction + " '" + values[1] + "'"
	}
	return "'" + strings.Join(values[:len(values)-1], "', '") + "', " + conjunction + " '" + values[len(values)-1] + "'"
}
