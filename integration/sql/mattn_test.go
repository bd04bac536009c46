//go:build cgo

package sql

import (
	"testing"

	_ "github.com/mattn/go-sqlite3" // needs a C compiler

	"github.com/ginwx/wxlogin/store/sqlstore"
)

func TestSQLiteThroughCKeepsTheContract(t *testing.T) {
	for name, parameters := range map[string]string{
		"write-ahead log":  "?_journal_mode=WAL&_busy_timeout=1000&_synchronous=NORMAL",
		"no busy time-out": "?_journal_mode=WAL&_busy_timeout=0&_synchronous=NORMAL",
	} {
		t.Run(name, func(t *testing.T) {
			d := sqliteIn(t.TempDir(), parameters)
			d.driver = "sqlite3"
			conform(t, database{sqlstore.SQLite, d.driver, d.dsn})
		})
	}
}
