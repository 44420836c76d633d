package config

import (
	"errors"
	"net/url"
	"strings"

	"github.com/longhaul-jobs/longhaul/internal/blobsurl"
	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

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
	_, err = blobsurl.Parameters(u)
	return err
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
		if !blobsurl.Known(name) || err != nil || name == "endpoint" && blobsurl.Endpoint(plain) == nil || name != "endpoint" && strings.ContainsAny(plain, "@:/?#") {
			parts[i] = name + "=" + redisurl.Redacted
		}
	}
	return shown + "?" + strings.Join(parts, "&")
}
