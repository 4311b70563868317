package group

// onCleanup drops the offsets that have outlived their retention, and groups that
// hold nothing any more.
func (s *Shard) onCleanup() {
	for _, id := range sortedKeys(s.groups) {
		g := s.groups[id]
		if s.expireOffsets(g) && g.empty() && g.expires() {
			s.dropGroup(id)
		}
	}
	s.after(s.cleanup, s.settings.RetentionCheckInterval)
}

// expireOffsets reports whether the group has no offset left, committed or
// pending.
func (s *Shard) expireOffsets(g group) bool {
	id := g.groupID()
	nowMS := s.now.UnixMilli()
	for _, tp := range s.offsets.partitions(id) {
		o := s.offsets.get(id, tp)
		if o == nil || s.offsets.hasPending(id, tp) || g.subscribedTo(tp.topic) {
			continue
		}
		base, ok := g.retentionBase(o)
		if !ok {
			continue
		}
		expires := base + s.settings.OffsetsRetention.Milliseconds()
		if o.value.ExpireTimestamp >= 0 {
			expires = o.value.ExpireTimestamp
		}
		if nowMS >= expires {
			s.dropOffset(id, tp)
		}
	}
	return len(s.offsets.committed[id]) == 0 && len(s.offsets.open[id]) == 0
}

// topicsDeleted drops the offsets of topics that are gone, committed or pending.
// An offset of a successor with the same name stays.
func (s *Shard) topicsDeleted(topics []Topic) {
	gone := make(map[string][16]byte, len(topics))
	for _, t := range topics {
		gone[t.Name] = t.ID
	}
	ids := map[string]struct{}{}
	for id := range s.offsets.committed {
		ids[id] = struct{}{}
	}
	for id := range s.offsets.open {
		ids[id] = struct{}{}
	}
	for _, id := range sortedKeys(ids) {
		for _, tp := range s.offsets.partitions(id) {
			topicID, ok := gone[tp.topic]
			if !ok {
				continue
			}
			if o := s.offsets.get(id, tp); o != nil && !sameTopic(o.value.TopicID, topicID) {
				continue
			}
			s.dropOffset(id, tp)
		}
	}
}
