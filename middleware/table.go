package middleware

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/ginwx/wxlogin"
)

// Language is the language of the messages in error replies.
type Language int

// The languages of [WithLanguage].
const (
	English Language = iota
	Chinese
)

const languages = 2

// outcome is what becomes of a class of errors.
type outcome struct {
	class     error
	status    int
	code      string
	level     slog.Level
	challenge string // the WWW-Authenticate of a 401
	retry     retryRange
	messages  [languages]string
}

// retryRange is the range that a Retry-After is drawn from, so that clients which
// failed together do not come back together.
type retryRange struct{ min, max time.Duration }

var (
	noRetry = retryRange{}
	// afterMinute suits quotas that are counted by the minute, as WeChat's are.
	afterMinute = retryRange{60 * time.Second, 90 * time.Second}
	// afterOutage gives a store time to come back.
	afterOutage = retryRange{5 * time.Second, 30 * time.Second}
	// afterRestart gives a load balancer time to look elsewhere.
	afterRestart = retryRange{1 * time.Second, 5 * time.Second}
)

const (
	bearer        = "Bearer"
	bearerInvalid = `Bearer error="invalid_token"`
)

// internalOutcome is for ErrInternal and for every error without a class.
var internalOutcome = outcome{
	wxlogin.ErrInternal, http.StatusInternalServerError, "internal", slog.LevelError, "", noRetry,
	[languages]string{"Something went wrong on our side.", "服务内部错误，请稍后重试"},
}

// outcomes is the one table from errors to replies.
var outcomes = [...]outcome{
	{
		wxlogin.ErrBadRequest, http.StatusBadRequest, "bad_request", slog.LevelInfo, "", noRetry,
		[languages]string{"The request is malformed.", "请求格式不正确"},
	},
	{
		wxlogin.ErrInvalidCode, http.StatusUnauthorized, "invalid_code", slog.LevelInfo, bearer, noRetry,
		[languages]string{"The code is no longer valid. Please try again.", "凭证已失效，请重试"},
	},
	{
		wxlogin.ErrUserBlocked, http.StatusForbidden, "user_blocked", slog.LevelWarn, "", noRetry,
		[languages]string{"WeChat does not let this account log in.", "该微信账号暂时无法登录"},
	},
	{
		wxlogin.ErrLoginRefused, http.StatusForbidden, "login_refused", slog.LevelInfo, "", noRetry,
		[languages]string{"This account may not log in.", "该账号不允许登录"},
	},
	{
		wxlogin.ErrRateLimited, http.StatusTooManyRequests, "rate_limited", slog.LevelWarn, "", afterMinute,
		[languages]string{"Too many attempts. Please try again in a minute or two.", "操作过于频繁，请稍后再试"},
	},
	{
		wxlogin.ErrUpstreamUnavailable, http.StatusBadGateway, "wechat_unavailable", slog.LevelWarn, "", noRetry,
		[languages]string{"WeChat cannot be reached. Please try again.", "微信服务暂时不可用，请稍后重试"},
	},
	{
		wxlogin.ErrMisconfigured, http.StatusInternalServerError, "misconfigured", slog.LevelError, "", noRetry,
		[languages]string{"The service is not set up correctly.", "服务配置有误，请联系管理员"},
	},
	{
		wxlogin.ErrMissingToken, http.StatusUnauthorized, "missing_token", slog.LevelInfo, bearer, noRetry,
		[languages]string{"Please log in.", "请先登录"},
	},
	{
		wxlogin.ErrInvalidToken, http.StatusUnauthorized, "invalid_token", slog.LevelInfo, bearerInvalid, noRetry,
		[languages]string{"Your login is not valid. Please log in again.", "登录状态无效，请重新登录"},
	},
	{
		wxlogin.ErrSessionExpired, http.StatusUnauthorized, "session_expired", slog.LevelInfo, bearerInvalid, noRetry,
		[languages]string{"Your login has expired. Please log in again.", "登录已过期，请重新登录"},
	},
	{
		wxlogin.ErrSessionKeyStale, http.StatusConflict, "session_key_stale", slog.LevelInfo, "", noRetry,
		[languages]string{"The data is out of date. Please log in again and repeat the step.", "数据已失效，请重新登录后再试"},
	},
	{
		wxlogin.ErrInvalidUserData, http.StatusUnprocessableEntity, "invalid_user_data", slog.LevelWarn, "", noRetry,
		[languages]string{"The data could not be verified.", "数据校验失败"},
	},
	{
		wxlogin.ErrStoreUnavailable, http.StatusServiceUnavailable, "store_unavailable", slog.LevelError, "", afterOutage,
		[languages]string{"The service is busy. Please try again shortly.", "服务繁忙，请稍后重试"},
	},
	{
		wxlogin.ErrNoAccountIndex, http.StatusInternalServerError, "misconfigured", slog.LevelError, "", noRetry,
		[languages]string{"The service is not set up correctly.", "服务配置有误，请联系管理员"},
	},
	{
		wxlogin.ErrClosed, http.StatusServiceUnavailable, "unavailable", slog.LevelWarn, "", afterRestart,
		[languages]string{"The service is restarting. Please try again.", "服务正在重启，请稍后重试"},
	},
	internalOutcome,
}

// ReplyFor returns the reply to err in the language given: what [Settings.Fail]
// sends, for a server that does not run on Gin, and for a logger that wants to
// know the Level of an error in c.Errors. A RetryAfter is drawn anew by each call.
// An error of no class of package wxlogin is internal.
func ReplyFor(err error, language Language) Reply {
	o := outcomeOf(err)
	if language < 0 || language >= languages {
		language = English
	}
	reply := Reply{
		Status:     o.status,
		Code:       o.code,
		Message:    o.messages[language],
		Level:      o.level,
		RetryAfter: o.retry.draw(),
		challenge:  o.challenge,
	}
	if o.class == wxlogin.ErrUpstreamUnavailable && errors.Is(err, context.DeadlineExceeded) {
		reply.Status = http.StatusGatewayTimeout
	}
	if refused := (*wxlogin.RefusedError)(nil); o.class == wxlogin.ErrLoginRefused && errors.As(err, &refused) {
		reply.Reason = refused.Code
		if refused.Message != "" {
			reply.Message = refused.Message
		}
	}
	if errors.Is(err, context.Canceled) {
		reply.Level = slog.LevelInfo // the client left; nothing is broken
	}
	return reply
}

func outcomeOf(err error) *outcome {
	for i := range outcomes {
		if errors.Is(err, outcomes[i].class) {
			return &outcomes[i]
		}
	}
	return &internalOutcome
}

// draw returns whole seconds, because Retry-After knows no others.
func (r retryRange) draw() time.Duration {
	if r.max == 0 {
		return 0
	}
	seconds := int64((r.max-r.min)/time.Second) + 1
	return r.min + time.Duration(rand.Int64N(seconds))*time.Second
}
