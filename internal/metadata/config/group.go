package config

import (
	"fmt"
	"regexp"
	"strings"
)

// groupDefs are the settings of a group. The synonym is the broker setting that
// stands in where a group has none of its own.
var groupDefs = index(
	groupDef("consumer.assignment.interval.ms", atLeast(0), "The least time between two assignments of the group."),
	groupDef("consumer.heartbeat.interval.ms", atLeast(1), "How often members are told to send a heartbeat."),
	groupDef("consumer.session.timeout.ms", atLeast(1), "How long a member may be silent before its partitions go to others."),
	groupDef("share.assignment.interval.ms", atLeast(0), "The least time between two assignments of the share group."),
	Def{Name: "share.auto.offset.reset", Type: String, Default: "latest", check: shareReset,
		Doc: "Where a share group begins in a partition: earliest, latest, or by_duration:<ISO 8601 duration> before now."},
	groupDef("share.delivery.count.limit", atLeast(2), "How often a record is delivered to the share group at most."),
	groupDef("share.heartbeat.interval.ms", atLeast(1), "How often members of the share group are told to send a heartbeat."),
	Def{Name: "share.isolation.level", Type: String, Default: "read_uncommitted", check: oneOf("read_committed", "read_uncommitted"),
		Doc: "Whether the share group sees records of transactions before they are committed."},
	groupDef("share.partition.max.record.locks", atLeast(100), "How many records of a partition the share group may have locked at a time."),
	groupDef("share.record.lock.duration.ms", atLeast(1000), "How long a record that the share group acquired stays locked."),
	Def{Name: "share.renew.acknowledge.enable", Type: Boolean, Default: "true",
		Doc: "Whether members of the share group may renew the lock of a record."},
	groupDef("share.session.timeout.ms", atLeast(1), "How long a member of the share group may be silent."),
	groupDef("streams.assignment.interval.ms", atLeast(0), "The least time between two assignments of the streams group."),
	groupDef("streams.heartbeat.interval.ms", atLeast(1), "How often members of the streams group are told to send a heartbeat."),
	groupDef("streams.initial.rebalance.delay.ms", atLeast(0), "How long a new streams group waits for more members before its first assignment."),
	groupDef("streams.num.standby.replicas", atLeast(0), "How many standby replicas each task of the streams group has."),
	groupDef("streams.session.timeout.ms", atLeast(1), "How long a member of the streams group may be silent."),
)

// groupDef declares a number whose default is the broker's setting of the same
// name with "group." before it.
func groupDef(name string, check func(value) string, doc string) Def {
	return Def{Name: name, Type: Int, Default: null, Doc: doc, check: check, synonyms: []string{"group." + name}}
}

// Group returns the declaration of a group setting, or nil.
func Group(name string) *Def { return groupDefs.byName[name] }

// groupBounds are checked in this order, each against the broker's bounds.
var groupBounds = []struct {
	name     string
	min, max string // broker settings; empty for none
}{
	{"consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"},
	{"consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"},
	{"consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"},
	{"share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"},
	{"share.session.timeout.ms", "group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"},
	{"share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms", "group.share.max.record.lock.duration.ms"},
	{"share.delivery.count.limit", "group.share.min.delivery.count.limit", "group.share.max.delivery.count.limit"},
	{"share.partition.max.record.locks", "group.share.min.partition.max.record.locks", "group.share.max.partition.max.record.locks"},
	{"share.assignment.interval.ms", "group.share.min.assignment.interval.ms", "group.share.max.assignment.interval.ms"},
	{"streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms"},
	{"streams.session.timeout.ms", "group.streams.min.session.timeout.ms", "group.streams.max.session.timeout.ms"},
	{"streams.num.standby.replicas", "", "group.streams.max.standby.replicas"},
	{"streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms", "group.streams.max.assignment.interval.ms"},
}

