// Package effects carries out what remains to be done for a job after a
// transition: the entries of its outbox. Each is done at least once, and doing
// it twice does no harm; an entry leaves the outbox only when it is done.
package effects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Records is the part of the store that effects need; see [results.Store].
type Records interface {
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
}

// API acts on responses. Its errors are [*jobs.Error]; one of class lost says
// that the provider does not know the response.
type API interface {
	Look(ctx context.Context, responseID string, include []string) (jobs.Reply, error)
	Cancel(ctx context.Context, responseID string) (jobs.Reply, error)
	Delete(ctx context.Context, responseID string) error
}

// Config says where effects are carried out, and beside what.
type Config struct {
	Endpoint string
	// Enter lets the effects of a job in beside others, or alone; it blocks until
	// then, or gives up. Nil lets everybody in.
	Enter func(ctx context.Context, alone bool) (leave func(), err error)
}

// Runner carries out effects at one endpoint. It is safe for concurrent use.
type Runner struct {
	records Records
	api     API
	config  Config
	log     *slog.Logger
}

// New returns a runner for the endpoint of the config, whose API it is given.
func New(records Records, api API, config Config, log *slog.Logger) *Runner {
	return &Runner{records: records, api: api, config: config, log: log}
}

// Effect carries out what is in the outbox of a job for the runner's endpoint. An
// error means that something is left of it and that trying again is worth while.
func (r *Runner) Effect(ctx context.Context, id jobs.ID) error {
	j, err := r.records.Load(ctx, id)
	switch {
	case errors.Is(err, results.ErrNotFound), errors.Is(err, jobs.ErrNewerSchema):
		return nil
	case err != nil:
		return err
	}
	// What is for another endpoint has a task in the queue of its own.
	elsewhere := func(e jobs.Effect) bool { return e.Endpoint != r.config.Endpoint }
	outbox := slices.DeleteFunc(slices.Clone(j.Outbox), elsewhere)
	if len(outbox) == 0 {
		return nil
	}
	leave, err := r.enter(ctx, j)
	if err != nil {
		return err
	}
	defer leave()
	var left error
	for _, effect := range outbox {
		if foreign, err := r.foreign(ctx, j, effect); err != nil {
			left = errors.Join(left, fmt.Errorf("look at %s before %s: %w", effect.ResponseID, effect.Kind, err))
			continue
		} else if foreign {
			r.log.WarnContext(ctx, "response let be: it was made for another job", slog.String("job_id", string(id)), slog.String("response_id", effect.ResponseID))
			effect.Kind = ""
		}
		reply, err := r.carryOut(ctx, effect, j.Include)
		if err != nil {
			left = errors.Join(left, fmt.Errorf("%s %s: %w", effect.Kind, effect.ResponseID, err))
			continue
		}
		next, err := r.records.Advance(ctx, j, jobs.EffectDone{ID: effect.ID, Reply: reply})
		if err != nil && !errors.Is(err, jobs.ErrUnchanged) && !errors.Is(err, results.ErrNotFound) {
			return errors.Join(left, err)
		}
		if err == nil {
			j = next
		}
		r.log.InfoContext(ctx, "effect done", slog.String("job_id", string(id)),
			slog.String("effect", string(effect.Kind)), slog.String("response_id", effect.ResponseID))
	}
	return left
}

// foreign reports whether a response that a person gave to a job was made for another,
// whose it stays: it is neither cancelled nor deleted.
func (r *Runner) foreign(ctx context.Context, j jobs.Job, e jobs.Effect) (bool, error) {
	i := slices.IndexFunc(j.Attempts, func(a jobs.Attempt) bool { return a.ResponseID == e.ResponseID })
	if i < 0 || j.Attempts[i].Adopted.IsZero() {
		return false, nil
	}
	reply, err := r.api.Look(ctx, e.ResponseID, nil)
	switch {
	case over(err):
		return false, nil
	case err != nil:
		return false, err
	}
	owner, _, ours := reply.Response.Origin()
	return ours && owner != j.ID, nil
}

// enter waits until the effects of a job may begin: alone if it was present at
// repeated crashes, for what a cancel or a look brings is the same response.
func (r *Runner) enter(ctx context.Context, j jobs.Job) (leave func(), err error) {
	if r.config.Enter == nil {
		return func() {}, nil
	}
	return r.config.Enter(ctx, j.Alone)
}

// carryOut does one effect. For a cancel it returns the response as it is
// afterwards, nil when the provider no longer knows it.
func (r *Runner) carryOut(ctx context.Context, e jobs.Effect, include []string) (*jobs.Reply, error) {
	var reply jobs.Reply
	var err error
	switch e.Kind {
	case "", jobs.EffectTell, jobs.EffectStopParts, jobs.EffectDeleteParts: // nothing, any more, or the watchdog's
		return nil, nil //nolint:nilnil // there is no response of this job
	case jobs.EffectCancel:
		if reply, err = r.api.Cancel(ctx, e.ResponseID); err != nil && !over(err) {
			// It may have ended already, and then cannot be cancelled any more.
			reply, err = r.api.Look(ctx, e.ResponseID, include)
		}
		if err == nil && !reply.Response.Terminal() {
			return nil, fmt.Errorf("the response is still %s", reply.Response.Status)
		}
	case jobs.EffectDelete:
		err = r.api.Delete(ctx, e.ResponseID)
	default:
		return nil, fmt.Errorf("this build does not know the effect %q", e.Kind)
	}
	switch {
	case err != nil && !over(err):
		return nil, err
	case err != nil || e.Kind == jobs.EffectDelete:
		return nil, nil //nolint:nilerr // see over: there is nothing left to be done
	}
	return &reply, nil
}

// over reports whether an error says that a response is neither running nor to
// be had: the provider does not know it any more, or it is larger than what is
// read, and only one that has ended is.
func over(err error) bool {
	class := jobs.ClassOf(err)
	return class == jobs.ClassLost || class == jobs.ClassOversized
}
