package group

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/group/assign"
)

// assignTasks computes what every member shall have. extra is a member that may not
// be in the group yet, or whose process is not the one the group knows; "" for none.
// As long as topics are missing nobody has anything.
func (g *streams) assignTasks(c *configuredTopology, configs []KeyValue, extra, process string) map[string]assign.TaskSet {
	var members []assign.StreamsMember
	for _, id := range sortedKeys(g.members) {
		if id != extra {
			members = append(members, assign.StreamsMember{ID: id, Process: g.members[id].ProcessID, Current: g.shall[id]})
		}
	}
	if extra != "" {
		members = append(members, assign.StreamsMember{ID: extra, Process: process, Current: g.shall[extra]})
	}
	var subtopologies []assign.Subtopology
	if c.ready() {
		for _, id := range sortedKeys(c.subtopologies) {
			sub := c.subtopologies[id]
			subtopologies = append(subtopologies, assign.Subtopology{ID: id, Tasks: sub.tasks, Stateful: len(sub.StateChangelogTopics) > 0})
		}
	}
	return assign.Sticky(subtopologies, members, standbyReplicas(configs))
}

func standbyReplicas(configs []KeyValue) int {
	for _, c := range configs {
		if n, err := strconv.Atoi(c.Value); c.Key == "num.standby.replicas" && err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// checkTaskCount refuses tasks that could not be told to so many members, before they
// are assigned: a small topology can ask for very many.
func (s *Shard) checkTaskCount(c *configuredTopology, members int, epoch int32) *refusal {
	if !c.ready() {
		return nil
	}
	n := int64(0)
	for _, sub := range c.subtopologies {
		n += int64(sub.tasks)
	}
	const taskBytes = 4 // and see checkTargets
	if 3*taskBytes*n > int64(members)*int64(s.settings.MaxRecordBytes) {
		return refuse(kerr.UnknownServerError, "Failed to compute a new target assignment for epoch %d: the %d tasks of the topology do not fit the records of %d members.", epoch, n, members)
	}
	return nil
}

// checkTargets refuses what the log would not take.
func (s *Shard) checkTargets(g *streams, targets map[string]assign.TaskSet, epoch int32) *refusal {
	for _, id := range sortedKeys(targets) {
		if n := len(EncodeStreamsTarget(targets[id])) + len(id) + len(g.id); 3*n > s.settings.MaxRecordBytes {
			// The record of what the member has holds epochs as well, and what it is to give up.
			return refuse(kerr.UnknownServerError, "Failed to compute a new target assignment for epoch %d: the assignment of member %s does not fit a record.", epoch, id)
		}
	}
	return nil
}

// putTargets writes the targets that differ, and the epoch they are for.
func (s *Shard) putTargets(g *streams, targets map[string]assign.TaskSet, epoch int32) {
	for _, id := range sortedKeys(targets) {
		if old, ok := g.shall[id]; !ok || !old.Equal(targets[id]) {
			s.putStreams(StreamsKey{keyStreamsTarget, g.id, id}, EncodeStreamsTarget(targets[id]))
		}
	}
	s.putStreams(StreamsKey{Type: keyStreamsTargetMetadata, Group: g.id},
		EncodeTargetMetadata(TargetMetadataValue{Epoch: epoch, Timestamp: s.now.UnixMilli()}))
}

// onInitialDelay makes the first assignment of a group for all who have joined
// meanwhile. If its topics are not known yet, a heartbeat will make it.
func (s *Shard) onInitialDelay(g *streams) {
	if s.streams(g.id) != g || len(g.members) == 0 || g.epoch <= g.assignmentEpoch || g.configured == nil || !g.due(s.now, s.streamsConfig(g.id).AssignmentInterval) {
		return
	}
	if s.checkTaskCount(g.configured, len(g.members), g.epoch) != nil {
		return // a heartbeat will say so
	}
	targets := g.assignTasks(g.configured, g.configs, "", "")
	if s.checkTargets(g, targets, g.epoch) != nil {
		return
	}
	s.fx.Atomic = true
	s.putTargets(g, targets, g.epoch)
	s.settleStreams(g)
}

// planNext works out the member's next step towards the target.
func (s *Shard) planNext(p *streamsPlan) *refusal {
	m := p.member
	p.next = m.current
	switch m.state() {
	case streamsMemberStable:
		if m.current.Epoch != p.targetEpoch {
			p.towardsTarget(m.current.Epoch)
		}
	case streamsMemberUnrevoked:
		if p.owned != nil && !m.current.Revoking.intersects(p.owned) {
			p.towardsTarget(m.current.Epoch + 1)
		}
	case streamsMemberUnreleased:
		p.towardsTarget(m.current.Epoch)
	case streamsMemberUnknown:
		if p.owned == nil || p.owned.Active.Count()+p.owned.Standby.Count()+p.owned.Warmup.Count() > 0 {
			return refuse(kerr.FencedMemberEpoch, "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.")
		}
		p.towardsTarget(p.targetEpoch)
	}
	return nil
}

// intersects tells whether some tasks are among these.
func (h *HeldTasks) intersects(owned *assign.TaskSet) bool {
	for id, ps := range owned.Active {
		for _, p := range ps {
			if _, ok := h.Active[id][p]; ok {
				return true
			}
		}
	}
	return overlap(h.Standby, owned.Standby) || overlap(h.Warmup, owned.Warmup)
}

func overlap(a, b assign.Tasks) bool {
	for id, ps := range b {
		if slices.ContainsFunc(ps, func(p int32) bool { return hasTask(a, id, p) }) {
			return true
		}
	}
	return false
}

// towardsTarget keeps what stays, takes away what goes, and once the member has
// given that up, gives it what is free. An active task is free when no process has
// it; and a process has a task once at most, as it has one directory for its state.
// epoch is the member's as long as it has something to give up.
func (p *streamsPlan) towardsTarget(epoch int32) {
	m, g := p.member, p.group
	process := p.value.ProcessID
	keep, revoke, add := noTasks(), noTasks(), noTasks()
	unreleased := false
	count := 0 // of revoke

	for sub, ps := range m.current.Assigned.Active {
		for n, since := range ps {
			if hasTask(p.target.Active, sub, n) {
				addActive(keep.Active, sub, n, since)
			} else {
				addActive(revoke.Active, sub, n, since)
				count++
			}
		}
	}
	for sub, ps := range p.target.Active {
		for _, n := range ps {
			id := assign.TaskID{Subtopology: sub, Partition: n}
			if _, has := keep.Active[sub][n]; has {
				continue
			}
			if _, taken := g.active[id]; taken || g.others[id][process] > 0 {
				unreleased = true
				continue
			}
			addActive(add.Active, sub, n, p.targetEpoch)
		}
	}
	passive := func(has, target, keep, revoke, add assign.Tasks) {
		for sub, ps := range has {
			for _, n := range ps {
				if hasTask(target, sub, n) {
					keep[sub] = append(keep[sub], n)
				} else {
					revoke[sub] = append(revoke[sub], n)
					count++
				}
			}
		}
		for sub, ps := range target {
			for _, n := range ps {
				if hasTask(keep, sub, n) {
					continue
				}
				id := assign.TaskID{Subtopology: sub, Partition: n}
				if in, taken := g.active[id]; taken && in == process || g.others[id][process] > 0 {
					unreleased = true
					continue
				}
				add[sub] = append(add[sub], n)
			}
		}
	}
	passive(m.current.Assigned.Standby, p.target.Standby, keep.Standby, revoke.Standby, add.Standby)
	passive(m.current.Assigned.Warmup, p.target.Warmup, keep.Warmup, revoke.Warmup, add.Warmup)

	p.next.Previous = m.current.Epoch
	if count > 0 && (p.owned == nil || revoke.intersects(p.owned)) {
		p.next.State, p.next.Epoch = int8(streamsMemberUnrevoked), epoch
		p.next.Assigned, p.next.Revoking = keep, revoke
		return
	}
	keep.merge(add)
	p.next.State, p.next.Epoch = int8(streamsMemberStable), p.targetEpoch
	if unreleased {
		p.next.State = int8(streamsMemberUnreleased)
	}
	p.next.Assigned, p.next.Revoking = keep, noTasks()
}

func addActive(to map[string]map[int32]int32, sub string, n, epoch int32) {
	if to[sub] == nil {
		to[sub] = map[int32]int32{}
	}
	to[sub][n] = epoch
}

// merge adds others.
func (h *HeldTasks) merge(o HeldTasks) {
	for sub, ps := range o.Active {
		for n, epoch := range ps {
			addActive(h.Active, sub, n, epoch)
		}
	}
	for _, pair := range [][2]assign.Tasks{{h.Standby, o.Standby}, {h.Warmup, o.Warmup}} {
		for sub, ps := range pair[1] {
			all := append(pair[0][sub], ps...)
			slices.Sort(all)
			pair[0][sub] = all
		}
	}
}
