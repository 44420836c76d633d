package blobs

import "net/http"

// Through has the requests to a bucket go through a transport.
func (c Config) Through(transport http.RoundTripper) Config {
	c.transport = transport
	return c
}

// FileFailure classifies an error of the file system.
func FileFailure(err error) error { return fileFailure("test", err) }

// Places is how many operations on a folder there are at once.
const Places = places

// PageSize is how many keys are read at once.
const PageSize = pageSize
