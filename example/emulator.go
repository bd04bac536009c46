package main

import (
	"net/http"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func emulatorOptions(cfg config) []wechattest.Option {
	opts := []wechattest.Option{wechattest.WithDevCodes()}
	if cfg.latency > 0 {
		opts = append(opts, wechattest.WithLatency(cfg.latency))
	}
	for code, rate := range cfg.fail {
		opts = append(opts, wechattest.WithFailureRate(rate, wechattest.ErrCode(code)))
	}
	if cfg.appID != "" {
		opts = append(opts, wechattest.WithApp(cfg.appID, cfg.secret))
	}
	return opts
}

func newEmulator(cfg config) *wechattest.Emulator { return wechattest.New(emulatorOptions(cfg)...) }

// emulatorRoutes is WeChat with a door that plays wx.login().
func emulatorRoutes(emulator *wechattest.Emulator) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /wechat/code", emulator.CodeHandler())
	mux.Handle("/", emulator)
	return mux
}
