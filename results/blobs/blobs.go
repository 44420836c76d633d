// Package blobs keeps what is too large for Redis: requests, responses and, one
// day, files that came with a response. A store is a folder or a bucket of
// anything that speaks S3, opened by one URL. It keeps values under keys and
// knows nothing of jobs; package results says what goes where, and when it goes
// away again.
//
//	store, err := blobs.Open(ctx, blobs.Config{URL: "file:///var/lib/longhaul/blobs"})
//	c, err := client.Open(ctx, client.Config{Blobs: store})
package blobs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// DefaultTimeout bounds each operation unless configured otherwise.
const DefaultTimeout = 30 * time.Second

// Config says which store to open.
type Config struct {
	// URL is file:///a/folder, or s3://bucket/prefix with the parameters
	//
	//	endpoint     https://host:port, or http://… for one without TLS; default AWS
	//	region       the region of the bucket; asked for if it is not given
	//	style        "path" or "host": where requests name the bucket; default what the endpoint takes
	//	credentials  "keys" (the two below), "env" (AWS_ACCESS_KEY_ID and its
	//	             like) or "iam" (the role of the machine, task or pod); default "keys"
	URL string
	// AccessKey and SecretKey are the credentials of a bucket, SessionToken the
	// third part of temporary ones.
	AccessKey, SecretKey, SessionToken string
	// Timeout bounds each operation; default [DefaultTimeout].
	Timeout time.Duration
	// Existing says that a folder is not made if it is not there. Operations then
	// fail with [fs.ErrNotExist] and class unavailable; [Store.Check] finds out
	// whether it could be made.
	Existing bool

	transport http.RoundTripper // of tests
}

// Store keeps values under keys: segments of letters, digits and . _ - : that
// begin with a letter or a digit, with slashes between them. It is safe for
// concurrent use, also by several processes. Each operation is bounded by the
// configured timeout beside its context.
//
// Errors are [*jobs.Error]: class unavailable when trying again later may help,
// class invalid with the setting at fault when it will not. They hold neither
// credentials nor any part of a value.
type Store interface {
	// Put keeps a value, in the place of an earlier one of the same key. When it
	// returns without an error the value is durable and whole, and not before
	// that does anybody see it.
	Put(ctx context.Context, key string, value []byte) error
	// Get returns a value. One that is not there is [fs.ErrNotExist].
	Get(ctx context.Context, key string) ([]byte, error)
	// Delete removes all below a folder of keys, which may be none.
	Delete(ctx context.Context, folder string) error
	// Walk visits the keys below a folder that come after the given one, in their
	// order and with the time that each was written, until visit returns false.
	// What a crash has left of a Put may be among them.
	Walk(ctx context.Context, folder, after string, visit func(key string, modified time.Time) bool) error
	// Check finds out whether values can be written, read and removed.
	Check(ctx context.Context) error
}

// Open returns the store at a URL. A folder is made if it is not there, unless
// [Config].Existing says otherwise; a bucket is not spoken to, so that nothing but [Store.Check] tells whether it is.
func Open(ctx context.Context, config Config) (Store, error) {
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	u, err := url.Parse(config.URL)
	switch {
	case err != nil || config.URL == "":
		return nil, invalid("is not a URL; write file:///a/folder or s3://bucket/prefix?region=…")
	case u.User != nil:
		return nil, invalid("contains credentials; set blobs.access_key and blobs.secret_key instead")
	case u.Fragment != "":
		return nil, invalid("contains #, which ends a URL")
	case u.Scheme == "file":
		return openFolder(ctx, u, config)
	case u.Scheme == "s3":
		return openBucket(u, config)
	}
	return nil, invalid("has another scheme than file and s3; write file:///a/folder or s3://bucket/prefix?region=…")
}

// checkKey holds a key to what both sorts of store can keep.
func checkKey(key string) error {
	if len(key) > 900 {
		return errors.New("key is too long")
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || len(segment) > 200 || strings.ContainsFunc(segment, strange) || strings.ContainsAny(segment[:1], "._-:") {
			return errors.New("key has a segment that is none")
		}
	}
	return nil
}

func strange(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("._-:", r)
}

// probe writes, reads and removes a value, as [Store.Check].
func probe(ctx context.Context, s Store) error {
	folder := "check-" + rand.Text() // of its own, so that nothing of it is left
	value := []byte("written by longhaul to see whether this store works")
	if err := s.Put(ctx, folder+"/value", value); err != nil {
		return err
	}
	got, err := s.Get(ctx, folder+"/value")
	if err == nil && !bytes.Equal(got, value) {
		err = &jobs.Error{Op: "check blobs", Failure: jobs.Failure{
			Class: jobs.ClassInvalid, Param: param, Code: "blobs_altered", Message: "names a store that returns other bytes than it was given",
		}}
	}
	return errors.Join(err, s.Delete(ctx, folder))
}

// param is the setting that errors name.
const param = "blobs.url"

// invalid is the error of a setting that cannot work.
func invalid(format string, args ...any) *jobs.Error { return jobs.Invalid(param, format, args...) }

// away is the error of a store that may work later.
func away(op, message string, cause error) *jobs.Error {
	return &jobs.Error{Op: op, Err: cause, Failure: jobs.Failure{
		Class: jobs.ClassUnavailable, Code: "blobs_away", Message: "the blob store " + message,
	}}
}

// broken is the error of a store that will not work as it is configured.
func broken(op, message string, cause error) *jobs.Error {
	return &jobs.Error{Op: op, Err: cause, Failure: jobs.Failure{
		Class: jobs.ClassInvalid, Code: "blobs_refused", Param: param, Message: message,
	}}
}
