package config

import (
	"strconv"
	"strings"
	"time"
)

// shareDefs are the settings of share groups' records: how they are locked, and where
// their delivery is kept.
var shareDefs = []Def{
	{Name: "group.share.record.lock.duration.ms", Type: Int, Default: "30000", check: between(1000, 3600000),
		Doc: "How long a record that a share group acquired stays locked."},
	{Name: "group.share.min.record.lock.duration.ms", Type: Int, Default: "15000", check: between(1000, 30000),
		Doc: "The shortest lock duration that a share group may be given."},
	{Name: "group.share.max.record.lock.duration.ms", Type: Int, Default: "60000", check: between(30000, 3600000),
		Doc: "The longest lock duration that a share group may be given."},
	{Name: "group.share.delivery.count.limit", Type: Int, Default: "5", check: between(2, 10),
		Doc: "How often a record is delivered to a share group at most."},
	{Name: "group.share.min.delivery.count.limit", Type: Int, Default: "2", check: between(2, 5),
		Doc: "The least delivery count limit that a share group may be given."},
	{Name: "group.share.max.delivery.count.limit", Type: Int, Default: "10", check: between(5, 25),
		Doc: "The largest delivery count limit that a share group may be given."},
	{Name: "group.share.partition.max.record.locks", Type: Int, Default: "2000", check: between(100, 10000),
		Doc: "How many records of a partition a share group may have locked at a time. Memory follows it."},
	{Name: "group.share.min.partition.max.record.locks", Type: Int, Default: "100", check: between(100, 2000),
		Doc: "The least number of locked records that a share group may be given."},
	{Name: "group.share.max.partition.max.record.locks", Type: Int, Default: "4000", check: between(2000, 10000),
		Doc: "The largest number of locked records that a share group may be given."},
	{Name: "group.share.max.share.sessions", Type: Int, Default: "2000", check: atLeast(1),
		Doc: "How many share sessions are kept; one more than that gets an error."},

	{Name: "share.coordinator.state.topic.num.partitions", Type: Int, Default: "50", check: atLeast(1),
		Doc: "The number of partitions of the topic that holds the state of share groups; it cannot be changed once the topic exists."},
	{Name: "share.coordinator.state.topic.replication.factor", Type: Short, Default: "3", check: atLeast(1),
		Doc: "The replication factor of the topic that holds the state of share groups, or less if there are fewer brokers."},
	{Name: "share.coordinator.state.topic.min.isr", Type: Short, Default: "2", check: atLeast(1),
		Doc: "The min.insync.replicas of the topic that holds the state of share groups."},
	{Name: "share.coordinator.state.topic.segment.bytes", Type: Int, Default: "104857600", check: atLeast(1),
		Doc: "The segment size of the topic that holds the state of share groups."},
	{Name: "share.coordinator.write.timeout.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "How long a change of a share group's state may wait for being written."},
	{Name: "share.coordinator.snapshot.update.records.per.snapshot", Type: Int, Default: "500", check: between(0, 500),
		Doc: "How many changes of a share group's state follow a snapshot of it before the next."},
}

// ShareReset is where a share group begins in a partition: its share.auto.offset.reset.
// ago is set for "by_duration".
func ShareReset(overrides map[string]string) (strategy string, ago time.Duration) {
	v, ok := overrides["share.auto.offset.reset"]
	if !ok || shareReset(value{text: v}) != "" {
		v = Group("share.auto.offset.reset").Default
	}
	if d, by := strings.CutPrefix(v, "by_duration:"); by {
		return "by_duration", parseISODuration(d)
	}
	return v, 0
}

// ShareReadCommitted tells whether a share group sees committed records only: its
// share.isolation.level.
func ShareReadCommitted(overrides map[string]string) bool {
	return overrides["share.isolation.level"] == "read_committed"
}

// ShareRenews tells whether members may renew locks: share.renew.acknowledge.enable.
func ShareRenews(overrides map[string]string) bool {
	return overrides["share.renew.acknowledge.enable"] != "false"
}

// parseISODuration reads what isoDuration matches. A number too large for a duration
// counts as the longest one.
func parseISODuration(s string) time.Duration {
	const longest = 1<<63 - 1
	units := map[byte]time.Duration{'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}
	var sum time.Duration
	number := ""
	for _, c := range []byte(strings.ToUpper(s)) {
		unit, ok := units[c]
		if !ok {
			if c != 'P' && c != 'T' {
				number += string(c)
			}
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		number = ""
		if err != nil || n*float64(unit)+float64(sum) >= longest {
			return longest
		}
		sum += time.Duration(n * float64(unit))
	}
	return sum
}
