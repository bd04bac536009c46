package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

// script plays the database: it answers each statement.
type script func(ctx context.Context, text string, args []driver.NamedValue) answer

// answer is what becomes of a statement: an error, the number of rows it
// affected, or the rows that it returns.
type answer struct {
	err      error
	affected int64
	rows     [][]driver.Value
	rowsErr  error // ends the rows
}

// fakeDB is a database/sql database whose statements a script answers. It keeps
// what it was sent.
type fakeDB struct {
	script   script
	scriptOn func(on use, text string) answer // instead of script
	pool     *sql.DB

	mu    sync.Mutex
	sent  []sentStatement
	conns map[*fakeConn]bool
}

type sentStatement struct {
	text string
	args []any
	on   use
}

// use is one time that a connection was taken from the pool.
type use struct {
	conn *fakeConn
	n    int
}

// open returns a pool on the fake, closed at the end of the test.
func (f *fakeDB) open(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(f)
	t.Cleanup(func() { db.Close() })
	f.pool = db
	return db
}

// texts returns the first words of what was sent.
func (f *fakeDB) texts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, s := range f.sent {
		verb, _, _ := strings.Cut(s.text, " ")
		list = append(list, verb)
	}
	return list
}

func (f *fakeDB) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}

func (f *fakeDB) play(ctx context.Context, on use, text string, named []driver.NamedValue) answer {
	f.mu.Lock()
	args := make([]any, len(named))
	for i, n := range named {
		args[i] = n.Value
	}
	f.sent = append(f.sent, sentStatement{text: text, args: args, on: on})
	f.mu.Unlock()
	if f.scriptOn != nil {
		return f.scriptOn(on, text)
	}
	return f.script(ctx, text, named)
}

// inTurn is a script of answers to one statement after the other.
func inTurn(t *testing.T, answers ...answer) script {
	t.Helper()
	var mu sync.Mutex
	return func(_ context.Context, text string, _ []driver.NamedValue) answer {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) == 0 {
			t.Errorf("one statement more than expected: %s", text)
			return answer{err: errors.New("end of the script")}
		}
		next := answers[0]
		answers = answers[1:]
		return next
	}
}

func always(a answer) script {
	return func(context.Context, string, []driver.NamedValue) answer { return a }
}

// hang answers when nobody waits any more.
func hang(ctx context.Context, _ string, _ []driver.NamedValue) answer {
	<-ctx.Done()
	return answer{err: ctx.Err()}
}

func value(v string) [][]driver.Value { return [][]driver.Value{{[]byte(v)}} }

// The rest is what database/sql asks of a driver.

func (f *fakeDB) Connect(context.Context) (driver.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	conn := &fakeConn{db: f}
	if f.conns == nil {
		f.conns = map[*fakeConn]bool{}
	}
	f.conns[conn] = true
	return conn, nil
}

func (f *fakeDB) Driver() driver.Driver { return nil }

type fakeConn struct {
	db   *fakeDB
	uses int
}

func (c *fakeConn) use() use { return use{c, c.uses} }

func (c *fakeConn) ResetSession(context.Context) error {
	c.uses++
	return nil
}

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no preparing") }
func (c *fakeConn) Close() error                        { return nil }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no options") }

func (c *fakeConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	a := c.db.play(ctx, c.use(), "BEGIN", nil)
	return fakeTx{c}, a.err
}

type fakeTx struct{ conn *fakeConn }

func (c *fakeConn) play(text string) error {
	return c.db.play(context.Background(), c.use(), text, nil).err
}

func (tx fakeTx) Commit() error   { return tx.conn.play("COMMIT") }
func (tx fakeTx) Rollback() error { return tx.conn.play("ROLLBACK") }

func (c *fakeConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	a := c.db.play(ctx, c.use(), text, args)
	return driver.RowsAffected(a.affected), a.err
}

func (c *fakeConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	a := c.db.play(ctx, c.use(), text, args)
	if a.err != nil {
		return nil, a.err
	}
	width := 1
	if len(a.rows) > 0 {
		width = len(a.rows[0])
	}
	return &fakeRows{answer: a, width: width}, nil
}

type fakeRows struct {
	answer
	width int
}

func (r *fakeRows) Columns() []string { return make([]string, r.width) }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(to []driver.Value) error {
	switch {
	case len(r.rows) > 0:
		copy(to, r.rows[0])
		r.rows = r.rows[1:]
		return nil
	case r.rowsErr != nil:
		return r.rowsErr
	}
	return io.EOF
}

// newFake returns a Store without a sweeper on a fake database.
func newFake(t *testing.T, dialect Dialect, play script, opts ...Option) (*Store, *fakeDB) {
	t.Helper()
	f := &fakeDB{script: play}
	s, err := New(f.open(t), dialect, append([]Option{WithoutSweeper()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, f
}
