package wxlogin

import (
	"context"
	"testing"

	"github.com/ginwx/wxlogin/internal/carrier"
)

func TestTheIdentityIsFoundOnDerivedContexts(t *testing.T) {
	id := Identity{AppID: testApp, OpenID: "o-alice"}
	ctx := WithIdentity(context.WithValue(t.Context(), testValue{}, "kept"), id)
	derived, cancel := context.WithCancel(context.WithValue(ctx, testValue{}, "another"))
	defer cancel()
	onGin := ginLike(t, ctx)
	for rule, ctx := range map[string]context.Context{"itself": ctx, "derived": derived, "through a gin context": onGin} {
		if got, ok := FromContext(ctx); !ok || got.OpenID != "o-alice" || OpenID(ctx) != "o-alice" {
			t.Errorf("%s: got %q, %v", rule, got.OpenID, ok)
		}
	}
	if ctx.Value(testValue{}) != "kept" {
		t.Error("the values below the identity are gone")
	}
	inner := WithIdentity(derived, Identity{OpenID: "o-bob"})
	if OpenID(inner) != "o-bob" || OpenID(derived) != "o-alice" {
		t.Error("the innermost identity must win, and only below itself")
	}
}

func TestAContextWithoutIdentityHasNone(t *testing.T) {
	forged := ginLike(t, Identity{OpenID: "o-forged"})
	for rule, ctx := range map[string]context.Context{"empty": t.Context(), "a value of another type": forged} {
		if id, ok := FromContext(ctx); ok || OpenID(ctx) != "" {
			t.Errorf("%s: got %q", rule, id.OpenID)
		}
	}
	if id, _ := FromContext(WithIdentity(t.Context(), Identity{OpenID: "o"})); id.VerifiedBy(nil) {
		t.Error("nobody verified an identity that was made")
	}
}

// ginLike returns a context that answers as a *gin.Context does.
func ginLike(t *testing.T, identity any) context.Context {
	//lint:ignore SA1029 a *gin.Context finds values by string keys only
	return context.WithValue(t.Context(), carrier.GinIdentity, identity)
}
