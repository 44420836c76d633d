package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// console is stderr, shared by a progress display, the remarks of the command
// and the log of a worker in this process.
type console struct {
	out io.Writer

	// mu keeps lines whole, and them and the display apart.
	mu sync.Mutex
	// above, if not nil, is the display: lines are printed above it.
	above io.Writer
}

func newConsole(out io.Writer) *console { return &console{out: out} }

// Write prints whole lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.above != nil {
		if n, err := c.above.Write(p); err == nil {
			return n, nil
		}
		// The display has ended by itself, and says nothing of it.
	}
	return c.out.Write(p)
}

// say prints a line. There is nobody to tell if that fails.
func (c *console) say(format string, args ...any) {
	_, _ = fmt.Fprintln(c, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// display puts lines above a display, or with nil back where they were.
func (c *console) display(above io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.above = above
}

// shows reports whether a stream is the one that the console is, as on a terminal.
func (c *console) shows(stream any) bool {
	ours, ok := c.out.(*os.File)
	other, also := stream.(*os.File)
	if !ok || !also {
		return false
	}
	a, err := ours.Stat()
	if err != nil {
		return false
	}
	b, err := other.Stat()
	return err == nil && os.SameFile(a, b)
}

// terminal reports whether somebody watches.
func (c *console) terminal() bool { return isTerminal(c.out) }

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
