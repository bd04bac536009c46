package sqlstore

import (
	"regexp"
	"strconv"
	"strings"
)

// params are the values of one call. They reach the database as arguments of the
// driver alone, never as text of a statement.
type params struct {
	key, owner, after, upTo string
	value, old              []byte
	ttl                     int64 // milliseconds
	limit                   int64
}

// get returns the value that stands for :name in a statement.
func (p *params) get(name string) any {
	switch name {
	case "key":
		return p.key
	case "owner":
		if p.owner == "" {
			return nil
		}
		return p.owner
	case "after":
		return p.after
	case "upto":
		return p.upTo
	case "value":
		return notNil(p.value)
	case "old":
		return notNil(p.old)
	case "ttl":
		return p.ttl
	default:
		return p.limit
	}
}

// notNil keeps an empty value from becoming NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// statement is SQL in one dialect and the names of its parameters in their order.
type statement struct {
	text  string
	names []string
}

func (st *statement) args(p *params) []any {
	args := make([]any, len(st.names))
	for i, name := range st.names {
		args[i] = p.get(name)
	}
	return args
}

// statements are what a Store says to its database. Those that look for rows do so
// by the primary key or by the index on owner, except for sweep.
type statements struct {
	get, set, add, takeOver, swap, remove statement
	listFor, boundFor, removeFor          statement
	removeRangeFor, sweep                 statement
	confirm                               statement // not for SQLite
}

// The templates: {t} is the table, {now} the engine's clock, {start} the engine's
// clock when the statement began, :name a parameter.
//
// Every write changes version. MySQL tells, unless a flag of the connection says
// otherwise, only how many rows it changed, and a swap of a value by itself within
// a millisecond would change nothing else.
const (
	getSQL = `SELECT value FROM {t} WHERE entry_key = :key AND expires_at > {now}`

	swapSQL = `UPDATE {t} SET value = :value, expires_at = {now} + :ttl, version = version + 1 ` +
		`WHERE entry_key = :key AND value = :old AND expires_at > {now}`

	removeSQL = `DELETE FROM {t} WHERE entry_key = :key`

	// A condition that is never true: no row is looked for or locked, and MySQL
	// writes nothing to its binary log, as it does for a DELETE that finds no row.
	confirmSQL = `DELETE FROM {t} WHERE 1 = 0`

	insertSQL = `INSERT INTO {t} {as}(entry_key, owner, value, expires_at, version) VALUES (:key, :owner, :value, {now} + :ttl, 1) `

	// A live entry keeps its owner, one that expired belongs to nobody.
	setSQL = insertSQL + `ON CONFLICT (entry_key) DO UPDATE SET ` +
		`owner = CASE WHEN present.expires_at > {now} THEN present.owner ELSE NULL END, ` +
		`value = excluded.value, version = present.version + 1, expires_at = excluded.expires_at`

	// MySQL assigns from left to right, so expires_at comes last. VALUES(…) is
	// deprecated there and its successor unknown to MariaDB.
	setMySQL = insertSQL + `ON DUPLICATE KEY UPDATE ` +
		`owner = IF(expires_at > {now}, owner, NULL), value = :value, version = version + 1, expires_at = {now} + :ttl`

	addSQL = insertSQL + `ON CONFLICT (entry_key) DO UPDATE SET ` +
		`owner = excluded.owner, value = excluded.value, version = present.version + 1, expires_at = excluded.expires_at ` +
		`WHERE present.expires_at <= {now}`

	// MySQL cannot update on a condition here, so this touches the version alone:
	// one row affected is a new row, two are one that was there, whatever the
	// flags of the connection. takeOver follows in the second case.
	addMySQL = insertSQL + `ON DUPLICATE KEY UPDATE version = version + 1`

	takeOverMySQL = `UPDATE {t} SET owner = :owner, value = :value, version = version + 1, expires_at = {now} + :ttl ` +
		`WHERE entry_key = :key AND expires_at <= {now}`

	listForSQL = `SELECT entry_key, value FROM {t} WHERE owner = :owner AND expires_at > {now}`

	// An owner's entries are deleted in ranges of their keys, not by LIMIT: a
	// count of deleted rows that falls short may only mean that someone else was
	// deleting them at the time, and says nothing about the rows behind them.
	boundForSQL = `SELECT entry_key FROM {t} WHERE owner = :owner AND entry_key > :after ORDER BY entry_key LIMIT 1 OFFSET :limit`

	removeForSQL = `DELETE FROM {t} WHERE owner = :owner AND entry_key > :after`

	removeRangeForSQL = removeForSQL + ` AND entry_key <= :upto`

	// ARRAY makes PostgreSQL run the inner SELECT once. SKIP LOCKED lets several
	// instances sweep at a time.
	sweepPostgreSQL = `DELETE FROM {t} WHERE entry_key = ANY (ARRAY(SELECT entry_key FROM {t} WHERE expires_at <= {start} ` +
		`ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)) AND expires_at <= {start}`

	sweepMySQL = `DELETE FROM {t} WHERE expires_at <= {start} ORDER BY expires_at LIMIT :limit`

	sweepSQLite = `DELETE FROM {t} WHERE rowid IN (SELECT rowid FROM {t} WHERE expires_at <= {start} ORDER BY expires_at LIMIT :limit)`
)

func newStatements(d Dialect, table string) *statements {
	present := "AS present " // the row that an insert meets
	if d == MySQL {
		present = "" // which has no such name, and does not need it
	}
	c := compiler{
		dialect: d,
		words: strings.NewReplacer("{t}", d.quoteTable(table), "{as}", present,
			"{now}", d.now(), "{start}", d.stableNow()),
	}
	all := &statements{
		get:            c.compile(getSQL),
		set:            c.compile(setSQL),
		add:            c.compile(addSQL),
		swap:           c.compile(swapSQL),
		remove:         c.compile(removeSQL),
		listFor:        c.compile(listForSQL),
		boundFor:       c.compile(boundForSQL),
		removeFor:      c.compile(removeForSQL),
		removeRangeFor: c.compile(removeRangeForSQL),
	}
	switch d {
	case PostgreSQL:
		all.sweep = c.compile(sweepPostgreSQL)
		all.confirm = c.compile(confirmSQL)
	case MySQL:
		all.set = c.compile(setMySQL)
		all.add = c.compile(addMySQL)
		all.takeOver = c.compile(takeOverMySQL)
		all.sweep = c.compile(sweepMySQL)
		all.confirm = c.compile(confirmSQL)
	case SQLite:
		all.sweep = c.compile(sweepSQLite)
	}
	return all
}

type compiler struct {
	dialect Dialect
	words   *strings.Replacer
}

// compile writes each parameter as a placeholder: $1, $2, … or ?.
func (c compiler) compile(template string) statement {
	var st statement
	text := regexp.MustCompile(`:[a-z]+`).ReplaceAllStringFunc(template, func(name string) string {
		st.names = append(st.names, name[1:])
		if c.dialect == PostgreSQL {
			return "$" + strconv.Itoa(len(st.names))
		}
		return "?"
	})
	st.text = c.words.Replace(text)
	return st
}
