//go:build !linux

package installation

import "syscall"

// endWithParent leaves it to the clean-up of the test: only Linux has a signal
// for the death of a parent.
func endWithParent() *syscall.SysProcAttr { return nil }
