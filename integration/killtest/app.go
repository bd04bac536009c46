// Package killtest puts a load of logins, requests and logouts on two instances
// of an application, kills the engine of their store and one of the instances
// again and again, and counts what that broke.
//
// The instances are processes: the test binary itself, started once more. So the
// test package needs
//
//	func TestMain(m *testing.M) { killtest.Main(m, open) }
//
// where open opens a store by a text of its own choosing.
package killtest

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
)

// The environment of an instance.
const (
	envStore = "WXLOGIN_KILLTEST_STORE"
	envAddr  = "WXLOGIN_KILLTEST_ADDR"
	envEpoch = "WXLOGIN_KILLTEST_EPOCH"
)

// haste is how much faster the clock of an instance goes, so that sessions slide
// every 2.5 seconds and not every 5 minutes.
const haste = 120

// Open opens a store. It is called in the instances, which end by being killed.
type Open func(name string) (store.Store, error)

// Main runs the tests, or is an instance where the environment says so. It does
// not return.
func Main(m *testing.M, open Open) {
	if os.Getenv(envAddr) == "" {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, serve(open))
	os.Exit(1)
}

func serve(open Open) error {
	epoch, err := strconv.ParseInt(os.Getenv(envEpoch), 10, 64)
	if err != nil {
		return err
	}
	s, err := open(os.Getenv(envStore))
	if err != nil {
		return err
	}
	cfg := testapp.Config(s)
	cfg.IdleTimeout = 24 * time.Hour
	cfg.Now = func() time.Time {
		start := time.Unix(0, epoch)
		return start.Add(haste * time.Since(start))
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/ready", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	handler.Mount(r.Group("/wx"), auth)
	r.GET("/me", middleware.Required(auth), func(c *gin.Context) { c.String(http.StatusOK, wxlogin.OpenID(c)) })
	return http.ListenAndServe(os.Getenv(envAddr), r)
}
