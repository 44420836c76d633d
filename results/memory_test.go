package results_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// infoHook does something in the place of a client's INFO, or, with nil, nothing.
type infoHook struct {
	redis.Hook

	instead atomic.Pointer[func() error]
}

func (h *infoHook) set(instead func() error) { h.instead.Store(&instead) }

func (h *infoHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *infoHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *infoHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if instead := h.instead.Load(); cmd.Name() == "info" && instead != nil && *instead != nil {
			err := (*instead)()
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

// nearlyFull is a store on a server of its own, of whose memory 93 % are used, with what is
// done in the place of its INFO.
func nearlyFull(t *testing.T) (*results.Store, *infoHook) {
	t.Helper()
	server := redistest.Start(t)
	h := onURL(t, server.URL(), results.Config{})
	rdb, hook := server.Client(t), new(infoHook)
	rdb.AddHook(hook)
	store, err := results.Open(t.Context(), rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	h.limitMemory(0.93)
	return store, hook
}

// refused fails the test unless the watermark refuses a job.
func refused(t *testing.T, store *results.Store, when string) {
	t.Helper()
	_, _, err := store.Accept(t.Context(), request(t, "hello"), jobs.Options{})
	if f := jobs.FailureOf(err); f.Code != "redis_full" || !strings.Contains(f.Message, "% of its maxmemory") {
		t.Errorf("%s: err %v, want Redis said to be full", when, err)
	}
}

// A caller that leaves while Redis is asked how full it is leaves no wrong answer to the
// others, and nor does a question that fails.
func TestWatermarkOutlivesAQuestionThatFails(t *testing.T) {
	t.Parallel()
	store, hook := nearlyFull(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := store.Accept(gone, request(t, "hello"), jobs.Options{}); err == nil {
		t.Error("accepted for a caller that was gone")
	}
	refused(t, store, "after a caller that was gone")
	hook.set(func() error { return errors.New("no answer") })
	store.ForgetWhenMemoryWasAsked()
	refused(t, store, "after a question that failed")
}

// Nobody waits longer for how full Redis is than the own context lasts, whoever else waits.
func TestWatermarkHoldsNobodyWhoLeaves(t *testing.T) {
	t.Parallel()
	store, hook := nearlyFull(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	hook.set(func() error {
		close(asked)
		<-answer
		hook.set(nil)
		return errors.New("no answer")
	})
	patient := make(chan struct{})
	go func() {
		defer close(patient)
		_, _, _ = store.Accept(t.Context(), request(t, "hello"), jobs.Options{}) // nothing was ever known of a limit
	}()
	<-asked
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := store.Accept(gone, request(t, "hello"), jobs.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone: %v", err)
	}
	close(answer)
	<-patient
	store.ForgetWhenMemoryWasAsked()
	refused(t, store, "once the server has said")
}
