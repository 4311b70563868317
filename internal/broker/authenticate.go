package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/auth"
	"leat.dev/internal/broker/transport"
)

// connAuth is who the client of a connection is, and how far it has come in saying so. Until it has authenticated, a
// connection has one request at a time, so that only who and expires need care.
type connAuth struct {
	listener *listenerSecurity
	who      atomic.Pointer[auth.Identity] // nil until the client has authenticated
	expires  atomic.Int64                  // when the session ends, in Unix milliseconds; 0 for never

	// The worker's own.
	mechanism  string        // of the exchange, or of the session
	exchange   auth.Exchange // nil outside of one
	reauthAt   time.Time     // when the client last began to authenticate again
	handshaken bool          // SaslHandshake was answered, SaslAuthenticate may come
}

var (
	errNotAuthenticated = errors.New("request before authentication")
	errSessionExpired   = errors.New("the session has expired and the client did not authenticate again")
)

// nobody is the identity on listeners without authentication.
var nobody = &auth.Identity{Principal: auth.Anonymous}

// Welcome implements transport.Handler: it finds out who the client is, or that it has to say.
func (b *Broker) Welcome(c *transport.Conn) error {
	ls := b.security.listeners[c.Listener()]
	if ls == nil {
		return fmt.Errorf("no listener %s", c.Listener())
	}
	a := &connAuth{listener: ls}
	c.Auth = a
	switch {
	case ls.protocol.SASL():
		c.Restrict()
	case c.TLS != nil && len(c.TLS.PeerCertificates) > 0:
		principal, err := ls.rules.Load().CertificatePrincipal(c.TLS.PeerCertificates[0])
		if err != nil {
			b.security.audit.login(&Request{RemoteAddr: c.RemoteAddr(), Listener: ls.name}, "TLS", err)
			return err
		}
		a.who.Store(&auth.Identity{Principal: principal})
	default:
		a.who.Store(nobody)
	}
	return nil
}

// Gate implements transport.Handler: before a client has authenticated it may do nothing else.
func (b *Broker) Gate(c *transport.Conn, key, _ int16) error {
	a := c.Auth.(*connAuth)
	sasl := key == int16(kmsg.SASLHandshake) || key == int16(kmsg.SASLAuthenticate)
	if a.who.Load() == nil {
		switch {
		case key == int16(kmsg.ApiVersions), key == int16(kmsg.SASLHandshake) && !a.handshaken:
			return nil
		case key == int16(kmsg.SASLAuthenticate) && a.handshaken, key == transport.RawToken && a.handshaken:
			return nil
		}
		return fmt.Errorf("%w: %s", errNotAuthenticated, kmsg.NameForKey(key))
	}
	if end := a.expires.Load(); end != 0 && !sasl && key != int16(kmsg.ApiVersions) && b.clock.Now().UnixMilli() > end {
		return errSessionExpired
	}
	return nil
}

// reauthEvery is how often, at most, a client may authenticate again.
const reauthEvery = time.Second

// handleSASLHandshake chooses a mechanism.
func (b *Broker) handleSASLHandshake(ctx context.Context, r *Request, req *kmsg.SASLHandshakeRequest) kmsg.Response {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	a := r.auth
	sasl := a.listener.sasl.Load()
	who := a.who.Load()
	if sasl == nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp
	}
	if who != nil {
		now := b.clock.Now()
		if a.expires.Load() == 0 || now.Sub(a.reauthAt) < reauthEvery || r.Version == 0 {
			resp.ErrorCode = kerr.IllegalSaslState.Code
			return resp
		}
		a.reauthAt = now
	}
	resp.SupportedMechanisms = sasl.names
	m := sasl.mechanisms[req.Mechanism]
	switch {
	case m == nil:
		b.security.audit.login(r, req.Mechanism, errors.New("the mechanism is not enabled"))
		b.delayFailure(ctx)
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		r.call.Last = true
		return resp
	case who != nil && req.Mechanism != who.Mechanism:
		b.security.audit.login(r, req.Mechanism, errors.New("another mechanism than before"))
		b.delayFailure(ctx)
		resp.ErrorCode = kerr.IllegalSaslState.Code
		r.call.Last = true
		return resp
	}
	a.mechanism, a.exchange, a.handshaken = req.Mechanism, m.Begin(), true
	if r.Version == 0 {
		r.call.Conn.Raw()
	}
	return resp
}

