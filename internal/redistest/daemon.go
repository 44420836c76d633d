package redistest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// patience bounds each wait for a server to come up or go down. Both take
// milliseconds; the rest is for a machine busy with other things.
const patience = 30 * time.Second

// daemon is a redis-server or a sentinel that can be ended and started again at
// the same address.
type daemon struct {
	binary string
	dir    string // holds the socket and the log; removed by close
	port   int    // 0 without TCP
	socket string // "" without one
	certs  *certificates
	args   []string
	reaper *reaper

	// mu makes starting and ending exclusive.
	mu     sync.Mutex
	cmd    *exec.Cmd     // nil before the first start and after an end
	exited chan struct{} // closed when cmd's process has ended
}

// newProcess prepares a program on a port, or on none, and starts nothing but
// its reaper. The caller sets the arguments and owes it a close.
func newProcess(tcp bool) (*daemon, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: these tests run against a real redis-server and do not pass without one; install it with "+
			"`apt-get install redis-server` (Debian, Ubuntu) or `brew install redis` (macOS)", err)
	}
	// Not tb.TempDir, which contains the test's name: a socket's path may have
	// no more than about a hundred bytes.
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the socket: %w", err)
	}
	d := &daemon{binary: binary, dir: dir}
	if tcp {
		if d.port, err = freePort(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if d.reaper, err = startReaper(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return d, nil
}

// newDaemon prepares a server.
func newDaemon(cfg Config) (*daemon, error) {
	d, err := newProcess(cfg.TCP || cfg.TLS)
	if err != nil {
		return nil, err
	}
	d.socket = filepath.Join(d.dir, "s")
	if cfg.TLS {
		if d.certs, err = newCertificates(d.dir); err != nil {
			d.close()
			return nil, err
		}
	}
	d.args = append(serverArgs(d, cfg.AppendDir), cfg.Args...)
	return d, nil
}

func serverArgs(d *daemon, appendDir string) []string {
	args := append(portArgs(d.port, d.certs),
		"--bind", "127.0.0.1",
		"--unixsocket", d.socket,
		"--unixsocketperm", "700",
		"--daemonize", "no",
		"--save", "",
		"--maxmemory-policy", "noeviction",
	)
	if appendDir == "" {
		return append(args, "--appendonly", "no", "--dir", d.dir)
	}
	return append(args, "--appendonly", "yes", "--appendfsync", "everysec", "--dir", appendDir)
}

// portArgs say where to listen, in the clear or only with TLS.
func portArgs(port int, certs *certificates) []string {
	if certs == nil {
		return []string{"--port", strconv.Itoa(port)}
	}
	return []string{
		"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-replication", "yes", "--tls-cluster", "yes",
		"--tls-ca-cert-file", certs.ca, "--tls-cert-file", certs.cert, "--tls-key-file", certs.key,
	}
}

// freePort picks a port below the range from which systems take the ports of
// outgoing connections. From inside that range, a client that dials a stopped
// server again and again may in the end be connected to itself.
func freePort() (int, error) {
	const low, high, tries = 20_000, 30_000, 100
	var last error
	for range tries {
		port := low + rand.IntN(high-low)
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

func (d *daemon) logFile() string { return filepath.Join(d.dir, "log") }

func (d *daemon) network() string {
	if d.port != 0 {
		return "tcp"
	}
	return "unix"
}

func (d *daemon) addr() string {
	if d.port != 0 {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port))
	}
	return d.socket
}

func (d *daemon) url() string {
	switch {
	case d.certs != nil:
		return "rediss://" + d.addr() + "?" + d.certs.query()
	case d.port != 0:
		return "redis://" + d.addr()
	}
	return "unix://" + d.addr()
}

// start runs the server and returns when it answers.
func (d *daemon) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd != nil {
		return errors.New("it runs already")
	}
	log, err := os.Create(d.logFile())
	if err != nil {
		return fmt.Errorf("create the log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor

	cmd := exec.CommandContext(context.Background(), d.binary, d.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = d.reaper.join()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", d.binary, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(exited)
	}()
	d.cmd, d.exited = cmd, exited

	if err := d.waitReadyLocked(); err != nil {
		return errors.Join(err, d.endLocked(syscall.SIGKILL))
	}
	return nil
}

// waitReadyLocked returns when the server answers, having loaded its data.
func (d *daemon) waitReadyLocked() error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-d.exited:
			return fmt.Errorf("it ended at once; its log:\n%s", d.logTail())
		case <-deadline.C:
			return fmt.Errorf("no answer in %v; its log:\n%s", patience, d.logTail())
		case <-tick.C:
			if d.answers() {
				return nil
			}
		}
	}
}

// answers reports whether a PING is met with a PONG, or with the wish for a
// password, at the address that clients will use.
func (d *daemon) answers() bool {
	conn, err := d.dial()
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 16)
	n, err := conn.Read(answer)
	return err == nil && (bytes.HasPrefix(answer[:n], []byte("+PONG")) || bytes.HasPrefix(answer[:n], []byte("-NOAUTH")))
}

func (d *daemon) dial() (net.Conn, error) {
	dialer := &net.Dialer{Timeout: time.Second}
	if d.certs == nil {
		return dialer.DialContext(context.Background(), d.network(), d.addr())
	}
	config, err := d.certs.client()
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(context.Background(), d.network(), d.addr())
}

// end signals the server, if it runs, and waits until its process is gone.
func (d *daemon) end(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endLocked(sig)
}

func (d *daemon) endLocked(sig syscall.Signal) error {
	if d.cmd == nil {
		return nil
	}
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v: %w", sig, err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-d.exited:
		d.cmd, d.exited = nil, nil
		return nil
	case <-deadline.C:
		return fmt.Errorf("it still runs %v after %v; its log:\n%s", patience, sig, d.logTail())
	}
}

// signal sends a signal to the running process.
func (d *daemon) signal(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return errors.New("it does not run")
	}
	if err := d.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send %v: %w", sig, err)
	}
	return nil
}

// close ends the server, whatever its state, and removes what it left.
func (d *daemon) close() {
	_ = d.end(syscall.SIGKILL)
	d.reaper.dismiss()
	_ = os.RemoveAll(d.dir)
}

// logTail returns the end of the log, for messages about a server that failed.
func (d *daemon) logTail() string {
	const limit = 2_000
	log, err := os.ReadFile(d.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-limit):])
}
