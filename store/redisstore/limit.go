package redisstore

import (
	"context"
	"sync"
	"time"
)

// limited is context.WithTimeout without a look at the clock until somebody asks,
// and without a timer until somebody waits: a call that the local cache answers
// needs neither.
type limited struct {
	context.Context // the caller's
	timeout         time.Duration

	mu       sync.Mutex
	deadline time.Time       // zero until somebody asked
	timed    context.Context // nil until somebody waits
	cancel   context.CancelFunc
}

// limit returns a context that ends with ctx, and at the latest s.timeout after it
// is first used. It must be released.
func (s *Store) limit(ctx context.Context) *limited {
	return &limited{Context: ctx, timeout: s.timeout}
}

// Deadline implements context.Context.
func (c *limited) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends(), true
}

// ends is called with the lock held.
func (c *limited) ends() time.Time {
	if c.deadline.IsZero() {
		c.deadline = time.Now().Add(c.timeout)
		if earlier, ok := c.Context.Deadline(); ok && earlier.Before(c.deadline) {
			c.deadline = earlier
		}
	}
	return c.deadline
}

// Done implements context.Context.
func (c *limited) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.Context, c.ends())
	}
	return c.timed.Done()
}

// Err implements context.Context.
func (c *limited) Err() error {
	c.mu.Lock()
	timed, ends := c.timed, c.ends()
	c.mu.Unlock()
	if timed != nil {
		return timed.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(ends) {
		return context.DeadlineExceeded
	}
	return nil
}

// release stops the timer, if there is one.
func (c *limited) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}
