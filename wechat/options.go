package wechat

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ginwx/wxlogin"
)

const (
	defaultBaseURL = "https://api.weixin.qq.com"
	defaultTimeout = 5 * time.Second
)

// Option adjusts how a provider reaches WeChat. Every provider of this package
// takes the same ones; a wrong value is reported by the provider's Validate.
type Option func(*options) error

type options struct {
	baseURL string
	client  *http.Client // nil: a client of our own
	timeout time.Duration

	nextSecret wxlogin.Secret
	tokens     TokenSource // nil: stable_token
	withToken  bool
}

// WithBaseURL sends calls to url instead of https://api.weixin.qq.com: to the
// emulator of package wechattest, or to a gateway in front of WeChat. It is an
// absolute http or https URL; a path in it comes before WeChat's paths, and user
// information, query and fragment are refused. The AppSecret travels in the
// query, so plain http is for networks that you trust.
func WithBaseURL(url string) Option {
	return func(o *options) error {
		base, err := cleanBaseURL(url)
		o.baseURL = base
		return err
	}
}

// WithHTTPClient makes calls through c, for a proxy, a private certificate
// authority, or connections shared by several apps; [NewTransport] returns a
// transport to start from.
//
// c is copied: changing its fields later has no effect, and the caller's value
// is left as it is. In the copy redirects are switched off, because the Referer
// header would carry the AppSecret to wherever they lead. The connections stay
// the caller's, so Close leaves them open. Note that a RoundTripper sees the
// AppSecret and the code in the request's URL: it must not log or trace the
// query, and it must not send a request again.
func WithHTTPClient(c *http.Client) Option {
	return func(o *options) error {
		if c == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		o.client = c
		return nil
	}
}

// WithTimeout limits one attempt to reach WeChat, from waiting for a connection
// to the last byte of the answer. The default is 5 seconds. The context given to
// a call limits it as a whole, its second attempt included.
func WithTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("WithTimeout: %v is not positive", d)
		}
		o.timeout = d
		return nil
	}
}

// resolve applies opts to the defaults. It goes on after a wrong option, so that
// one run reports them all.
func resolve(opts []Option) (options, error) {
	o := options{baseURL: defaultBaseURL, timeout: defaultTimeout}
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i+1))
			continue
		}
		if err := opt(&o); err != nil {
			errs = append(errs, err)
		}
	}
	return o, errors.Join(errs...)
}

// cleanBaseURL returns raw without a trailing slash. Its errors leave raw out: a
// URL that is wrong in this place may hold a password.
func cleanBaseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("WithBaseURL: not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("WithBaseURL: the URL does not begin with http:// or https://")
	case u.Hostname() == "":
		return "", errors.New("WithBaseURL: the URL names no host")
	case u.User != nil:
		return "", errors.New("WithBaseURL: the URL carries user information")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("WithBaseURL: the URL carries a query or a fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// checkApp reports an app id or secret that cannot be right. Blanks are refused
// because they come from a broken environment file and WeChat's answer to them
// (40013, 40125) says nothing of the cause.
func checkApp(appID string, secret wxlogin.Secret) error {
	return errors.Join(checkSecret("the app id", wxlogin.NewSecret(appID)), checkSecret("the AppSecret", secret))
}

func checkSecret(name string, value wxlogin.Secret) error {
	switch {
	case value.IsZero():
		return fmt.Errorf("%s is empty", name)
	case strings.ContainsFunc(value.Reveal(), notVisible):
		return fmt.Errorf("%s holds a blank or another character that is not visible ASCII", name)
	}
	return nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// misconfigured joins what is wrong with a constructor's arguments into one line
// of class wxlogin.ErrMisconfigured, or returns nil.
func misconfigured(constructor string, errs ...error) error {
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: wechat.%s: %s", wxlogin.ErrMisconfigured, constructor,
		strings.ReplaceAll(err.Error(), "\n", "; "))
}
