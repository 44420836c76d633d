//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package summarize

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock that ends with the process or with closing file.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
