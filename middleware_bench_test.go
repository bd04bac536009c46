package wxlogin_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/patrickmn/go-cache"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// BenchmarkAuthenticatedRequest compares one request through Gin: bare, guarded by
// Required on the memory store, and guarded by the least that a hand-written
// middleware can do (the floor). Each request has a context of its own.
func BenchmarkAuthenticatedRequest(b *testing.B) {
	gin.SetMode(gin.TestMode)
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{"wxtestapp00000001"}, MaxSessions: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer auth.Close()
	// A service in use: many sessions, and the requests of some of them.
	var tokens []string
	for i := range manySessions {
		issued, err := auth.Issue(b.Context(), wxlogin.Identity{OpenID: openIDOf(i)})
		if err != nil {
			b.Fatal(err)
		}
		tokens = append(tokens, issued.Token.Reveal())
	}
	guards := []struct {
		name  string
		guard []gin.HandlerFunc
	}{
		{"bare-Gin", nil},
		{"floor", []gin.HandlerFunc{floor(tokens)}},
		{"Required", []gin.HandlerFunc{middleware.Required(auth)}},
	}
	var serve []func()
	for _, g := range guards {
		var openID string
		r := gin.New()
		r.GET("/me", append(g.guard, func(c *gin.Context) { openID = c.GetString("openid") })...)
		var requests []*http.Request
		for i := range activeSessions {
			request := httptest.NewRequest(http.MethodGet, "/me", nil)
			request.Header.Set("Authorization", "Bearer "+tokens[i])
			requests = append(requests, request)
		}
		w, turn := httptest.NewRecorder(), 0
		serve = append(serve, func() {
			// A fresh context and a fresh request, as a server makes them.
			ctx, cancel := context.WithCancel(context.Background())
			r.ServeHTTP(w, requests[turn%activeSessions].WithContext(ctx))
			cancel()
			if g.guard != nil && openID != openIDOf(turn%activeSessions) {
				b.Fatalf("got openid %q of request %d", openID, turn)
			}
			turn++
		})
		b.Run(g.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve[len(serve)-1]()
			}
		})
	}
	b.Run("side by side", func(b *testing.B) { sideBySide(b, serve) })
}

// sideBySide takes turns, so that what else the machine does strikes all alike, and
// reports medians and what Required adds to bare Gin in units of what the floor
// adds.
func sideBySide(b *testing.B, serve []func()) {
	const requests = 512 // of each kind in a turn
	times := make([][]float64, len(serve))
	for b.Loop() {
		for i := range serve {
			start := time.Now()
			for range requests {
				serve[i]()
			}
			times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/requests)
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return times[i][len(times[i])/2]
	}
	bare, floor, required := median(0), median(1), median(2)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bare, "ns/bare")
	b.ReportMetric(floor, "ns/floor")
	b.ReportMetric(required, "ns/Required")
	b.ReportMetric((required-bare)/(floor-bare), "x-floor")
}

const (
	manySessions   = 100_000
	activeSessions = 64
)

func openIDOf(i int) string { return openIDs[i%activeSessions] }

// openIDs are made beforehand: the benchmark is not about making them.
var openIDs = func() (ids [activeSessions]string) {
	for i := range ids {
		ids[i] = fmt.Sprintf("o-user-of-twenty-eight-%05d", i)
	}
	return ids
}()

type floorKey struct{}

// floor is SHA-256 of a header, one go-cache lookup, one c.Set, and the openid on
// the request's context.
func floor(tokens []string) gin.HandlerFunc {
	sessions := cache.New(time.Hour, 0)
	hash := func(token string) string {
		sum := sha256.Sum256([]byte(token))
		return string(sum[:])
	}
	for i, token := range tokens {
		sessions.Set(hash(token), openIDOf(i), time.Hour)
	}
	return func(c *gin.Context) {
		openID, ok := sessions.Get(hash(strings.TrimPrefix(c.GetHeader("Authorization"), "Bearer ")))
		if !ok {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		c.Set("openid", openID)
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), floorKey{}, openID))
	}
}
