package middleware

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/internal/recent"
)

// maxLoginClients bounds what a login limit remembers, to some 20 MiB.
const maxLoginClients = 100_000

// WithLoginLimit lets each client send perMinute logins in a row, and as many a
// minute from then on; what is more is answered 429 before its body is read and
// before WeChat is asked, so that nobody uses up the quota of all. It is for the
// login route alone. Routes that share one Option are counted together, whether a
// login succeeds or not, and each process counts for itself.
//
// client tells clients apart: [ClientIP], or a function of yours. One that returns
// the same for everybody limits all logins together. It must be safe for concurrent
// use. The last 100,000 clients are remembered, as hashes, for a minute or two.
// Default: no limit.
func WithLoginLimit(perMinute int, client func(c *gin.Context) string) Option {
	limit := &loginLimit{perMinute: perMinute, client: client}
	return optionFunc(func(s *Settings) error {
		if perMinute <= 0 {
			return errors.New("WithLoginLimit: perMinute must be positive")
		}
		if client == nil {
			return errors.New("WithLoginLimit: client is nil; ClientIP is one")
		}
		s.loginLimit = limit
		return nil
	})
}

// ClientIP is for [WithLoginLimit]. It returns c.ClientIP(), and of an IPv6 address
// the network of 64 bits, which is what one customer of a provider has at least.
//
// Gin believes the X-Forwarded-For of everybody, with which a client takes any
// address that it likes, until SetTrustedProxies says whose counts. Many users
// of mobile networks share an address: be generous.
func ClientIP(c *gin.Context) string {
	text := c.ClientIP()
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		network, _ := addr.Prefix(64) // never fails: there are 128 bits
		addr = network.Addr()
	}
	return addr.String()
}

// loginLimit has a bucket of tokens for each client. Whoever has not come for a
// minute has a full one, which need not be remembered.
type loginLimit struct {
	perMinute int
	client    func(c *gin.Context) string

	mu      sync.Mutex
	start   time.Time
	buckets recent.Map[*rate.Limiter]
}

func (l *loginLimit) allows(client string, now time.Time) bool {
	digest := sha256.Sum256([]byte(client)) // however long the text is
	key := string(digest[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start.IsZero() {
		l.start = now
	}
	l.buckets.Turn(now.Sub(l.start), time.Minute, maxLoginClients)
	bucket, ok := l.buckets.Get(key)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)
	}
	l.buckets.Put(key, bucket)
	return bucket.AllowN(now, 1)
}

// LimitLogin returns an error of class ErrRateLimited for Fail where
// [WithLoginLimit] has the request wait, and counts it otherwise.
func (s *Settings) LimitLogin(c *gin.Context) error {
	if s.loginLimit == nil || s.loginLimit.allows(s.loginLimit.client(c), s.auth.Now()) {
		return nil
	}
	return fmt.Errorf("%w: too many logins of one client", wxlogin.ErrRateLimited)
}
