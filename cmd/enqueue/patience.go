package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// patiently does something that must not be given up because Redis or the blob
// store is away for a moment: it tries again, with growing pauses, for as long as patience lasts.
// What it does must be safe to do twice. note is told of each outage.
func patiently(ctx context.Context, patience time.Duration, note func(error), op func() error) error {
	const first, most = 100 * time.Millisecond, 3 * time.Second
	var since time.Time
	for pause := first; ; pause = min(2*pause, most) {
		err := op()
		if err == nil || final(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) > patience {
			return err
		}
		note(err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// outage says who is away, in the same words whatever was asked for.
func outage(err error) string {
	if ofBlobs(err) {
		return "trying again: " + err.Error() // which names the blob store
	}
	return "Redis does not answer, trying again: " + rootOf(err)
}

// ofBlobs reports whether it is the blob store that an error is of, and not Redis.
func ofBlobs(err error) bool {
	e, ok := errors.AsType[*jobs.Error](err)
	return ok && strings.HasPrefix(e.Code, "blobs_")
}

// rootOf is the first of the errors that led to one: the later ones say what it was for, and
// a connection from which port.
func rootOf(err error) string {
	for {
		if e, ok := err.(*net.OpError); ok && e.Addr != nil { //nolint:errorlint // each one is looked at
			return e.Op + " " + e.Net + " " + e.Addr.String() + ": " + e.Err.Error()
		}
		before := errors.Unwrap(err)
		if before == nil {
			return err.Error()
		}
		err = before
	}
}

// final reports whether trying again cannot help.
func final(err error) bool {
	if _, ok := errors.AsType[*jobs.RefusedError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*jobs.ConflictError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Class == jobs.ClassInvalid {
		return true
	}
	return errors.Is(err, results.ErrNotFound) || errors.Is(err, results.ErrBlobMissing) || errors.Is(err, jobs.ErrNewerSchema)
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
