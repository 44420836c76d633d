// Command worker is Longhaul's daemon: it submits jobs to OpenAI's Responses
// API in the background, watches the responses until they end, and keeps their
// results in Redis.
//
//	worker run        work until SIGTERM or SIGINT, then drain
//	worker dev        work with an embedded Redis and a simulated OpenAI
//	worker simulate   serve only the simulated OpenAI
//	worker config     show the configuration and where each value came from
//	worker doctor     look over Redis and the endpoints, and say what to do
//	worker health     ask a running worker whether it lives
//	worker version    show the version
//
// Configuration is described in docs/configuration.md. The exit code is 0 after
// a clean stop, 1 after a failure and 2 for bad usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as parameters.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once: what is in flight is uncertain then.
	context.AfterFunc(ctx, stop)

	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintln(stderr, "worker:", err)
	if usage(err) {
		return exitUsage
	}
	return exitFailure
}

// usage reports whether the error is one that the caller mends by calling
// differently.
func usage(err error) bool {
	if _, ok := errors.AsType[*usageError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return true
	}
	e, ok := errors.AsType[*jobs.Error](err)
	return ok && e.Class == jobs.ClassInvalid
}

// usageError is an error in how the command was called.
type usageError struct{ error }

// Unwrap returns the error itself.
func (e *usageError) Unwrap() error { return e.error }
