package wechat

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	// maxConns bounds the connections to WeChat. At 50 ms a call it carries ten
	// thousand logins a second; a call beyond it waits within its time-out.
	maxConns = 512

	// idleTimeout is below what common servers and load balancers grant an idle
	// connection (60 to 75 seconds), so that we are the side that closes.
	idleTimeout = 30 * time.Second

	// A dial is not bound to the call that asked for it, since another call may
	// use its connection: these two end it.
	dialTimeout      = 3 * time.Second
	handshakeTimeout = 3 * time.Second

	maxHeaderBytes = 64 << 10
)

// NewTransport returns a new transport with the settings that this package uses
// by default, for [WithHTTPClient]: change what your network needs, such as
// Proxy or TLSClientConfig.RootCAs, before its first use.
//
// It keeps up to 512 connections per host, all of which may wait idle, for 30
// seconds (http.DefaultTransport keeps two, so that parallel logins shake hands
// again and again); a call beyond 512 waits for one within its time-out. It
// resumes TLS sessions, takes a proxy from the environment as
// http.ProxyFromEnvironment does, and limits a dial and a TLS handshake to 3
// seconds each. It speaks HTTP/1.1 only: HTTP/2 would put all logins on one
// connection, whose loss would burn the codes of all of them.
//
// There is no time-out for response headers; the call's own covers them.
//
// A provider's own connections are sparser by one rule that a transport alone
// cannot keep: a burst opens no more connections than it has calls in flight.
func NewTransport() *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: idleTimeout}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // answers are some hundred bytes
		Protocols:              &protocols,
	}
}
