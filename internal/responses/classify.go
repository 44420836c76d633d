package responses

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// classify says what an exchange means that brought nothing usable. It is the
// one place where a failure of the provider gets its class:
//
//	                             create         look, cancel, delete, input items, model
//	the SDK could not make it    internal       internal
//	certainly nothing was sent   unreachable    unavailable
//	sent, and no answer          ambiguous      unavailable
//	2xx, over the cap            oversized      oversized
//	2xx, cut, empty, not ours    ambiguous      unavailable
//	303                          ambiguous      unavailable
//	any other 3xx                internal       unavailable
//	401, 403, 407                unauthorized   unauthorized
//	402                          quota          unavailable
//	404, the API's own           invalid        lost
//	404, of something in front   unavailable    unavailable
//	404, 405, of a wrong path    internal       unavailable
//	408                          ambiguous      unavailable
//	409                          conflict       unavailable; cancel and delete: conflict
//	429                          rate_limited   rate_limited
//	     no credit               quota          rate_limited
//	     a tier without room     capacity       rate_limited
//	     can never fit           invalid        rate_limited
//	400                          invalid        unavailable; cancel and delete: conflict
//	any other 4xx                invalid        unavailable
//	503 "slow down"              rate_limited   unavailable
//	any other 5xx, all others    ambiguous      unavailable
//
// A code in the error of a refused create can say more than its status: see
// classifyRefusal. The texts in the failure are the provider's and must be
// scrubbed.
func classify(e *exchange) jobs.Failure {
	if e.status == 0 {
		return classifySilence(e)
	}
	p := readProblem(e.body)
	failure := jobs.Failure{
		Code: p.code, Type: p.kind, Param: p.param, Message: p.message,
		HTTPStatus: e.status, RequestID: requestID(e.header), RetryAfter: retryAfter(e.status, e.header, p),
	}
	switch {
	case e.over && e.status <= 299:
		failure.Class = jobs.ClassOversized
		failure.Message = fmt.Sprintf("the answer is larger than the cap of %d bytes", e.limit)
	case e.op.creates():
		failure.Class = classifyCreate(e.status, p)
	default:
		failure.Class = classifyManage(e.op, e.status, p)
	}
	switch {
	case e.stranger:
		failure.Message = "the answer is about another response"
	case e.status >= 300 && e.status <= 399:
		failure.Message = "the endpoint redirects; set its base_url to where the API is"
	}
	return failure
}

// classifyCreate is the left column of the table: the question is whether the
// request was certainly not accepted.
func classifyCreate(status int, p problem) jobs.Class {
	switch status {
	case http.StatusSeeOther: // "done; see there"
		return jobs.ClassAmbiguous
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return jobs.ClassUnauthorized
	case http.StatusPaymentRequired:
		return jobs.ClassQuota
	case http.StatusNotFound:
		if !p.ours {
			return jobs.ClassUnavailable
		}
	case http.StatusMethodNotAllowed:
		return jobs.ClassInternal
	case http.StatusRequestTimeout:
		return jobs.ClassAmbiguous
	case http.StatusConflict:
		return jobs.ClassConflict
	case http.StatusTooManyRequests:
		return classifyTooMany(p)
	case http.StatusServiceUnavailable:
		if p.says("slow down", "slow_down", "overloaded") { // turned away at the door
			return jobs.ClassRateLimited
		}
	}
	switch {
	case status >= 300 && status <= 399:
		return jobs.ClassInternal
	case status >= 400 && status <= 499:
		return classifyRefusal(p)
	}
	return jobs.ClassAmbiguous
}

// classifyRefusal reads the code of a create that was refused for what it says.
func classifyRefusal(p problem) jobs.Class {
	if p.wrongRoute() {
		return jobs.ClassInternal
	}
	switch p.code {
	case "server_error", "vector_store_timeout", "failed_to_download_image":
		return jobs.ClassUnavailable
	}
	class := jobs.ClassifyCode(p.code, p.message)
	if class == jobs.ClassUnavailable {
		return jobs.ClassInvalid // a code that we do not know, in an answer that says whose fault it is
	}
	return class
}

// classifyTooMany tells apart what OpenAI answers with 429: a limit that time
// heals, an account without credit, and a request that no limit will ever fit.
func classifyTooMany(p problem) jobs.Class {
	for _, code := range []string{p.code, p.kind} {
		if code == "billing_not_active" || jobs.ClassifyCode(code, "") == jobs.ClassQuota {
			return jobs.ClassQuota
		}
	}
	return jobs.ClassifyCode("rate_limit_exceeded", p.message)
}

// classifyManage is the right column of the table: the question is whether the
// answer says anything about the response.
func classifyManage(op operation, status int, p problem) jobs.Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return jobs.ClassUnauthorized
	case http.StatusTooManyRequests:
		return jobs.ClassRateLimited
	case http.StatusNotFound:
		if p.ours && !p.wrongRoute() {
			return jobs.ClassLost
		}
	case http.StatusBadRequest, http.StatusConflict:
		switch op {
		case opCancel, opDelete, opCancelBatch:
			return jobs.ClassConflict
		case opUpload:
			return jobs.ClassInvalid
		case opCreate, opLook, opInputItems, opModel, opFollow, opDownload, opCreateBatch, opLookBatch, opFindBatch:
		}
	}
	return jobs.ClassUnavailable
}

// classifySilence classifies an exchange without an answer. A create is
// unreachable only on evidence that nothing was sent; without it, ambiguous.
func classifySilence(e *exchange) jobs.Failure {
	if !e.reached && !e.stopped {
		return jobs.Failure{Class: jobs.ClassInternal, Message: "the request could not be made"}
	}
	failure := jobs.Failure{Class: jobs.ClassUnavailable}
	if e.op.creates() {
		failure.Class = jobs.ClassUnreachable
		if e.sent() {
			failure.Class = jobs.ClassAmbiguous
		}
	}
	failure.Code, failure.Message = describeSilence(e)
	return failure
}

// describeSilence says why no answer came, in words of ours: those of the cause
// name addresses.
func describeSilence(e *exchange) (code, message string) {
	if timeout, ok := errors.AsType[*timeoutError](e.err); ok {
		return "timeout", timeout.Error()
	}
	if e.stopped {
		if errors.Is(e.err, context.DeadlineExceeded) {
			return "timeout", "the caller's deadline passed before an answer came"
		}
		return "stopped", "the call was stopped before an answer came"
	}
	if e.sent() {
		return "connection_lost", "the connection was lost before an answer came"
	}
	if _, ok := errors.AsType[*net.DNSError](e.err); ok {
		return "connect_failed", "the name of the host could not be resolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e.err); ok {
		return "connect_failed", "the certificate of the host was not accepted"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](e.err); ok {
		return "connect_failed", "the host does not speak TLS on this port"
	}
	if errors.Is(e.err, syscall.ECONNREFUSED) {
		return "connect_failed", "the host refused the connection"
	}
	return "connect_failed", "no connection to the host could be made"
}
