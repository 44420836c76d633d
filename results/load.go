package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Load returns a job's record, [ErrNotFound] if there is none, or
// [jobs.ErrNewerSchema] with what could be read of it.
func (s *Store) Load(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	fields, err := s.fields(ctx, id, recordFields())
	if err != nil {
		return jobs.Job{}, err
	}
	return s.decode(ctx, id, fields)
}

// LoadWithRequest is [Store.Load], and brings the request in the same round trip. What
// it returns with the record is [Store.Request] of that job; it asks Redis no more
// unless the request is in the blob store.
func (s *Store) LoadWithRequest(ctx context.Context, id jobs.ID) (jobs.Job, func(context.Context) (jobs.Request, error), error) {
	fields, err := s.fields(ctx, id, append(recordFields(), "request"))
	if err != nil {
		return jobs.Job{}, nil, err
	}
	j, err := s.decode(ctx, id, fields)
	request := func(ctx context.Context) (jobs.Request, error) {
		stored, ok := fields[len(fields)-1].(string)
		if !ok {
			return jobs.Request{}, fmt.Errorf("request of %s: %w", id, ErrNotFound)
		}
		raw, err := s.open(ctx, id, "request", []byte(stored))
		if err != nil {
			return jobs.Request{}, err
		}
		return unwrap(j, raw)
	}
	return j, request, err
}

// Request returns the request of a job, with the history that it carries. It
// comes from the blob store if it is there; a blob that is not is
// [ErrBlobMissing], and what is stored otherwise than it was written
// [ErrUnreadable]. An error of the blob store, or of its configuration, is a
// [*jobs.Error]; any other is Redis'.
func (s *Store) Request(ctx context.Context, j jobs.Job) (jobs.Request, error) {
	raw, err := s.value(ctx, j.ID, "request")
	if err != nil {
		return jobs.Request{}, err
	}
	return unwrap(j, raw)
}

// Body returns the response that is kept as the job's result, byte for byte as
// it came, and nil if there is none. It comes from the blob store if it is there;
// a blob that is not is [ErrBlobMissing].
func (s *Store) Body(ctx context.Context, id jobs.ID) ([]byte, error) {
	body, err := s.value(ctx, id, "body")
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return body, err
}

func (s *Store) value(ctx context.Context, id jobs.ID, field string) ([]byte, error) {
	stored, err := s.stored(ctx, id, field)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, id, field, stored)
}

// stored is a field of a job as Redis has it.
func (s *Store) stored(ctx context.Context, id jobs.ID, field string) (stored []byte, err error) {
	base, err := s.home(id)
	if err != nil {
		return nil, err
	}
	err = s.once(ctx, base, func(ctx context.Context) (err error) {
		stored, err = s.rdb.HGet(ctx, base.job(id), field).Bytes()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return nil, fmt.Errorf("%s of %s: %w", field, id, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("load %s of %s: %w", field, id, err)
	}
	return stored, nil
}

// fields are some fields of a job as Redis has them.
func (s *Store) fields(ctx context.Context, id jobs.ID, names []string) (fields []any, err error) {
	base, err := s.home(id)
	if err != nil {
		return nil, err
	}
	err = s.once(ctx, base, func(ctx context.Context) (err error) {
		fields, err = s.rdb.HMGet(ctx, base.job(id), names...).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", id, err)
	}
	return fields, nil
}

// open returns what a stored field stands for, from the blob store if it is there.
func (s *Store) open(ctx context.Context, id jobs.ID, field string, stored []byte) ([]byte, error) {
	var missed []byte
	for isReference(stored) {
		packed, err := s.fetch(ctx, id, stored)
		if err == nil {
			stored = packed
			break
		}
		if !errors.Is(err, ErrBlobMissing) || bytes.Equal(stored, missed) {
			return nil, fmt.Errorf("load %s of %s: %w", field, id, err)
		}
		// The job may have gone, or its result, between the two reads: only a
		// reference that stands as it was says that its blob should be there.
		missed = stored
		if stored, err = s.stored(ctx, id, field); err != nil {
			return nil, err
		}
	}
	value, err := s.packer.unpack(stored)
	if err != nil {
		return nil, fmt.Errorf("load %s of %s: %w: it %w", field, id, err, ErrUnreadable)
	}
	return value, nil
}

// recordFields are the fields that make a job, in the order of decode.
func recordFields() []string { return []string{"record", "head"} }

// decode reads the fields of a job. What it cannot read shows in the metrics
// and in the log, so that callers of many may pass over it.
func (s *Store) decode(ctx context.Context, id jobs.ID, fields []any) (jobs.Job, error) {
	text := func(i int) string {
		t, _ := fields[i].(string)
		return t
	}
	if text(0) == "" {
		return jobs.Job{}, fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	j, err := jobs.Decode([]byte(text(0)))
	switch {
	case errors.Is(err, jobs.ErrNewerSchema):
		s.metrics.newer.Inc()
		return j, fmt.Errorf("load %s: %w", id, err)
	case err != nil:
		s.metrics.unreadable.Inc()
		s.log.ErrorContext(ctx, "record not readable", slog.String("job_id", string(id)), slog.Any("err", err))
		return jobs.Job{}, fmt.Errorf("load %s: %w", id, err)
	}
	readHead(&j, text(1))
	return j, nil
}