// CheckGroup says what is wrong with the settings of a group, in the words Kafka's
// clients know, or returns nil.
func CheckGroup(overrides map[string]string, dynamic Dynamic, static *Static) error {
	for _, name := range sortedKeys(overrides) {
		d := Group(name)
		if d == nil {
			return fmt.Errorf("Unknown group config name: %s", name) //nolint:staticcheck // Kafka's own sentence
		}
		if _, err := d.parse(overrides[name]); err != nil {
			return err
		}
	}
	for _, b := range groupBounds {
		if _, ok := overrides[b.name]; !ok {
			continue
		}
		v := GroupValue(b.name, overrides, dynamic, static)
		if b.min != "" && v < brokerNumber(b.min, dynamic, static) {
			return fmt.Errorf("%s must be greater than or equal to %s", b.name, b.min)
		}
		if v > brokerNumber(b.max, dynamic, static) {
			return fmt.Errorf("%s must be less than or equal to %s", b.name, b.max)
		}
	}
	for _, kind := range []string{"consumer", "share", "streams"} {
		session, beat := kind+".session.timeout.ms", kind+".heartbeat.interval.ms"
		if GroupValue(session, overrides, dynamic, static) <= GroupValue(beat, overrides, dynamic, static) {
			return fmt.Errorf("%s must be greater than %s", session, beat)
		}
	}
	return nil
}

// GroupValue is a group's number, or the broker's that stands in. Bounds may have
// been narrowed since it was set: the bound counts then.
func GroupValue(name string, overrides map[string]string, dynamic Dynamic, static *Static) int64 {
	if s, ok := overrides[name]; ok {
		if v, err := Group(name).parse(s); err == nil {
			return v.num
		}
	}
	return brokerNumber("group."+name, dynamic, static)
}

// ClampedGroupValue is GroupValue within the broker's bounds.
func ClampedGroupValue(name string, overrides map[string]string, dynamic Dynamic, static *Static) int64 {
	v := GroupValue(name, overrides, dynamic, static)
	if _, ok := overrides[name]; !ok {
		return v
	}
	for _, b := range groupBounds {
		if b.name != name {
			continue
		}
		if b.min != "" {
			v = max(v, brokerNumber(b.min, dynamic, static))
		}
		v = min(v, brokerNumber(b.max, dynamic, static))
	}
	return v
}

// DescribeGroup describes all settings of a group, by name.
func DescribeGroup(overrides map[string]string, dynamic Dynamic, static *Static) []Entry {
	out := make([]Entry, 0, len(groupDefs.defs))
	for i := range groupDefs.defs {
		d := &groupDefs.defs[i]
		e := Entry{Name: d.Name, Type: d.Type, Doc: d.Doc}
		if s, ok := overrides[d.Name]; ok {
			if v, err := d.parse(s); err == nil {
				s = v.text
			}
			e.Synonyms = append(e.Synonyms, Synonym{d.Name, new(s), FromGroup})
		}
		if len(d.synonyms) > 0 {
			e.Synonyms = append(e.Synonyms, synonyms(Broker(d.synonyms[0]), dynamic, static)...)
		} else {
			e.Synonyms = append(e.Synonyms, Synonym{d.Name, new(d.Default), FromDefault})
		}
		e.Source, e.Value = e.Synonyms[0].Source, e.Synonyms[0].Value
		out = append(out, e)
	}
	return out
}

var isoDuration = regexp.MustCompile(`(?i)^P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d{1,9})?S)?)?$`)

// shareReset checks share.auto.offset.reset.
func shareReset(v value) string {
	if v.text == "earliest" || v.text == "latest" {
		return ""
	}
	d, ok := strings.CutPrefix(v.text, "by_duration:")
	if ok && isoDuration.MatchString(d) && !strings.HasSuffix(strings.ToUpper(d), "T") && strings.ToUpper(d) != "P" {
		return ""
	}
	return fmt.Sprintf("Invalid value `%s` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.", v.text)
}

// consistentGroups checks the broker's settings for consumer groups against each
// other.
func consistentGroups(s Live) error {
	for _, what := range []string{"session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms"} {
		low, v, high := "group.consumer.min."+what, "group.consumer."+what, "group.consumer.max."+what
		switch {
		case s.Int64(v) < s.Int64(low):
			return fmt.Errorf("%s must be greater than or equal to %s (%d is below %d)", v, low, s.Int64(v), s.Int64(low))
		case s.Int64(v) > s.Int64(high):
			return fmt.Errorf("%s must be less than or equal to %s (%d is above %d)", v, high, s.Int64(v), s.Int64(high))
		}
	}
	if beat, session := s.Int64("group.consumer.heartbeat.interval.ms"), s.Int64("group.consumer.session.timeout.ms"); beat >= session {
		return fmt.Errorf("group.consumer.heartbeat.interval.ms (%d) has to be below group.consumer.session.timeout.ms (%d)", beat, session)
	}
	return nil
}
