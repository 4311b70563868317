package streams

// Protocol is how the instances of an application form their group.
type Protocol uint8

const (
	// ClassicProtocol is Kafka's first one, group.protocol=classic: every broker has it. One of the instances assigns the
	// tasks of all, by where their state is (KIP-441): what this library does about standbys, warm-ups, racks and static members
	// works with it, and SessionTimeout is the application's.
	ClassicProtocol Protocol = iota

	// StreamsProtocol is the streams rebalance protocol (KIP-1071), group.protocol=streams, of Apache Kafka 4.2 and later and of
	// Leat: the broker knows the topology, makes the internal topics and assigns the tasks, so that an instance that hangs
	// or runs old code holds nobody up, and tools see the tasks of each member. The group's settings are the cluster's:
	// streams.num.standby.replicas, streams.session.timeout.ms, streams.heartbeat.interval.ms,
	// streams.initial.rebalance.delay.ms of the group (kafka-configs --entity-type groups). Each instance counts the same,
	// whatever its Workers are.
	//
	// Brokers of Kafka 4.3 know no static members by it (InstanceID), no patterns, no warm-ups, and no other topology
	// for a group than its first: Run returns an error that says so.
	StreamsProtocol
)

// GroupProtocol chooses the protocol, group.protocol. All instances of an application use the same one. To change it, stop them
// all: the first instance that starts with the other takes the empty group over, with its committed offsets. Default:
// ClassicProtocol, as in Kafka Streams.
func GroupProtocol(p Protocol) AppOption {
	return appOption(func(c *config) {
		c.StreamsProtocol = p == StreamsProtocol
		if p > StreamsProtocol {
			c.wrong("GroupProtocol", "%d is no protocol", p)
		}
	})
}

// brokerSide reports options that the cluster decides about under the streams protocol.
func (c *config) brokerSide() {
	if !c.StreamsProtocol {
		return
	}
	const fix = "set %s of the group instead, or use the classic protocol"
	if c.Standbys > 0 {
		c.wrong("Standbys", "under the streams protocol the brokers decide: "+fix, "streams.num.standby.replicas")
	}
	if c.SessionTimeoutMs > 0 {
		c.wrong("SessionTimeout", "under the streams protocol the brokers decide: "+fix, "streams.session.timeout.ms")
	}
}
