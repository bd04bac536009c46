package store

import (
	"syscall"
	"time"
)

// threadTime returns the processor time of this thread, to the microsecond. A
// caller locks itself to its thread.
func threadTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
