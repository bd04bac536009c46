// Command example is a backend of a WeChat mini program, ready to run:
//
//	go run ./example
//
// It listens on 127.0.0.1:8080, or where ADDR says. Without WX_APPID and WX_SECRET
// it plays WeChat itself, so that the whole way from wx.login() to a business
// handler can be walked with curl; with them it asks the real WeChat.
//
// Sessions are kept in memory, or where STORE=redis://HOST:PORT says; then
// WXLOGIN_KEYS holds the keys, which outlive the process as the sessions do.
//
// With -wechat-only it serves just the emulated WeChat, for load tests of another
// backend. Run it with -h for all flags.
package main

import (
	"context"
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

// run serves until ctx is done and everything is shut down.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	cfg, err := readConfig(args, getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	listener, err := net.Listen("tcp", cfg.addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it too; this is for the errors before
	if cfg.wechatOnly {
		emulator := newEmulator(cfg)
		printEmulator(out, listener.Addr())
		return serve(ctx, listener, emulatorRoutes(emulator), log)
	}
	b, err := newBackend(cfg, log)
	if err != nil {
		return err
	}
	defer b.close()
	printWalk(out, listener.Addr(), b.emulated())
	return serve(ctx, listener, b.routes(log), log)
}

// shutdownTime is for requests under way when the program is told to stop.
const shutdownTime = 15 * time.Second

func serve(ctx context.Context, listener net.Listener, routes http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	return server.Shutdown(ctx)
}

func printWalk(out io.Writer, addr net.Addr, emulated bool) {
	host := hostOf(addr)
	fmt.Fprintf(out, "Listening on http://%s\n", host)
	if !emulated {
		fmt.Fprintf(out, "Codes are exchanged with WeChat: GET or POST http://%s/wx/login with the code of wx.login().\n", host)
		return
	}
	fmt.Fprintf(out, `WeChat is emulated; codes of real users mean nothing here. Walk through a login:

CODE=$(curl -s -X POST '%[1]s/wechat/code?user=alice' | sed 's/.*"code":"\([^"]*\)".*/\1/')
TOKEN=$(curl -s "%[1]s/wx/login?code=$CODE" | sed 's/.*"token":"\([^"]*\)".*/\1/')
curl -s -H "Authorization: Bearer $TOKEN" %[1]s/api/me

`, host)
}

func printEmulator(out io.Writer, addr net.Addr) {
	fmt.Fprintf(out, `Emulated WeChat on http://%[1]s: give this address to your provider's base URL.

curl -s -X POST '%[1]s/wechat/code?n=1000'

`, hostOf(addr))
}

// hostOf writes the address as people type it.
func hostOf(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !(tcp.IP.IsLoopback() || tcp.IP.IsUnspecified()) {
		return addr.String()
	}
	return fmt.Sprintf("localhost:%d", tcp.Port)
}
