package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// canary stands for what an error may quote and no client may read.
const canary = "canary-errmsg-40029"

const bearerInvalid = `Bearer error="invalid_token"`

// rows are what a client meets, in the words of the documentation.
var rows = []struct {
	name             string
	err              error
	status           int
	code             string
	english, chinese string
	challenge        string
	retryMin         time.Duration
	retryMax         time.Duration
	level            slog.Level
}{
	{"bad request", wxlogin.ErrBadRequest, 400, "bad_request",
		"The request is malformed.", "请求格式不正确", "", 0, 0, slog.LevelInfo},
	{"invalid code", wxlogin.ErrInvalidCode, 401, "invalid_code",
		"The code is no longer valid. Please try again.", "凭证已失效，请重试", "Bearer", 0, 0, slog.LevelInfo},
	{"user blocked", wxlogin.ErrUserBlocked, 403, "user_blocked",
		"WeChat does not let this account log in.", "该微信账号暂时无法登录", "", 0, 0, slog.LevelWarn},
	{"refused, without a text", wxlogin.ErrLoginRefused, 403, "login_refused",
		"This account may not log in.", "该账号不允许登录", "", 0, 0, slog.LevelInfo},
	{"rate limited", wxlogin.ErrRateLimited, 429, "rate_limited",
		"Too many attempts. Please try again in a minute or two.", "操作过于频繁，请稍后再试", "", 60 * time.Second, 90 * time.Second, slog.LevelWarn},
	{"platform failed", wxlogin.ErrUpstreamUnavailable, 502, "wechat_unavailable",
		"WeChat cannot be reached. Please try again.", "微信服务暂时不可用，请稍后重试", "", 0, 0, slog.LevelWarn},
	{"platform timed out", fmt.Errorf("%w: %w", wxlogin.ErrUpstreamUnavailable, context.DeadlineExceeded), 504, "wechat_unavailable",
		"WeChat cannot be reached. Please try again.", "微信服务暂时不可用，请稍后重试", "", 0, 0, slog.LevelWarn},
	{"misconfigured", wxlogin.ErrMisconfigured, 500, "misconfigured",
		"The service is not set up correctly.", "服务配置有误，请联系管理员", "", 0, 0, slog.LevelError},
	{"missing token", wxlogin.ErrMissingToken, 401, "missing_token",
		"Please log in.", "请先登录", "Bearer", 0, 0, slog.LevelInfo},
	{"invalid token", wxlogin.ErrInvalidToken, 401, "invalid_token",
		"Your login is not valid. Please log in again.", "登录状态无效，请重新登录", bearerInvalid, 0, 0, slog.LevelInfo},
	{"session expired", wxlogin.ErrSessionExpired, 401, "session_expired",
		"Your login has expired. Please log in again.", "登录已过期，请重新登录", bearerInvalid, 0, 0, slog.LevelInfo},
	{"session_key stale", wxlogin.ErrSessionKeyStale, 409, "session_key_stale",
		"The data is out of date. Please log in again and repeat the step.", "数据已失效，请重新登录后再试", "", 0, 0, slog.LevelInfo},
	{"invalid user data", wxlogin.ErrInvalidUserData, 422, "invalid_user_data",
		"The data could not be verified.", "数据校验失败", "", 0, 0, slog.LevelWarn},
	{"store down", wxlogin.ErrStoreUnavailable, 503, "store_unavailable",
		"The service is busy. Please try again shortly.", "服务繁忙，请稍后重试", "", 5 * time.Second, 30 * time.Second, slog.LevelError},
	{"store timed out", fmt.Errorf("%w: %w", wxlogin.ErrStoreUnavailable, context.DeadlineExceeded), 503, "store_unavailable",
		"The service is busy. Please try again shortly.", "服务繁忙，请稍后重试", "", 5 * time.Second, 30 * time.Second, slog.LevelError},
	{"no account index", wxlogin.ErrNoAccountIndex, 500, "misconfigured",
		"The service is not set up correctly.", "服务配置有误，请联系管理员", "", 0, 0, slog.LevelError},
	{"closed", wxlogin.ErrClosed, 503, "unavailable",
		"The service is restarting. Please try again.", "服务正在重启，请稍后重试", "", time.Second, 5 * time.Second, slog.LevelWarn},
	{"internal", wxlogin.ErrInternal, 500, "internal",
		"Something went wrong on our side.", "服务内部错误，请稍后重试", "", 0, 0, slog.LevelError},
	{"an error of no class", errors.New("disk full"), 500, "internal",
		"Something went wrong on our side.", "服务内部错误，请稍后重试", "", 0, 0, slog.LevelError},
	{"a time-out of no class", context.DeadlineExceeded, 500, "internal",
		"Something went wrong on our side.", "服务内部错误，请稍后重试", "", 0, 0, slog.LevelError},
}

