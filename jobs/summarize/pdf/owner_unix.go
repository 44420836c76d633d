//go:build unix

package pdf

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses a folder that belongs to somebody else.
func checkOwner(info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return errors.New("it belongs to somebody else")
	}
	return nil
}
