package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// answer lets serve answer one request through an encoder; the default one
// where encode is nil.
func answer(t *testing.T, encode middleware.Encoder, serve func(*middleware.Settings, *gin.Context)) (*httptest.ResponseRecorder, []*gin.Error) {
	t.Helper()
	var opts []middleware.Option
	if encode != nil {
		opts = append(opts, middleware.WithEncoder(encode))
	}
	settings, err := middleware.NewSettings(newAuth(t, wxlogin.Config{}), opts...)
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	var seen []*gin.Error
	engine.Use(func(c *gin.Context) { c.Next(); seen = c.Errors })
	engine.GET("/", func(c *gin.Context) { serve(settings, c) })
	return get(engine, "/"), seen
}

func TestEncoders(t *testing.T) {
	for _, tt := range []struct {
		name   string
		encode middleware.Encoder
		status int
		body   any
		err    error

		wantStatus int
		want       string
	}{
		{"default, body", nil, 200, gin.H{"n": 1}, nil, 200, `{"n":1}`},
		{"default, no body", nil, 204, nil, nil, 204, ``},
		{"default, failure", nil, 0, nil, wxlogin.ErrMissingToken, 401, `{"error":{"code":"missing_token","message":"Please log in."}}`},
		{"envelope, body", middleware.EncodeEnvelope, 201, gin.H{"n": 1}, nil, 200, `{"code":0,"data":{"n":1}}`},
		{"envelope, no body", middleware.EncodeEnvelope, 204, nil, nil, 200, `{"code":0,"data":null}`},
		{"envelope, failure", middleware.EncodeEnvelope, 0, nil, wxlogin.ErrMissingToken, 200,
			`{"code":401,"error":"missing_token","message":"Please log in."}`},
		{"envelope, refusal", middleware.EncodeEnvelope, 0, nil, wxlogin.Refuse("banned", "No."), 200,
			`{"code":403,"error":"login_refused","reason":"banned","message":"No."}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := answer(t, tt.encode, func(s *middleware.Settings, c *gin.Context) {
				if tt.err != nil {
					s.Fail(c, tt.err)
					return
				}
				s.Succeed(c, tt.status, tt.body)
			})
			if got := w.Body.String(); w.Code != tt.wantStatus || got != tt.want {
				t.Errorf("got %d %s, want %d %s", w.Code, got, tt.wantStatus, tt.want)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control: got %q, want no-store", got)
			}
		})
	}
}

func TestAnEncoderCannotForgetTheHeaders(t *testing.T) {
	plain := func(w http.ResponseWriter, _ *http.Request, reply middleware.Reply) error {
		w.WriteHeader(reply.Status)
		_, err := fmt.Fprint(w, reply.Code)
		return err
	}
	w, _ := answer(t, plain, func(s *middleware.Settings, c *gin.Context) { s.Fail(c, wxlogin.ErrInvalidToken) })
	if w.Code != 401 || w.Body.String() != "invalid_token" {
		t.Errorf("got %d %q, want the encoder's own reply", w.Code, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("WWW-Authenticate") != bearerInvalid {
		t.Errorf("headers: got %v, want no-store and a challenge", w.Header())
	}
	w, _ = answer(t, plain, func(s *middleware.Settings, c *gin.Context) { s.Fail(c, wxlogin.ErrStoreUnavailable) })
	wantRetryAfter(t, w, 5, 30)
}

func TestAnEncoderThatFailsIsAnInternalError(t *testing.T) {
	broken := errors.New("template is broken")
	t.Run("before it wrote", func(t *testing.T) {
		w, seen := answer(t, func(http.ResponseWriter, *http.Request, middleware.Reply) error { return broken },
			func(s *middleware.Settings, c *gin.Context) { s.Succeed(c, 200, gin.H{}) })
		wantFailure(t, w, 500, "internal")
		if len(seen) != 1 || !errors.Is(seen[0], broken) {
			t.Errorf("c.Errors: got %v, want the encoder's error", seen)
		}
	})
	t.Run("after it wrote", func(t *testing.T) {
		w, seen := answer(t, func(w http.ResponseWriter, _ *http.Request, _ middleware.Reply) error {
			_, _ = fmt.Fprint(w, "half")
			return broken
		}, func(s *middleware.Settings, c *gin.Context) { s.Succeed(c, 200, gin.H{}) })
		if w.Body.String() != "half" || len(seen) != 1 {
			t.Errorf("got %q, %v, want what was written and the error in c.Errors", w.Body, seen)
		}
	})
	t.Run("a body that is no JSON", func(t *testing.T) {
		w, _ := answer(t, nil, func(s *middleware.Settings, c *gin.Context) { s.Succeed(c, 200, make(chan int)) })
		wantFailure(t, w, 500, "internal")
	})
}

func TestFailAfterAReplyAddsNothingToIt(t *testing.T) {
	w, seen := answer(t, nil, func(s *middleware.Settings, c *gin.Context) {
		c.String(http.StatusOK, "done")
		s.Fail(c, wxlogin.ErrInternal)
	})
	if w.Code != 200 || w.Body.String() != "done" || len(seen) != 1 {
		t.Errorf("got %d %q, %v, want the first reply alone and the error in c.Errors", w.Code, w.Body, seen)
	}
}

func TestFailEndsTheChain(t *testing.T) {
	settings, err := middleware.NewSettings(newAuth(t, wxlogin.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) { settings.Fail(c, wxlogin.ErrBadRequest) },
		func(*gin.Context) { t.Error("the next handler ran") })
	wantFailure(t, get(engine, "/"), 400, "bad_request")
}

func TestAReplyPrintsNoBody(t *testing.T) {
	const token = "canary-token"
	reply := middleware.Reply{Status: 200, Body: map[string]any{"token": token}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("reply", "reply", reply)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("reply", "reply", reply)
	text, err := json.Marshal(reply)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %d", reply, reply, &reply, reply, reply) + log.String() + string(text)
	if strings.Contains(all, token) {
		t.Errorf("a rendering shows the token: %s", all)
	}
	if got, want := fmt.Sprint(reply), "[reply 200]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	failed := middleware.ReplyFor(wxlogin.ErrMissingToken, middleware.English)
	if got, want := fmt.Sprint(failed), "[reply 401 missing_token]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
