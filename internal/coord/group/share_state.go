package group

import (
	"bytes"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// copy returns maps that can be changed apart; the partitions are shared, and replaced
// rather than changed.
func (v ShareStateValue) copy() ShareStateValue {
	return ShareStateValue{maps.Clone(v.Initializing), maps.Clone(v.Initialized), maps.Clone(v.Deleting)}
}

// initializeShare asks the share coordinator for the state of partitions that the group
// subscribes to and that have none. What was asked for is waited for only so long.
func (s *Shard) initializeShare(g *shareGroup) *refusal {
	missing := map[assign.TopicID]ShareTopic{}
	for name := range g.countSubscriptions() {
		t, ok := s.cluster.Topic(name)
		if !ok {
			continue
		}
		known := g.state.Initialized[t.ID].Partitions
		if s.now.UnixMilli()-g.asked[t.ID] < s.settings.Share.InitializeRetry.Milliseconds() {
			known = union(known, g.state.Initializing[t.ID].Partitions)
		}
		var ps []int32
		for p := range t.Partitions {
			if _, has := slices.BinarySearch(known, p); !has {
				ps = append(ps, p)
			}
		}
		if len(ps) > 0 {
			missing[t.ID] = ShareTopic{name, ps}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := s.putInitializing(g, missing); err != nil {
		return err
	}
	m := InitializeShareState{Group: g.id}
	for _, id := range assign.SortedTopics(missing) {
		for _, p := range missing[id].Partitions {
			m.Partitions = append(m.Partitions, share.InitializePartition{
				TopicPartition: share.TopicPartition{TopicID: id, Partition: p},
				StateEpoch:     g.epoch, StartOffset: share.NoOffset,
			})
		}
	}
	s.fx.Sends = append(s.fx.Sends, m)
	return nil
}

// putInitializing writes down for which partitions the share coordinator is asked. A
// topic that was to be deleted is not any more, unless some of its partitions may have
// state that nobody would know of then.
func (s *Shard) putInitializing(g *shareGroup, topics map[assign.TopicID]ShareTopic) *refusal {
	v := g.state.copy()
	for id, t := range topics {
		v.Initializing[id] = ShareTopic{t.Name, union(v.Initializing[id].Partitions, t.Partitions)}
		known := union(v.Initializing[id].Partitions, v.Initialized[id].Partitions)
		if whole, ok := s.wholeTopic(id); !ok || len(without(whole.Partitions, known)) == 0 {
			delete(v.Deleting, id)
		}
	}
	b := EncodeShareState(v)
	if len(b)+len(g.id) > s.settings.MaxRecordBytes {
		return refuse(kerr.UnknownServerError, "The partitions of share group %s do not fit a record.", g.id)
	}
	if !bytes.Equal(b, EncodeShareState(g.state)) { // else it is asked again
		s.putShareState(g, v)
	}
	for id := range topics {
		g.asked[id] = s.now.UnixMilli()
	}
	return nil
}

// shareInitialized takes over what came of it. Partitions that have got their state may
// be assigned from now on. For the others the next heartbeat asks again; they stay among
// those that have been asked for, since a failure does not say that nothing was done.
// Topics that are gone meanwhile are forgotten. An answer that comes when nobody waits for it any
// more, since the group or its offsets were deleted, has its state deleted again.
func (s *Shard) shareInitialized(ev ShareInitialized) {
	if ev.ID != 0 {
		defer s.reply(ev.ID, nil)
	}
	g := s.share(ev.Group)
	if g == nil {
		s.deleteStray(ev.Group, ev.Done, noShareState())
		return
	}
	s.deleteStray(ev.Group, ev.Done, g.state)
	for id := range ev.Failed {
		delete(g.asked, id)
	}
	v, changed := g.state.copy(), false
	for id, ps := range ev.Done {
		t := v.Initializing[id]
		if ps = intersection(ps, t.Partitions); len(ps) == 0 {
			continue
		}
		changed = true
		if t.Partitions = without(t.Partitions, ps); len(t.Partitions) == 0 {
			delete(v.Initializing, id)
		} else {
			v.Initializing[id] = t
		}
		if name, ok := s.cluster.TopicName(id); ok {
			v.Initialized[id] = ShareTopic{name, union(v.Initialized[id].Partitions, ps)}
		}
	}
	if changed {
		s.putShareState(g, v)
	}
}

// deleteStray has state deleted that a group does not know of.
func (s *Shard) deleteStray(groupID string, done assign.Partitions, known ShareStateValue) {
	stray := map[assign.TopicID]ShareTopic{}
	for id, ps := range done {
		if ps = without(ps, union(known.Initializing[id].Partitions, known.Initialized[id].Partitions)); len(ps) > 0 {
			stray[id] = ShareTopic{Partitions: ps}
		}
	}
	if len(stray) > 0 {
		s.fx.Sends = append(s.fx.Sends, DeleteShareState{groupID, sharePartitions(stray)})
	}
}

// shareTopicsDeleted forgets topics that are gone. Their state goes by itself.
func (s *Shard) shareTopicsDeleted(topics []Topic) {
	for _, groupID := range sortedKeys(s.groups) {
		g := s.share(groupID)
		if g == nil {
			continue
		}
		v, changed := g.state.copy(), false
		for _, t := range topics {
			_, initializing := v.Initializing[t.ID]
			_, initialized := v.Initialized[t.ID]
			_, deleting := v.Deleting[t.ID]
			changed = changed || initializing || initialized || deleting
			delete(v.Initializing, t.ID)
			delete(v.Initialized, t.ID)
			delete(v.Deleting, t.ID)
		}
		if changed {
			s.putShareState(g, v)
		}
	}
}

// deleteShareStates prepares the deletion of share groups: all their state shall go
// first, also what an earlier attempt has left. Groups of other kinds have none.
func (s *Shard) deleteShareStates(ev DeleteShareStates) {
	all := make([]ShareStatesDeleting, len(ev.Groups))
	for i, id := range ev.Groups {
		g := s.share(id)
		switch {
		case g == nil:
		case !g.empty():
			all[i].Err = kerr.NonEmptyGroup
		default:
			all[i].Partitions = s.deleteShareState(g)
		}
	}
	s.reply(ev.ID, all)
}

func (s *Shard) deleteShareState(g *shareGroup) []share.TopicPartition {
	topics := map[assign.TopicID]ShareTopic{}
	for _, from := range []map[assign.TopicID]ShareTopic{g.state.Initialized, g.state.Initializing} {
		for id, t := range from {
			topics[id] = ShareTopic{t.Name, union(topics[id].Partitions, t.Partitions)}
		}
	}
	for id := range g.state.Deleting {
		if t, ok := s.wholeTopic(id); ok {
			topics[id] = t
		}
	}
	v := noShareState()
	for id, t := range topics {
		v.Deleting[id] = t.Name
	}
	if len(topics) > 0 || len(g.state.Deleting) > 0 {
		s.putShareState(g, v)
	}
	return sharePartitions(topics)
}

// wholeTopic is a topic with all its partitions.
func (s *Shard) wholeTopic(id assign.TopicID) (ShareTopic, bool) {
	name, ok := s.cluster.TopicName(id)
	if !ok {
		return ShareTopic{}, false
	}
	info, _ := s.cluster.Topic(name)
	t := ShareTopic{Name: name}
	for p := range info.Partitions {
		t.Partitions = append(t.Partitions, p)
	}
	return t, true
}

func sharePartitions(topics map[assign.TopicID]ShareTopic) []share.TopicPartition {
	var all []share.TopicPartition
	for _, id := range assign.SortedTopics(topics) {
		for _, p := range topics[id].Partitions {
			all = append(all, share.TopicPartition{TopicID: id, Partition: p})
		}
	}
	return all
}

// union of sorted sets.
func union(a, b []int32) []int32 { return sortedSetOf(slices.Concat(a, b)) }

// intersection of sorted sets.
func intersection(a, b []int32) []int32 { return without(a, without(a, b)) }

// without takes sorted partitions away.
func without(a, b []int32) []int32 {
	var left []int32
	for _, p := range a {
		if _, gone := slices.BinarySearch(b, p); !gone {
			left = append(left, p)
		}
	}
	return left
}
