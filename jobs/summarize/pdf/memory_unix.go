//go:build unix

package pdf

import "syscall"

// reserve returns so much memory, none of which is in use before it is written to.
func reserve(bytes int) *memory {
	space, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		// A machine that promises nothing that it does not have.
		return &memory{space: make([]byte, bytes), unmap: func() error { return nil }}
	}
	return &memory{space: space, unmap: func() error { return syscall.Munmap(space) }}
}
