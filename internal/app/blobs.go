package app

import (
	"context"
	"log/slog"

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
