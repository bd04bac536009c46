package wechattest_test

import (
	"net/http/httptest"
	"testing"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// BenchmarkExchange is what the emulator itself costs in a measurement of something else: wx.login() and one
// exchange, without a network.
func BenchmarkExchange(b *testing.B) {
	e := wechattest.New()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("GET", wechattest.PathCode2Session+"?"+exchangeQuery(e.Code("alice")).Encode(), nil)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatalf("got status %d", w.Code)
		}
	}
}
