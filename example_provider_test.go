package wxlogin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ginwx/wxlogin"
)

// douyin exchanges codes at a gateway that takes a POST and wraps its answer.
type douyin struct {
	appID  string
	secret wxlogin.Secret
	url    string
	client http.Client
}

func (p *douyin) AppID() string { return p.appID }

func (p *douyin) Exchange(ctx context.Context, code string) (wxlogin.Account, error) {
	body, _ := json.Marshal(map[string]string{"appid": p.appID, "secret": p.secret.Reveal(), "code": code})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return wxlogin.Account{}, fmt.Errorf("%w: %w", wxlogin.ErrMisconfigured, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return wxlogin.Account{}, fmt.Errorf("%w: %w", wxlogin.ErrUpstreamUnavailable, err)
	}
	defer resp.Body.Close()
	var answer struct {
		ErrNo *int `json:"err_no"`
		Data  struct {
			OpenID     string `json:"openid"`
			UnionID    string `json:"unionid"`
			SessionKey string `json:"session_key"`
		} `json:"data"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	switch {
	case err != nil || answer.ErrNo == nil:
		return wxlogin.Account{}, fmt.Errorf("%w: status %d, unreadable", wxlogin.ErrUpstreamUnavailable, resp.StatusCode)
	case *answer.ErrNo == 40018:
		return wxlogin.Account{}, wxlogin.ErrInvalidCode
	case *answer.ErrNo == 40015, *answer.ErrNo == 40017: // app id, secret
		return wxlogin.Account{}, fmt.Errorf("%w: err_no %d", wxlogin.ErrMisconfigured, *answer.ErrNo)
	case *answer.ErrNo != 0 || answer.Data.OpenID == "":
		return wxlogin.Account{}, fmt.Errorf("%w: err_no %d", wxlogin.ErrUpstreamUnavailable, *answer.ErrNo)
	}
	d := answer.Data
	return wxlogin.Account{Subject: d.OpenID, OpenID: d.OpenID, UnionID: d.UnionID, SessionKey: wxlogin.NewSecret(d.SessionKey)}, nil
}

// A provider for another gateway, here one in the manner of Douyin, which wraps what
// WeChat sends flat. It brings AppID and Exchange; the rest is wxlogin's.
func ExampleProvider() {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if json.NewDecoder(r.Body).Decode(&in) != nil || in["code"] != "alices-code" {
			fmt.Fprint(w, `{"err_no":40018,"err_tips":"bad code","data":{}}`)
			return
		}
		fmt.Fprint(w, `{"err_no":0,"err_tips":"success","data":{"openid":"alice","session_key":"c3ludGhldGlj"}}`)
	}))
	defer gateway.Close()

	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{&douyin{
		appID: "tt0123456789abcdef", secret: wxlogin.NewSecret("not-a-real-secret"), url: gateway.URL,
		client: http.Client{
			Timeout:       5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // would carry the secret on
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close()
	for _, code := range []string{"alices-code", "another"} {
		result, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: wxlogin.NewSecret(code)})
		fmt.Println(result.Identity.OpenID, err)
	}
	// Output:
	// alice <nil>
	//  wxlogin: code is invalid or used
}
