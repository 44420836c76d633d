package results

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Accept checks and stores a new job and returns its record; when it returns,
// the job is in its lane and will end, whatever becomes of the caller. With a
// dedupe key that a job with the same request has already, that job is returned
// and fresh is false; with another request the error is a
// [*jobs.ConflictError]. Bad input is a [*jobs.Error] of class invalid; a Redis
// without room, or a blob store that is away, one of class unavailable.
func (s *Store) Accept(ctx context.Context, request jobs.Request, options jobs.Options) (job jobs.Job, fresh bool, err error) {
	return s.acceptAs(ctx, request, options, nil, "")
}

// AcceptInstead is [Store.Accept] for a job that takes the place of another one with the
// same dedupe key and request, which has ended without success: the key is the new job's
// from then on. If the key is another's by now, or the job has been tried again or is
// gone, it is as with Accept.
func (s *Store) AcceptInstead(ctx context.Context, request jobs.Request, options jobs.Options, failed jobs.ID) (job jobs.Job, fresh bool, err error) {
	return s.acceptAs(ctx, request, options, nil, failed)
}

// acceptAs accepts a job, of a parent's if that is not nil, in the place of another if
// that is not "".
func (s *Store) acceptAs(ctx context.Context, request jobs.Request, options jobs.Options, of *part, instead jobs.ID) (job jobs.Job, fresh bool, err error) {
	now := s.Now()
	if err := options.Validate(now); err != nil {
		return jobs.Job{}, false, err
	}
	if options.Lane == "" {
		options.Lane = LaneOf(s.config.Routes, request.Model)
	}
	if len(request.Raw) == 0 {
		return jobs.Job{}, false, jobs.Invalid("request", "is empty; give the body of a Responses API request")
	}
	request.History = options.History
	if err := s.CheckSize(request.Kind, len(request.Raw)+len(request.History)); err != nil {
		return jobs.Job{}, false, err
	}
	if err := options.ValidateFor(request); err != nil {
		return jobs.Job{}, false, err
	}
	if first, err := s.checkDependencies(ctx, request, options, instead); err != nil || first.ID != "" {
		return first, false, err
	}
	if err := s.checkMemory(ctx); err != nil {
		return jobs.Job{}, false, err
	}
	shard, dedupe := s.place(options)
	j := jobs.New(jobs.NewID(now, shard), request, options, now)
	j, place := of.mark(j)
	packed := s.packer.pack(wrap(request))
	if !s.large(packed) && len(packed) > s.config.MaxInlineBytes {
		return jobs.Job{}, false, jobs.Invalid("request",
			"has %d bytes, %d of them after compression; at most %d are kept in Redis: set blobs.url to a blob store for it",
			len(request.Raw), len(packed), s.config.MaxInlineBytes)
	}
	verdict, id, err := s.find(ctx, j, packed, dedupe, instead)
	for races := 0; err == nil && (verdict == "" || verdict == "duplicate"); races++ {
		if races == maxRaces {
			return jobs.Job{}, false, fmt.Errorf("accept job: its dedupe key was lost %d times", maxRaces)
		}
		if verdict == "duplicate" {
			first, err := s.Load(ctx, id)
			if !errors.Is(err, ErrNotFound) {
				return first, false, err
			}
			// It went between the two commands, and its key with it.
		}
		verdict, id, err = s.store(ctx, j, place, packed, dedupe, instead)
	}
	switch {
	case err != nil:
		return jobs.Job{}, false, fmt.Errorf("accept job: %w", err)
	case verdict == "conflict":
		return jobs.Job{}, false, &jobs.ConflictError{DedupeKey: options.DedupeKey, Job: id}
	case verdict != "accepted":
		return jobs.Job{}, false, fmt.Errorf("accept job: id %s is taken", id)
	}
	j.Version = 1
	s.metrics.accepted.WithLabelValues(string(j.Kind)).Inc()
	if j.Thread != "" {
		if told, err := s.Load(ctx, j.ID); err == nil { // with the job that it follows; it is accepted in any case
			j = told
		}
	}
	return j, true, nil
}

// CheckSize refuses a request of a kind that has more bytes than are accepted. It costs
// nothing, and parsing such a request may take seconds.
func (s *Store) CheckSize(kind jobs.Kind, n int) error {
	if most := s.maxRequestBytes(kind); n > most {
		return jobs.Invalid("request", "has %d bytes; at most %d are accepted (jobs.max_request_bytes)", n, most)
	}
	return nil
}

// maxRequestBytes is the largest request of a kind.
func (s *Store) maxRequestBytes(kind jobs.Kind) int {
	if kind.IsParent() {
		return max(jobs.MaxParentBytes, s.config.MaxRequestBytes)
	}
	return s.config.MaxRequestBytes
}

