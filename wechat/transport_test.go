package wechat

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

func TestTLSSessionsAreResumedAndTheProtocolIsHTTP1(t *testing.T) {
	type seen struct {
		proto   string
		resumed bool
	}
	var mu sync.Mutex
	var requests []seen
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests = append(requests, seen{r.Proto, r.TLS.DidResume})
		mu.Unlock()
		fmt.Fprint(w, goodAnswer)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	p := MiniProgram(testAppID, testSecret, WithBaseURL(server.URL))
	defer p.Close()
	trust(p, server.Certificate())
	for range 2 {
		if _, err := p.Exchange(t.Context(), testCode); err != nil {
			t.Fatal(err)
		}
		_ = p.Close() // the next exchange shakes hands again
	}
	want := []seen{{"HTTP/1.1", false}, {"HTTP/1.1", true}}
	if len(requests) != 2 || requests[0] != want[0] || requests[1] != want[1] {
		t.Errorf("got %+v, want %+v", requests, want)
	}
}

func TestUnknownCertificateIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(answering(goodAnswer))
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	p := MiniProgram(testAppID, testSecret, WithBaseURL(server.URL))
	defer p.Close()
	if account, err := p.Exchange(t.Context(), testCode); err == nil {
		t.Errorf("got %+v from a server with a certificate that nobody signed", account)
	}
}

// trust makes p's own transport accept certificate.
func trust(p *MiniProgramProvider, certificate *x509.Certificate) {
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	p.client.own.TLSClientConfig.RootCAs = pool
}
