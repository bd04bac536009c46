// Command sqldemo is the login demo on an SQL database:
//
//	export WXLOGIN_KEYS=$(openssl rand -base64 32)
//	STORE=sqlite:wxlogin.db go run ./sqldemo
//	STORE=postgres://user@host/db go run ./sqldemo
//	STORE='mysql:user@tcp(host:3306)/db' go run ./sqldemo
//
// Run it twice with the same keys and the same database: sessions outlive it. With
// other keys their tokens are refused.
//
// It listens on 127.0.0.1:8080, or where ADDR says, and makes its table by itself.
// Without WX_APPID and WX_SECRET it plays WeChat: POST /wechat/code?user=alice
// gives a code for /wx/login. In Gin's release mode that needs -insecure-emulate,
// since anybody can log in as anybody.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
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
	gin.DefaultWriter = io.Discard // Gin's own notes for people who write routes
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, err)
		}
		stop()
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(out, nil))
	appID, secret, err := app(args, getenv)
	if err != nil {
		return err
	}
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
	provider, done := platform(appID, secret, r)
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

// app is the app that logs in, empty where WeChat is emulated.
func app(args []string, getenv func(string) string) (appID, secret string, err error) {
	flags := flag.NewFlagSet("sqldemo", flag.ContinueOnError)
	insecure := flags.Bool("insecure-emulate", false, "emulate WeChat even in Gin's release mode: anybody can log in as anybody")
	if err := flags.Parse(args); err != nil {
		return "", "", err
	}
	appID, secret = getenv("WX_APPID"), getenv("WX_SECRET")
	switch {
	case flags.NArg() > 0:
		return "", "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case (appID == "") != (secret == ""):
		return "", "", errors.New("set both WX_APPID and WX_SECRET, or neither to emulate WeChat")
	case appID == "" && gin.Mode() == gin.ReleaseMode && !*insecure:
		return "", "", errors.New("release mode: set WX_APPID and WX_SECRET; " +
			"an emulated WeChat logs in anybody as anybody, and needs -insecure-emulate")
	}
	return appID, secret, nil
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
