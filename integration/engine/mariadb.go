package engine

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql" // to ask whether the server is ready
)

// MariaDB is one MariaDB server with an empty database.
type MariaDB struct {
	*Process
	Port   int
	Dir    string // of its data
	socket string
}

// StartMariaDB makes and starts a MariaDB server. Further arguments are settings,
// such as "--innodb-lock-wait-timeout=1", and win over the defaults.
func StartMariaDB(t testing.TB, args ...string) *MariaDB {
	t.Helper()
	server := Find(t, "mariadbd")
	install := Find(t, "mariadb-install-db")
	const account = "mysql"
	dir := TempDir(t, account)
	// A server that starts removes what others keep in a shared one.
	tmp := "--tmpdir=" + TempDir(t, account)
	m := &MariaDB{Port: FreePort(t), Dir: filepath.Join(dir, "data"), socket: filepath.Join(dir, "s")}
	Run(t, account, install, "--no-defaults", "--datadir="+m.Dir, tmp, "--auth-root-authentication-method=normal",
		"--skip-test-db", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0")
	settings := append([]string{
		"--no-defaults", "--datadir=" + m.Dir, tmp, "--port=" + strconv.Itoa(m.Port), "--bind-address=127.0.0.1",
		"--socket=" + m.socket, "--pid-file=" + filepath.Join(dir, "pid"), "--skip-name-resolve",
		"--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M", "--max-connections=60",
	}, args...)
	// A full disk is an error to the server. So shall be the limit of LimitFiles,
	// whose signal would end it.
	args = append([]string{"-c", `trap "" XFSZ; exec "$0" "$@"`, server}, settings...)
	m.Process = Start(t, Spec{Path: "/bin/sh", Args: args, Dir: m.Dir, Account: account, Ready: m.ready})
	m.setUp(t)
	return m
}

// ready does not connect as wxlogin, who is not there at first.
func (m *MariaDB) ready(ctx context.Context) error {
	return ping(ctx, "mysql", "root@unix("+m.socket+")/")
}

func (m *MariaDB) setUp(t testing.TB) {
	t.Helper()
	db, err := sql.Open("mysql", "root@unix("+m.socket+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"CREATE DATABASE wxlogin",
		"CREATE USER wxlogin@'127.0.0.1'",
		"GRANT ALL ON wxlogin.* TO wxlogin@'127.0.0.1'",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Freeze stops the server where it is.
func (m *MariaDB) Freeze() {
	m.Process.Freeze()
	waitStopped(m.t, m.PID())
}

// LimitFiles lets no file of the server grow beyond so many bytes, as if the disk
// were full; a negative number is no limit. It needs prlimit of util-linux.
func (m *MariaDB) LimitFiles(bytes int) {
	m.t.Helper()
	limitFiles(m.t, "mysql", bytes, m.PID())
}

// RootDSN names the server's database for a user with all rights.
func (m *MariaDB) RootDSN() string { return "root@unix(" + m.socket + ")/wxlogin" }

// DSN names the server's database for go-sql-driver, for a user with all rights in
// that database alone. Parameters are such as
// "clientFoundRows=true".
func (m *MariaDB) DSN(parameters ...string) string {
	return fmt.Sprintf("wxlogin@tcp(%s)/wxlogin?%s", Addr(m.Port), strings.Join(parameters, "&"))
}
