package proxy

import "net"

// Direction is which bytes are counted.
type Direction string

// The directions.
const (
	// Request are the bytes to the provider.
	Request Direction = "request"
	// Answer are the bytes from the provider.
	Answer Direction = "answer"
)

// Provider is a proxy to an HTTP server. It counts bytes, over all connections
// and in the order in which they passed.
type Provider struct {
	*relay
	n         int
	direction Direction
	act       func()

	passed map[Direction]int // guarded by the relay's mutex
}

// NewProvider listens for a process that speaks to the server at target (host
// and port), and calls act as soon as n bytes have passed in the direction; not
// one more does. With n = 0 bytes are only counted. The caller owes a Close.
func NewProvider(target string, direction Direction, n int, act func()) (*Provider, error) {
	p := &Provider{n: n, direction: direction, act: act, passed: make(map[Direction]int)}
	var err error
	p.relay, err = listen(target, func(process, server net.Conn) {
		both(process, server,
			func() error { return p.copy(process, server, Request) },
			func() error { return p.copy(server, process, Answer) })
	})
	return p, err
}

// Passed returns the number of bytes so far.
func (p *Provider) Passed(direction Direction) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[direction]
}

func (p *Provider) copy(from, to net.Conn, direction Direction) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err := p.pass(buffer[:n], to, direction); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
}

func (p *Provider) pass(chunk []byte, to net.Conn, direction Direction) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sprung {
		return errSprung
	}
	caught := direction == p.direction && p.n > 0 && p.passed[direction]+len(chunk) >= p.n
	if caught {
		chunk = chunk[:p.n-p.passed[direction]]
	}
	p.passed[direction] += len(chunk)
	_, err := to.Write(chunk)
	if caught {
		return p.springLocked(p.act)
	}
	return err
}
