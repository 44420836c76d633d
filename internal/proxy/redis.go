package proxy

import (
	"bufio"
	"bytes"
	"net"
	"strings"
	"sync"
)

// Moment says where in the life of a command the trap springs.
type Moment string

// The moments.
const (
	// BeforeCommand is before the server has seen anything of the command. A
	// command that is known by its answer alone cannot be caught there: it is
	// caught [BeforeAnswer].
	BeforeCommand Moment = "before the command"
	// BeforeAnswer is when the server has carried the command out, before the
	// process has seen anything of the answer.
	BeforeAnswer Moment = "before its answer"
)

// Redis is a proxy to a Redis server. It counts the commands that carry a mark,
// in their arguments or in their answer, in the order in which they were seen to.
// Each command of a pipeline counts by itself.
type Redis struct {
	*relay
	mark []byte
	n    int
	at   Moment
	act  func()

	steps []string // of the marked commands so far; guarded by the relay's mutex
}

// NewRedis listens for a process that speaks to the Redis server at target, and
// calls act when the nth command that carries the mark has come to the moment.
// With n = 0 the commands are only counted. The caller owes a Close.
func NewRedis(target, mark string, n int, at Moment, act func()) (*Redis, error) {
	p := &Redis{mark: []byte(mark), n: n, at: at, act: act}
	var err error
	p.relay, err = listen(target, p.serve)
	return p, err
}

// Steps tells the marked commands so far, in their order: the command and, for
// one that has any, its first key.
func (p *Redis) Steps() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.steps...)
}

// pending are the commands of a connection whose answers have not come, oldest
// first.
type pending struct {
	mu       sync.Mutex
	commands []command
	// loose says that answers and commands do not correspond: the connection
	// subscribes to channels.
	loose bool
}

type command struct {
	name   string
	number int // among the marked ones, 0 for one that is not marked so far
}

func (q *pending) push(c command) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.commands = append(q.commands, c)
	q.loose = q.loose || strings.Contains(strings.ToLower(c.name), "subscribe")
}

func (q *pending) pop() (command, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.loose || len(q.commands) == 0 {
		return command{}, false
	}
	c := q.commands[0]
	q.commands = q.commands[1:]
	return c, true
}

func (p *Redis) serve(process, server net.Conn) {
	var q pending
	both(process, server,
		func() error { return p.commands(bufio.NewReader(process), server, &q) },
		func() error { return p.answers(bufio.NewReader(server), process, &q) })
}

// commands copies whole commands to the server.
func (p *Redis) commands(process *bufio.Reader, server net.Conn, q *pending) error {
	for {
		raw, err := readValue(process)
		if err != nil {
			return err
		}
		if err := p.command(raw, server, q); err != nil {
			return err
		}
	}
}

func (p *Redis) command(raw []byte, server net.Conn, q *pending) error {
	c := command{name: name(raw)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sprung {
		return errSprung
	}
	if bytes.Contains(raw, p.mark) {
		c.number = p.countLocked(c.name)
	}
	if c.number != 0 && c.number == p.n && p.at == BeforeCommand {
		return p.springLocked(p.act)
	}
	q.push(c)
	_, err := server.Write(raw)
	return err
}

// answers copies whole answers to the process.
func (p *Redis) answers(server *bufio.Reader, process net.Conn, q *pending) error {
	for {
		raw, err := readValue(server)
		if err != nil {
			return err
		}
		if err := p.answer(raw, process, q); err != nil {
			return err
		}
	}
}

func (p *Redis) answer(raw []byte, process net.Conn, q *pending) error {
	c, known := command{}, false
	if raw[0] != '>' { // what the server says unasked answers no command
		c, known = q.pop()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sprung {
		return errSprung
	}
	if known && c.number == 0 && bytes.Contains(raw, p.mark) {
		c.number = p.countLocked(c.name)
	}
	if c.number != 0 && c.number == p.n {
		return p.springLocked(p.act)
	}
	_, err := process.Write(raw)
	return err
}

func (p *Redis) countLocked(name string) int {
	p.steps = append(p.steps, name)
	return len(p.steps)
}

// name is the command and its first key, as far as scripts and plain commands
// show it.
func name(raw []byte) string {
	w := words(raw)
	switch {
	case len(w) == 0:
		return ""
	case len(w) > 3 && strings.HasPrefix(strings.ToLower(w[0]), "eval"):
		return strings.ToLower(w[0]) + " " + w[3]
	case len(w) > 1:
		return strings.ToLower(w[0]) + " " + w[1]
	}
	return strings.ToLower(w[0])
}
