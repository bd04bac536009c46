package redis

import (
	"os"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

const (
	// callTimeout is short, to keep the tests short.
	callTimeout = 300 * time.Millisecond
	// bound is within which every answer must come: a login makes several calls,
	// and each may first have waited for somebody else's connection.
	bound = 5 * time.Second
)

// quick are the client options that the package documentation recommends, with
// shorter times.
func quick(addr string) rueidis.ClientOption {
	option := rueidis.ClientOption{InitAddress: []string{addr}, ConnWriteTimeout: 500 * time.Millisecond}
	option.Dialer.Timeout = 250 * time.Millisecond
	option.Dialer.KeepAlive = 250 * time.Millisecond
	return option
}

// site is an application whose server is behind a proxy.
type site struct {
	*testapp.Site
	server *engine.Redis
	proxy  *faultproxy.Proxy
}

func newSite(t *testing.T, client func(addr string) rueidis.ClientOption, settings []string, opts ...redisstore.Option) *site {
	t.Helper()
	s := &site{server: engine.StartRedis(t, settings...)}
	s.proxy = faultproxy.Start(t, engine.Addr(engine.FreePort(t)), s.server.Addr())
	opts = append([]redisstore.Option{redisstore.WithCallTimeout(callTimeout)}, opts...)
	s.Site = testapp.NewSite(t, redisstore.New(connect(t, client(s.proxy.Addr())), opts...), bound)
	return s
}

func TestAnOutageIsAnswered503AndEndsByItself(t *testing.T) {
	for name, test := range map[string]struct {
		settings   []string
		begin, end func(t *testing.T, s *site)
		want       testapp.Answers
	}{
		"answers come too late":      {begin: fault(faultproxy.Fault{Delay: 4 * callTimeout}), end: heal, want: testapp.Down},
		"nothing comes through":      {begin: fault(faultproxy.Fault{Hang: true}), end: heal, want: testapp.Down},
		"connections are reset":      {begin: fault(faultproxy.Fault{Reset: true}), end: heal, want: testapp.Down},
		"connections are refused":    {begin: fault(faultproxy.Fault{Refuse: true}), end: heal, want: testapp.Down},
		"answers are another's":      {begin: fault(faultproxy.Fault{Garbage: "HTTP/1.1 400 Bad Request\r\nServer: proxy\r\n\r\n"}), end: heal, want: testapp.Down},
		"answers are random bytes":   {begin: fault(faultproxy.Fault{Garbage: "\x16\x03\x01\x00\xff\x80"}), end: heal, want: testapp.Down},
		"answers are cut in half":    {begin: fault(faultproxy.Fault{Garbage: "$500\r\nabc"}), end: heal, want: testapp.Down},
		"every answer gets lost":     {begin: fault(faultproxy.Fault{Request: func([]byte) faultproxy.Verdict { return faultproxy.LoseAnswer }}), end: heal, want: testapp.Down},
		"the server hangs":           {begin: func(_ *testing.T, s *site) { s.server.Freeze() }, end: func(_ *testing.T, s *site) { s.server.Thaw() }, want: testapp.Down},
		"the server forbids":         {begin: must("ACL", "SETUSER", "default", "-@read", "-@write", "-@scripting"), end: must("ACL", "SETUSER", "default", "+@all"), want: testapp.Down},
		"the server is killed":       {settings: durable, begin: func(_ *testing.T, s *site) { s.server.Kill() }, end: func(_ *testing.T, s *site) { s.server.Restart() }, want: testapp.Down},
		"the server is read-only":    {begin: must("REPLICAOF", "127.0.0.1", "1"), end: must("REPLICAOF", "NO", "ONE"), want: testapp.Readable},
		"the server is out of room":  {begin: must("CONFIG", "SET", "maxmemory", "1"), end: must("CONFIG", "SET", "maxmemory", "0"), want: testapp.Roomless},
		"the server fails to save":   {settings: []string{"--save", "3600 1"}, begin: breakSaving, end: mendSaving, want: testapp.Readable},
		"the server waits for peers": {begin: must("CONFIG", "SET", "min-replicas-to-write", "1"), end: must("CONFIG", "SET", "min-replicas-to-write", "0"), want: testapp.Readable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, quick, test.settings)
			s.Strike(t, func() { test.begin(t, s) }, func() { test.end(t, s) }, test.want)
		})
	}
}

var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func fault(f faultproxy.Fault) func(*testing.T, *site) {
	return func(_ *testing.T, s *site) { s.proxy.Set(f) }
}

func heal(_ *testing.T, s *site) { s.proxy.Heal() }

func must(args ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) { s.server.Must(t, args...) }
}

// breakSaving takes the server's directory away from it, which it answers by
// refusing writes.
func breakSaving(t *testing.T, s *site) {
	if err := os.Chmod(s.server.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	s.server.Must(t, "BGSAVE")
	s.server.WaitFor(t, "rdb_last_bgsave_status:err", "INFO", "persistence")
}

func mendSaving(t *testing.T, s *site) {
	if err := os.Chmod(s.server.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.server.Must(t, "BGSAVE")
	s.server.WaitFor(t, "rdb_last_bgsave_status:ok", "INFO", "persistence")
}
