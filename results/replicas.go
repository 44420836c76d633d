package results

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Durability says what must have an intent before its create may leave. The zero
// value is the server's own word for it.
type Durability struct {
	// Replicas is how many replicas must have it.
	Replicas int
	// Disk says that it must be on the server's disk, and on those of the
	// replicas; Redis has that since 7.2.
	Disk bool
	// Patience is how long that may take; default a second.
	Patience time.Duration
}

func (d Durability) wanted() bool { return d.Replicas > 0 || d.Disk }

// maxWait bounds one WAIT, which must end before the client's read timeout.
const maxWait = 500 * time.Millisecond

// codeNotReplicated is the code of an attempt that was withdrawn before anything
// was sent.
const codeNotReplicated = "intent_not_replicated"

// checkDurability refuses to go on with a server that cannot promise what is
// asked for.
func (s *Store) checkDurability(ctx context.Context) error {
	d := s.config.Durability
	key, command := "redis.wait_disk", []any{"waitaof", 0, 0, 1}
	if !d.Disk {
		key, command = "redis.wait_replicas", []any{"wait", 0, 1}
	}
	if !d.Disk && d.Replicas == 0 {
		return nil
	}
	return s.onMasters(ctx, func(ctx context.Context, node redis.UniversalClient) error {
		err := node.Do(ctx, command...).Err()
		e, answered := errors.AsType[redis.Error](err)
		switch {
		case answered && strings.Contains(e.Error(), "unknown command"):
			return jobs.Invalid(key, "is set, and this Redis has no %s; WAITAOF came with 7.2: upgrade it, or use redis.wait_replicas alone", command[0])
		case answered && strings.HasPrefix(e.Error(), "NOPERM"):
			return jobs.Invalid(key, "is set, and the user may not call %[1]s, so that no create could ever be sent; give it +%[1]s, see docs/operations.md", command[0])
		}
		return err
	})
}

// intend records an intent and returns when enough servers have it. If they do
// not have it in time the intent is withdrawn: the job waits for another attempt,
// which says why, and nothing may be sent.
//
// A crash before the withdrawal leaves an intent of a dead worker, as any crash
// between intent and POST does.
func (s *Store) intend(ctx context.Context, j jobs.Job, ev jobs.SubmitStarted, fresh bool) (jobs.Job, error) {
	next, err := s.advance(ctx, j, ev, fresh)
	if err != nil && decided(err) || err == nil && next.State != jobs.StateSubmitting {
		return next, err
	}
	// It may be on record, whatever the error says, so whoever asks for the
	// record next would take it for good. Nothing may cut this short.
	ctx = context.WithoutCancel(ctx)
	var held holders
	err = s.persist(ctx, "confirm", j.ID, func() error {
		var err error
		next, held, err = s.confirm(ctx, j.ID)
		return err
	})
	a, _ := next.CurrentAttempt()
	if err != nil || next.State != jobs.StateSubmitting || a.Number != ev.Attempt || a.Worker != ev.Worker {
		return next, err // a server that has taken over does not have it
	}
	if held.enough(s.config.Durability) {
		return next, nil
	}
	s.metrics.withdrawn.Inc()
	s.log.WarnContext(ctx, "intent withdrawn: too few servers have it, and nothing was sent", slog.String("job_id", string(j.ID)),
		slog.Int("attempt", ev.Attempt), slog.Int("replicas", held.replicas), slog.Bool("disk", held.disk))
	failure := jobs.Failure{Class: jobs.ClassUnreachable, Code: codeNotReplicated, Message: held.message(s.config.Durability)}
	withdrawn := jobs.CreateFailed{
		Attempt: ev.Attempt, Failure: failure, Delay: jobs.RetryDelay(failure, next.FailuresInRow(), rand.Float64()),
	}
	err = s.persist(ctx, "withdraw", j.ID, func() error {
		var err error
		next, err = s.Step(ctx, j.ID, withdrawn)
		return err
	})
	return next, err
}

// decided reports whether an error of a step says how the job stands.
func decided(err error) bool {
	_, refused := errors.AsType[*jobs.RefusedError](err)
	return refused || errors.Is(err, jobs.ErrUnchanged) || errors.Is(err, ErrNotFound) || errors.Is(err, jobs.ErrNewerSchema)
}

// persist calls f until it is decided, with pauses that grow.
func (s *Store) persist(ctx context.Context, step string, id jobs.ID, f func() error) error {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	for pause := first; ; pause = min(2*pause, most) {
		err := f()
		if err == nil || decided(err) {
			return err
		}
		s.log.WarnContext(ctx, "redis does not tell of an intent; asking again", slog.String("job_id", string(id)),
			slog.String("step", step), slog.Any("err", err))
		timer := time.NewTimer(pause)
		<-timer.C
	}
}

