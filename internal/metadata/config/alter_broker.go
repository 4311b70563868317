package config

import (
	"fmt"
	"slices"
	"strings"
)

// BrokerChange is a change of a broker's configs, or of those of all brokers, while it runs.
type BrokerChange struct {
	Keys   []string          // that the change names
	Next   map[string]string // of the resource, as it will be
	Static *Static           // of the broker that checks
	Before Dynamic           // that counts now
	// Cluster: the configs are those of all brokers.
	Cluster bool
}

// Check says what is wrong with the change, or returns nil. It checks in Kafka's order. Names nobody knows pass, as in
// Kafka: they may belong to a plugin or to a later version. What is taken back is always in order.
func (c BrokerChange) Check() error {
	var set []string
	for _, name := range c.Keys {
		if _, ok := c.Next[name]; ok && !slices.Contains(set, name) {
			set = append(set, name)
		}
	}
	if err := c.mayChange(set); err != nil {
		return err
	}
	for _, name := range set {
		if err := checkValue(name, c.Next[name]); err != nil {
			return err
		}
	}
	if own := selected(set, isPerBroker); c.Cluster && len(own) > 0 {
		return fmt.Errorf("Cannot update these configs at default cluster level, broker id must be specified: %s", own) //nolint:staticcheck // Kafka's own sentence
	}
	after := c.Before
	if c.Cluster {
		after.Cluster = c.Next
	} else {
		after.Broker = c.Next
	}
	before, now := c.Static.Live(c.Before), c.Static.Live(after)
	for _, name := range set {
		if err := checkAgainst(name, c.Next[name], before, now); err != nil {
			return err
		}
	}
	if err := consistentGroups(now); err != nil {
		return err
	}
	return CheckTopic(nil, after, c.Static)
}

// mayChange refuses what a running broker cannot change, and what it can only for one listener.
func (c BrokerChange) mayChange(set []string) error {
	fixed := selected(set, func(name string) bool {
		d := Broker(name)
		return d != nil && d.Mode == ReadOnly
	})
	if len(fixed) > 0 {
		return fmt.Errorf("Cannot update these configs dynamically: %s", fixed) //nolint:staticcheck // Kafka's own sentence
	}
	security := selected(set, func(name string) bool {
		d := Broker(name)
		return d != nil && d.listener && strings.HasPrefix(name, "ssl.")
	})
	if len(security) > 0 {
		return fmt.Errorf("These security configs can be dynamically updated only per-listener using the listener prefix: %s", security) //nolint:staticcheck // Kafka's own sentence
	}
	return nil
}

// names prints like a list of Java's.
type names []string

func (n names) String() string { return "[" + strings.Join(n, ", ") + "]" }

func selected(set []string, is func(string) bool) (out names) {
	for _, name := range set {
		if is(name) {
			out = append(out, name)
		}
	}
	return out
}

// isPerBroker: settings of one broker only, which are all of listeners besides their limits.
func isPerBroker(name string) bool {
	d := Broker(name)
	if d == nil {
		return strings.HasPrefix(name, listenerPrefix)
	}
	return d.Mode == PerBroker
}

// javaClasses are the classes that may be named where Kafka loads plugins: those whose work is built in.
var javaClasses = map[string]string{
	"metric.reporters":        "org.apache.kafka.common.metrics.JmxReporter",
	"principal.builder.class": "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
}

// checkValue checks a value by itself.
func checkValue(name, value string) error {
	d := Broker(name)
	if d == nil {
		if strings.HasPrefix(name, listenerPrefix) {
			return unknownListenerSetting(name)
		}
		return nil
	}
	v, err := d.parse(value)
	if err != nil {
		return err
	}
	builtIn, loads := javaClasses[strings.TrimPrefix(name, listenerOf(name))]
	switch {
	case loads && v.text != "" && v.text != builtIn, !loads && d.refused && v.text != d.Default:
		return fmt.Errorf("Invalid value %s for configuration %s: Java plugins cannot be loaded", value, name) //nolint:staticcheck // as Kafka's
	case name == "cordoned.log.dirs" && v.text != "":
		return fmt.Errorf("Invalid value %s for configuration %s: log directories cannot be cordoned", value, name) //nolint:staticcheck // as Kafka's
	}
	return nil
}

// listenerOf is the listener's prefix of a name, empty if it has none.
func listenerOf(name string) string {
	if rest, ok := strings.CutPrefix(name, listenerPrefix); ok {
		if at := strings.IndexByte(rest, '.'); at >= 0 {
			return name[:len(listenerPrefix)+at+1]
		}
	}
	return ""
}

// threadPools are sizes that may at most double and at least halve at a time.
var threadPools = []string{
	"background.threads", "log.cleaner.threads", "num.io.threads", "num.network.threads", "num.recovery.threads.per.data.dir", "num.replica.fetchers",
	"remote.log.manager.copier.thread.pool.size", "remote.log.manager.expiration.thread.pool.size", "remote.log.manager.follower.thread.pool.size", "remote.log.reader.threads",
}

// checkAgainst checks a value against what counts now and what would.
func checkAgainst(name, value string, before, now Live) error {
	base := strings.TrimPrefix(name, listenerOf(name))
	switch {
	case slices.Contains(threadPools, base):
		was := before.Int64(base)
		if v, ok := before.lookup(name); ok {
			was = v.num
		}
		n, _ := now.lookup(name)
		switch {
		case n.num < 1:
			return fmt.Errorf("Dynamic thread count update validation failed for %s=%d, value should be at least 1", base, n.num)
		case n.num < was/2:
			return fmt.Errorf("Dynamic thread count update validation failed for %s=%d, value should be at least half the current value %d", base, n.num, was)
		case n.num > 2*was:
			return fmt.Errorf("Dynamic thread count update validation failed for %s=%d, value should not be greater than double the current value %d", base, n.num, was)
		}
	case base == "max.connections", base == "max.connection.creation.rate":
		if n, _ := now.lookup(name); n.num <= 0 {
			return fmt.Errorf("Invalid %s %d", base, n.num) //nolint:staticcheck // Kafka's own sentence
		}
	case name == "max.connections.per.ip":
		if now.Int64(name) == 0 && now.String("max.connections.per.ip.overrides") == "" {
			return fmt.Errorf("max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.") //nolint:staticcheck // Kafka's own sentence
		}
	case name == "listeners", name == "listener.security.protocol.map":
		if now.String(name) != before.static.String(name) {
			return fmt.Errorf("%s cannot change while the broker runs: it is %s", name, before.static.String(name))
		}
	case name == "log.local.retention.ms", name == "log.local.retention.bytes":
		return checkLocalRetention(name, now)
	}
	if name == "log.cleaner.dedupe.buffer.size" || name == "log.cleaner.threads" {
		if now.Int64("log.cleaner.dedupe.buffer.size")/max(1, now.Int64("log.cleaner.threads")) <= 1<<20 {
			return fmt.Errorf("log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.") //nolint:staticcheck // Kafka's own sentence
		}
	}
	return nil
}

// checkLocalRetention: no more can be kept on this disk than is kept at all. -2 is as much.
func checkLocalRetention(name string, now Live) error {
	r := resolver{nil, now.dynamic, now.static}
	local := strings.TrimPrefix(name, "log.")
	whole := strings.TrimPrefix(local, "local.")
	n, most := r.num(local), r.num(whole)
	if n != -2 && most != -1 && (n == -1 || n > most) {
		return fmt.Errorf("Invalid value %d for configuration %s: Value must not be more than log.%s property value: %d", n, name, whole, most) //nolint:staticcheck // Kafka's own sentence
	}
	return nil
}
