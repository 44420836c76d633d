package responses_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

var errDraining = errors.New("draining")

// hold is a handler that never answers.
func hold(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// wantSilence checks the failure of a call that was not answered.
func wantSilence(t *testing.T, err error, class jobs.Class, code string) {
	t.Helper()
	if f := failure(t, err); f.Class != class || f.Code != code || f.HTTPStatus != 0 || f.Message == "" {
		t.Errorf("failure = %+v, want class %s with code %s and a message", f, class, code)
	}
}

func TestTimeoutOfACreateIsAmbiguousAndOfALookIsNot(t *testing.T) {
	t.Parallel()
	for op, want := range map[string]struct {
		class jobs.Class
		after time.Duration
	}{
		"create":      {jobs.ClassAmbiguous, 7 * time.Minute},
		"look":        {jobs.ClassUnavailable, 9 * time.Second},
		"cancel":      {jobs.ClassUnavailable, 9 * time.Second},
		"delete":      {jobs.ClassUnavailable, 9 * time.Second},
		"input_items": {jobs.ClassUnavailable, 9 * time.Second},
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, hold)
				c := s.client(t, func(c *responses.Config) { c.CreateTimeout, c.LookTimeout = 7*time.Minute, 9*time.Second })
				began := time.Now()
				_, err := call(t.Context(), c, op)
				wantSilence(t, err, want.class, "timeout")
				if got := time.Since(began); got != want.after {
					t.Errorf("timed out after %s, want %s", got, want.after)
				}
				if msg := failure(t, err).Message; msg != "no answer within "+want.after.String() || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error = %v, want the timeout in it and in its chain", err)
				}
				if n := len(s.received()); n != 1 {
					t.Errorf("server received %d requests, want 1", n)
				}
			})
		})
	}
}

func TestTimeoutWithinTheBody(t *testing.T) {
	t.Parallel()
	// The answer of a create has begun, and nothing can be read from it.
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte(`{"object":"response","id":"resp_`))
			_ = http.NewResponseController(w).Flush()
			hold(w, r)
		}).client(t)
		_, err := call(t.Context(), c, "create")
		if f := failure(t, err); f.Class != jobs.ClassAmbiguous || f.HTTPStatus != 200 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %+v, want ambiguous, with status 200 and the timeout in its chain", f)
		}
	})
}

func TestStopBeforeAndAfterTheRequestIsSent(t *testing.T) {
	t.Parallel()
	t.Run("before the call", func(t *testing.T) {
		t.Parallel()
		s := serve(t, respond("queued"))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errDraining)
		_, err := call(ctx, s.client(t), "create")
		wantSilence(t, err, jobs.ClassUnreachable, "stopped")
		if !errors.Is(err, errDraining) || len(s.received()) != 0 {
			t.Errorf("error = %v after %d requests, want the cause and none", errors.Unwrap(err), len(s.received()))
		}
	})
	neverDialed := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	t.Run("by the timeout while dialing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t)
			c.DialWith(neverDialed)
			_, err := call(t.Context(), c, "create")
			wantSilence(t, err, jobs.ClassUnreachable, "timeout")
		})
	})
	t.Run("while dialing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t)
			c.DialWith(neverDialed)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(errDraining) })
			_, err := call(ctx, c, "create")
			wantSilence(t, err, jobs.ClassUnreachable, "stopped")
		})
	})
	t.Run("while the server works", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, hold)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(errDraining) })
			_, err := call(ctx, s.client(t), "create")
			wantSilence(t, err, jobs.ClassAmbiguous, "stopped")
			if !errors.Is(err, errDraining) {
				t.Errorf("cause = %v, want the one of the context", errors.Unwrap(err))
			}
		})
	})
	t.Run("by the caller's deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, hold)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := call(ctx, s.client(t), "create")
			wantSilence(t, err, jobs.ClassAmbiguous, "timeout")
		})
	})
}

func TestCreateThatReachedNobodyIsUnreachable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		base string
		dial func(context.Context, string, string) (net.Conn, error)
	}{
		{"name does not resolve", testURL, func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}}
		}},
		{"refused", testURL, func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}},
		{"no TLS", "https://api.test/v1", func(context.Context, string, string) (net.Conn, error) {
			return talk(func(theirs net.Conn) {
				_, _ = theirs.Read(make([]byte, 5))
				go func() { _, _ = theirs.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }()
				_, _ = theirs.Read(make([]byte, 4096))
			}), nil
		}},
		{"end within the handshake", "https://api.test/v1", func(context.Context, string, string) (net.Conn, error) {
			return talk(func(theirs net.Conn) { _, _ = theirs.Read(make([]byte, 4096)) }), nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, func(c *responses.Config) { c.BaseURL = tt.base })
			c.DialWith(tt.dial)
			_, err := call(t.Context(), c, "create")
			wantSilence(t, err, jobs.ClassUnreachable, "connect_failed")
		})
	}
}

func TestCreateWhoseConnectionBreaksIsAmbiguous(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		peer func(net.Conn)
	}{
		{"at once", func(net.Conn) {}},
		{"within the request", func(c net.Conn) { _, _ = c.Read(make([]byte, 20)) }},
		{"after the request", func(c net.Conn) { _, _ = c.Read(make([]byte, 64<<10)) }},
		{"within the status line", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = c.Write([]byte("HTTP/1.1 20"))
		}},
		{"within the header", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-"))
		}},
		{"with what is not HTTP", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.6\r\n"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var dials atomic.Int32
			dial := func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return talk(tt.peer), nil
			}
			for op, want := range map[string]jobs.Class{"create": jobs.ClassAmbiguous, "cancel": jobs.ClassUnavailable} {
				dials.Store(0)
				c := newClient(t)
				c.DialWith(dial)
				_, err := call(t.Context(), c, op)
				wantSilence(t, err, want, "connection_lost")
				if n := dials.Load(); n != 1 {
					t.Errorf("%s: dialed %d times, want 1", op, n)
				}
			}
		})
	}
}

// An idle connection on which nothing can be written any more is the one case
// in which the transport sends a POST on another one. If there is no other one,
// the create is as unsent as if it had been the first.
func TestCreateOnADeadIdleConnection(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{true, false} {
		s := serve(t, respond("queued"))
		c := newClient(t)
		var first *deadConn
		c.DialWith(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if first != nil && !again {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			conn, err := s.dial(ctx, network, addr)
			if first == nil && err == nil {
				first = &deadConn{Conn: conn}
				return first, nil
			}
			return conn, err
		})
		if _, err := call(t.Context(), c, "create"); err != nil {
			t.Fatal(err)
		}
		first.dead.Store(true)
		_, err := call(t.Context(), c, "create")
		if !again {
			wantSilence(t, err, jobs.ClassUnreachable, "connect_failed")
		} else if err != nil {
			t.Errorf("create on a new connection: %v", err)
		}
		want := 1
		if again {
			want = 2
		}
		if n := len(s.received()); n != want {
			t.Errorf("server received %d requests, want %d", n, want)
		}
	}
}

// deadConn is a connection that refuses every byte once it is dead.
type deadConn struct {
	net.Conn

	dead atomic.Bool
}

func (c *deadConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(b)
}

// talk returns one end of a connection whose other end belongs to peer, and is
// closed when peer returns.
func talk(peer func(net.Conn)) net.Conn {
	ours, theirs := net.Pipe()
	go func() {
		peer(theirs)
		_ = theirs.Close()
	}()
	return ours
}
