package group

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unique"
)

// offset is a committed offset, or one of an open transaction.
type offset struct {
	value OffsetValue
	order int64 // place of its record in the log; see Shard.nextOrder
}

type topicPartition struct {
	topic     string
	partition int32
}

func compareTopicPartitions(a, b topicPartition) int {
	return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}

type groupOffsets map[topicPartition]*offset

// offsetStore holds the offsets of all groups of a shard: the committed ones, and
// those that open transactions would commit.
type offsetStore struct {
	committed map[string]groupOffsets
	count     int

	// pending holds per producer id, then group; open counts per group and
	// partition how many producers have one pending.
	pending map[int64]map[string]groupOffsets
	open    map[string]map[topicPartition]int
}

func newOffsetStore() offsetStore {
	return offsetStore{
		committed: map[string]groupOffsets{},
		pending:   map[int64]map[string]groupOffsets{},
		open:      map[string]map[topicPartition]int{},
	}
}

func (st *offsetStore) get(group string, tp topicPartition) *offset {
	return st.committed[group][tp]
}

func (st *offsetStore) put(group string, tp topicPartition, o *offset) {
	offsets := st.committed[group]
	if offsets == nil {
		offsets = groupOffsets{}
		st.committed[group] = offsets
	}
	if offsets[tp] == nil {
		st.count++
		// Millions of offsets share few topic names.
		tp.topic = unique.Make(tp.topic).Value()
	}
	offsets[tp] = o
}

// remove deletes an offset and whatever open transactions hold for the same
// partition: the tombstone stands after them in the log.
func (st *offsetStore) remove(group string, tp topicPartition) {
	if offsets := st.committed[group]; offsets[tp] != nil {
		st.count--
		delete(offsets, tp)
		if len(offsets) == 0 {
			delete(st.committed, group)
		}
	}
	if !st.hasPending(group, tp) {
		return
	}
	for pid, groups := range st.pending {
		if groups[group][tp] != nil {
			st.unpend(pid, group, tp)
		}
	}
}

func (st *offsetStore) hasPending(group string, tp topicPartition) bool {
	return st.open[group][tp] > 0
}

func (st *offsetStore) pend(pid int64, group string, tp topicPartition, o *offset) {
	groups := st.pending[pid]
	if groups == nil {
		groups = map[string]groupOffsets{}
		st.pending[pid] = groups
	}
	if groups[group] == nil {
		groups[group] = groupOffsets{}
	}
	if groups[group][tp] == nil {
		if st.open[group] == nil {
			st.open[group] = map[topicPartition]int{}
		}
		st.open[group][tp]++
	}
	groups[group][tp] = o
}

func (st *offsetStore) unpend(pid int64, group string, tp topicPartition) {
	delete(st.pending[pid][group], tp)
	if len(st.pending[pid][group]) == 0 {
		delete(st.pending[pid], group)
	}
	if len(st.pending[pid]) == 0 {
		delete(st.pending, pid)
	}
	st.open[group][tp]--
	if st.open[group][tp] == 0 {
		delete(st.open[group], tp)
	}
	if len(st.open[group]) == 0 {
		delete(st.open, group)
	}
}

// endTransaction applies or forgets what a producer has pending. An offset that
// was committed later than the pending one stays.
func (st *offsetStore) endTransaction(pid int64, commit bool) {
	for group, offsets := range st.pending[pid] {
		for tp, o := range offsets {
			if commit {
				if cur := st.get(group, tp); cur == nil || cur.order < o.order {
					st.put(group, tp, o)
				}
			}
			st.unpend(pid, group, tp)
		}
	}
}

// partitions lists what the group has committed or pending offsets for, sorted.
func (st *offsetStore) partitions(group string) []topicPartition {
	all := map[topicPartition]struct{}{}
	for tp := range st.committed[group] {
		all[tp] = struct{}{}
	}
	for tp := range st.open[group] {
		all[tp] = struct{}{}
	}
	return slices.SortedFunc(maps.Keys(all), compareTopicPartitions)
}

// dropOffset deletes an offset from the shard and the log.
func (s *Shard) dropOffset(group string, tp topicPartition) {
	s.write(EncodeOffsetTombstone(OffsetKey{Group: group, Topic: tp.topic, Partition: tp.partition}))
	s.offsets.remove(group, tp)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
