package sqlstore

import (
	"errors"
	"fmt"
	"strings"
)

// Dialect is the SQL that a database speaks. The zero Dialect is none.
type Dialect uint8

const (
	// PostgreSQL is PostgreSQL 9.5 and later.
	PostgreSQL Dialect = iota + 1
	// MySQL is MySQL 5.7 and later, and MariaDB 10.3 and later, on InnoDB.
	MySQL
	// SQLite is SQLite 3.24 and later.
	SQLite
)

// String returns the name of the dialect.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case SQLite:
		return "SQLite"
	}
	return fmt.Sprintf("Dialect(%d)", uint8(d))
}

// Schema returns the statements that make the table and its indexes, each ended
// by a semicolon, for people with their own migrations; see [Store.Migrate].
// Every statement is harmless where its table or index exists. The name of the
// table follows the rules of [WithTable]. The error says what is wrong with the
// dialect or the name.
func (d Dialect) Schema(table string) (string, error) {
	statements, err := d.schema(table)
	if err != nil {
		return "", err
	}
	return strings.Join(statements, ";\n") + ";\n", nil
}

func (d Dialect) schema(table string) ([]string, error) {
	if d < PostgreSQL || d > SQLite {
		return nil, errors.New("wxlogin/sqlstore: the dialect must be PostgreSQL, MySQL or SQLite")
	}
	if err := checkTable(table); err != nil {
		return nil, err
	}
	space, name := "", table
	if i := strings.IndexByte(table, '.'); i >= 0 {
		space, name = d.quote(table[:i])+".", table[i+1:]
	}
	full := space + d.quote(name)
	switch d {
	case PostgreSQL:
		return []string{
			"CREATE TABLE IF NOT EXISTS " + full + ` (
  entry_key  text COLLATE "C" NOT NULL PRIMARY KEY,
  owner      text COLLATE "C",
  value      bytea NOT NULL,
  expires_at bigint NOT NULL,
  version    bigint NOT NULL
)`,
			"CREATE INDEX IF NOT EXISTS " + d.quote(name+"_owner") + " ON " + full + " (owner, entry_key) WHERE owner IS NOT NULL",
			"CREATE INDEX IF NOT EXISTS " + d.quote(name+"_expiry") + " ON " + full + " (expires_at)",
		}, nil
	case MySQL:
		return []string{
			"CREATE TABLE IF NOT EXISTS " + full + ` (
  entry_key  VARBINARY(128) NOT NULL PRIMARY KEY,
  owner      VARBINARY(128) NULL,
  value      VARBINARY(16384) NOT NULL,
  expires_at BIGINT NOT NULL,
  version    BIGINT NOT NULL,
  INDEX ` + d.quote(name+"_owner") + ` (owner, entry_key),
  INDEX ` + d.quote(name+"_expiry") + ` (expires_at)
) ENGINE=InnoDB`,
		}, nil
	default: // SQLite puts an index beside its table, and names the table without its schema
		return []string{
			"CREATE TABLE IF NOT EXISTS " + full + ` (
  entry_key  TEXT NOT NULL PRIMARY KEY,
  owner      TEXT,
  value      BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  version    INTEGER NOT NULL
)`,
			"CREATE INDEX IF NOT EXISTS " + space + d.quote(name+"_owner") + " ON " + d.quote(name) + " (owner, entry_key) WHERE owner IS NOT NULL",
			"CREATE INDEX IF NOT EXISTS " + space + d.quote(name+"_expiry") + " ON " + d.quote(name) + " (expires_at)",
		}, nil
	}
}

// maxTableLen leaves room for the suffixes of the indexes within the 63 bytes of
// PostgreSQL.
const maxTableLen = 48

// checkTable allows only names that mean the same quoted and unquoted, in every
// dialect.
func checkTable(table string) error {
	parts := strings.Split(table, ".")
	for _, part := range parts {
		if !plainName(part) || len(parts) > 2 {
			return fmt.Errorf("wxlogin/sqlstore: the table name must be 1 to %d of a-z, 0-9 and _, not starting with a digit, with at most one schema of the same kind and a dot before it", maxTableLen)
		}
	}
	return nil
}

func plainName(s string) bool {
	if s == "" || len(s) > maxTableLen || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// quote keeps a name that is a reserved word somewhere from being read as one.
func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}

func (d Dialect) quoteTable(table string) string {
	parts := strings.Split(table, ".")
	for i, part := range parts {
		parts[i] = d.quote(part)
	}
	return strings.Join(parts, ".")
}

// now is the engine's clock in milliseconds since 1970, whatever the time zone of
// the session.
func (d Dialect) now() string {
	switch d {
	case PostgreSQL:
		// Not the time at which the transaction began: a statement may have
		// waited for a row that expired meanwhile.
		return "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"
	case MySQL:
		return "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000)"
	default:
		return "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"
	}
}

// stableNow is now as of the start of the statement, which lets the engine use
// the index on expires_at.
func (d Dialect) stableNow() string {
	if d == PostgreSQL {
		return strings.Replace(d.now(), "clock_timestamp", "statement_timestamp", 1)
	}
	return d.now()
}
