package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// Bounds of a batch.
const (
	maxBatchLines = 50_000
	maxBatchBytes = 200 << 20
)

// batchEndpoint is the one that the simulator serves of those that batches may ask.
const batchEndpoint = "/v1/responses"

// batchFault is why a batch cannot be run, as its member errors tells it.
type batchFault struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int    `json:"line"`
}

// batchLine is one request of a batch.
type batchLine struct {
	id, customID, requestID string
	body                    *body

	// One of them is set once the batch runs, unless the line is left undone.
	record  *record
	refused *apiError
	// ends is when the line is done, in Unix nanoseconds; never for one left undone.
	ends int64
}

// readBatch reads the lines of a batch. What is wrong with them fails the batch as a whole.
func readBatch(content []byte) ([]*batchLine, []batchFault) {
	var lines []*batchLine
	var faults []batchFault
	seen := make(map[string]bool)
	model := ""
	number := 0
	for raw := range bytes.Lines(content) {
		number++
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		line, name, fault := readBatchLine(raw)
		switch {
		case fault != nil:
		case seen[line.customID]:
			fault = newBatchFault("duplicate_custom_id", "custom_id",
				"The custom_id '%s' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.", clip(line.customID, 128))
		case model != "" && name != model:
			fault = newBatchFault("mismatched_model", "body.model",
				"The provided model '%s' does not match the model '%s' of the other requests. All requests of a batch must have the same model.", clip(name, 64), clip(model, 64))
		}
		if fault != nil {
			fault.Line = new(number)
			faults = append(faults, *fault)
			continue
		}
		model = name
		seen[line.customID] = true
		lines = append(lines, line)
	}
	switch {
	case len(content) > maxBatchBytes:
		return nil, []batchFault{*newBatchFault("file_too_large", "", "The input file is larger than 200 MB.")}
	case len(lines) > maxBatchLines:
		return nil, []batchFault{*newBatchFault("too_many_tasks", "", "The batch has %d requests. At most %d are allowed.", len(lines), maxBatchLines)}
	case len(lines) == 0 && len(faults) == 0:
		return nil, []batchFault{*newBatchFault("empty_file", "", "The input file is empty. Please ensure that the batch contains at least one request.")}
	}
	return lines, faults
}

// readBatchLine reads one line and says which model it asks.
func readBatchLine(raw []byte) (line *batchLine, model string, fault *batchFault) {
	var request struct {
		CustomID *string         `json:"custom_id"`
		Method   *string         `json:"method"`
		URL      *string         `json:"url"`
		Body     json.RawMessage `json:"body"`
	}
	if json.Unmarshal(raw, &request) != nil {
		return nil, "", newBatchFault("invalid_json_line", "", "This line is not parseable as valid JSON.")
	}
	for _, member := range []struct {
		name    string
		missing bool
	}{
		{"custom_id", request.CustomID == nil}, {"method", request.Method == nil}, {"url", request.URL == nil}, {"body", isNull(request.Body)},
	} {
		if member.missing {
			return nil, "", newBatchFault("missing_required_parameter", member.name, "Missing required parameter: '%s'.", member.name)
		}
	}
	members, ok := decodeObject(request.Body)
	switch {
	case *request.Method != http.MethodPost:
		return nil, "", newBatchFault("invalid_method", "method", "The provided method '%s' is not supported. Only 'POST' is.", clip(*request.Method, 16))
	case *request.URL != batchEndpoint:
		return nil, "", newBatchFault("invalid_url", "url", "The URL provided for this request does not match the batch endpoint. The request URL should match the batch endpoint '%s'.", batchEndpoint)
	case !ok:
		return nil, "", newBatchFault("invalid_request", "body", "The body of this request is not a JSON object.")
	case string(members["stream"]) == "true":
		return nil, "", newBatchFault("invalid_request", "body.stream", "Streaming is not supported in batches.")
	}
	_ = json.Unmarshal(members["model"], &model) // what is no string is refused when the line runs
	b := &body{members: members}
	b.metadata, b.metadataFault = parseMetadata(members["metadata"])
	return &batchLine{id: newBatchRequestID(), customID: *request.CustomID, requestID: newRequestID(), body: b}, model, nil
}

func newBatchFault(code, param, format string, args ...any) *batchFault {
	f := &batchFault{Code: code, Message: fmt.Sprintf(format, args...)}
	if param != "" {
		f.Param = &param
	}
	return f
}

// done reports whether the line was carried out by the given time.
func (l *batchLine) done(now int64) bool {
	return l.ends <= now && (l.record == nil || l.record.cancelled == 0)
}

// batchAnswer is the line of an output file or an error file.
type batchAnswer struct {
	ID       string         `json:"id"`
	CustomID string         `json:"custom_id"`
	Response *batchResponse `json:"response"`
	Error    *batchError    `json:"error"`
}

type batchResponse struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"`
	Body       json.RawMessage `json:"body"`
}

type batchError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// answer is what came of the line by the given time; undone is why, if nothing did.
func (l *batchLine) answer(now int64, undone batchError) batchAnswer {
	a := batchAnswer{ID: l.id, CustomID: l.customID}
	switch {
	case !l.done(now):
		a.Error = &undone
	case l.refused != nil:
		a.Response = &batchResponse{l.refused.status, l.requestID, bytes.TrimSpace(l.refused.body())}
	default:
		v := l.record.viewLocked(now)
		a.Response = &batchResponse{http.StatusOK, l.requestID, v.appendJSON(nil)}
	}
	return a
}
