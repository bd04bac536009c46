// Package redisstore keeps wxlogin's sessions on Redis: one server, one behind
// Sentinel, or a cluster, and engines that speak its language, such as Valkey.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}})
//	…
//	auth, err := wxlogin.New(wxlogin.Config{Store: redisstore.New(client), Keys: keys, …})
//
// The server must know TIME in scripts that write, PX and NX of SET, and PEXPIRE:
// Redis 5 and later do. Tested on Redis 7.0.15, as one server, behind Sentinel and as
// a cluster, also while its slots move; Valkey and older Redis are not tested.
// Everything is bounded by the server's own expiry; no key is ever without one, and
// none is looked for by a scan.
//
// # What the client decides
//
// The client is the caller's, so the deployment is its business alone:
//
//   - one server: InitAddress with one address;
//   - Sentinel: the sentinels in InitAddress and Sentinel.MasterSet, with
//     Sentinel.TopologyRefreshInterval of a few seconds, without which a client
//     that misses one message stays with the old primary;
//   - cluster: some of the nodes in InitAddress. No command touches two keys then.
//     ClusterOption.ShardsRefreshInterval of a few seconds helps it find a new
//     primary;
//   - TLS: TLSConfig; a password: Username and Password;
//   - proxies, and servers without client tracking, such as Redis before 6:
//     DisableCache, and AlwaysRESP2 where HELLO is refused. Where the proxy spreads
//     keys over servers, [WithSingleKeyCommands], and for all instances: what writes
//     two keys at once takes it that nobody is between the two.
//
// Two options make outages short: Dialer.Timeout of a second (the default is 5 s),
// and ConnWriteTimeout of 2 s (the default is 10 s), which is how long a silent
// connection is believed to live. SendToReplicas must stay unset: a replica may not
// know yet that a session has ended. DisableRetry may stay unset: the client repeats
// nothing but the reads of sessions, over another connection and within the limit of
// the call. It never repeats a write or a script, so that an Add whose answer was lost
// is an error and not a false "was there already". With DisableRetry a request whose
// connection breaks is answered 503 instead. ConnLifetime must stay unset: rueidis
// v1.0.79 repeats writes too when a connection's time is over before their answer.
//
// Bytes of another protocol, random ones and replies that are cut off are errors like
// any outage. But replies that nobody asked for, or of impossible lengths, make
// rueidis v1.0.79 panic in a goroutine of its own, which nobody else can recover
// from: connect to servers that speak the protocol.
//
// # What to set on the server
//
// maxmemory-policy noeviction: any other one ends sessions, or what lists them, at
// random once memory is full. With noeviction logins, and revocations of a whole
// account, fail then as 503, while requests and logouts go on.
//
// appendonly yes keeps sessions over a restart. With appendfsync everysec a crash of
// the machine, not of the server alone, forgets up to a second of logins, and of
// logouts: a session that ended in that second lives again. appendfsync always
// forgets nothing.
//
// Replication is asynchronous, so a failover forgets the logins and logouts that the
// new primary had not got. In a cluster it may also forget the listing of a session
// that is kept on another node; such a session ends by its limits or its logout, and
// a revocation of its account misses it. Two settings bound this: min-replicas-to-write
// 1 with min-replicas-max-lag of a few seconds, by which a primary that was cut off
// stops taking writes which nobody will see, and replica-serve-stale-data no, by
// which a server that just became a replica does not answer from what it had. That
// something is not there, an entry or all that an account's list lacks, is only ever
// said by a server that takes writes; from any other one it is an error, so that live
// sessions are not answered 401, and nobody is told that they have ended.
//
// # What is readable in a dump
//
// A session's key is a hash of the token's id, from which nobody can make a token,
// and the index's name is a hash of the account. session_keys and shared access
// tokens are sealed. Readable are the session's own fields, because an operator has
// to be able to answer what is stored of a person: the app id, openid, unionid,
// UserID, device label, the application's Data and the times. Whoever must hide
// those too encrypts the server's disk, or puts nothing personal into them.
//
// # Round trips
//
// Every verb takes one, except: AddFor takes two in a cluster, ListFor and DeleteFor
// take two if anything is listed, and one more where they tidy the index. A Swap that
// makes an entry live a quarter longer than at first takes three, once. A Get of a
// session that is not there takes two.
//
// # The local cache
//
// [WithLocalCache] keeps sessions that were read in this process's memory, so that
// the next request of the same session costs no round trip:
//
//	cache := redisstore.NewLocalCache(10*time.Second, 100_000)
//	client, err := rueidis.NewClient(cache.Listen(rueidis.ClientOption{InitAddress: …}))
//	…
//	sessions := redisstore.New(client, redisstore.WithLocalCache(cache))
//
// It costs memory, about 300 bytes a session, a table on the server, and five commands
// instead of one, in one round trip, where the session is not there yet. A server
// that has ACLs must allow its user CLIENT CACHING, MULTI, EXEC and PTTL. Without the
// first the server tells nothing, and only maxStaleness is left.
//
// And it costs certainty: a session that ended on another instance is
// served here until the server's message arrives, which is a round trip or less
// while all is well. Its bound is maxStaleness: a client that neither hears the
// message nor sees its connection break cannot know better. While the server is
// down, the cache is cleared with the connection and requests are answered 503 as
// without it. What this process changes itself it sees at once.
package redisstore
