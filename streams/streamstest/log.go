package streamstest

import (
	"leat.dev/streams"
	"leat.dev/streams/internal/codec"
)

// Record is a record of a topic, as bytes. A nil Key or Value is null.
type Record struct {
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value []byte
	Time       streams.Time // -1: the record has none
	Headers    streams.Headers
	Node       string // the node that wrote it; of changelogs the store
	Changelog  bool

	input bool
	seq   int // the place among all records of all topics
}

// clusterLog stands for the topics of a cluster.
type clusterLog struct {
	records    []Record
	topics     map[string][][]int // positions in records by partition and offset
	partitions func(topic string) int
}

func newClusterLog(partitions func(string) int) *clusterLog {
	return &clusterLog{topics: map[string][][]int{}, partitions: partitions}
}

func (l *clusterLog) all() []Record { return l.records }

func (l *clusterLog) topic(name string) [][]int {
	t := l.topics[name]
	for n := l.partitions(name); len(t) < n; {
		t = append(t, nil)
	}
	l.topics[name] = t
	return t
}

// partition is that of Kafka's producers. Records without a key go to the first.
func (l *clusterLog) partition(topic string, key []byte) int32 {
	n := l.partitions(topic)
	if key == nil || n == 1 {
		return 0
	}
	return codec.Partition(key, int32(n)) //nolint:gosec // a few
}

func (l *clusterLog) append(r Record, input bool) {
	t := l.topic(r.Topic)
	r.input, r.seq, r.Offset = input, len(l.records), int64(len(t[r.Partition]))
	l.records = append(l.records, r)
	t[r.Partition] = append(t[r.Partition], r.seq)
}

func (l *clusterLog) end(topic string, partition int32) int64 {
	t := l.topics[topic]
	if int(partition) >= len(t) {
		return 0
	}
	return int64(len(t[partition]))
}

func (l *clusterLog) at(topic string, partition int32, offset int64) *Record {
	return &l.records[l.topics[topic][partition][offset]]
}

// truncate takes back what the topology wrote from position seq on, as an aborted transaction does.
func (l *clusterLog) truncate(seq int) {
	old := l.records[seq:]
	l.records = l.records[:seq:seq]
	for _, parts := range l.topics {
		for p, at := range parts {
			for len(at) > 0 && at[len(at)-1] >= seq {
				at = at[:len(at)-1]
			}
			parts[p] = at
		}
	}
	for _, r := range old {
		if r.input {
			l.append(r, true)
		}
	}
}
