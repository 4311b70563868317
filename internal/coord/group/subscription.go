package group

import "leat.dev/internal/coord"

// subscriptionTopics reads the topic names of a member's metadata in a group of
// protocol type "consumer": an int16 version, then an array of names; what
// follows (user data, owned partitions, rack) is the assignors' business. ok is
// false when the bytes are something else, which is legal: then nobody can say
// what the group subscribes to.
func subscriptionTopics(metadata []byte) (topics []string, ok bool) {
	r := coord.Reader{B: metadata}
	if r.Int16() < 0 {
		return nil, false
	}
	n := r.ArrayLen(2)
	topics = make([]string, 0, n)
	for range n {
		topics = append(topics, r.String())
	}
	if r.Bad {
		return nil, false
	}
	return topics, true
}
