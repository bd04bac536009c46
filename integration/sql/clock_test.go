package sql

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

func TestInstancesWhoseClocksAreAnHourApartShareSessions(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		ctx := background(t)
		var auths []*wxlogin.Auth
		for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
			auths = append(auths, testapp.New(t, d.store(t), func(cfg *wxlogin.Config) {
				cfg.Now = func() time.Time { return time.Now().Add(ahead) }
			}))
		}
		for i, from := range auths {
			token := testapp.Login(t, from, fmt.Sprintf("user%d", i))
			for range 2 { // what one has extended the others must read
				for j, to := range auths {
					if _, err := to.Authenticate(ctx, token); err != nil {
						t.Errorf("a token of instance %d at instance %d: error %v", i, j, err)
					}
				}
			}
			if err := auths[(i+1)%len(auths)].Logout(ctx, token); err != nil {
				t.Errorf("Logout: error %v", err)
			}
			for j, to := range auths {
				if _, err := to.Authenticate(ctx, token); !errors.Is(err, wxlogin.ErrInvalidToken) {
					t.Errorf("a token that was logged out, at instance %d: error %v, want ErrInvalidToken", j, err)
				}
			}
		}
	})
}

// TestTheEnginesClockDecides reaches one table by two kinds of connection: on the
// second one the engine's clock is an hour ahead, while the clock of this process
// is what it is.
func TestTheEnginesClockDecides(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		pg := engine.StartPostgres(t, "fsync=off")
		now := database{sqlstore.PostgreSQL, "pgx", pg.DSN()}
		db := now.open(t)
		for _, statement := range []string{
			"CREATE SCHEMA ahead",
			"CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
			"CREATE FUNCTION ahead.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT pg_catalog.statement_timestamp() + interval '1 hour' $$",
		} {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		ahead := now
		ahead.dsn += "&search_path=" + url.QueryEscape("public,ahead,pg_catalog")
		judge(t, now, ahead)
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		m := engine.StartMariaDB(t)
		now := database{sqlstore.MySQL, "mysql", m.DSN()}
		ahead := now
		ahead.dsn = m.DSN(fmt.Sprintf("timestamp=%d", time.Now().Add(time.Hour).Unix()))
		judge(t, now, ahead)
	})
}

func judge(t *testing.T, now, ahead database) {
	t.Helper()
	ctx := background(t)
	here, there := now.store(t, sqlstore.WithoutSweeper()), ahead.store(t, sqlstore.WithoutSweeper())
	alive := func(s *sqlstore.Store, key string) bool {
		_, err := s.Get(ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(here.Set(ctx, "half:an:hour", []byte("v"), 30*time.Minute))
	must(here.Set(ctx, "two:hours", []byte("v"), 2*time.Hour))
	must(there.Set(ctx, "there", []byte("v"), time.Minute))
	for _, test := range []struct {
		where string
		store *sqlstore.Store
		key   string
		want  bool
	}{
		{"here", here, "half:an:hour", true},
		{"an hour ahead", there, "half:an:hour", false},
		{"here", here, "two:hours", true},
		{"an hour ahead", there, "two:hours", true},
		{"here", here, "there", true},
		{"an hour ahead", there, "there", true},
	} {
		if got := alive(test.store, test.key); got != test.want {
			t.Errorf("%s, %s: alive is %v, want %v", test.key, test.where, got, test.want)
		}
	}
	if added, err := there.Add(ctx, "half:an:hour", []byte("w"), time.Minute); err != nil || !added {
		t.Errorf("Add in place of what has expired by the engine's clock: got (%v, %v), want (true, <nil>)", added, err)
	}
	must(here.Set(ctx, "half:an:hour:again", []byte("v"), 30*time.Minute))
	if _, err := there.Swap(ctx, "half:an:hour:again", []byte("v"), []byte("w"), time.Hour); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Swap of what has expired by the engine's clock: error %v, want store.ErrNotFound", err)
	}
	if n, err := here.Sweep(ctx); err != nil || n != 0 {
		t.Errorf("Sweep where nothing has expired: got (%d, %v), want (0, <nil>)", n, err)
	}
	if n, err := there.Sweep(ctx); err != nil || n != 1 {
		t.Errorf("Sweep where one entry has expired: got (%d, %v), want (1, <nil>)", n, err)
	}
}