// handleSASLAuthenticate takes the client's next token.
func (b *Broker) handleSASLAuthenticate(ctx context.Context, r *Request, req *kmsg.SASLAuthenticateRequest) kmsg.Response {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	a := r.auth
	if a.exchange == nil {
		message := "SaslAuthenticate request received after successful authentication"
		resp.ErrorCode, resp.ErrorMessage = kerr.IllegalSaslState.Code, &message
		return resp
	}
	challenge, done, err := b.authenticate(ctx, r, req.SASLAuthBytes)
	if err != nil {
		message := auth.Message(err)
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &message
		r.call.Last = true
		return resp
	}
	if resp.SASLAuthBytes = challenge; challenge == nil {
		resp.SASLAuthBytes = []byte{}
	}
	if done {
		resp.SessionLifetimeMillis = b.sessionLeft(a)
	}
	return resp
}

// serveToken takes a token that has no request around it, as old clients send them.
func (b *Broker) serveToken(ctx context.Context, c *transport.Call) error {
	r := b.requestOf(c)
	challenge, _, err := b.authenticate(ctx, r, c.Body)
	if err != nil {
		return err
	}
	if challenge == nil && r.auth.mechanism == "GSSAPI" {
		c.NoResponse = true // it has the last word
	}
	c.Out = append(c.Out, challenge...)
	return nil
}

// authenticate takes one step of an exchange. A failure ends the connection; its answer waits a while, so that
// guessing passwords takes long whatever the connection is used for.
func (b *Broker) authenticate(ctx context.Context, r *Request, token []byte) (challenge []byte, done bool, err error) {
	a := r.auth
	challenge, who, err := a.exchange.Step(ctx, token)
	if before := a.who.Load(); err == nil && who != nil && before != nil && who.Principal != before.Principal {
		err = fmt.Errorf("%w: %s authenticated again as somebody else", auth.ErrDenied, before.Principal)
	}
	if err == nil && who != nil && !who.Expires.IsZero() && !b.clock.Now().Before(who.Expires) {
		err = fmt.Errorf("%w: the credential has expired", auth.ErrDenied)
	}
	if err != nil {
		a.exchange = nil
		b.metrics.login(a.mechanism, false)
		b.security.audit.login(r, a.mechanism, err)
		b.delayFailure(ctx)
		return nil, false, err
	}
	if who == nil {
		return challenge, false, nil
	}
	a.exchange, a.handshaken = nil, false
	a.expires.Store(b.sessionEnd(a, who))
	a.who.Store(who)
	r.Principal = who.Principal
	b.metrics.login(a.mechanism, true)
	b.security.audit.login(r, a.mechanism, nil)
	r.call.Conn.Trust()
	return challenge, true, nil
}

// sessionEnd is when a client has to authenticate again: when its credential ends, or when the settings say.
func (b *Broker) sessionEnd(a *connAuth, who *auth.Identity) int64 {
	end := int64(0)
	if !who.Expires.IsZero() {
		end = who.Expires.UnixMilli()
	}
	if sasl := a.listener.sasl.Load(); sasl != nil {
		if most := sasl.reauth[who.Mechanism]; most > 0 {
			if t := b.clock.Now().Add(most).UnixMilli(); end == 0 || t < end {
				end = t
			}
		}
	}
	return end
}

func (b *Broker) sessionLeft(a *connAuth) int64 {
	end := a.expires.Load()
	if end == 0 {
		return 0
	}
	return max(1, end-b.clock.Now().UnixMilli())
}

// delayFailure waits for connection.failed.authentication.delay.ms.
func (b *Broker) delayFailure(ctx context.Context) {
	t := b.clock.NewTimer(b.cfg.Millis("connection.failed.authentication.delay.ms"))
	defer t.Stop()
	select {
	case <-t.C():
	case <-ctx.Done():
	}
}

// requestOf makes what handlers know of a call.
func (b *Broker) requestOf(c *transport.Call) *Request {
	r := &Request{
		Key: c.Key, Version: c.Version, CorrelationID: c.CorrelationID,
		ClientID: c.ClientID, ClientIDNull: c.ClientIDNull,
		ClientSoftwareName: c.Conn.SoftwareName, ClientSoftwareVersion: c.Conn.SoftwareVersion,
		RemoteAddr: c.Conn.RemoteAddr(), Listener: c.Conn.Listener(),
		Principal: auth.Anonymous, Received: c.Received,
		call: c, auth: c.Conn.Auth.(*connAuth),
	}
	if who := r.auth.who.Load(); who != nil {
		r.Principal, r.TokenAuthenticated = who.Principal, who.Token
	}
	return r
}
