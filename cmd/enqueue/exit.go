package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// The exit codes.
const (
	exitSucceeded = 0
	exitFailed    = 1
	exitUsage     = 2
)

// errReported ends a command whose failures have been shown already.
var errReported = errors.New("not everything succeeded")

// usageError is a mistake in the command line or in the files that it names.
type usageError struct{ err error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// stoppedError says that a signal ended the command, and what goes on.
type stoppedError struct {
	cause error
	// hint says how to take the work up again.
	hint string
}

func (e *stoppedError) Error() string { return fmt.Sprintf("stopped: %v", e.cause) }
func (e *stoppedError) Unwrap() error { return e.cause }

// exit reports an error and returns the exit code.
func (c *cli) exit(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitSucceeded
	}
	if errors.Is(err, errReported) {
		return exitFailed
	}
	c.console.say("enqueue: %s", err)
	if stopped, ok := errors.AsType[*stoppedError](err); ok && stopped.hint != "" {
		c.console.say("%s", stopped.hint)
	}
	if !c.running {
		c.console.say("See %s --help.", cmd.CommandPath())
		return exitUsage
	}
	if hint := c.advice(err); hint != "" {
		c.console.say("%s", hint)
	}
	return code(err)
}

// code is the exit code of an error of a command that was understood.
func code(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return exitUsage
	}
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Class == jobs.ClassInvalid {
		return exitUsage
	}
	if _, ok := errors.AsType[*jobs.ConflictError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// advice says what helps against an error whose text does not.
func (c *cli) advice(err error) string {
	if c.dev || c.live || errors.Is(err, context.Canceled) {
		return ""
	}
	if ofBlobs(err) {
		return "Is the blob store there, and does it take the keys? blobs.url (--blobs-url) names it."
	}
	if _, network := errors.AsType[*net.OpError](err); network || errors.Is(err, os.ErrDeadlineExceeded) {
		hint := "Is Redis running there? --redis-url names another one"
		if !c.earlier {
			hint += "; --dev needs none"
		}
		return hint + "."
	}
	if advice := app.RedisAdvice(err); advice != "" {
		return "Redis refuses this: " + advice + "."
	}
	return ""
}
