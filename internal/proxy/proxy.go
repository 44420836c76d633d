// Package proxy stands between a process under test and a server that it speaks
// to, and has something done to the process at an exact point of what passes:
// [Redis] at a command, [Provider] at a byte.
//
// From that point on nothing passes any more, on any connection and in either
// direction, so that what the server has seen is exactly what came before. It
// knows nothing of what the commands or the bytes mean.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// relay accepts connections and opens one to the target for each.
type relay struct {
	target   string
	listener net.Listener
	done     sync.WaitGroup

	// mu lets one thing pass at a time, and makes the point after which nothing
	// does.
	mu     sync.Mutex
	sprung bool
	conns  []io.Closer
}

// errSprung ends a connection after the trap has sprung.
var errSprung = errors.New("the trap has sprung")

// listen starts a relay on a free port of this machine. Serve handles one
// connection from the process and the one to the target that belongs to it.
func listen(target string, serve func(process, server net.Conn)) (*relay, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy of %s: %w", target, err)
	}
	r := &relay{target: target, listener: listener}
	r.done.Go(func() {
		for {
			process, err := listener.Accept()
			if err != nil {
				return
			}
			r.done.Go(func() { r.join(process, serve) })
		}
	})
	return r, nil
}

func (r *relay) join(process net.Conn, serve func(process, server net.Conn)) {
	defer func() { _ = process.Close() }()
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", r.target)
	if err != nil {
		return // the process sees that its connection ends, as it would without a proxy
	}
	defer func() { _ = server.Close() }()
	if r.keep(process, server) {
		serve(process, server)
	}
}

// keep remembers connections to close, and reports whether any may still pass.
func (r *relay) keep(conns ...io.Closer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conns...)
	return !r.sprung
}

// both copies in both directions until one has ended, and returns when both
// have.
func both(process, server net.Conn, up, down func() error) {
	var copies sync.WaitGroup
	for _, one := range []func() error{up, down} {
		copies.Go(func() {
			_ = one() // how a connection ended is the process' business
			_ = process.Close()
			_ = server.Close()
		})
	}
	copies.Wait()
}

// springLocked has the trap spring: nothing passes while act does its work, nor
// after it.
func (r *relay) springLocked(act func()) error {
	r.sprung = true
	act()
	return errSprung
}

// Addr is where the process has to connect to.
func (r *relay) Addr() string { return r.listener.Addr().String() }

// Sprung reports whether the point was reached.
func (r *relay) Sprung() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sprung
}

// Close cuts all connections, and returns when nothing of the proxy runs any
// more.
func (r *relay) Close() {
	_ = r.listener.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.done.Wait()
}
