package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Failure is why an attempt or a job did not succeed, as it is stored. Message
// is bounded and cleaned by the adapter that made it; it never holds a prompt,
// an output or a key.
type Failure struct {
	Class   Class  `json:"class"`
	Code    string `json:"code,omitempty"`    // the provider's error code
	Type    string `json:"type,omitempty"`    // the provider's error type
	Param   string `json:"param,omitempty"`   // the field at fault
	Message string `json:"message,omitempty"` // for people
	// HTTPStatus is 0 when no answer came, or when the failure came inside a
	// response that was itself delivered with 200.
	HTTPStatus int    `json:"http_status,omitempty"`
	RequestID  string `json:"request_id,omitempty"` // x-request-id
	// RetryAfter is the server's own delay, 0 when it named none.
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"`
}

// String is one line for people: the class, the field, and the message, or the
// code where there is no message.
func (f Failure) String() string {
	var b strings.Builder
	b.WriteString(string(f.Class))
	if f.HTTPStatus != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", f.HTTPStatus)
	}
	if f.Param != "" {
		fmt.Fprintf(&b, ": %s", f.Param)
	}
	switch {
	case f.Message != "":
		fmt.Fprintf(&b, ": %s", f.Message)
	case f.Code != "":
		fmt.Fprintf(&b, ": %s", f.Code)
	}
	return b.String()
}

// Error is a classified error. Adapters build it; everybody else reads it
// through [ClassOf] and [FailureOf].
type Error struct {
	Failure
	Op     string     // what we were doing, e.g. "create response"
	Err    error      // the cause, when there is one
	Limits RateLimits // what the answer says of the account's rate limits
}

// Error says what was being done and what went wrong. The text of the cause is
// left out on purpose: the SDK's errors print the provider's raw body.
func (e *Error) Error() string {
	if e.Op == "" {
		return e.String()
	}
	return e.Op + ": " + e.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Invalid builds the error of bad input: the field, and what to do about it.
func Invalid(param, format string, args ...any) *Error {
	return &Error{Failure: Failure{Class: ClassInvalid, Param: param, Message: fmt.Sprintf(format, args...)}}
}

// ClassOf returns the class of an error, ClassInternal if nobody gave it one.
func ClassOf(err error) Class {
	return FailureOf(err).Class
}

// FailureOf returns the failure in err's chain, or one of class internal with
// the error's text.
func FailureOf(err error) Failure {
	if err == nil {
		return Failure{}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		f := e.Failure
		if f.Class == "" {
			f.Class = ClassInternal
		}
		return f
	}
	return Failure{Class: ClassInternal, Message: bounded(err.Error(), 500)}
}

// bounded cuts s to at most n bytes at a rune boundary.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
