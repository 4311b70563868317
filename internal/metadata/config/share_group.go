package config

import "fmt"

// shareGroupDefs are the settings of share groups and their members.
var shareGroupDefs = []Def{
	{Name: "group.share.session.timeout.ms", Type: Int, Default: "45000", check: atLeast(1),
		Doc: "How long a member of a share group may be silent before its partitions go to others."},
	{Name: "group.share.min.session.timeout.ms", Type: Int, Default: "45000", check: atLeast(1),
		Doc: "The shortest session timeout that a share group may be given."},
	{Name: "group.share.max.session.timeout.ms", Type: Int, Default: "60000", check: atLeast(1),
		Doc: "The longest session timeout that a share group may be given."},
	{Name: "group.share.heartbeat.interval.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "How often members of a share group are told to send a heartbeat."},
	{Name: "group.share.min.heartbeat.interval.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "The shortest heartbeat interval that a share group may be given."},
	{Name: "group.share.max.heartbeat.interval.ms", Type: Int, Default: "15000", check: atLeast(1),
		Doc: "The longest heartbeat interval that a share group may be given."},
	{Name: "group.share.max.size", Type: Int, Default: "200", check: between(1, 1000),
		Doc: "How many members a share group may have."},
	{Name: "group.share.assignors", Type: List, Default: "simple", check: shareAssignors,
		Doc: "The server-side assignor of share groups: simple."},
	{Name: "group.share.assignment.interval.ms", Type: Int, Default: "1000", check: atLeast(0), Mode: ClusterWide,
		Doc: "The least time between two assignments of a share group, so that many members coming or going cause few."},
	{Name: "group.share.min.assignment.interval.ms", Type: Int, Default: "0", check: atLeast(0),
		Doc: "The shortest assignment interval that a share group may be given."},
	{Name: "group.share.max.assignment.interval.ms", Type: Int, Default: "15000", check: atLeast(0),
		Doc: "The longest assignment interval that a share group may be given."},
}

// shareAssignors: there is one. Classes of one's own cannot run here.
func shareAssignors(v value) string {
	if len(v.list) != 1 {
		return fmt.Sprintf("group.share.assignors must contain exactly one assignor, but found %d", len(v.list))
	}
	return listOf("simple")(v)
}

// consistentShares checks the broker's settings of share groups against each other.
func (s *Static) consistentShares() error {
	for _, what := range []string{"session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms",
		"record.lock.duration.ms", "delivery.count.limit", "partition.max.record.locks"} {
		low, v, high := "group.share.min."+what, "group.share."+what, "group.share.max."+what
		if s.Int64(low) > s.Int64(v) || s.Int64(v) > s.Int64(high) {
			return fmt.Errorf("%s (%d) has to be between %s (%d) and %s (%d)", v, s.Int64(v), low, s.Int64(low), high, s.Int64(high))
		}
	}
	if beat, session := s.Int64("group.share.heartbeat.interval.ms"), s.Int64("group.share.session.timeout.ms"); beat >= session {
		return fmt.Errorf("group.share.heartbeat.interval.ms (%d) has to be below group.share.session.timeout.ms (%d)", beat, session)
	}
	if sessions, size := s.Int64("group.share.max.share.sessions"), s.Int64("group.share.max.size"); sessions < size {
		return fmt.Errorf("group.share.max.share.sessions (%d) has to be at least group.share.max.size (%d)", sessions, size)
	}
	return nil
}
