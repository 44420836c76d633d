// Command enqueue is the command line of those who have work to do: it submits
// requests, whole batches of them and documents to be summarized, waits for
// their ends, and looks at, cancels, retries and deletes jobs.
//
// It owns what people see of that: flags, files, progress and exit codes. It
// refuses to know how a job is run; workers do that, in another process or, with
// --dev and --live, in this one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on the next one has its usual effect: it ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], system{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
	}))
}
