package platform

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"leat.dev/internal/broker"
	"leat.dev/internal/metadata/config"
)

// endpoint is one entry of listeners or advertised.listeners: NAME://host:port.
type endpoint struct {
	name string
	host string
	port int
}

// listen opens the sockets that the settings name, and works out what clients are told of them.
func listen(static *config.Static) (_ []broker.Listener, err error) {
	wanted, err := parseEndpoints("listeners", static.List("listeners"))
	if err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return nil, errNoListener
	}
	told, err := parseEndpoints("advertised.listeners", static.List("advertised.listeners"))
	if err != nil {
		return nil, err
	}
	protocols, err := parseProtocols(static.List("listener.security.protocol.map"))
	if err != nil {
		return nil, err
	}
	var opened []broker.Listener
	defer func() {
		if err != nil {
			for _, l := range opened {
				l.Close()
			}
		}
	}()
	for _, e := range wanted {
		protocol, perr := protocolOf(e.name, protocols)
		if perr != nil {
			return nil, perr
		}
		nl, lerr := net.Listen("tcp", net.JoinHostPort(e.host, strconv.Itoa(e.port)))
		if lerr != nil {
			return nil, fmt.Errorf("listener %s: %w", e.name, lerr)
		}
		l := broker.Listener{Name: e.name, Listener: nl, Protocol: protocol, AdvertisedHost: advertisedHost(e.host), AdvertisedPort: nl.Addr().(*net.TCPAddr).Port}
		for _, a := range told {
			if a.name != e.name {
				continue
			}
			if a.host == "" || a.host == "0.0.0.0" || a.host == "::" {
				nl.Close()
				return nil, fmt.Errorf("advertised.listeners: %s names %q, which clients cannot connect to", a.name, a.host)
			}
			l.AdvertisedHost = a.host
			if a.port != 0 {
				l.AdvertisedPort = a.port
			}
		}
		opened = append(opened, l)
	}
	for _, a := range told {
		if !contains(wanted, a.name) {
			return nil, fmt.Errorf("advertised.listeners names %s, which listeners does not", a.name)
		}
	}
	return opened, nil
}

func contains(list []endpoint, name string) bool {
	for _, e := range list {
		if e.name == name {
			return true
		}
	}
	return false
}

// protocolOf is what a listener speaks: what the map says, else what its name says. A name that says nothing, like
// that of a host, is PLAINTEXT only if nothing else was said of it.
func protocolOf(listener string, protocols map[string]string) (broker.Protocol, error) {
	name, mapped := protocols[listener]
	if !mapped {
		name = listener
	}
	p, ok := broker.ParseProtocol(name)
	switch {
	case ok:
		return p, nil
	case mapped:
		return 0, fmt.Errorf("listener.security.protocol.map: %s is not PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", name)
	}
	return 0, fmt.Errorf("listener %s: listener.security.protocol.map does not say which protocol it speaks", listener)
}

// open are the addresses of listeners that let anybody on the network do everything: those that are not this
// machine's alone and ask nobody who they are, while nothing restricts what clients may do.
func open(listeners []broker.Listener, static *config.Static) []string {
	if static.String("authorizer.class.name") != "" {
		return nil
	}
	var out []string
	for _, l := range listeners {
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok || addr.IP.IsLoopback() || l.Protocol.SASL() {
			continue
		}
		if l.Protocol.TLS() && static.Listener(l.Name, config.Dynamic{}).String("ssl.client.auth") == "required" {
			continue
		}
		out = append(out, l.Name+"://"+addr.String())
	}
	return out
}

// parseEndpoints reads NAME://host:port entries. An address without a name is PLAINTEXT.
func parseEndpoints(setting string, list []string) ([]endpoint, error) {
	var out []endpoint
	for _, item := range list {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, addr, found := strings.Cut(item, "://")
		if !found {
			name, addr = "PLAINTEXT", item
		}
		name = strings.ToUpper(name)
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not NAME://host:port: %w", setting, item, err)
		}
		n, err := strconv.Atoi(port)
		if err != nil || n < 0 || n > 65535 {
			return nil, fmt.Errorf("%s: %q has no port between 0 and 65535", setting, item)
		}
		if contains(out, name) {
			return nil, fmt.Errorf("%s: %s stands twice; each listener needs a name of its own", setting, name)
		}
		out = append(out, endpoint{name, host, n})
	}
	return out, nil
}

// parseProtocols reads NAME:PROTOCOL entries.
func parseProtocols(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, item := range list {
		name, protocol, found := strings.Cut(strings.TrimSpace(item), ":")
		if !found {
			return nil, fmt.Errorf("listener.security.protocol.map: %q is not NAME:PROTOCOL", item)
		}
		out[strings.ToUpper(name)] = strings.ToUpper(protocol)
	}
	return out, nil
}

// advertisedHost is what clients are told of a listener that binds to all addresses: this machine's name.
func advertisedHost(host string) string {
	if host != "" && host != "0.0.0.0" && host != "::" {
		return host
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}
