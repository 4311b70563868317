package broker

import (
	"sync"

	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// This file is about broker settings that change while the broker runs: they are configs in the metadata, of this broker
// or of all, and stand over what the configuration file says. Those of listeners are in security.go, those of topics and
// groups are looked up when they are needed.

// live is the broker's settings as an image changes them; without one, those of the file.
func (b *Broker) live(img *metadata.Image) config.Live { return b.cfg.Live(b.dynamicSettings(img)) }

// brokerConfigChanged tells whether settings of this broker, or of all, differ.
func (b *Broker) brokerConfigChanged(prev, next *metadata.Image) bool {
	for typ, name := range next.ChangedConfigs(prev) {
		if typ == metadata.BrokerResource && (name == "" || name == b.brokerResource()) {
			return true
		}
	}
	return false
}

// dynamicChanged follows the metadata: connection limits and the log directory.
func (b *Broker) dynamicChanged(prev, next *metadata.Image) {
	if !b.brokerConfigChanged(prev, next) {
		return
	}
	c := b.live(next)
	b.limits.set(b.connectionLimits(c))
	b.dir.Reconfigure(logSettings(c))
}

// connectionLimits brings the limits of connections to the server, which starts later than the metadata.
type connectionLimits struct {
	mu      sync.Mutex
	server  *transport.Server
	limits  transport.Limits
	changed bool
}

func (l *connectionLimits) set(limits transport.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits, l.changed = limits, true
	if l.server != nil {
		l.server.SetLimits(limits)
	}
}

func (l *connectionLimits) start(s *transport.Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = s
	if l.changed {
		s.SetLimits(l.limits)
	}
}

// connectionLimits are those that connections are accepted within.
func (b *Broker) connectionLimits(c config.Live) transport.Limits {
	out := transport.Limits{
		MaxConnections:      unlimited(c.Int64("max.connections")),
		MaxConnectionsPerIP: unlimited(c.Int64("max.connections.per.ip")),
		MaxPerIP:            perIP(c.List("max.connections.per.ip.overrides")),
		CreationRate:        float64(unlimited(c.Int64("max.connection.creation.rate"))),
		Protected:           c.String("inter.broker.listener.name"),
		Listeners:           map[string]transport.ListenerLimits{},
	}
	for _, l := range b.opts.Listeners {
		connections, a := c.ListenerInt64(l.Name, "max.connections")
		rate, b := c.ListenerInt64(l.Name, "max.connection.creation.rate")
		if a || b {
			out.Listeners[l.Name] = transport.ListenerLimits{MaxConnections: unlimited(connections), CreationRate: float64(unlimited(rate))}
		}
	}
	return out
}

// checkListeners tries settings of listeners that a change would make, as far as this broker's part of them differs, and
// leaves everything as it is. What does not work is refused: a broker that started with it would not come up.
func (b *Broker) checkListeners(next config.Dynamic) error {
	for _, ls := range b.security.listeners {
		if !ls.settings.Load().Changed(next) {
			continue
		}
		if err := b.tryListener(ls, b.cfg.Listener(ls.name, next)); err != nil {
			return err
		}
	}
	return nil
}
