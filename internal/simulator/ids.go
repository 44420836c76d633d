package simulator

import (
	"crypto/rand"
	"encoding/hex"
)

const responsePrefix = "resp_"

// newResponseID returns an unused response id, shaped as OpenAI's: resp_ and 48 hex digits.
func newResponseID() string {
	var raw [24]byte
	_, _ = rand.Read(raw[:]) // never fails
	return string(hex.AppendEncode(append(make([]byte, 0, 53), responsePrefix...), raw[:]))
}

// newFileID, newBatchID and newBatchRequestID return unused ids, shaped as OpenAI's.
func newFileID() string { return filePrefix + rand.Text()[:22] }

func newBatchID() string { return "batch_" + randomHex() }

func newBatchRequestID() string { return "batch_req_" + randomHex() }

func randomHex() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// newRequestID returns an unused id for the header x-request-id.
func newRequestID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	return string(hex.AppendEncode(append(make([]byte, 0, 36), "req_"...), raw[:]))
}

// itemID derives the id of an item of a response from the response's id.
func itemID(prefix, responseID string) string { return prefix + responseID[len(responsePrefix):] }

// callID derives the id under which the caller hands in a function's output.
func callID(responseID string) string {
	return "call_" + responseID[len(responsePrefix):len(responsePrefix)+24]
}

// responseOfItem returns the id of the response that has an item of the given id, or "".
func responseOfItem(id string) string {
	for _, prefix := range []string{"msg_", "fc_", "rs_"} {
		if len(id) == len(prefix)+48 && id[:len(prefix)] == prefix {
			return responsePrefix + id[len(prefix):]
		}
	}
	return ""
}