// find looks for a job that has the dedupe key, before a large request is sent
// to the blob store for nothing. The verdict is "" if there is none, or it is the one
// whose place is to be taken.
func (s *Store) find(ctx context.Context, j jobs.Job, packed []byte, dedupe string, instead jobs.ID) (verdict string, id jobs.ID, err error) {
	if dedupe == "" || !s.large(packed) {
		return "", "", nil
	}
	verdict, id, err = s.owner(ctx, j.ID.Shard(), dedupe, j.RequestDigest)
	if verdict == "duplicate" && id == instead {
		return "", "", nil
	}
	return verdict, id, err
}

// owner looks for a job that has the dedupe key.
func (s *Store) owner(ctx context.Context, shard int, dedupe, digest string) (verdict string, id jobs.ID, err error) {
	owner, err := s.rdb.Get(ctx, s.base(shard).dedupe(dedupe)).Result()
	if errors.Is(err, redis.Nil) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	other, known, _ := strings.Cut(owner, " ")
	_, err = s.Load(ctx, jobs.ID(other))
	switch {
	case errors.Is(err, ErrNotFound):
		return "", "", nil // the key is left over
	case known != digest:
		return "conflict", jobs.ID(other), nil
	}
	return "duplicate", jobs.ID(other), nil
}

// store stores the job, or finds the one that has its dedupe key. A large
// request goes to the blob store first.
//
// A crash between the two leaves a blob whose job has no record, which
// [Store.SweepStrays] finds; a crash after them an accepted job. Only an answer
// that says that nothing was stored has the blob deleted: it has the new job's
// own key, so it is not what an earlier job refers to. Any other error may come
// from a script that was carried out.
func (s *Store) store(ctx context.Context, j jobs.Job, place int64, packed []byte, dedupe string, instead jobs.ID) (verdict string, id jobs.ID, err error) {
	stored, blobs := packed, ""
	if s.large(packed) {
		if stored, err = s.stow(ctx, j.ID, "request", packed); err != nil {
			return "", "", err
		}
		blobs = "1"
	}
	verdict, id, err = s.accept(ctx, j, place, stored, blobs, dedupe, instead)
	full := err != nil && jobs.FailureOf(err).Code == codeRedisFull
	if blobs != "" && (full || verdict == "duplicate" || verdict == "conflict") {
		s.discard(ctx, j.ID)
	}
	return verdict, id, err
}

func (s *Store) accept(ctx context.Context, j jobs.Job, place int64, request []byte, blobs, dedupe string, instead jobs.ID) (verdict string, id jobs.ID, err error) {
	record, err := j.Encode()
	if err != nil {
		return "", "", err
	}
	notBefore := ""
	if j.NotBefore.After(j.Created) {
		notBefore = score(j.NotBefore)
	}
	thread := ""
	if j.Thread != "" {
		_, thread = s.hash("thread " + j.Thread)
	}
	answer, err := s.runTogether(
		ctx, s.scripts.accept, s.base(j.ID.Shard()), string(j.ID), nonce(), j.Schema, record,
		request, j.RequestDigest, j.Lane, string(j.Kind), j.Group, dedupe,
		place, notBefore, score(j.Deadline), blobs, j.Tenant,
		asideOf(j), even(later(j.Created, j.AskAt)), thread, string(instead),
	).StringSlice()
	switch {
	case redis.HasErrorPrefix(err, "OOM"):
		return "", "", redisFull("Redis is at its maxmemory")
	case err != nil:
		return "", "", err
	}
	return answer[0], jobs.ID(answer[1]), nil
}

// place chooses the shard of a new job. A dedupe key chooses it, so that the
// key sits beside its job; the key itself is kept as a hash. A thread chooses it
// before that, so that all its jobs are in one, and its dedupe keys are its own.
func (s *Store) place(o jobs.Options) (shard int, dedupe string) {
	if o.Thread != "" {
		shard, _ = s.hash("thread " + o.Thread)
		if o.DedupeKey != "" {
			_, dedupe = s.hash("thread " + o.Thread + " " + o.DedupeKey)
		}
		return shard, dedupe
	}
	if o.DedupeKey == "" {
		var b [8]byte
		_, _ = rand.Read(b[:])                                           // never fails
		return int(binary.BigEndian.Uint64(b[:]) % uint64(s.shards)), "" //nolint:gosec // G115: at most 256 shards
	}
	return s.hash(o.DedupeKey)
}

// hash is what is kept of a key, and the shard that it chooses.
func (s *Store) hash(key string) (shard int, hash string) {
	sum := sha256.Sum256([]byte(key))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(s.shards)), hex.EncodeToString(sum[:16]) //nolint:gosec // G115: as above
}

// nonce marks one step, so that a repeated command is known for what it is.
func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// ms is a time as scripts and scores have it.
func ms(t time.Time) int64 { return t.UnixMilli() }

// score is a time as a score, "" for the zero time: no entry.
func score(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
