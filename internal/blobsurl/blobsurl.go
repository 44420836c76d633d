// Package blobsurl reads what the URL of a blob store says beside its place: the
// parameters of a bucket, and none of a folder. Whoever meets such a URL holds it to
// the same rules here, so that a secret is refused wherever somebody has written one.
package blobsurl

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Known reports whether a bucket has a parameter of that name.
func Known(parameter string) bool {
	return slices.Contains([]string{"endpoint", "region", "style", "credentials"}, parameter)
}

// Parameters returns those of a URL, of which there are none for a folder. What their
// values mean, but for the endpoint, is for who opens the store to say. The error
// follows the name of the setting as the rest of a sentence, and repeats no value.
func Parameters(u *url.URL) (url.Values, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("has parameters that cannot be read; write %26 for & and %2B for + in a value")
	}
	if u.Scheme == "file" && len(query) > 0 {
		return nil, errors.New("has parameters, which a folder does not; leave out what follows the question mark")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !Known(name) {
			return nil, fmt.Errorf("has the parameter %.40q, which does not exist; there are endpoint, region, style and credentials, and keys belong into blobs.access_key and blobs.secret_key", name)
		}
		if len(query[name]) > 1 {
			return nil, fmt.Errorf("has the parameter %s twice; keep one", name)
		}
	}
	if query.Has("endpoint") && Endpoint(query.Get("endpoint")) == nil {
		return nil, errors.New("has an endpoint that is none, or one with credentials; write endpoint=https://host:port, and set blobs.access_key and blobs.secret_key")
	}
	return query, nil
}

// Endpoint returns the address of an S3 server, nil for text that is anything else or
// anything more.
func Endpoint(text string) *url.URL {
	e, err := url.Parse(text)
	if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || e.User != nil ||
		strings.Trim(e.Path, "/")+e.RawQuery+e.Fragment != "" {
		return nil
	}
	return e
}
