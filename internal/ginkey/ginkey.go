// Package ginkey names what is kept on a *gin.Context, for the package that
// writes it and the one that reads it without importing Gin.
package ginkey

// Identity is the key of the context that carries the identity. It is a string
// because (*gin.Context).Value finds values by string keys only.
const Identity = "wxlogin.identity"

// Context is the key under which a *gin.Context, and every context derived from
// one, answers with the *gin.Context itself: gin.ContextKey.
const Context = "_gin-gonic/gin/contextkey"
