package redistest

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// reaperScript waits for the end of its input, which comes when the test
// binary has ended in whatever way, then removes the directory and kills its
// process group: itself and the server.
const reaperScript = `read -r _; rm -rf "$1"; kill -KILL 0`

// reaper is a small shell that outlives the test binary just long enough to
// take the server along. A test binary that panics, runs into its timeout or
// is killed runs no clean-up of its own, and the shared server has none at all.
//
// The parent-death signal of Linux would be an alternative, but it follows
// threads rather than processes, leaves the directory behind, and exists
// nowhere else.
type reaper struct {
	cmd *exec.Cmd

	// stdin is never written to. It must be reachable for as long as the
	// server is wanted, or the garbage collector would close it.
	stdin io.WriteCloser
}

// startReaper starts the shell in a process group of its own, so that an
// interrupt from the terminal does not reach it before it has done its work.
func startReaper(dir string) (*reaper, error) {
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", reaperScript, "reaper", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open the reaper's input: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	return &reaper{cmd: cmd, stdin: stdin}, nil
}

// join returns the attributes that put a new process into the reaper's group.
func (r *reaper) join() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: r.cmd.Process.Pid}
}

// dismiss ends the reaper without letting it do anything.
func (r *reaper) dismiss() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait() // closes stdin
}
