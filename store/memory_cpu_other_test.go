//go:build !linux

package store

import "time"

var started = time.Now()

// threadTime returns the time that has passed, where a thread cannot be asked.
func threadTime() time.Duration { return time.Since(started) }
