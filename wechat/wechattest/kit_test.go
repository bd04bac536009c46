package wechattest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(0x617833f5, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// wire is a reply as it came over the network.
type wire struct {
	status int
	header http.Header
	body   string
}

func (r wire) decode(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, r.body)
	}
	return m
}

// errcode is 0 where the answer has none.
func (r wire) errcode(t *testing.T) int {
	t.Helper()
	n, _ := r.decode(t)["errcode"].(float64)
	return int(n)
}

func (r wire) text(t *testing.T, key string) string {
	t.Helper()
	s, _ := r.decode(t)[key].(string)
	return s
}

func get(t *testing.T, srv *wechattest.Server, path string, q url.Values) wire {
	t.Helper()
	r, err := tryGet(srv, path, q)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return r
}

func tryGet(srv *wechattest.Server, path string, q url.Values) (wire, error) {
	resp, err := srv.Client().Get(srv.URL + path + "?" + q.Encode())
	if err != nil {
		return wire{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return wire{resp.StatusCode, resp.Header, string(body)}, err
}

func exchangeQuery(code string) url.Values {
	return url.Values{
		"appid": {wechattest.DefaultAppID}, "secret": {wechattest.DefaultSecret},
		"js_code": {code}, "grant_type": {"authorization_code"},
	}
}

func exchange(t *testing.T, srv *wechattest.Server, code string) wire {
	t.Helper()
	return get(t, srv, wechattest.PathCode2Session, exchangeQuery(code))
}

func newServer(t *testing.T, opts ...wechattest.Option) *wechattest.Server {
	t.Helper()
	srv := wechattest.NewServer(opts...)
	t.Cleanup(srv.Close)
	return srv
}

func wantErrcode(t *testing.T, r wire, want int) {
	t.Helper()
	if got := r.errcode(t); got != want {
		t.Fatalf("got errcode %d, want %d: %s", got, want, r.body)
	}
}

func wantMatch(t *testing.T, got, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Fatalf("got %s, want a match of %s", got, pattern)
	}
}

func wantPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Fatal("got no panic")
		}
	}()
	f()
}

func with(q url.Values, key, value string) url.Values {
	out := url.Values{}
	for k, v := range q {
		out[k] = v
	}
	if value == "" {
		out.Del(key)
	} else {
		out.Set(key, value)
	}
	return out
}

func users(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("user%d", i)
	}
	return out
}

func post(t *testing.T, srv *wechattest.Server, path string, q url.Values, contentType, body string) wire {
	t.Helper()
	resp, err := srv.Client().Post(srv.URL+path+"?"+q.Encode(), contentType, strings.NewReader(body))
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	return wire{resp.StatusCode, resp.Header, string(b)}
}
