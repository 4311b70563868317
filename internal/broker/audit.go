package broker

import (
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/broker/acl"
)

// auditBurst and auditPerSecond bound the lines about denials and failed logins: whoever can connect causes them. What
// is left out is counted, and the count stands in the next line.
const (
	auditBurst     = 100
	auditPerSecond = 20
)

// audit writes who was let in, who was not, and who changed what others may do.
type audit struct {
	log    *slog.Logger
	clock  clock.Clock
	denied bool
	all    bool

	mu      sync.Mutex
	tokens  float64
	at      time.Time
	skipped int64
}

func newAudit(log *slog.Logger, c clock.Clock, what string) *audit {
	return &audit{log: log.With("log", "audit"), clock: c, denied: what != "none", all: what == "all", tokens: auditBurst, at: c.Now()}
}

// room tells whether another line may be written, and how many were not since the last.
func (a *audit) room() (ok bool, skipped int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now()
	a.tokens = min(auditBurst, a.tokens+now.Sub(a.at).Seconds()*auditPerSecond)
	a.at = now
	if a.tokens < 1 {
		a.skipped++
		return false, 0
	}
	a.tokens--
	skipped, a.skipped = a.skipped, 0
	return true, skipped
}

func (a *audit) decision(r *Request, op acl.Operation, typ acl.ResourceType, name string, allowed bool) {
	if allowed {
		if a.all {
			a.log.Info("allowed", "principal", r.Principal, "host", r.RemoteAddr.Addr(), "operation", op, "resource_type", typ, "resource", name, "api", kmsg.NameForKey(r.Key), "client_id", r.ClientID)
		}
		return
	}
	if !a.denied {
		return
	}
	if ok, skipped := a.room(); ok {
		a.log.Warn("denied", "principal", r.Principal, "host", r.RemoteAddr.Addr(), "operation", op, "resource_type", typ, "resource", name, "api", kmsg.NameForKey(r.Key), "client_id", r.ClientID, "lines_left_out", skipped)
	}
}

func (a *audit) login(r *Request, mechanism string, err error) {
	switch {
	case err == nil && a.all:
		a.log.Info("authenticated", "principal", r.Principal, "host", r.RemoteAddr.Addr(), "listener", r.Listener, "mechanism", mechanism)
	case err != nil && a.denied:
		if ok, skipped := a.room(); ok {
			a.log.Warn("authentication failed", "host", r.RemoteAddr.Addr(), "listener", r.Listener, "mechanism", mechanism, "err", err, "lines_left_out", skipped)
		}
	}
}

// changed is about a change of ACLs, users or tokens.
func (a *audit) changed(r *Request, what string, args ...any) {
	if a.denied {
		a.log.Info("security changed", append([]any{"change", what, "principal", r.Principal, "host", r.RemoteAddr.Addr()}, args...)...)
	}
}
