package group

import (
	"encoding/binary"
	"iter"
	"slices"
	"unicode/utf16"

	"github.com/zeebo/xxh3"
)

// Cluster is what consumer groups see of the topics: the broker's metadata at one
// moment. It never changes; ClusterChanged brings the next one.
type Cluster interface {
	// Version grows with each change of the metadata.
	Version() int64
	Topic(name string) (TopicInfo, bool)
	TopicName(id [16]byte) (name string, ok bool)
	// TopicNames lists all topics.
	TopicNames() iter.Seq[string]
	// Racks are those of a partition's replicas, each once.
	Racks(topic string, partition int32) []string
}

// TopicInfo is a topic's identity and size.
type TopicInfo struct {
	ID         [16]byte
	Partitions int32
}

// noCluster is the view before there is one.
type noCluster struct{}

func (noCluster) Version() int64                    { return 0 }
func (noCluster) Topic(string) (TopicInfo, bool)    { return TopicInfo{}, false }
func (noCluster) TopicName([16]byte) (string, bool) { return "", false }
func (noCluster) TopicNames() iter.Seq[string]      { return func(func(string) bool) {} }
func (noCluster) Racks(string, int32) []string      { return nil }

// topicHashes remembers the hashes of topics, which are needed again and again
// while the topics stay the same.
type topicHashes map[string]int64

func (h topicHashes) of(c Cluster, name string) (int64, bool) {
	t, ok := c.Topic(name)
	if !ok {
		return 0, false
	}
	v, ok := h[name]
	if !ok {
		v = topicHash(c, name, t)
		h[name] = v
	}
	return v, true
}

// topicHash is Kafka's hash of all that assignments depend on: XXH3 over a version
// byte, the topic's id and name, its partitions and their racks. Numbers are
// little-endian except that an id counts as two big-endian halves; a string is its
// UTF-16 units and their number.
func topicHash(c Cluster, name string, t TopicInfo) int64 {
	b := []byte{0}
	for _, half := range [][]byte{t.ID[:8], t.ID[8:]} {
		b = binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(half))
	}
	b = appendHashString(b, name)
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Partitions))
	for p := range t.Partitions {
		b = binary.LittleEndian.AppendUint32(b, uint32(p))
		racks := slices.Clone(c.Racks(name, p))
		slices.Sort(racks)
		for _, rack := range racks {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(utf16.Encode([]rune(rack)))))
			b = appendHashString(b, rack)
		}
	}
	return int64(xxh3.Hash(b))
}

func appendHashString(b []byte, s string) []byte {
	units := utf16.Encode([]rune(s))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(len(units)))
}

// subscriptionHash combines the hashes of the topics that exist, in order of name;
// without any it is 0.
func (s *Shard) subscriptionHash(topics []string) int64 {
	var b []byte
	for _, name := range topics {
		if h, ok := s.hashes.of(s.cluster, name); ok {
			b = binary.LittleEndian.AppendUint64(b, uint64(h))
		}
	}
	if len(b) == 0 {
		return 0
	}
	return int64(xxh3.Hash(b))
}

// clusterChanged takes a new view over. Groups that subscribe to a topic that
// changed look at it with their next heartbeat.
func (s *Shard) clusterChanged(ev ClusterChanged) {
	s.cluster = ev.Cluster
	for _, name := range ev.Changed {
		delete(s.hashes, name)
	}
	if ev.NewTopics {
		s.newTopicsAt = ev.Cluster.Version()
	}
	if len(ev.Changed) == 0 {
		return
	}
	for _, g := range s.groups {
		g.topicsChanged(ev.Changed)
	}
}
