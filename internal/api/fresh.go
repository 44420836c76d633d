package api

import (
	"net"
	"net/http"
	"sync"
)

// fresh are the connections that have not brought a request yet. A client may open
// one in advance and never use it; [http.Server.Shutdown] waits five seconds for
// what it will bring, which is longer than a drain should take.
type fresh struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// follow is the server's ConnState.
func (f *fresh) follow(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if state != http.StateNew {
		delete(f.conns, c)
		return
	}
	if f.conns == nil {
		f.conns = make(map[net.Conn]bool)
	}
	f.conns[c] = true
}

// close closes them.
func (f *fresh) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close() // nothing was asked on it
	}
}
