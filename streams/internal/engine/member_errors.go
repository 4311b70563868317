package engine

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// groupError is an error of a heartbeat that does not pass.
type groupError struct {
	err     error  // of Kafka's codes
	message string // the broker's
}

func (e *groupError) Error() string {
	text := e.err.Error()
	if code := (*kerr.Error)(nil); e.message != "" && errors.As(e.err, &code) {
		text = code.Message + ": " + strings.TrimSuffix(e.message, ".")
	}
	return text + e.advice()
}

func (e *groupError) Unwrap() error { return e.err }

// advice is what to do about it.
func (e *groupError) advice() string {
	said := func(words string) bool { return strings.Contains(e.message, words) }
	switch {
	case errors.Is(e.err, kerr.GroupIDNotFound):
		return "; the group of this application id exists under another protocol and is not empty: stop all its members, after which the first " +
			"one of the streams protocol takes it over with its committed offsets, or give the application another id"
	case errors.Is(e.err, kerr.UnsupportedVersion):
		return noStreamsProtocol
	case errors.Is(e.err, kerr.InvalidRequest) && said("Topology updates"):
		return "; the group was made with another topology, and these brokers do not let it change: give the application another id, use the classic " +
			"protocol, or stop all instances and delete the group, with which its committed offsets go"
	case errors.Is(e.err, kerr.InvalidRequest) && said("Static membership"):
		return "; these brokers have no static members in the streams protocol: leave InstanceID out, or use the classic protocol"
	case errors.Is(e.err, kerr.GroupMaxSizeReached):
		return "; brokers bound the members of a group by group.streams.max.size"
	case errors.Is(e.err, kerr.TopicAuthorizationFailed):
		return "; the application needs the permission Describe on its source topics and internal topics"
	}
	return advice(e.err)
}

// noStreamsProtocol is what to do about brokers without it.
const noStreamsProtocol = "; the streams protocol (KIP-1071) needs brokers of Apache Kafka 4.2 or later with the feature streams.version 1 and streams among " +
	"group.coordinator.rebalance.protocols: switch it on (kafka-features upgrade --feature streams.version=1), or use the classic protocol"
