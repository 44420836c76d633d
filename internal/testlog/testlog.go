// Package testlog is for tests: it collects what several goroutines write, and what
// is read while they do.
package testlog

import (
	"bytes"
	"sync"
)

// Buffer is a [bytes.Buffer] for use by several goroutines at once. The zero value is
// empty and ready.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
