package topology

import (
	"fmt"
	"strconv"
)

// nameMax is the longest name of a topic, and so of what topics are named after, in bytes.
const nameMax = 249

// CheckName tells what is wrong with the name of a topic, a store or a named step: Kafka takes 1 to 249 of
// a-z, A-Z, 0-9, dot, underscore and hyphen, but neither "." nor "..".
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case name == "." || name == "..":
		return fmt.Errorf("the name may not be %q", name)
	case len(name) > nameMax:
		return fmt.Errorf("the name %q has %d bytes, more than %d", name[:40]+"…", len(name), nameMax)
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return fmt.Errorf("the name %q may hold only letters and digits of ASCII, '.', '_' and '-'", name)
		}
	}
	return nil
}

// Decorate gives the full name of an internal topic.
func Decorate(applicationID, topic string) string { return applicationID + "-" + topic }

// FullName gives the name of a topic in the cluster: internal ones have the application's id.
func (t *Topology) FullName(applicationID, topic string) string {
	if t.IsInternal(topic) {
		return Decorate(applicationID, topic)
	}
	return topic
}

// Changelog gives the full name of the topic that restores the store, "" if there is none.
func (s *Store) Changelog(applicationID string) string {
	switch {
	case s.ChangelogTopic != "":
		return s.ChangelogTopic
	case s.Logged:
		return Decorate(applicationID, s.Name+"-changelog")
	}
	return ""
}

func itoa(n int) string { return strconv.Itoa(n) }