// holders are the servers beside the master that have what was written, and
// whether its disk has.
type holders struct {
	replicas int
	disk     bool
}

func (h holders) enough(d Durability) bool { return h.replicas >= d.Replicas && (h.disk || !d.Disk) }

func (h holders) message(d Durability) string {
	text := fmt.Sprintf("%d of %d replicas had the intent within %v", h.replicas, d.Replicas, d.Patience)
	if d.Disk && !h.disk {
		text += ", and the server's disk had not"
	}
	return text + "; nothing was sent"
}

// confirm reads the record and finds out who has it, from one server over one
// connection: what the server waits for includes a write of this connection that
// comes after the record.
func (s *Store) confirm(ctx context.Context, id jobs.ID) (j jobs.Job, h holders, err error) {
	b, err := s.home(id)
	if err != nil {
		return jobs.Job{}, holders{}, err
	}
	var record *redis.SliceCmd
	h, err = s.holders(ctx, b, string(id), func(p redis.Pipeliner) {
		record = p.HMGet(ctx, b.job(id), recordFields()...)
	}, func() error {
		j, err = s.decode(ctx, id, record.Val())
		return err
	})
	return j, h, err
}

// ConfirmBatch returns when as many servers have the record of a batch as
// [Config].Durability asks for, and reports whether it still is as b has it: a server that
// has taken over may know an earlier one. That too few have it in time is a [*jobs.Error] of
// class unreachable: nothing may be sent.
func (s *Store) ConfirmBatch(ctx context.Context, endpoint string, b Batch) (still bool, err error) {
	d := s.config.Durability
	if !d.wanted() {
		return true, nil
	}
	base := s.batches(endpoint)
	number := strconv.FormatInt(b.Number, 10)
	var version *redis.StringCmd
	h, err := s.holders(ctx, base, "batch "+number, func(p redis.Pipeliner) {
		version = p.HGet(ctx, string(base)+"batch:"+number, "version")
	}, func() error { return nil })
	switch {
	case err != nil:
		return false, err
	case !h.enough(d):
		return false, &jobs.Error{Op: "create batch", Failure: jobs.Failure{Class: jobs.ClassUnreachable, Code: codeNotReplicated, Message: h.message(d)}}
	}
	return version.Val() == strconv.FormatInt(b.version, 10), nil
}

// holders finds out who has what is read before it from the same server, which read adds to
// what is sent, until enough have or time is up. Taken says what is wrong with what was read.
func (s *Store) holders(ctx context.Context, b base, name string, read func(redis.Pipeliner), taken func() error) (holders, error) {
	server, err := s.server(ctx, string(b))
	if err != nil {
		return holders{}, err
	}
	d := s.config.Durability
	for deadline := time.Now().Add(d.Patience); ; {
		left := max(time.Until(deadline), time.Millisecond)
		var answer *redis.Cmd
		_, err := server.Pipelined(ctx, func(p redis.Pipeliner) error {
			read(p)
			p.Set(ctx, b.fence(), name, time.Minute)
			answer = p.Do(ctx, d.command(min(left, maxWait))...)
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return holders{}, fmt.Errorf("wait for the replicas of %s: %w", name, err)
		}
		if err := taken(); err != nil {
			return holders{}, err
		}
		h, err := d.read(answer)
		if err != nil {
			return holders{}, fmt.Errorf("wait for the replicas of %s: %w", name, err)
		}
		if h.enough(d) || time.Until(deadline) <= 0 {
			return h, nil
		}
	}
}

// command is WAIT, or WAITAOF if disks are asked for.
func (d Durability) command(patience time.Duration) []any {
	if d.Disk {
		return []any{"waitaof", 1, d.Replicas, patience.Milliseconds()}
	}
	return []any{"wait", d.Replicas, patience.Milliseconds()}
}

// read reads the answer to command.
func (d Durability) read(answer *redis.Cmd) (holders, error) {
	if !d.Disk {
		n, err := answer.Int()
		return holders{replicas: n}, err
	}
	counts, err := answer.Int64Slice()
	if err != nil {
		return holders{}, err
	}
	if len(counts) != 2 {
		return holders{}, fmt.Errorf("WAITAOF answers %v", counts)
	}
	return holders{disk: counts[0] > 0, replicas: int(counts[1])}, nil
}
