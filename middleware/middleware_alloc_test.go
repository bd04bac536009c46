//go:build !race

// The race detector allocates on its own, so this file is not part of its runs.

package middleware_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin/middleware"
)

// maxOwnAllocs is what Required may allocate beyond Authenticate and bare Gin: the
// identity's context, the request that carries it, Gin's map of keys (two) and the
// openid as a value of that map.
const maxOwnAllocs = 5

func TestRequiredKeepsToItsAllocations(t *testing.T) {
	auth, token := issued(t)
	authenticate := testing.AllocsPerRun(200, func() {
		if _, err := auth.Authenticate(context.Background(), token); err != nil {
			t.Fatalf("Authenticate: %v", err)
		}
	})
	bare := allocsPerRequest(t, gin.New(), token)
	guarded := gin.New()
	guarded.Use(middleware.Required(auth))
	once := allocsPerRequest(t, guarded, token)
	if own := once - bare - authenticate; own > maxOwnAllocs {
		t.Errorf("allocations beyond bare Gin's %v and Authenticate's %v: got %v, want at most %d",
			bare, authenticate, own, maxOwnAllocs)
	}
	twice := gin.New()
	twice.Use(middleware.Optional(auth), middleware.Required(auth))
	if got := allocsPerRequest(t, twice, token); got > once {
		t.Errorf("allocations of Required behind Optional: got %v, want no more than %v", got, once)
	}
}

func allocsPerRequest(t *testing.T, engine *gin.Engine, token string) float64 {
	t.Helper()
	engine.GET("/me", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	r := httptest.NewRequest(http.MethodGet, "/me", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		t.Fatalf("status: got %d, want 204", w.Code)
	}
	return testing.AllocsPerRun(200, func() { engine.ServeHTTP(w, r) })
}
