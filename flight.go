package wxlogin

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ginwx/wxlogin/internal/carrier"
)

// flights lets one login run per (app, code); whoever asks for the same one
// meanwhile waits for it and gets the same answer. A code that has landed is
// forgotten, so that it is never answered again.
type flights struct {
	group   singleflight.Group
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// landing is the share of a login's limit in which it has to say what held it up:
// whoever waits would know no more than that time has run out.
const landing = 20

// join runs login, or waits for the one that runs. The login outlives a caller
// that gives up, and ends before limit; each caller waits as long as its own ctx
// lasts and no longer than limit.
func (f *flights) join(ctx context.Context, limit time.Duration, key string, login func(context.Context) (LoginResult, error)) (LoginResult, error) {
	landed := f.group.DoChan(key, func() (any, error) {
		if !f.start() {
			return nil, ErrClosed
		}
		defer f.running.Done()
		ctx, cancel := context.WithTimeout(detached(ctx), limit-limit/landing)
		defer cancel()
		return login(ctx)
	})
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case r := <-landed:
		result, _ := r.Val.(LoginResult)
		return result, r.Err
	case <-waiting.Done():
		return LoginResult{}, fmt.Errorf("%w: login: %w", ErrUpstreamUnavailable, waiting.Err())
	}
}

func (f *flights) start() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.running.Add(1)
	}
	return !f.closed
}

func (f *flights) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}

// detached keeps ctx's values and drops its end. A *gin.Context is dropped whole:
// it is reused for another user when the first caller's request is over.
func detached(ctx context.Context) context.Context {
	if ctx.Value(carrier.GinContext) != nil {
		return context.Background()
	}
	return context.WithoutCancel(ctx)
}

// recovered turns a panic of a provider, a hook or a store into an error. The
// panic's text stays out of the log: it may quote a code or a key.
func (a *Auth) recovered(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		a.log.LogAttrs(ctx, slog.LevelError, "wxlogin: login panicked",
			slog.String("type", fmt.Sprintf("%T", p)), slog.String("stack", string(debug.Stack())))
		*err = fmt.Errorf("%w: login panicked", ErrInternal)
	}
}
