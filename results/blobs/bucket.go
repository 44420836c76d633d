package blobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// tries is how often one operation is sent, within its timeout. Each of them
// may be repeated without harm.
const tries = 3

// bucket keeps each value as an object. An object appears when it is whole, and
// the answer to its upload says that it is durable.
type bucket struct {
	core    minio.Core
	name    string
	prefix  string // with its slash, or ""
	timeout time.Duration
}

// Put implements [Store]. It sends one request: a crash leaves the whole object
// or none, and no parts of one.
func (b *bucket) Put(ctx context.Context, key string, value []byte) error {
	const op = "put blob"
	if err := checkKey(key); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	sum := sha256.Sum256(value)
	// The sum is signed and checked by the server; without it, plain HTTP would be
	// sent in signed chunks, which not everything that speaks S3 can read.
	_, err := b.core.PutObject(ctx, b.name, b.prefix+key, bytes.NewReader(value), int64(len(value)), "", hex.EncodeToString(sum[:]),
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true})
	return b.failure(ctx, op, err)
}

// Get implements [Store].
func (b *bucket) Get(ctx context.Context, key string) ([]byte, error) {
	const op = "get blob"
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	body, _, _, err := b.core.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.failure(ctx, op, err)
	}
	value, err := io.ReadAll(body)
	_ = body.Close() // all of it was read, or the error says why not
	if err != nil {
		return nil, b.failure(ctx, op, err)
	}
	return value, nil
}

// Delete implements [Store]. Objects are removed one by one: not everything that
// speaks S3 can remove several at once, and a job has few.
func (b *bucket) Delete(ctx context.Context, folder string) error {
	const op = "delete blobs"
	if err := checkKey(folder); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	for object := range b.core.ListObjectsIter(ctx, b.name, b.options(folder, "")) {
		err := object.Err
		if err == nil {
			err = b.core.RemoveObject(ctx, b.name, object.Key, minio.RemoveObjectOptions{})
		}
		if err = b.failure(ctx, op, err); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return b.failure(ctx, op, ctx.Err())
}

// Walk implements [Store]. Each page that is fetched has the timeout to itself.
func (b *bucket) Walk(ctx context.Context, folder, after string, visit func(key string, modified time.Time) bool) error {
	if err := checkKey(folder); err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for {
		page, err := b.page(ctx, folder, after)
		if err != nil {
			return err
		}
		for _, e := range page {
			if !visit(e.key, e.modified) {
				return nil
			}
			after = e.key
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func (b *bucket) page(ctx context.Context, folder, after string) ([]entry, error) {
	const op = "list blobs"
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	var page []entry
	for object := range b.core.ListObjectsIter(ctx, b.name, b.options(folder, after)) {
		if object.Err != nil {
			return nil, b.failure(ctx, op, object.Err)
		}
		page = append(page, entry{key: strings.TrimPrefix(object.Key, b.prefix), modified: object.LastModified})
		if len(page) == pageSize {
			break
		}
	}
	return page, b.failure(ctx, op, ctx.Err())
}

func (b *bucket) options(folder, after string) minio.ListObjectsOptions {
	options := minio.ListObjectsOptions{Prefix: b.prefix + folder + "/", Recursive: true, MaxKeys: pageSize}
	if after != "" {
		options.StartAfter = b.prefix + after
	}
	return options
}

// Check implements [Store].
func (b *bucket) Check(ctx context.Context) error { return probe(ctx, b) }

// failure classifies an error of the client. What a server wrote in its answer
// is not repeated: some quote the request.
func (b *bucket) failure(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return away(op, "has not answered in time", cause)
	}
	answer := minio.ErrorResponse{}
	if !errors.As(err, &answer) {
		return away(op, "cannot be reached", err)
	}
	switch answer.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%s: %w", op, fs.ErrNotExist)
	case minio.NoSuchBucket, minio.InvalidBucketName:
		return broken(op, "names a bucket that does not exist", err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return unauthorized(op, "does not accept the credentials ("+answer.Code+"): set blobs.access_key and blobs.secret_key, or credentials= in blobs.url", err)
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "InvalidRegion":
		return broken(op, "names a bucket of another region; add its region, as in s3://bucket/prefix?region=eu-central-1", err)
	}
	switch status := answer.StatusCode; {
	case answer.Code == minio.AccessDenied, status == http.StatusForbidden, status == http.StatusUnauthorized:
		return unauthorized(op, "refuses the access: its credentials need to list the bucket and to put, get and delete objects", err)
	case status == http.StatusNotFound:
		return broken(op, "names a bucket that does not exist", err)
	}
	return away(op, fmt.Sprintf("answers with an error (HTTP %d)", answer.StatusCode), err)
}

// unauthorized is the error of credentials that are bad or not enough.
func unauthorized(op, message string, cause error) *jobs.Error {
	return &jobs.Error{Op: op, Err: cause, Failure: jobs.Failure{
		Class: jobs.ClassUnauthorized, Code: "blobs_refused", Param: param, Message: "the blob store " + message,
	}}
}
