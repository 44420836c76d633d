package jobs

import "strconv"

// Notice is the provider's word, in a webhook, that something has happened to a
// response. It is trusted for nothing but a reason to look.
type Notice struct {
	// ID is that of the webhook: the same when it is sent again.
	ID string
	// Endpoint is the one whose secret has signed it.
	Endpoint string
	// Type is the event's, such as response.completed.
	Type string
	// ResponseID is empty when the event is not about a response.
	ResponseID string
}

// Origin returns the job and the attempt that a response was made for, as its
// metadata has them, and false for a response that is none of ours.
func (r Response) Origin() (job ID, attempt int, ok bool) {
	id, err := ParseID(r.Metadata[MetadataJob])
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.Atoi(r.Metadata[MetadataAttempt])
	if err != nil || n < 1 {
		return "", 0, false
	}
	return id, n, true
}
