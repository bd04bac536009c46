package sidebyside

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// BenchmarkPerCore has 64 clients at a time send authenticated requests of a
// thousand users through Gin and Required, without a network between client and
// server. It reports the time of processors that a request costs the service and
// the engine, and how many requests a core of each answers in a second. What a
// service's HTTP server and its own handlers cost comes on top.
func BenchmarkPerCore(b *testing.B) {
	gin.SetMode(gin.TestMode)
	for _, contestant := range contestants {
		b.Run(contestant.name, func(b *testing.B) {
			s, engineTime := contestant.open(b)
			serve := authenticated(b, s)
			serve(1000) // connections are open, caches filled
			service, other := ownCPUTime(b), engineTime()
			b.ResetTimer()
			serve(b.N)
			b.StopTimer()
			report(b, "service", ownCPUTime(b)-service)
			report(b, "engine", engineTime()-other)
			b.ReportMetric(0, "ns/op")
		})
	}
}

// contestants open a store and return it with what its engine has used so far.
var contestants = []struct {
	name string
	open func(b *testing.B) (store.Store, func() time.Duration)
}{
	{"memory", func(b *testing.B) (store.Store, func() time.Duration) {
		s := store.NewMemory()
		b.Cleanup(func() { s.Close() })
		return s, noEngine
	}},
	{"redis", func(b *testing.B) (store.Store, func() time.Duration) {
		server := engine.StartRedis(b)
		client := redisClient(b, rueidis.ClientOption{InitAddress: []string{server.Addr()}})
		return redisstore.New(client), server.CPUTime
	}},
	{"redis-local-cache", func(b *testing.B) (store.Store, func() time.Duration) {
		server := engine.StartRedis(b)
		cache := redisstore.NewLocalCache(time.Minute, 100_000)
		client := redisClient(b, cache.Listen(rueidis.ClientOption{InitAddress: []string{server.Addr()}}))
		return redisstore.New(client, redisstore.WithLocalCache(cache)), server.CPUTime
	}},
	{"postgres", func(b *testing.B) (store.Store, func() time.Duration) {
		server := engine.StartPostgres(b)
		return sqlStore(b, sqlstore.PostgreSQL, "pgx", server.DSN()), server.CPUTime
	}},
	{"mariadb", func(b *testing.B) (store.Store, func() time.Duration) {
		server := engine.StartMariaDB(b)
		return sqlStore(b, sqlstore.MySQL, "mysql", server.DSN()), server.CPUTime
	}},
	{"sqlite", func(b *testing.B) (store.Store, func() time.Duration) {
		return sqlStore(b, sqlstore.SQLite, "sqlite", sqliteDSN(b)), noEngine
	}},
}

func noEngine() time.Duration { return 0 }

func report(b *testing.B, who string, took time.Duration) {
	each := took.Seconds() / float64(b.N)
	if each < 50e-9 {
		return // there is no engine, or it was not asked
	}
	b.ReportMetric(each*1e6, who+"-µs/req")
	b.ReportMetric(1/each, who+"-req/s/core")
}

// authenticated returns what serves n requests, from clients at a time.
func authenticated(b *testing.B, s store.Store) func(n int) {
	const clients, users = 64, 1024
	auth := testapp.New(b, s)
	router := gin.New()
	router.GET("/me", middleware.Required(auth), func(c *gin.Context) { c.Status(http.StatusOK) })
	requests := make([]*http.Request, users)
	for i := range requests {
		requests[i] = httptest.NewRequest(http.MethodGet, "/me", nil)
		requests[i].Header.Set("Authorization", "Bearer "+testapp.Login(b, auth, fmt.Sprint("user", i)))
	}
	return func(n int) {
		var (
			running sync.WaitGroup
			turn    atomic.Int64
		)
		for client := range clients {
			own := requests[client*users/clients:][:users/clients]
			running.Go(func() {
				w := httptest.NewRecorder()
				for i := 0; turn.Add(1) <= int64(n); i++ {
					if router.ServeHTTP(w, own[i%len(own)]); w.Code != http.StatusOK {
						b.Errorf("answered %d", w.Code)
					}
				}
			})
		}
		running.Wait()
	}
}

func ownCPUTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
