package metadata

import (
	"bytes"
	"cmp"
	"iter"
	"strings"

	"leat.dev/internal/metadata/record"
)

// NoLeader is the leader of a partition that has none.
const NoLeader int32 = -1

// Types of resources that carry configs, as Kafka numbers them.
const (
	TopicResource         int8 = 2
	BrokerResource        int8 = 4
	BrokerLoggerResource  int8 = 8
	ClientMetricsResource int8 = 16
	GroupResource         int8 = 32
)

// Image is the state of the cluster after some record of the metadata log. It
// and everything reached from it never change; whoever holds one may read it
// without a lock. A change makes a new Image that shares what stayed the same.
type Image struct {
	ClusterID    string
	ControllerID int32 // the raft leader; NoLeader while unknown
	Epoch        int32 // raft term of the last record
	Offset       int64 // of the last record contained; -1 for none

	// Features holds the finalised level of each feature.
	Features map[string]int16

	// NextProducerID is the first id no broker has been handed.
	NextProducerID int64

	partitions int
	brokers    sorted[int32, *Broker]
	topics     sorted[string, *Topic]
	ids        sorted[record.UUID, *Topic]
	collisions sorted[string, string] // normalised name -> topic, where '.' or '_' occur
	configs    sorted[configKey, *configs]
	security   security
	quotas     quotas
}

// Broker is a registered broker.
type Broker struct {
	ID                   int32
	Epoch                int64
	Incarnation          [16]byte
	Endpoints            []record.Endpoint
	Features             []record.FeatureRange
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool
	LogDirs              []record.UUID
	CordonedLogDirs      []record.UUID
}

// Live tells whether the broker may lead partitions.
func (b *Broker) Live() bool { return b != nil && !b.Fenced && !b.InControlledShutdown }

// Endpoint returns the broker's endpoint on the listener of that name, or nil.
// There is none on a nil broker.
func (b *Broker) Endpoint(listener string) *record.Endpoint {
	if b == nil {
		return nil
	}
	for i := range b.Endpoints {
		if b.Endpoints[i].Name == listener {
			return &b.Endpoints[i]
		}
	}
	return nil
}

// Topic is one topic; the index of a partition is its id.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []Partition
}

// Internal tells whether clients may not write to or delete the topic.
func (t *Topic) Internal() bool { return IsInternal(t.Name) }

// Partition is the state of one partition, as the controller sees it.
type Partition struct {
	Replicas, ISR  []int32
	Leader         int32 // NoLeader for none
	LeaderEpoch    int32
	PartitionEpoch int32

	Removing, Adding []int32
	Directories      []record.UUID
	// Recovering is set after an unclean election until the leader reports back.
	Recovering        bool
	ELR, LastKnownELR []int32
}

type configKey struct {
	typ  int8
	name string
}

func compareConfigKeys(a, b configKey) int {
	return cmp.Or(cmp.Compare(a.typ, b.typ), strings.Compare(a.name, b.name))
}

// configs is held by pointer, so that images can be compared cheaply.
type configs struct{ values map[string]string }

func compareIDs(a, b record.UUID) int { return bytes.Compare(a[:], b[:]) }

func newImage(clusterID string) *Image {
	return &Image{
		ClusterID:    clusterID,
		ControllerID: NoLeader,
		Offset:       -1,
		Features:     map[string]int16{},
		brokers:      newSorted[int32, *Broker](cmp.Compare[int32]),
		topics:       newSorted[string, *Topic](strings.Compare),
		ids:          newSorted[record.UUID, *Topic](compareIDs),
		collisions:   newSorted[string, string](strings.Compare),
		configs:      newSorted[configKey, *configs](compareConfigKeys),
		security:     newSecurity(),
		quotas:       newQuotas(),
	}
}

// Topic returns the topic of that name, or nil.
func (i *Image) Topic(name string) *Topic {
	t, _ := i.topics.get(name)
	return t
}

// TopicByID returns the topic with that id, or nil.
func (i *Image) TopicByID(id [16]byte) *Topic {
	t, _ := i.ids.get(id)
	return t
}

// Topics yields all topics in order of their names.
func (i *Image) Topics() iter.Seq[*Topic] { return values(i.topics.all()) }

// TopicsFrom yields the topics whose name is not below name, in order.
func (i *Image) TopicsFrom(name string) iter.Seq[*Topic] { return values(i.topics.from(name)) }

// TopicCount is the number of topics.
func (i *Image) TopicCount() int { return i.topics.len() }

// PartitionCount is the number of partitions of all topics.
func (i *Image) PartitionCount() int { return i.partitions }

// Broker returns the registered broker with that id, or nil.
func (i *Image) Broker(id int32) *Broker {
	b, _ := i.brokers.get(id)
	return b
}

// Brokers yields all registered brokers, fenced ones too, in order of their ids.
func (i *Image) Brokers() iter.Seq[*Broker] { return values(i.brokers.all()) }

// Configs returns what was set for the resource, nil if nothing was. The map
// must not be changed.
func (i *Image) Configs(typ int8, name string) map[string]string {
	if c, ok := i.configs.get(configKey{typ, name}); ok {
		return c.values
	}
	return nil
}

// ConfigResources yields the names of the resources of a type that have
// anything set, in order.
func (i *Image) ConfigResources(typ int8) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range i.configs.from(configKey{typ: typ}) {
			if k.typ != typ || !yield(k.name) {
				return
			}
		}
	}
}

// ChangedTopics yields the topics that differ between prev and i, as (old,
// new); old is nil for a created and new for a removed one. A topic that was
// removed and created again under its name shows as a change of its id. The
// cost follows what changed, not the number of topics.
func (i *Image) ChangedTopics(prev *Image) iter.Seq2[*Topic, *Topic] {
	return func(yield func(*Topic, *Topic) bool) {
		for _, v := range diff(prev.topics, i.topics, strings.Compare) {
			if !yield(v[0], v[1]) {
				return
			}
		}
	}
}

// ChangedConfigs yields the resources whose configs differ between prev and i.
func (i *Image) ChangedConfigs(prev *Image) iter.Seq2[int8, string] {
	return func(yield func(int8, string) bool) {
		for k := range diff(prev.configs, i.configs, compareConfigKeys) {
			if !yield(k.typ, k.name) {
				return
			}
		}
	}
}

func values[K, V any](seq iter.Seq2[K, V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range seq {
			if !yield(v) {
				return
			}
		}
	}
}
