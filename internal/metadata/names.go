package metadata

import (
	"fmt"
	"strings"
)

// internalTopics are written by brokers only.
var internalTopics = map[string]bool{
	"__consumer_offsets":  true,
	"__transaction_state": true,
	"__share_group_state": true,
}

// IsInternal tells whether a topic belongs to the brokers: clients may neither
// write to it nor delete its records.
func IsInternal(topic string) bool { return internalTopics[topic] }

// topicNameMax leaves room for "-" and the partition in a directory's name.
const topicNameMax = 249

// CheckTopicName says why a name cannot be a topic's, or returns "".
func CheckTopicName(name string) string {
	switch {
	case name == "":
		return "Topic name is invalid: the empty string is not allowed"
	case name == "." || name == "..":
		return "Topic name is invalid: '" + name + "' is not allowed"
	case len(name) > topicNameMax:
		return fmt.Sprintf("Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, topicNameMax)
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Sprintf("Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return ""
}

// collisionName is the name under which '.' and '_' are the same, as they are
// in metrics; "" for names that have neither.
func collisionName(topic string) string {
	if !strings.ContainsAny(topic, "._") {
		return ""
	}
	return strings.ReplaceAll(topic, ".", "_")
}
