package results

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Blobs is a store for what is too large for Redis; package results/blobs has
// some. It must be safe for concurrent use and bound each operation by itself.
// Errors are [*jobs.Error] and hold no part of a value.
type Blobs interface {
	// Put keeps a value. When it returns without an error, the value is durable.
	Put(ctx context.Context, key string, value []byte) error
	// Get returns a value, or [fs.ErrNotExist].
	Get(ctx context.Context, key string) ([]byte, error)
	// Delete removes all keys below a folder; that there are none is no error.
	Delete(ctx context.Context, folder string) error
	// Walk visits the keys below a folder that come after the given one, in their
	// order and with the time of writing, until visit returns false.
	Walk(ctx context.Context, folder, after string, visit func(key string, modified time.Time) bool) error
	// Check finds out whether values can be written, read and removed.
	Check(ctx context.Context) error
}

// What goes to a blob store unless configured otherwise.
const (
	DefaultBlobsOver      = 64 << 10
	DefaultMaxInlineBytes = 8 << 20
)

// ErrBlobMissing says that a record names a blob that is not in the blob store,
// or is not what it was: somebody else has removed or altered it.
var ErrBlobMissing = errors.New("is not in the blob store as it was written")

// ErrUnreadable says that a stored value, or what stands for it, is not what this
// package writes: somebody else has altered it.
var ErrUnreadable = errors.New("is not as it was written")

// The keys of blobs are
//
//	PREFIX/FOLDER/sXX/JOB/request
//	PREFIX/FOLDER/sXX/JOB/response-ATTEMPT-DIGEST
//	PREFIX/FOLDER/installation
//
// PREFIX is that of the Redis keys and FOLDER a name that the installation has
// in Redis: two installations that share a blob store, even under one prefix, do
// not see each other's blobs, and one that has lost its Redis does not delete
// what may still be wanted. Files that come with a response have their place
// below JOB/artifact. All that a job has is in one folder and goes with it.
//
// A response's key has the digest of its bytes: two workers that bring the same
// response write the same blob, and either may win; nothing removes it before
// its job goes.

// vault is what a store remembers of its blob store. The mutex guards both
// fields; nothing is done while it is held.
type vault struct {
	mu sync.Mutex
	// folder is PREFIX/FOLDER once it is known, and known to be in this store.
	folder string
	// rest is until when results are not sent to a blob store that has failed.
	rest time.Time
}

// rest is how long a blob store that failed is spared: a look whose result is
// kept in Redis instead must not first wait in vain.
const rest = 2 * time.Second

// large reports whether a value goes to the blob store.
func (s *Store) large(packed []byte) bool {
	return s.config.Blobs != nil && len(packed) > min(s.config.BlobsOver, s.config.MaxInlineBytes)
}

