//go:build !unix

package pdf

// reserve returns so much memory.
func reserve(bytes int) *memory {
	return &memory{space: make([]byte, bytes), unmap: func() error { return nil }}
}
