package installation

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is one of our binaries at work. It ends with its test at the latest.
type Process struct {
	Stdout, Stderr *Output

	tb   testing.TB
	cmd  *exec.Cmd
	gone chan struct{}
}

// Output is what a process has printed so far. It is safe for concurrent use.
type Output struct {
	mu  sync.Mutex
	buf strings.Builder
}

// Write implements [io.Writer].
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns all of it.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start runs one of our commands with nothing of this process' environment but
// the path, so that no setting of the machine helps.
func Start(tb testing.TB, environ []string, name string, args ...string) *Process {
	tb.Helper()
	return StartFile(tb, environ, Binary(tb, name), args...)
}

// StartFile is [Start] for any binary.
func StartFile(tb testing.TB, environ []string, path string, args ...string) *Process {
	tb.Helper()
	p := &Process{tb: tb, cmd: exec.Command(path, args...), Stdout: &Output{}, Stderr: &Output{}, gone: make(chan struct{})}
	p.cmd.Dir = tb.TempDir()
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.cmd.Dir}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.Stdout, p.Stderr
	p.cmd.SysProcAttr = endWithParent()
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", path, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.gone) }()
	tb.Cleanup(func() {
		p.Kill()
		if tb.Failed() {
			tb.Logf("%s %v, stderr:\n%s", path, args, Tail(p.Stderr.String(), 6000))
		}
	})
	return p
}

// Tail returns the end of a long text, for messages.
func Tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

// PID is the process' number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Dir is the folder that the process runs in, which was empty when it began.
func (p *Process) Dir() string { return p.cmd.Dir }

// Gone is closed when the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// StaysUp fails the test if the process has ended.
func (p *Process) StaysUp() {
	p.tb.Helper()
	select {
	case <-p.gone:
		p.tb.Error("the process did not stay up")
	default:
	}
}

// Kill is kill -9; it returns when the process has ended. It may be called from
// any goroutine.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// Signal sends a signal, for what is neither an end by force nor [Process.Terminate].
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Terminate sends SIGTERM and waits for the end; it returns the exit code.
func (p *Process) Terminate() int {
	p.tb.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait()
}

// Wait waits for the end and returns the exit code.
func (p *Process) Wait() int { p.tb.Helper(); return p.WaitFor(time.Minute) }

// WaitFor is [Process.Wait] for an end that takes longer than a minute.
func (p *Process) WaitFor(patience time.Duration) int {
	p.tb.Helper()
	select {
	case <-p.gone:
	case <-time.After(patience):
		p.tb.Fatalf("did not end within %s:\n%s", patience, Tail(p.Stderr.String(), 4000))
	}
	return p.cmd.ProcessState.ExitCode()
}

// Find waits until what the process printed matches, and returns the last group.
func (p *Process) Find(out *Output, pattern string) string {
	p.tb.Helper()
	re := regexp.MustCompile(pattern)
	for range 600 {
		if m := re.FindStringSubmatch(out.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-p.gone:
			p.tb.Fatalf("ended before it said %q:\n%s\n%s", pattern, out.String(), p.Stderr.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.tb.Fatalf("did not say %q:\n%s", pattern, out.String())
	return ""
}
