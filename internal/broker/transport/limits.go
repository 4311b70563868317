package transport

import (
	"maps"
	"net"
	"net/netip"
	"time"

	"leat.dev/internal/broker/quota"
)

// What this file is about: how many connections there may be, and how fast they may come (KIP-402, KIP-612). All of it
// can be changed while connections come and go.

// Limits are what connections are accepted within. Zero means no limit everywhere.
type Limits struct {
	// MaxConnections and MaxConnectionsPerIP are max.connections and max.connections.per.ip. Once there are as many as
	// the first says, the listeners stop accepting; a connection above the second is closed at once.
	MaxConnections      int
	MaxConnectionsPerIP int
	// MaxPerIP overrides MaxConnectionsPerIP for some addresses, also with 0 (max.connections.per.ip.overrides).
	MaxPerIP map[netip.Addr]int
	// CreationRate is the number of connections accepted per second (max.connection.creation.rate). What comes faster
	// waits, at most one quota window at a time.
	CreationRate float64
	// Listeners have limits of their own besides (listener.name.<name>.max.connections and the like).
	Listeners map[string]ListenerLimits
	// Protected is the name of a listener that MaxConnections and CreationRate do not hold for, as long as there are
	// others: the one that brokers use among themselves.
	Protected string
}

// ListenerLimits are the limits of one listener.
type ListenerLimits struct {
	MaxConnections int
	CreationRate   float64
}

// IPRates are the connections per second that an address may open (connection_creation_rate). One that comes faster is
// held without being served and closed after the time it should have waited.
type IPRates struct {
	Of map[netip.Addr]float64
	// Default is for addresses that Of does not have; 0 means no limit.
	Default float64
}

func (r *IPRates) of(ip netip.Addr) float64 {
	if l, ok := r.Of[ip]; ok {
		return l
	}
	return r.Default
}

// maxHeld bounds the connections that are held because their address is too fast. One more is closed at once.
const maxHeld = 1024

// limits is the state of a server around its limits. The server's mutex guards it.
type limits struct {
	Limits
	window     quota.Window
	ips        IPRates
	created    quota.Rate
	byListener map[string]*listenerUse
	byIP       quota.Book[netip.Addr, quota.Rate]
	held       map[net.Conn]struct{}
	// Connections that had to wait because of the broker's or their listener's rate, and that were turned away
	// because of their address's.
	delayed, turnedAway int64
}

type listenerUse struct {
	open    int
	created quota.Rate
}

// SetLimits changes the limits. Connections that are open stay open.
func (s *Server) SetLimits(l Limits) {
	l.MaxPerIP, l.Listeners = maps.Clone(l.MaxPerIP), maps.Clone(l.Listeners)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.Limits = l
	s.room.Broadcast()
}

// Limits returns the limits as they are.
func (s *Server) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limits.Limits
	l.MaxPerIP, l.Listeners = maps.Clone(l.MaxPerIP), maps.Clone(l.Listeners)
	return l
}

// SetIPRates changes how fast addresses may open connections.
func (s *Server) SetIPRates(r IPRates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.ips = IPRates{Of: maps.Clone(r.Of), Default: r.Default}
}

func (l *limits) use(listener string) *listenerUse {
	u := l.byListener[listener]
	if u == nil {
		u = &listenerUse{}
		l.byListener[listener] = u
	}
	return u
}

func (l *limits) protects(listener string, listeners int) bool {
	return l.Protected == listener && listeners > 1
}

// hasRoom tells whether a listener may have one more connection, there being open ones of all listeners.
func (l *limits) hasRoom(listener string, open, listeners int) bool {
	if most := l.Listeners[listener].MaxConnections; most > 0 && l.use(listener).open >= most {
		return false
	}
	return l.MaxConnections <= 0 || open < l.MaxConnections || l.protects(listener, listeners)
}

// tooMany tells whether an address has as many connections as it may.
func (l *limits) tooMany(ip netip.Addr, open int) bool {
	limit, overridden := l.MaxPerIP[ip]
	if !overridden {
		limit = l.MaxConnectionsPerIP
	}
	return (limit > 0 || overridden) && open >= limit
}

// rated are the rates that a connection of the listener counts for, with their limits.
func (l *limits) rated(listener string, listeners int, each func(r *quota.Rate, limit float64)) {
	if l.CreationRate > 0 && !l.protects(listener, listeners) {
		each(&l.created, l.CreationRate)
	}
	if limit := l.Listeners[listener].CreationRate; limit > 0 {
		each(&l.use(listener).created, limit)
	}
}

// bounded is a wait of at most one window, as Kafka bounds those of connections.
func (l *limits) bounded(ms int64) time.Duration {
	return time.Duration(min(ms, l.window.Size.Milliseconds())) * time.Millisecond
}

// create counts a new connection of the listener and tells how long it has to wait.
func (l *limits) create(listener string, listeners int, now int64) time.Duration {
	wait := int64(0)
	l.rated(listener, listeners, func(r *quota.Rate, limit float64) {
		r.Add(l.window, 1, now)
		wait = max(wait, r.Throttle(l.window, limit, now))
	})
	return l.bounded(wait)
}

// createFrom counts a new connection of an address and tells for how long it has to be held; it does not count then.
func (l *limits) createFrom(ip netip.Addr, listener string, listeners int, now int64) time.Duration {
	limit := l.ips.of(ip)
	if limit <= 0 {
		return 0
	}
	r := l.byIP.Get(ip, now, int64(l.window.Samples+1)*l.window.Size.Milliseconds())
	r.Add(l.window, 1, now)
	wait := r.Throttle(l.window, limit, now)
	if wait > 0 {
		r.Add(l.window, -1, now)
		l.rated(listener, listeners, func(r *quota.Rate, _ float64) { r.Add(l.window, -1, now) })
	}
	return l.bounded(wait)
}

// waitForRoom holds the acceptor back while the listener may not have more connections, and tells whether to go on.
func (s *Server) waitForRoom(listener string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.draining && !s.limits.hasRoom(listener, len(s.conns), len(s.listeners)) {
		s.room.Wait()
	}
	return !s.draining
}

// pace holds a connection that was just accepted for as long as the rates of the broker and the listener ask, and tells
// whether to go on with it.
func (s *Server) pace(listener string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Clock.Now()
	wait := s.limits.create(listener, len(s.listeners), now.UnixMilli())
	if wait <= 0 {
		return !s.draining
	}
	s.limits.delayed++
	over := false
	timer := s.opts.Clock.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
		s.room.Broadcast()
	})
	for !s.draining && !over {
		s.room.Wait()
	}
	timer.Stop()
	for !s.draining && !s.limits.hasRoom(listener, len(s.conns), len(s.listeners)) {
		s.room.Wait()
	}
	return !s.draining
}

// hold keeps a connection open and unserved for a while, then closes it. The server's mutex is held.
func (s *Server) hold(nc net.Conn, wait time.Duration) {
	s.limits.turnedAway++
	if len(s.limits.held) >= maxHeld {
		nc.Close()
		return
	}
	s.limits.held[nc] = struct{}{}
	s.opts.Clock.AfterFunc(wait, func() {
		s.mu.Lock()
		delete(s.limits.held, nc)
		s.mu.Unlock()
		nc.Close()
	})
}

// closeHeld closes the connections that are held. The server's mutex is held.
func (s *Server) closeHeld() {
	for nc := range s.limits.held {
		nc.Close()
	}
	clear(s.limits.held)
}
