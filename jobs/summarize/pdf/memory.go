package pdf

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is what a sandbox works in: as much as it may ever have, of which the
// machine gives only what is written to. It does not grow by copying, and what a
// document took is given back when the document is done, not when the collector of
// garbage gets to it.
type memory struct {
	space []byte
	// refused is set once the sandbox has asked for more than there is.
	refused atomic.Bool
	// unmap gives back the space.
	unmap func() error
}

// Reallocate hands out the first so many bytes, or nil.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.space)) {
		m.refused.Store(true)
		return nil
	}
	return m.space[:size:size]
}

// Free does nothing: a sandbox that is killed is freed while its code still runs.
// Who has waited for that code to end releases the memory.
func (m *memory) Free() {}

// release gives the memory back. Nothing may run in it any more.
func (m *memory) release() error {
	m.space = nil
	return m.unmap()
}

// allocator hands a sandbox its memory, and remembers it for who asked for the
// sandbox. Sandboxes are made one at a time.
type allocator struct {
	bytes int
	last  *memory
}

// Allocate reserves memory for a sandbox.
func (a *allocator) Allocate(_, _ uint64) experimental.LinearMemory {
	m := reserve(a.bytes)
	a.last = m
	return m
}

// take returns the memory that was handed out last, once.
func (a *allocator) take() *memory {
	m := a.last
	a.last = nil
	return m
}
