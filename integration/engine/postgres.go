package engine

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // to ask whether the server is ready
)

// Postgres is one PostgreSQL server with an empty database.
type Postgres struct {
	*Process
	Port int
	Dir  string // of its data
}

// StartPostgres makes and starts a PostgreSQL server. Settings, such as
// "fsync=off", win over the defaults.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	server := Find(t, "postgres")
	initdb := Find(t, "initdb")
	const account = "postgres"
	dir := TempDir(t, account)
	pg := &Postgres{Port: FreePort(t), Dir: filepath.Join(dir, "data")}
	Run(t, account, initdb, "--pgdata", pg.Dir, "--username", "wxlogin", "--auth", "trust",
		"--encoding", "UTF8", "--no-locale", "--no-sync")
	pg.start(t, pg.spec(server, account, dir, settings))
	return pg
}

// StartPostgresReplica starts a hot standby of primary, which can only be read.
func StartPostgresReplica(t testing.TB, primary *Postgres) *Postgres {
	t.Helper()
	server := Find(t, "postgres")
	basebackup := Find(t, "pg_basebackup")
	const account = "postgres"
	dir := TempDir(t, account)
	pg := &Postgres{Port: FreePort(t), Dir: filepath.Join(dir, "data")}
	Run(t, account, basebackup, "--pgdata", pg.Dir, "--dbname", primary.DSN(), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync")
	pg.start(t, pg.spec(server, account, dir, nil))
	return pg
}

func (pg *Postgres) start(t testing.TB, spec Spec) {
	t.Helper()
	pg.Process = Start(t, spec)
	t.Cleanup(pg.Kill) // before that of the process, which frozen ones would keep waiting
}

func (pg *Postgres) spec(server, account, socketDir string, settings []string) Spec {
	args := []string{"-D", pg.Dir}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(pg.Port), "unix_socket_directories=" + socketDir,
		"max_connections=60", "shared_buffers=32MB",
	}, settings...) {
		args = append(args, "-c", setting)
	}
	return Spec{
		Path: server, Args: args, Dir: pg.Dir, Account: account,
		StopSignal: syscall.SIGINT, // ends the connections that are open
		Ready:      func(ctx context.Context) error { return ping(ctx, "pgx", pg.DSN()) },
	}
}

// PostgreSQL's processes are no group: each leads one of its own. So what happens
// to the server has to happen to each of them.

// Kill ends the server and all its processes with SIGKILL.
func (pg *Postgres) Kill() {
	if pg.Running() {
		pg.Process.Freeze() // or it would start others meanwhile
		waitStopped(pg.t, pg.PID())
		for _, pid := range children(pg.PID()) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
		}
	}
	pg.Process.Kill()
}

// Freeze stops the server and all its processes where they are.
func (pg *Postgres) Freeze() {
	pg.Process.Freeze()
	waitStopped(pg.t, pg.PID())
	backends := children(pg.PID())
	for _, pid := range backends {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	waitStopped(pg.t, backends...)
}

// Thaw undoes Freeze.
func (pg *Postgres) Thaw() {
	for _, pid := range children(pg.PID()) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	pg.Process.Thaw()
}

// LimitFiles lets no file of the server grow beyond so many bytes, as if the disk
// were full; a negative number is no limit. It needs prlimit of util-linux.
func (pg *Postgres) LimitFiles(bytes int) {
	pg.t.Helper()
	limitFiles(pg.t, "postgres", bytes, pg.PID()) // what it starts has the same limit
	for _, pid := range children(pg.PID()) {
		limitFiles(pg.t, "postgres", bytes, pid)
	}
}

func limitFiles(t testing.TB, account string, bytes, pid int) {
	t.Helper()
	limit := "unlimited"
	if bytes >= 0 {
		limit = strconv.Itoa(bytes)
	}
	out, err := TryRun(t, account, Find(t, "prlimit"), "--pid", strconv.Itoa(pid), "--fsize="+limit+":")
	if err != nil && runningThreads(pid) > 0 { // else it has ended by itself
		t.Fatalf("prlimit: %v\n%s", err, out)
	}
}

// DSN names the server's database, for pgx and pq alike.
func (pg *Postgres) DSN() string {
	return fmt.Sprintf("postgres://wxlogin@%s/postgres?sslmode=disable", Addr(pg.Port))
}

func ping(ctx context.Context, driver, dsn string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}
