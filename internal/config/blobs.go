package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

// blobsParameter reports whether the URL of a bucket may have a parameter; what it
// means is for who opens it to say.
func blobsParameter(name string) bool {
	return slices.Contains([]string{"endpoint", "region", "style", "credentials"}, name)
}

// parseBlobsURL holds text to a folder or a bucket, or to nothing.
func parseBlobsURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "file" && u.Scheme != "s3":
		return errors.New("is no store for blobs; write file:///a/folder or s3://bucket/prefix with its parameters")
	case u.User != nil:
		return errors.New("contains credentials; set blobs.access_key and blobs.secret_key instead")
	case u.Scheme == "file" && (u.Host != "" || strings.Trim(u.Path, "/") == ""):
		return errors.New("names no folder of this machine; write three slashes and the whole path, as in file:///var/lib/longhaul/blobs")
	case u.Scheme == "s3" && u.Host == "":
		return errors.New("names no bucket; write s3://bucket/prefix with its parameters")
	}
	return checkBlobsQuery(u)
}

// checkBlobsQuery refuses what somebody may have written where everybody sees it.
func checkBlobsQuery(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has parameters that cannot be read; write %26 for & and %2B for + in a value")
	}
	if u.Scheme == "file" && len(query) > 0 {
		return errors.New("has parameters, which a folder does not; leave out what follows the question mark")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !blobsParameter(name) {
			return fmt.Errorf("has the parameter %.40q, which does not exist; there are endpoint, region, style and credentials, and keys belong into blobs.access_key and blobs.secret_key", name)
		}
	}
	for name, values := range query {
		if len(values) > 1 {
			return fmt.Errorf("has the parameter %s twice; keep one", name)
		}
	}
	if query.Has("endpoint") && !plainEndpoint(query.Get("endpoint")) {
		return errors.New("has an endpoint that is none, or one with credentials; write endpoint=https://host:port, and set blobs.access_key and blobs.secret_key")
	}
	return nil
}

// plainEndpoint reports whether text is the address of a server and nothing else.
func plainEndpoint(text string) bool {
	e, err := url.Parse(text)
	return err == nil && (e.Scheme == "http" || e.Scheme == "https") && e.Host != "" && e.User == nil &&
		strings.Trim(e.Path, "/")+e.RawQuery+e.Fragment == ""
}

// showBlobsURL is the URL without what may be a secret: passwords, and the values of
// parameters that there are not.
func showBlobsURL(text string) string {
	before, query, found := strings.Cut(text, "?")
	shown := redisurl.Show(before)
	if !found {
		return shown
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(value)
		if !blobsParameter(name) || err != nil || name == "endpoint" && !plainEndpoint(plain) || name != "endpoint" && strings.ContainsAny(plain, "@:/?#") {
			parts[i] = name + "=" + redisurl.Redacted
		}
	}
	return shown + "?" + strings.Join(parts, "&")
}
