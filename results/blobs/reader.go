package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrOversize is returned by [Reader.Get] for an object that is larger than allowed.
var ErrOversize = errors.New("the object is larger than the limit for reading")

// Object is an object of a bucket.
type Object struct {
	Key      string
	Bytes    int64
	Modified time.Time
}

// Reader reads what others have put into a bucket, under whatever keys. It writes
// nothing, and is safe for concurrent use.
type Reader struct {
	bucket *bucket
	prefix string
}

// OpenReader returns a reader of the objects below a prefix: s3://bucket/prefix with the
// parameters of [Config.URL]. It speaks to nobody.
func OpenReader(config Config) (*Reader, error) {
	u, err := url.Parse(config.URL)
	if err != nil || u.Scheme != "s3" || u.User != nil || u.Fragment != "" {
		return nil, invalid("is no bucket; write s3://bucket/prefix")
	}
	if config.Timeout <= 0 {
		config.Timeout = DefaultTimeout
	}
	prefix := strings.TrimPrefix(u.Path, "/")
	u.Path, u.RawPath = "", ""
	b, err := openBucket(u, config)
	if err != nil {
		return nil, err
	}
	return &Reader{bucket: b, prefix: prefix}, nil
}

// Objects are those below the prefix, and the one whose key it is, in the order of
// their keys. An error is the last of them. Each page that is fetched has the timeout
// to itself.
func (r *Reader) Objects(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		after := ""
		for {
			page, err := r.page(ctx, after)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, o := range page {
				after = o.Key
				if r.covers(o.Key) && !yield(o, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (r *Reader) page(ctx context.Context, after string) ([]Object, error) {
	const op = "list objects"
	b := r.bucket
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	var page []Object
	for o := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: r.prefix, Recursive: true, MaxKeys: pageSize, StartAfter: after}) {
		if o.Err != nil {
			return nil, b.failure(ctx, op, o.Err)
		}
		page = append(page, Object{Key: o.Key, Bytes: o.Size, Modified: o.LastModified})
		if len(page) == pageSize {
			break
		}
	}
	return page, b.failure(ctx, op, ctx.Err())
}

// covers reports whether a key is below the prefix as a folder, or is it: contracts has
// contracts/a.pdf and not contracts-old/a.pdf.
func (r *Reader) covers(key string) bool {
	if r.prefix == "" || strings.HasSuffix(r.prefix, "/") || key == r.prefix {
		return !strings.HasSuffix(key, "/")
	}
	return strings.HasPrefix(key, r.prefix+"/") && !strings.HasSuffix(key, "/")
}

// Get returns an object of at most limit bytes; a larger one is [ErrOversize], and one
// that is not there wraps [io/fs.ErrNotExist].
func (r *Reader) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	const op = "get object"
	b := r.bucket
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	body, info, _, err := b.core.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.failure(ctx, op, err)
	}
	defer func() { _ = body.Close() }() // all of it was read, or the error says why not
	if info.Size > limit {
		return nil, fmt.Errorf("%s: %w of %d bytes", op, ErrOversize, limit)
	}
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, b.failure(ctx, op, err)
	case int64(len(content)) > limit:
		return nil, fmt.Errorf("%s: %w of %d bytes", op, ErrOversize, limit)
	}
	return content, nil
}
