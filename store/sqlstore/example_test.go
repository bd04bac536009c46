package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// The main program imports the driver: _ "github.com/jackc/pgx/v5/stdlib".
func ExampleNew() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	db.SetConnMaxLifetime(5 * time.Minute)

	sessions, err := sqlstore.New(db, sqlstore.PostgreSQL)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	if err := sessions.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}

	key := sha256.Sum256([]byte(os.Getenv("WXLOGIN_KEY"))) // at least 32 random bytes
	auth, err := wxlogin.New(wxlogin.Config{
		Apps:  []string{"wx0123456789abcdef"},
		Store: sessions,
		Keys:  [][]byte{key[:]},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close()
}

// The main program imports the driver: _ "github.com/go-sql-driver/mysql".
func ExampleNew_mySQL() {
	db, err := sql.Open("mysql", "app@tcp(db.internal:3306)/app?interpolateParams=true&timeout=2s&readTimeout=5s&writeTimeout=5s&rejectReadOnly=true")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	sessions, err := sqlstore.New(db, sqlstore.MySQL,
		sqlstore.WithTable("wx_sessions"),
		sqlstore.WithCallTimeout(time.Second),
		sqlstore.WithSweepInterval(5*time.Minute),
		sqlstore.WithSweepBatch(500),
		sqlstore.WithLogger(slog.Default()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}

// Your migrations make the table from what Schema returns.
func ExampleDialect_Schema() {
	for _, dialect := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
		schema, err := dialect.Schema(sqlstore.DefaultTable)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("-- %v\n%s", dialect, schema)
	}
	// Output:
	// -- PostgreSQL
	// CREATE TABLE IF NOT EXISTS "wxlogin_entries" (
	//   entry_key  text COLLATE "C" NOT NULL PRIMARY KEY,
	//   owner      text COLLATE "C",
	//   value      bytea NOT NULL,
	//   expires_at bigint NOT NULL,
	//   version    bigint NOT NULL
	// );
	// CREATE INDEX IF NOT EXISTS "wxlogin_entries_owner" ON "wxlogin_entries" (owner, entry_key) WHERE owner IS NOT NULL;
	// CREATE INDEX IF NOT EXISTS "wxlogin_entries_expiry" ON "wxlogin_entries" (expires_at);
	// -- MySQL
	// CREATE TABLE IF NOT EXISTS `wxlogin_entries` (
	//   entry_key  VARBINARY(128) NOT NULL PRIMARY KEY,
	//   owner      VARBINARY(128) NULL,
	//   value      VARBINARY(16384) NOT NULL,
	//   expires_at BIGINT NOT NULL,
	//   version    BIGINT NOT NULL,
	//   INDEX `wxlogin_entries_owner` (owner, entry_key),
	//   INDEX `wxlogin_entries_expiry` (expires_at)
	// ) ENGINE=InnoDB;
	// -- SQLite
	// CREATE TABLE IF NOT EXISTS "wxlogin_entries" (
	//   entry_key  TEXT NOT NULL PRIMARY KEY,
	//   owner      TEXT,
	//   value      BLOB NOT NULL,
	//   expires_at INTEGER NOT NULL,
	//   version    INTEGER NOT NULL
	// );
	// CREATE INDEX IF NOT EXISTS "wxlogin_entries_owner" ON "wxlogin_entries" (owner, entry_key) WHERE owner IS NOT NULL;
	// CREATE INDEX IF NOT EXISTS "wxlogin_entries_expiry" ON "wxlogin_entries" (expires_at);
}

// A nightly job sweeps, and the servers do not.
func ExampleStore_Sweep() {
	db, err := sql.Open("sqlite", "file:wxlogin.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	sessions, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithoutSweeper())
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	deleted, err := sessions.Sweep(context.Background())
	log.Printf("%d expired entries deleted, error %v", deleted, err)
}
