package middleware_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// Public access to the service is switched off, and the ingress, which removes every
// X-WX- header from other calls, proves itself with a header that only it can set.
func ExampleTrustCloudHostingHeaders() {
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{"wx0123456789abcdef"}})
	if err != nil {
		panic(err)
	}
	defer auth.Close()

	proof := wxlogin.NewSecret("not-a-real-proof")
	trust := func(r *http.Request) bool {
		return proof.Equal(wxlogin.NewSecret(r.Header.Get("X-Ingress-Proof")))
	}
	r := guarded(middleware.TrustCloudHostingHeaders(auth, trust), middleware.Required(auth))

	headers := []string{"X-WX-SOURCE", "wx_client", "X-WX-APPID", "wx0123456789abcdef", "X-WX-OPENID", "alice"}
	show(r, "/me", append(headers, "X-Ingress-Proof", "not-a-real-proof")...)
	show(r, "/me", headers...) // forged
	show(r, "/me")
	// Output:
	// 200 openid=alice
	// 401 {"error":{"code":"invalid_token","message":"Your login is not valid. Please log in again."}}
	// 401 {"error":{"code":"missing_token","message":"Please log in."}}
}

// Another mini program shares the environment, and its users come in the FROM pair.
func ExampleWithCloudHostingFrom() {
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{"wx-owner", "wx-guest"}})
	if err != nil {
		panic(err)
	}
	defer auth.Close()
	trust := func(*http.Request) bool { return true } // only where public access is switched off
	r := guarded(middleware.TrustCloudHostingHeaders(auth, trust, middleware.WithCloudHostingFrom()), middleware.Required(auth))

	show(r, "/me", "X-WX-SOURCE", "wx_client", "X-WX-APPID", "wx-owner", "X-WX-FROM-APPID", "wx-guest", "X-WX-FROM-OPENID", "bob")
	// Output: 200 openid=bob
}

// The option is for handler.UserData.
func ExampleWithUserDataAge() {
	auth, _ := exampleAuth()
	defer auth.Close()
	settings, err := middleware.NewSettings(auth, middleware.WithUserDataAge(10*time.Minute))
	fmt.Println(settings.UserDataAge(), err)
	// Output: 10m0s <nil>
}