// stow writes a value to the blob store and returns what stands for it.
func (s *Store) stow(ctx context.Context, id jobs.ID, name string, packed []byte) ([]byte, error) {
	folder, err := s.blobFolder(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.metered().Put(ctx, jobFolder(folder, id)+"/"+name, packed); err != nil {
		return nil, err
	}
	return newReference(name, packed).encode(), nil
}

// fetch reads what a reference stands for.
func (s *Store) fetch(ctx context.Context, id jobs.ID, stored []byte) ([]byte, error) {
	ref, err := parseReference(stored)
	if err != nil {
		return nil, fmt.Errorf("%w, which %w", err, ErrUnreadable)
	}
	if s.config.Blobs == nil {
		return nil, jobs.Invalid("blobs.url", "is not set, and it is kept in a blob store; configure the one that the workers have")
	}
	folder, err := s.blobFolder(ctx)
	if err != nil {
		return nil, err
	}
	packed, err := s.metered().Get(ctx, jobFolder(folder, id)+"/"+ref.name)
	if errors.Is(err, fs.ErrNotExist) {
		// Or nothing is there at all, because the share is no longer mounted.
		if err := s.confirmFolder(ctx, folder); err != nil {
			return nil, err
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !ref.fits(packed) {
		return nil, fmt.Errorf("blob %s of %d bytes %w", jobFolder(folder, id)+"/"+ref.name, ref.size, ErrBlobMissing)
	}
	return packed, err
}

// discard deletes the blobs of a job that has no record. What it cannot delete
// is found by [Store.SweepStrays].
func (s *Store) discard(ctx context.Context, id jobs.ID) {
	ctx = context.WithoutCancel(ctx) // the caller's end is no reason to leave it
	folder, err := s.blobFolder(ctx)
	if err == nil {
		err = s.metered().Delete(ctx, jobFolder(folder, id))
	}
	if err != nil {
		s.log.WarnContext(ctx, "blobs of a job without a record not deleted; the search for strays will",
			slog.String("job_id", string(id)), slog.Any("err", err))
	}
}

// kept is where a response went: the value for its field, and what is done to
// the field.
type kept struct {
	value  []byte
	action string
}

// keep puts a response where it belongs before the record names it. While the
// blob store is away, Redis keeps it, if it has room: it has been paid for. If
// not, the error leaves the record as it is, and another look brings the
// response again.
//
// A crash after it leaves a blob that no record names, or that the next look
// writes again; it goes with its job.
func (s *Store) keep(ctx context.Context, id jobs.ID, attempt int, body []byte) (kept, error) {
	packed := s.packer.pack(body)
	if !s.large(packed) {
		return kept{packed, "keep"}, nil
	}
	sum := newReference("", packed).sum
	failure := error(&jobs.Error{Op: "put blob", Failure: jobs.Failure{
		Class: jobs.ClassUnavailable, Code: "blobs_away", Message: "the blob store has just failed",
	}})
	if !s.resting() {
		var stored []byte
		stored, failure = s.stow(ctx, id, fmt.Sprintf("response-%d-%s", attempt, hex.EncodeToString(sum[:8])), packed)
		if failure == nil {
			return kept{stored, "blob"}, nil
		}
		s.restFor(rest)
	}
	if len(packed) > s.config.MaxInlineBytes || s.knownFullness(ctx) > watermark {
		return kept{}, failure
	}
	s.log.WarnContext(ctx, "response kept in redis because the blob store does not take it",
		slog.String("job_id", string(id)), slog.Int("bytes", len(packed)), slog.Any("err", failure))
	return kept{packed, "blob"}, nil // it may be there all the same
}

func (s *Store) resting() bool {
	s.vault.mu.Lock()
	defer s.vault.mu.Unlock()
	return time.Now().Before(s.vault.rest)
}

func (s *Store) restFor(d time.Duration) {
	s.vault.mu.Lock()
	defer s.vault.mu.Unlock()
	s.vault.rest = time.Now().Add(d)
}

// CheckBlobs finds out whether the blob store works and is the installation's.
// Without one there is nothing to find out.
func (s *Store) CheckBlobs(ctx context.Context) error {
	if s.config.Blobs == nil {
		return nil
	}
	if err := s.config.Blobs.Check(ctx); err != nil {
		return fmt.Errorf("check blob store: %w", err)
	}
	_, err := s.blobFolder(ctx)
	return err
}

// InspectBlobs is [Store.CheckBlobs] for those who only look: where the
// installation has no folder of blobs yet it gives it none, and begun is false. The
// blob store is asked all the same.
func (s *Store) InspectBlobs(ctx context.Context) (begun bool, err error) {
	if s.config.Blobs == nil {
		return false, nil
	}
	name, err := s.readBlobFolderName(ctx)
	if err != nil {
		return false, err
	}
	if name != "" {
		return true, s.CheckBlobs(ctx) // which finds the name that there is
	}
	if err := s.config.Blobs.Check(ctx); err != nil {
		return false, fmt.Errorf("check blob store: %w", err)
	}
	return false, nil
}

// blobFolder returns the folder of the installation's blobs. The first time it
// makes sure that this store is where they are: on another machine, a folder that
// is not shared would look just the same.
func (s *Store) blobFolder(ctx context.Context) (string, error) {
	s.vault.mu.Lock()
	folder := s.vault.folder
	s.vault.mu.Unlock()
	if folder != "" {
		return folder, nil
	}
	name, err := s.blobFolderName(ctx)
	if err != nil {
		return "", err
	}
	folder = s.config.Prefix + "/" + name
	if err := s.confirmFolder(ctx, folder); err != nil {
		return "", err
	}
	return folder, nil
}

// confirmFolder finds out whether the blobs of the installation are in this store,
// and remembers it.
func (s *Store) confirmFolder(ctx context.Context, folder string) error {
	_, err := s.metered().Get(ctx, folder+"/"+installationBlob)
	known := folder
	if errors.Is(err, fs.ErrNotExist) {
		known = ""
		err = jobs.Invalid("blobs.url",
			"does not hold the blobs of this installation (%s is missing); is the share mounted, is it the same bucket and prefix as everywhere else?",
			folder+"/"+installationBlob)
	} else if err != nil {
		return err
	}
	s.vault.mu.Lock()
	defer s.vault.mu.Unlock()
	s.vault.folder = known
	return err
}

// installationBlob says that a folder is an installation's.
const installationBlob = "installation"

// blobFolderName reads the name of the folder, or fixes it for good. The blob
// that marks it is written before the name; one whose name came too late is
// deleted.
func (s *Store) blobFolderName(ctx context.Context) (string, error) {
	if name, err := s.readBlobFolderName(ctx); name != "" || err != nil {
		return name, err
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	name := hex.EncodeToString(b[:])
	folder := s.config.Prefix + "/" + name
	if err := s.metered().Put(ctx, folder+"/"+installationBlob, []byte("longhaul\n")); err != nil {
		return "", err
	}
	ours, err := s.rdb.HSetNX(ctx, s.installationKey(), "blobs", name).Result()
	switch {
	case err != nil:
		return "", fmt.Errorf("name the folder of blobs: %w", err)
	case ours:
		return name, nil
	}
	name, err = s.readBlobFolderName(ctx)
	if err == nil && folder != s.config.Prefix+"/"+name { // a repeated command finds its own
		err = s.metered().Delete(ctx, folder)
	}
	return name, err
}

// readBlobFolderName returns the name of the folder, "" if it has none yet.
func (s *Store) readBlobFolderName(ctx context.Context) (string, error) {
	name, err := s.rdb.HGet(ctx, s.installationKey(), "blobs").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read the folder of blobs: %w", err)
	}
	return name, nil
}

// shardFolder is the folder of a shard's jobs.
func shardFolder(folder string, shard int) string { return fmt.Sprintf("%s/s%02x", folder, shard) }

// jobFolder is the folder of a job's blobs.
func jobFolder(folder string, id jobs.ID) string {
	return shardFolder(folder, id.Shard()) + "/" + string(id)
}
