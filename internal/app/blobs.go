package app

import (
	"context"
	"log/slog"
	"net/url"

	"github.com/longhaul-jobs/longhaul/internal/blobsurl"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

var _ results.Blobs = blobs.Store(nil)

// OpenBlobs returns the configured blob store, nil if there is none. A folder is
// made if it is not there; a bucket is not spoken to.
func OpenBlobs(ctx context.Context, cfg config.Config) (results.Blobs, error) {
	return openBlobs(ctx, cfg, false)
}

// openBlobs is [OpenBlobs], and with existing for one who makes no folder.
func openBlobs(ctx context.Context, cfg config.Config, existing bool) (results.Blobs, error) {
	if cfg.Blobs.URL == "" {
		return nil, nil //nolint:nilnil // no blob store is what was asked for
	}
	store, err := blobs.Open(ctx, blobs.Config{
		URL: cfg.Blobs.URL, Timeout: cfg.Blobs.Timeout, Existing: existing,
		AccessKey: cfg.Blobs.AccessKey.Reveal(), SecretKey: cfg.Blobs.SecretKey.Reveal(), SessionToken: cfg.Blobs.SessionToken.Reveal(),
	})
	if err != nil {
		return nil, err
	}
	return store, nil
}

// inspectBlobs finds out whether the blob store works. One that is away may come
// back; one that is configured wrongly would cost every large request and result.
func (a *App) inspectBlobs(ctx context.Context) error {
	err := a.store.CheckBlobs(ctx)
	if err != nil && jobs.ClassOf(err) == jobs.ClassUnavailable {
		a.log.WarnContext(ctx, "blob store does not answer; large requests are refused until it does", slog.Any("err", err))
		return nil
	}
	return err
}

// OpenDocuments opens a bucket that documents lie in: s3://bucket/prefix, with the
// parameters of blobs.url. Where blobs.url is a bucket as well, what the address leaves
// out is taken from there; the keys are those of blobs.access_key and its like.
func OpenDocuments(cfg config.Config, address string) (*blobs.Reader, error) {
	address, err := withParameters(address, cfg.Blobs.URL)
	if err != nil {
		return nil, err
	}
	return blobs.OpenReader(blobs.Config{
		URL: address, Timeout: cfg.Blobs.Timeout,
		AccessKey: cfg.Blobs.AccessKey.Reveal(), SecretKey: cfg.Blobs.SecretKey.Reveal(), SessionToken: cfg.Blobs.SessionToken.Reveal(),
	})
}

// withParameters returns an address with the parameters of the blob store's that it
// lacks. One that names an endpoint of its own gets none: keys of one place must not be
// sent to another because of what is left out.
func withParameters(address, store string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", jobs.Invalid("documents", "%.100q is no URL; write s3://bucket/prefix", address)
	}
	if own, err := blobsurl.Parameters(u); err != nil || own.Has("endpoint") {
		return address, nil //nolint:nilerr // who opens it says what is wrong
	}
	from, err := url.Parse(store)
	if err != nil || from.Scheme != "s3" {
		return address, nil //nolint:nilerr // there is nothing to take
	}
	query := u.Query()
	for name, values := range from.Query() {
		if !query.Has(name) {
			query[name] = values
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