func TestEveryErrorHasItsReply(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			for language, message := range map[middleware.Language]string{
				middleware.English: tt.english, middleware.Chinese: tt.chinese,
			} {
				settings, err := middleware.NewSettings(auth, middleware.WithLanguage(language))
				if err != nil {
					t.Fatal(err)
				}
				failed := fmt.Errorf("exchange: %w: %s", tt.err, canary)
				w, seen := fail(settings, failed)
				wantFailure(t, w, tt.status, tt.code)
				want, _ := json.Marshal(map[string]any{"error": map[string]string{"code": tt.code, "message": message}})
				if got := w.Body.String(); got != string(want) {
					t.Errorf("body: got %s, want %s", got, want)
				}
				if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
					t.Errorf("Content-Type: got %q", got)
				}
				if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
					t.Errorf("WWW-Authenticate: got %q, want %q", got, tt.challenge)
				}
				if tt.retryMax == 0 {
					if got, ok := w.Header()["Retry-After"]; ok {
						t.Errorf("Retry-After: got %q, want none", got)
					}
				} else {
					wantRetryAfter(t, w, int(tt.retryMin/time.Second), int(tt.retryMax/time.Second))
				}
				if len(seen) != 1 || !errors.Is(seen[0], failed) || seen[0].Type != gin.ErrorTypePrivate {
					t.Errorf("c.Errors: got %v, want the original error, private", seen)
				}
				if got := middleware.ReplyFor(failed, language).Level; got != tt.level {
					t.Errorf("level: got %v, want %v", got, tt.level)
				}
			}
		})
	}
}

// fail answers one request with err.
func fail(settings *middleware.Settings, err error) (*httptest.ResponseRecorder, []*gin.Error) {
	engine := gin.New()
	var seen []*gin.Error
	engine.Use(func(c *gin.Context) { c.Next(); seen = c.Errors })
	engine.GET("/", func(c *gin.Context) { settings.Fail(c, err) })
	return get(engine, "/"), seen
}

func TestARefusalCarriesTheApplicationsOwnWords(t *testing.T) {
	settings, err := middleware.NewSettings(newAuth(t, wxlogin.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		err  error
		body string
	}{
		{"code and text", wxlogin.Refuse("banned", "Ask the <front desk>."),
			`{"error":{"code":"login_refused","reason":"banned","message":"Ask the \u003cfront desk\u003e."}}`},
		{"code alone", wxlogin.Refuse("banned", ""),
			`{"error":{"code":"login_refused","reason":"banned","message":"This account may not log in."}}`},
		{"text alone", wxlogin.Refuse("", "暂未开放"), `{"error":{"code":"login_refused","message":"暂未开放"}}`},
		{"wrapped", fmt.Errorf("check: %w: %s", wxlogin.Refuse("banned", "No."), canary),
			`{"error":{"code":"login_refused","reason":"banned","message":"No."}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := fail(settings, tt.err)
			if got := w.Body.String(); w.Code != http.StatusForbidden || got != tt.body {
				t.Errorf("got %d %s, want 403 %s", w.Code, got, tt.body)
			}
		})
	}
}

func TestARefusalBehindAnotherClassStaysSilent(t *testing.T) {
	err := fmt.Errorf("%w: %w", wxlogin.ErrBadRequest, wxlogin.Refuse("banned", "No."))
	reply := middleware.ReplyFor(err, middleware.English)
	if reply.Code != "bad_request" || reply.Reason != "" || reply.Message == "No." {
		t.Errorf("got %q %q %q, want a plain bad_request", reply.Code, reply.Reason, reply.Message)
	}
}

func TestAClientThatLeftIsNoAlarm(t *testing.T) {
	err := fmt.Errorf("%w: %w", wxlogin.ErrStoreUnavailable, context.Canceled)
	if got := middleware.ReplyFor(err, middleware.English).Level; got != slog.LevelInfo {
		t.Errorf("level: got %v, want INFO", got)
	}
}

func TestAnUnknownLanguageIsEnglish(t *testing.T) {
	for _, language := range []middleware.Language{-1, 2, 99} {
		want := middleware.ReplyFor(wxlogin.ErrMissingToken, middleware.English).Message
		if got := middleware.ReplyFor(wxlogin.ErrMissingToken, language).Message; got != want {
			t.Errorf("language %d: got %q, want %q", language, got, want)
		}
	}
}

func TestRetryAfterSpreads(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 400 {
		seen[middleware.ReplyFor(wxlogin.ErrClosed, middleware.English).RetryAfter] = true
	}
	for s := range 5 {
		if !seen[time.Duration(s+1)*time.Second] {
			t.Errorf("%d s was never drawn in 400", s+1)
		}
	}
	if len(seen) != 5 {
		t.Errorf("got %d different values, want 5: %v", len(seen), seen)
	}
}

func TestFailWithoutAnErrorIsInternal(t *testing.T) {
	settings, err := middleware.NewSettings(newAuth(t, wxlogin.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	w, seen := fail(settings, nil)
	wantFailure(t, w, 500, "internal")
	if len(seen) != 1 || !errors.Is(seen[0], wxlogin.ErrInternal) {
		t.Errorf("c.Errors: got %v, want ErrInternal", seen)
	}
}

func TestNoReplyQuotesTheError(t *testing.T) {
	for _, encode := range []middleware.Encoder{middleware.EncodeJSON, middleware.EncodeEnvelope} {
		for _, tt := range rows {
			settings, err := middleware.NewSettings(newAuth(t, wxlogin.Config{}), middleware.WithEncoder(encode))
			if err != nil {
				t.Fatal(err)
			}
			w, _ := fail(settings, fmt.Errorf("%w: %s", tt.err, canary))
			if all := w.Body.String() + fmt.Sprint(w.Header()) + strconv.Itoa(w.Code); strings.Contains(all, canary) {
				t.Errorf("%s: the reply quotes the error: %s", tt.name, all)
			}
		}
	}
}
