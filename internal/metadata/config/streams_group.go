package config

import "fmt"

// streamsGroupDefs are the settings of streams groups and their members.
var streamsGroupDefs = []Def{
	{Name: "group.streams.session.timeout.ms", Type: Int, Default: "45000", check: atLeast(1),
		Doc: "How long a member of a streams group may be silent before its tasks go to others."},
	{Name: "group.streams.min.session.timeout.ms", Type: Int, Default: "45000", check: atLeast(1),
		Doc: "The shortest session timeout that a streams group may be given."},
	{Name: "group.streams.max.session.timeout.ms", Type: Int, Default: "60000", check: atLeast(1),
		Doc: "The longest session timeout that a streams group may be given."},
	{Name: "group.streams.heartbeat.interval.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "How often members of a streams group are told to send a heartbeat."},
	{Name: "group.streams.min.heartbeat.interval.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "The shortest heartbeat interval that a streams group may be given."},
	{Name: "group.streams.max.heartbeat.interval.ms", Type: Int, Default: "15000", check: atLeast(1),
		Doc: "The longest heartbeat interval that a streams group may be given."},
	{Name: "group.streams.max.size", Type: Int, Default: "2147483647", check: atLeast(1),
		Doc: "How many members, which are stream threads, a streams group may have."},
	{Name: "group.streams.num.standby.replicas", Type: Int, Default: "0", check: atLeast(0),
		Doc: "How many standby replicas each task with state has."},
	{Name: "group.streams.max.standby.replicas", Type: Int, Default: "2", check: atLeast(0),
		Doc: "The most standby replicas that a streams group may be given."},
	{Name: "group.streams.initial.rebalance.delay.ms", Type: Int, Default: "3000", check: atLeast(0),
		Doc: "How long a streams group without members waits for more to join before its first assignment."},
	{Name: "group.streams.assignment.interval.ms", Type: Int, Default: "1000", check: atLeast(0), Mode: ClusterWide,
		Doc: "The least time between two assignments of a streams group, so that many members coming or going cause few."},
	{Name: "group.streams.min.assignment.interval.ms", Type: Int, Default: "0", check: atLeast(0),
		Doc: "The shortest assignment interval that a streams group may be given."},
	{Name: "group.streams.max.assignment.interval.ms", Type: Int, Default: "15000", check: atLeast(0),
		Doc: "The longest assignment interval that a streams group may be given."},
}

// consistentStreams checks the broker's settings of streams groups against each other.
func (s *Static) consistentStreams() error {
	for _, what := range []string{"session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms"} {
		low, v, high := "group.streams.min."+what, "group.streams."+what, "group.streams.max."+what
		if s.Int64(low) > s.Int64(v) || s.Int64(v) > s.Int64(high) {
			return fmt.Errorf("%s (%d) has to be between %s (%d) and %s (%d)", v, s.Int64(v), low, s.Int64(low), high, s.Int64(high))
		}
	}
	if beat, session := s.Int64("group.streams.heartbeat.interval.ms"), s.Int64("group.streams.session.timeout.ms"); beat >= session {
		return fmt.Errorf("group.streams.heartbeat.interval.ms (%d) has to be below group.streams.session.timeout.ms (%d)", beat, session)
	}
	if n, most := s.Int64("group.streams.num.standby.replicas"), s.Int64("group.streams.max.standby.replicas"); n > most {
		return fmt.Errorf("group.streams.num.standby.replicas (%d) is above group.streams.max.standby.replicas (%d)", n, most)
	}
	return nil
}
