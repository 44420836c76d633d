//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package summarize

import "os"

// lockFile does nothing on systems without file locks in the standard library.
func lockFile(*os.File) error { return nil }
