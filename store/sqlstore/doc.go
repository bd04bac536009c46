// Package sqlstore keeps wxlogin's sessions in one table of PostgreSQL, MySQL,
// MariaDB or SQLite, through the caller's own *sql.DB. It imports no driver.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	…
//	sessions, err := sqlstore.New(db, sqlstore.PostgreSQL)
//	…
//	defer sessions.Close()
//	err = sessions.Migrate(ctx)
//	…
//	auth, err := wxlogin.New(wxlogin.Config{Store: sessions, Keys: keys, …})
//
// Tested with PostgreSQL 15 (pgx 5.12, lib/pq 1.12), MariaDB 10.11
// (go-sql-driver/mysql 1.10) and SQLite (modernc.org/sqlite 1.59, mattn/go-sqlite3
// 1.14). MySQL itself, for which the statements are the same as for MariaDB, and the
// older versions that [Dialect] names are not tested: run the suite of
// [github.com/ginwx/wxlogin/store/storetest] on yours.
//
// # The table
//
// [Store.Migrate] makes it. To make it with migrations of your own, take the
// statements from [Dialect.Schema]; with the default name they are, for PostgreSQL,
//
//	CREATE TABLE IF NOT EXISTS "wxlogin_entries" (
//	  entry_key  text COLLATE "C" NOT NULL PRIMARY KEY,
//	  owner      text COLLATE "C",
//	  value      bytea NOT NULL,
//	  expires_at bigint NOT NULL,
//	  version    bigint NOT NULL
//	);
//	CREATE INDEX IF NOT EXISTS "wxlogin_entries_owner" ON "wxlogin_entries" (owner, entry_key) WHERE owner IS NOT NULL;
//	CREATE INDEX IF NOT EXISTS "wxlogin_entries_expiry" ON "wxlogin_entries" (expires_at);
//
// for MySQL and MariaDB,
//
//	CREATE TABLE IF NOT EXISTS `wxlogin_entries` (
//	  entry_key  VARBINARY(128) NOT NULL PRIMARY KEY,
//	  owner      VARBINARY(128) NULL,
//	  value      VARBINARY(16384) NOT NULL,
//	  expires_at BIGINT NOT NULL,
//	  version    BIGINT NOT NULL,
//	  INDEX `wxlogin_entries_owner` (owner, entry_key),
//	  INDEX `wxlogin_entries_expiry` (expires_at)
//	) ENGINE=InnoDB;
//
// and for SQLite
//
//	CREATE TABLE IF NOT EXISTS "wxlogin_entries" (
//	  entry_key  TEXT NOT NULL PRIMARY KEY,
//	  owner      TEXT,
//	  value      BLOB NOT NULL,
//	  expires_at INTEGER NOT NULL,
//	  version    INTEGER NOT NULL
//	);
//	CREATE INDEX IF NOT EXISTS "wxlogin_entries_owner" ON "wxlogin_entries" (owner, entry_key) WHERE owner IS NOT NULL;
//	CREATE INDEX IF NOT EXISTS "wxlogin_entries_expiry" ON "wxlogin_entries" (expires_at);
//
// entry_key and owner are ASCII and compared byte for byte. owner names the
// account of a session by a digest. expires_at is in milliseconds since 1970, of
// the engine's clock, so that neither time zones nor the clocks of your servers
// matter. version changes with every write: MySQL reports changed rows and not
// found ones unless the connection was opened with a flag, and this package must
// not depend on it. Nobody else should write to the table; deleting rows is safe,
// and logs the users out.
//
// The store needs the rights to select, insert, update and delete; Migrate those
// to make tables as well.
//
// In a dump, keys and owners are digests from which no token can be made. The
// session_keys are sealed with [wxlogin.Config].Keys. Readable are what sessions
// carry: app id, openid, unionid, your user id, device label and data.
//
// A session, whose value is 115 bytes, takes some 650 bytes in PostgreSQL, 880
// in MariaDB and 520 in SQLite, indexes included; a user's session_keys take 370, 630
// and 310.
//
// # Round trips
//
// Get, Set, Add, AddFor, Delete and ListFor are one statement, and Get and ListFor one
// more where they find nothing, except on SQLite; see Replicas below. Swap is one,
// and one more where it is refused. Add on MySQL is three where the key is taken.
// DeleteFor is two for every thousand entries. A request with a live session is one
// Get. A login looks for marks of revocations, which are mostly absent; for a user
// who was here before it is 8 statements, 12 with a UserID, and 6 and 8 on SQLite.
// One more ends a session above the limit. Nothing needs a transaction, and every
// isolation level will do, up to serializable: a statement that the engine rolled
// back because of another one (a deadlock, a failed serialization, a lock
// time-out, a busy file) has done nothing and is repeated within the call timeout.
// These are recognised for pgx, lib/pq, go-sql-driver/mysql, modernc.org/sqlite and
// mattn/go-sqlite3; with another driver they are errors. A statement whose answer
// was lost is never repeated by this package.
//
// The package prepares no statements itself, because those live in one connection:
// they break behind poolers such as PgBouncer in transaction mode and after a
// failover. Drivers do better: pgx caches statements for each connection, or not,
// as its default_query_exec_mode says (behind an old PgBouncer choose exec).
// go-sql-driver/mysql prepares every statement anew unless the DSN has
// interpolateParams=true, which saves a round trip and is safe here.
//
// # The pool
//
// The pool is yours: set at least SetMaxOpenConns, SetMaxIdleConns to the same
// number, and SetConnMaxLifetime to some minutes. A call waits for a free
// connection until its time is over ([WithCallTimeout], two seconds) and then fails, which
// wxlogin answers with 503. A call whose context ends loses its connection with
// most drivers. After an outage the pool dials again by itself; a pooled connection
// that the server closed costs one call at most.
//
// # Replicas and failovers
//
// Name servers that can be written to: with several hosts, use pgx's
// target_session_attrs=read-write, and rejectReadOnly=true with
// go-sql-driver/mysql, so that connections to a former primary are dropped. Never
// point the store at a replica, nor at a proxy that sends reads to one: what was
// deleted may still be read there. On a Galera cluster send it to one node, or set
// wsrep_sync_wait.
//
// A replica that lags, or a former primary to which a pool still has connections,
// may not have got a session yet. So where Get or ListFor find nothing on
// PostgreSQL, MySQL or MariaDB, a DELETE that deletes nothing follows on the same
// connection: a server that takes no writes fails it, and the call is an outage
// instead of a session that seems to have ended. With rejectReadOnly the connection
// is replaced and the call repeated. This needs servers that refuse: set read_only
// on a replica of MySQL, and give the account of the store neither SUPER nor (on
// MariaDB) READ ONLY ADMIN or (on MySQL) CONNECTION_ADMIN, which may write
// nevertheless. What is found is not confirmed: over a connection to a former
// primary, a session that was ended elsewhere meanwhile is served until a write or
// a miss on that connection, or SetConnMaxLifetime, ends it.
//
// Replication is asynchronous by default: a failover then forgets what the new
// primary had not got, which are the last logins, whose tokens are refused, and the
// last logouts and revocations, whose tokens work again until their limits.
// synchronous_standby_names of PostgreSQL prevents that; semi-synchronous
// replication of MySQL and MariaDB does as long as it does not fall back to the
// asynchronous one (rpl_semi_sync_master_timeout).
//
// # PostgreSQL
//
// Rows change often and are small; leave autovacuum on. With synchronous_commit
// off a crash of the server may undo the logins, slides and logouts of its last
// moments: a token that was answered may be refused, and one that was logged out
// may work again. Leave it on.
//
// Prefer pgx. lib/pq keeps the contract as well, but goes on waiting for a server
// that falls silent (a hung machine, a network that drops packets) after the call
// timeout, and so do the requests that called it, until the system gives up the
// connection.
//
// # MySQL and MariaDB
//
// Autocommit must be on for the connections of the pool; Migrate checks it. With
// innodb_flush_log_at_trx_commit below 1 the same holds as for
// synchronous_commit. binlog_format must be ROW or MIXED. The flags clientFoundRows,
// parseTime, loc and interpolateParams of go-sql-driver/mysql, and any sql_mode,
// make no difference to the results. Set timeout, readTimeout and writeTimeout in
// the DSN to bound what the call timeout does not see, such as the pool's own pings.
//
// # SQLite
//
// SQLite suits one machine. It has one writer at a time: the callers within one
// Store wait in line for their turn, so keep one Store for each process. Several
// processes may share a file on a local disk, not on a network one. Use
// write-ahead logging, so that readers do not wait for the writer, and a busy
// time-out below the call timeout for other processes; with modernc.org/sqlite:
//
//	file:wxlogin.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_pragma=synchronous(FULL)
//
// and with mattn/go-sqlite3:
//
//	file:wxlogin.db?_journal_mode=WAL&_busy_timeout=1000&_synchronous=FULL
//
// synchronous(NORMAL) is several times as fast and keeps everything when the
// process dies; when the machine does, the last moments may be undone as described
// for PostgreSQL. A database in memory needs SetMaxOpenConns(1), since each
// connection would have its own.
//
// # Expired rows
//
// They count as absent from the millisecond in which they expire. A goroutine
// deletes them in batches; see [WithSweepInterval], [WithSweepBatch] and, for a job
// of your own, [WithoutSweeper] and [Store.Sweep].
package sqlstore
