package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// backend is the backend of a mini program, with a WeChat of its own where none
// is configured.
type backend struct {
	auth   *wxlogin.Auth
	wechat *wechattest.Server // nil with the real WeChat

	closeStore func()
}

func newBackend(cfg config, log *slog.Logger) (*backend, error) {
	b := &backend{}
	provider := wechat.MiniProgram(cfg.appID, cfg.secret)
	if cfg.emulate {
		b.wechat = wechattest.NewServer(emulatorOptions(cfg)...)
		provider = wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(b.wechat.URL))
	}
	sessions, closeStore, err := openStore(cfg.store)
	if err != nil {
		b.close()
		return nil, err
	}
	b.closeStore = closeStore
	b.auth, err = wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{provider},
		Store:     sessions,
		Keys:      cfg.keys,
		Logger:    log,
	})
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *backend) emulated() bool { return b.wechat != nil }

func (b *backend) close() {
	if b.auth != nil {
		_ = b.auth.Close()
	}
	if b.closeStore != nil {
		b.closeStore()
	}
	if b.wechat != nil {
		b.wechat.Close()
	}
}

func (b *backend) routes(log *slog.Logger) http.Handler {
	r := gin.New()
	_ = r.SetTrustedProxies(nil) // the client's address is the connection's; nil is never an error
	r.Use(accessLog(log), gin.Recovery())

	handler.Mount(r.Group("/wx"), b.auth)

	api := r.Group("/api", middleware.Required(b.auth))
	api.GET("/me", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"openid": wxlogin.OpenID(c)})
	})

	if b.emulated() {
		r.POST("/wechat/code", gin.WrapH(b.wechat.CodeHandler()))
	}
	return r
}

// accessLog writes a line for each request, without its query: the official
// client sample sends the code there.
func accessLog(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		c.Next()
		attrs := []slog.Attr{
			slog.String("method", c.Request.Method),
			slog.String("path", c.Request.URL.Path),
			slog.Int("status", c.Writer.Status()),
			slog.Duration("took", time.Since(start).Round(time.Microsecond)),
		}
		if err := c.Errors.Last(); err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(c.Request.Context(), slog.LevelInfo, "request", attrs...)
	}
}
