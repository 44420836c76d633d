package redistest

import (
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Config says how a private server differs from the usual one, which listens
// on a unix socket, keeps nothing on disk and evicts nothing.
type Config struct {
	// TCP makes the server listen on a free port of 127.0.0.1 as well; Addr
	// and URL then name that port. It stays the same over restarts.
	TCP bool

	// TLS makes the server listen on a free port of 127.0.0.1 with TLS only. It
	// wants a certificate of its clients, and URL names the files.
	TLS bool

	// AppendDir is an existing directory. If set, the server keeps its
	// append-only file there, synced every second, and reads it when it
	// starts again.
	AppendDir string

	// Args are appended to the server's command line, for example
	// "--maxmemory-policy", "allkeys-lru". The last mention of a setting wins.
	Args []string
}

// Server is a redis-server that belongs to one test and ends with it. Its
// methods fail that test when they cannot do what they say, so they must be
// called from the test's own goroutine.
type Server struct {
	tb testing.TB
	d  *daemon
}

// Start runs a private server with the usual settings and returns when it
// answers.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return StartWith(tb, Config{})
}

// StartWith runs a private server as cfg says and returns when it answers.
func StartWith(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	d, err := newDaemon(cfg)
	if err != nil {
		tb.Fatalf("prepare a private redis-server: %v", err)
	}
	tb.Cleanup(d.close)
	if err := d.start(); err != nil {
		tb.Fatalf("start a private redis-server: %v", err)
	}
	return &Server{tb: tb, d: d}
}

// Network returns "unix", or "tcp" for a server with a port.
func (s *Server) Network() string { return s.d.network() }

// Addr returns the socket's path, or host and port.
func (s *Server) Addr() string { return s.d.addr() }

// URL returns the server's address as Longhaul's configuration takes it, without
// a database number. Without TLS, [redis.ParseURL] takes it as well.
func (s *Server) URL() string { return s.d.url() }

// Client returns a client of database 0, closed when tb ends. It may be opened
// while the server is down, and finds it again after a Restart.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	c, err := s.d.admin()
	if err != nil {
		tb.Fatalf("open a Redis client: %v", err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Pause stops the process where it is: it keeps its connections and answers
// nothing, as a machine that hangs does. Resume has it go on.
func (s *Server) Pause() {
	s.tb.Helper()
	if err := s.d.signal(syscall.SIGSTOP); err != nil {
		s.tb.Fatalf("pause redis-server: %v", err)
	}
}

// Resume has a paused process go on.
func (s *Server) Resume() {
	s.tb.Helper()
	if err := s.d.signal(syscall.SIGCONT); err != nil {
		s.tb.Fatalf("resume redis-server: %v", err)
	}
}

// Stop asks the server to shut down, as a service manager would: an
// append-only file is synced first. It returns when the process has ended,
// and does nothing if there is none.
func (s *Server) Stop() {
	s.tb.Helper()
	if err := s.d.end(syscall.SIGTERM); err != nil {
		s.tb.Fatalf("stop redis-server: %v", err)
	}
}

// Kill ends the server with SIGKILL. It returns when the process has ended,
// and does nothing if there is none.
func (s *Server) Kill() {
	s.tb.Helper()
	if err := s.d.end(syscall.SIGKILL); err != nil {
		s.tb.Fatalf("kill redis-server: %v", err)
	}
}

// Restart stops the server if it runs, starts it at the same address, and
// returns when it answers. Data survives only with [Config.AppendDir].
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	if err := s.d.start(); err != nil {
		s.tb.Fatalf("restart redis-server: %v", err)
	}
}
