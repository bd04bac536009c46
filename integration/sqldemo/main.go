// Command sqldemo is the login demo on an SQL database:
//
//	STORE=sqlite:wxlogin.db WXLOGIN_KEYS=$(openssl rand -base64 32) go run ./sqldemo
//	STORE=postgres://user@host/db …
//	STORE='mysql:user@tcp(host:3306)/db' …
//
// It listens on 127.0.0.1:8080, or where ADDR says, and makes its table by itself.
// Without WX_APPID and WX_SECRET it plays WeChat: POST /wechat/code?user=alice
// gives a code for /wx/login.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	gin.SetMode(gin.ReleaseMode)
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(out, nil))
	key, err := base64.StdEncoding.DecodeString(getenv("WXLOGIN_KEYS"))
	if err != nil {
		return errors.New("WXLOGIN_KEYS: want the output of `openssl rand -base64 32`")
	}
	db, dialect, err := openDB(getenv("STORE"))
	if err != nil {
		return err
	}
	defer db.Close()
	sessions, err := migrated(ctx, db, dialect, log)
	if err != nil {
		return err
	}
	defer sessions.Close()

	r := gin.New()
	r.Use(gin.Recovery())
	provider, done := platform(getenv("WX_APPID"), getenv("WX_SECRET"), r)
	defer done()
	auth, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{provider},
		Store:     sessions,
		Keys:      [][]byte{key},
		Logger:    log,
	})
	if err != nil {
		return err
	}
	defer auth.Close()
	handler.Mount(r.Group("/wx"), auth)
	r.GET("/api/me", middleware.Required(auth), func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"openid": wxlogin.OpenID(c)})
	})
	addr := getenv("ADDR")
	if addr == "" {
		addr = "127.0.0.1:8080"
	}
	return serve(ctx, addr, r, out)
}

// platform is WeChat, or an emulator with a route for codes where no app is given.
func platform(appID, secret string, r gin.IRoutes) (wxlogin.Provider, func()) {
	if appID != "" {
		return wechat.MiniProgram(appID, secret), func() {}
	}
	emulator := wechattest.NewServer()
	r.POST("/wechat/code", gin.WrapH(emulator.CodeHandler()))
	return wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(emulator.URL)), emulator.Close
}

func serve(ctx context.Context, addr string, routes http.Handler, out io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
