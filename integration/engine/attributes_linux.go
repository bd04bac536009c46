package engine

import "syscall"

// attributes makes the system kill the server if the test binary dies without
// its cleanups, as after a time-out or a panic.
func attributes(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGKILL}
}
