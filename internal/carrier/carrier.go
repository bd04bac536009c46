// Package carrier is how an identity travels on contexts: what package middleware
// writes and package wxlogin reads, without either importing the other's world.
package carrier

import "context"

// GinIdentity is the key under which a *gin.Context holds a Context. It is a string
// because (*gin.Context).Value finds values by string keys only.
const GinIdentity = "wxlogin.identity"

// GinContext is the key under which a *gin.Context, and every context derived from
// one, answers with the *gin.Context itself: gin.ContextKey.
const GinContext = "_gin-gonic/gin/contextkey"

// Context carries an identity of type T. It is one allocation where a
// context.WithValue would be two.
type Context[T any] struct {
	context.Context
	Identity T
	Origin   any // who put the identity here, for its own eyes
}

type key struct{}

// Value implements context.Context.
func (c *Context[T]) Value(k any) any {
	if k == (key{}) {
		return c
	}
	return c.Context.Value(k)
}

// On returns the innermost Context on ctx, which is a request's; nil where there is
// none.
func On[T any](ctx context.Context) *Context[T] {
	c, _ := ctx.Value(key{}).(*Context[T])
	return c
}

// Find returns the innermost Context on ctx or, where ctx is or derives from a
// *gin.Context, the one that it holds; nil where there is none.
func Find[T any](ctx context.Context) *Context[T] {
	if c := On[T](ctx); c != nil {
		return c
	}
	c, _ := ctx.Value(GinIdentity).(*Context[T])
	return c
}
