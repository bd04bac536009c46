package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

func BenchmarkRequest(b *testing.B) {
	auth, token := issued(b)
	for _, bm := range []struct {
		name   string
		guards []gin.HandlerFunc
	}{
		{"bare Gin", nil},
		{"Required", []gin.HandlerFunc{middleware.Required(auth)}},
		{"Optional then Required", []gin.HandlerFunc{middleware.Optional(auth), middleware.Required(auth)}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			engine := gin.New()
			engine.Use(bm.guards...)
			engine.GET("/me", func(c *gin.Context) { _ = wxlogin.OpenID(c) })
			r := httptest.NewRequest(http.MethodGet, "/me", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				engine.ServeHTTP(w, r)
			}
		})
	}
}
