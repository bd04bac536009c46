package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/ginwx/wxlogin"
)

const (
	maxAnswer = 64 << 10

	// A second attempt after errcode -1 starts after a random time in this range,
	// so that logins that failed together do not return together.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 300 * time.Millisecond

	codeBusy = -1
)

// client makes calls. It is safe for concurrent use.
type client struct {
	http    *http.Client
	own     *http.Transport // nil where the connections are the caller's
	gate    *gate           // of own
	baseURL string
	timeout time.Duration // per attempt
}

func newClient(o options) *client {
	c := &client{baseURL: o.baseURL, timeout: o.timeout}
	if o.client != nil {
		clone := *o.client
		c.http = &clone
	} else {
		c.own = NewTransport()
		c.gate = &gate{dial: c.own.DialContext}
		c.own.DialContext = c.gate.dialContext
		c.http = &http.Client{Transport: c.own}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// closeIdle closes idle connections of our own, and those in use when their call
// has ended.
func (c *client) closeIdle() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// api describes one of WeChat's endpoints.
type api struct {
	name  string // in errors
	path  string
	class func(errcode int) error // the class of a refusal
}

// call is one use of an api.
type call struct {
	api     api
	query   url.Values
	payload []byte           // nil for a GET, else JSON for a POST
	hidden  []wxlogin.Secret // what is sent and must not show in an error
}

// answer is a pointer to a struct that an api's answer decodes into.
type answer interface {
	// complete reports whether everything is there that the api promises.
	complete() bool
}

// do makes the call and decodes what WeChat answers into out, whose content
// counts only if there is no error. WeChat's errcode -1 gets one second attempt
// with the same values: whether the first one used them up is not documented, so
// the second may be refused for that.
func (c *client) do(ctx context.Context, in call, out answer) error {
	err := c.attempt(ctx, in, out)
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != codeBusy {
		return err
	}
	pause := time.NewTimer(minBackoff + rand.N(maxBackoff-minBackoff))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return left(in.api)
		}
		return fmt.Errorf("%w: %w", refusal, context.DeadlineExceeded)
	case <-pause.C:
		return c.attempt(ctx, in, out)
	}
}

func (c *client) attempt(ctx context.Context, in call, out answer) error {
	body, err := c.send(ctx, in)
	if err != nil {
		return err
	}
	head, ok := decodeHead(body)
	switch {
	case !ok:
		return unreadable(in.api, body)
	case head.code != 0:
		return newError(in, head.code, head.msg)
	case !decode(body, out) || !out.complete():
		return unreadable(in.api, body)
	}
	return nil
}

// send makes one request and returns the body of an answer with status 200.
func (c *client) send(ctx context.Context, in call) ([]byte, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if c.gate != nil {
		gated, leave := c.gate.enter(attempt)
		defer leave()
		attempt = gated
	}
	req, err := c.newRequest(attempt, in)
	if err != nil {
		return nil, unavailable(in.api, describe(in, err))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(ctx, attempt, in, err)
	}
	defer resp.Body.Close()
	// The body is read before the status is judged: a connection whose answer was
	// read to its end is used again, which matters most while a gateway answers
	// everybody with an error page.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, unavailable(in.api, fmt.Sprintf("HTTP status %d", resp.StatusCode))
	case err != nil:
		return nil, c.failed(ctx, attempt, in, err)
	case len(body) > maxAnswer:
		return nil, unavailable(in.api, fmt.Sprintf("the answer is longer than %d bytes", maxAnswer))
	}
	return body, nil
}

// newRequest builds a request that net/http will not send twice. A POST it never
// does, once a byte of it was written.
//
// http.Transport sends a GET again, unasked, when a connection that was used
// before breaks before the answer: WeChat may have taken the code by then, and
// the copy is refused with 40163. A body that is neither nil nor http.NoBody and
// has no GetBody is what keeps the transport from it. The price: where the
// server closed an idle connection in the very moment in which we wrote to it,
// the call fails, although the server never read it; idleTimeout makes that rare.
//
// The "identity" encoding says that this body has no framing. Without it the
// transport would first read from the body in a goroutine with a timer, and on a
// starved machine would send the GET as chunked.
func (c *client) newRequest(ctx context.Context, in call) (*http.Request, error) {
	target := c.baseURL + in.api.path
	if len(in.query) > 0 {
		target += "?" + in.query.Encode()
	}
	if in.payload != nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(in.payload))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, emptyBody{})
	if err != nil {
		return nil, err
	}
	req.TransferEncoding = []string{"identity"}
	return req, nil
}

// emptyBody is a body of no bytes that net/http does not know to be empty.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// WriteTo saves net/http a buffer of 32 KiB for each request.
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

// failed tells why a request has no answer: the caller left, time ran out, or
// the network failed.
func (c *client) failed(ctx, attempt context.Context, in call, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return left(in.api)
	case attempt.Err() != nil || isTimeout(err):
		return timedOut(in.api, describe(in, err))
	}
	return unavailable(in.api, describe(in, err))
}
