package sql

import (
	"context"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// The package documentation has these numbers.
func TestHowManyStatementsThereAre(t *testing.T) {
	m := engine.StartMariaDB(t)
	root := database{driver: "mysql", dsn: m.RootDSN()}.open(t)
	questions := func() (n int) {
		t.Helper()
		if err := root.QueryRow("SHOW GLOBAL STATUS LIKE 'Questions'").Scan(new(string), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ctx := background(t)
	// The sweeper would count as well.
	s := database{sqlstore.MySQL, "mysql", m.DSN("interpolateParams=true")}.store(t, sqlstore.WithoutSweeper())
	withID := func(cfg *wxlogin.Config) {
		cfg.OnLogin = func(_ context.Context, e *wxlogin.LoginEvent) error {
			e.UserID = "id of " + e.Subject
			return nil
		}
	}
	plain, named := testapp.New(t, s), testapp.New(t, s, withID)
	var token string
	for _, test := range []struct {
		what string
		want int
		do   func()
	}{
		{"a first login", 9, func() { token = testapp.Login(t, plain, "a") }},
		{"a login of a user who was here before", 8, func() { token = testapp.Login(t, plain, "a") }},
		{"a first login with a UserID", 11, func() { testapp.Login(t, named, "b") }},
		{"a login with a UserID", 12, func() { testapp.Login(t, named, "b") }},
		{"a request", 1, func() {
			if _, err := plain.Authenticate(ctx, token); err != nil {
				t.Error(err)
			}
		}},
		{"a logout", 2, func() {
			if err := plain.Logout(ctx, token); err != nil {
				t.Error(err)
			}
		}},
		{"a request without a session", 2, func() {
			if _, err := plain.Authenticate(ctx, token); err == nil {
				t.Error("no error")
			}
		}},
	} {
		before := questions()
		test.do()
		if n := questions() - before - 1; n != test.want { // this question is one, too
			t.Errorf("%s is %d statements, want %d", test.what, n, test.want)
		}
	}
}
