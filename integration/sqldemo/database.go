package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/ginwx/wxlogin/store/sqlstore"
)

// openDB opens the database that STORE names. No error shows the name, which may
// hold a password.
func openDB(name string) (*sql.DB, sqlstore.Dialect, error) {
	db, dialect, err := open(name)
	if err != nil {
		return nil, 0, err
	}
	const connections = 20
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(5 * time.Minute)
	return db, dialect, nil
}

func open(name string) (*sql.DB, sqlstore.Dialect, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "postgres", "postgresql":
		db, err := sql.Open("pgx", name)
		if err != nil {
			err = errors.New("STORE: not the URL of a PostgreSQL database")
		}
		return db, sqlstore.PostgreSQL, err
	case "mysql":
		cfg, err := mysql.ParseDSN(rest)
		if err != nil {
			return nil, 0, errors.New("STORE: want mysql:USER:PASSWORD@tcp(HOST:PORT)/DATABASE")
		}
		cfg.InterpolateParams = true
		cfg.RejectReadOnly = true
		cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = 2*time.Second, 5*time.Second, 5*time.Second
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return nil, 0, errors.New("STORE: not a MySQL database")
		}
		return sql.OpenDB(connector), sqlstore.MySQL, nil
	case "sqlite":
		db, err := sql.Open("sqlite", "file:"+rest+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_pragma=synchronous(FULL)")
		return db, sqlstore.SQLite, err
	}
	return nil, 0, errors.New("STORE: want postgres://…, mysql:USER@tcp(HOST:PORT)/DATABASE or sqlite:FILE")
}

// migrated returns the store with its table made.
func migrated(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, log *slog.Logger) (*sqlstore.Store, error) {
	sessions, err := sqlstore.New(db, dialect, sqlstore.WithLogger(log))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := sessions.Migrate(ctx); err != nil {
		sessions.Close()
		return nil, fmt.Errorf("STORE: %w", err)
	}
	return sessions, nil
}
