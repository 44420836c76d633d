package installation

import "syscall"

// endWithParent has a process killed when the test binary ends, however it ends.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
