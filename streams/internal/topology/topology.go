// Package topology is the physical graph of a streams program: sources, processors, sinks, the stores they
// use, and what follows from them: sub-topologies, tasks, internal topics, co-partitioned groups.
//
// A Builder gathers the parts and every mistake in them; Build turns them into a Topology, which never
// changes afterwards. The package knows neither keys nor values: what a part does is an opaque value (Open)
// that the package streams puts in and takes out. It does no I/O, starts no goroutine and reads no clock.
//
// Names, numbers and texts are those of Kafka Streams, so that an application may move from it and find its
// internal topics again, and so that its description reads the same.
package topology

import (
	"regexp"
	"time"
)

// A Kind says what a node does.
type Kind int

// The kinds of nodes.
const (
	KindSource Kind = iota
	KindProcessor
	KindSink
)

// String gives the word of Kafka's description.
func (k Kind) String() string {
	switch k {
	case KindSource:
		return "Source"
	case KindProcessor:
		return "Processor"
	case KindSink:
		return "Sink"
	}
	return "Unknown"
}

// Reset says where a source begins in a topic without a committed offset. The zero value leaves it to the
// application's setting.
type Reset struct {
	Policy ResetPolicy
	By     time.Duration // for ResetByDuration: how long ago to begin
}

// ResetPolicy is the kind of a Reset.
type ResetPolicy int

// The policies; by duration is KIP-1106.
const (
	ResetDefault ResetPolicy = iota
	ResetEarliest
	ResetLatest
	ResetNone // fail
	ResetByDuration
)

// String gives the policy: earliest, latest, none, by_duration:1h0m0s.
func (r Reset) String() string {
	switch r.Policy {
	case ResetEarliest:
		return "earliest"
	case ResetLatest:
		return "latest"
	case ResetNone:
		return "none"
	case ResetByDuration:
		return "by_duration:" + r.By.String()
	}
	return ""
}

// StoreKind decides the settings of a store's changelog topic.
type StoreKind int

// The kinds of stores.
const (
	KeyValue   StoreKind = iota // compacted
	Window                      // compacted, and deleted after its retention
	Session                     // like Window
	JoinWindow                  // deleted after its retention: every entry has a key of its own
	Versioned                   // compacted, not before the history is over
)

// String gives the kind in one or two words.
func (k StoreKind) String() string {
	switch k {
	case KeyValue:
		return "key-value"
	case Window:
		return "window"
	case Session:
		return "session"
	case JoinWindow:
		return "join window"
	case Versioned:
		return "versioned"
	}
	return "unknown"
}

// Source describes a node that reads topics.
type Source struct {
	Name     string
	Topics   []string // names; internal ones without the application's id
	Pattern  string   // instead of Topics: a regular expression for whole names
	Reset    Reset
	Internal bool // the topics are this program's own (AddInternalTopic is called with them where it matters)
	Open     any
}

// Sink describes a node that writes to a topic.
type Sink struct {
	Name      string
	Topic     string
	Extractor string // instead of Topic: what picks it per record, as the description shows it
	Open      any
}

// Store describes a state store.
type Store struct {
	Name           string
	Kind           StoreKind
	Logged         bool              // has a changelog topic of its own, <application id>-<Name>-changelog
	Config         map[string]string // settings of the changelog topic, over the defaults
	ChangelogTopic string            // the source topic that is used instead; Logged is false then
	RetentionMs    int64             // of Window, Session, JoinWindow; history of Versioned
	ReadOnly       bool              // filled from ChangelogTopic only
	Global         bool              // set by AddGlobal
	Def            any               // the definition's identity (a pointer), so that two additions of it are one
	Open           any
}

// InternalTopic is a repartition topic.
type InternalTopic struct {
	Name       string // without the application's id
	Partitions int    // 0: derived from what is upstream
}

// Node is a part of a built topology.
type Node struct {
	Name     string
	Kind     Kind
	Parents  []*Node // in the order of connection
	Children []*Node
	Stores   []string // connected to a processor, in the order of connection

	Topics   []string // of a source
	Pattern  string   // of a source; it matches whole names
	Reset    Reset    // of a source
	Internal bool     // a source of internal topics, or a sink to one

	Topic     string // of a sink
	Extractor string // of a sink

	Subtopology int // its number
	Open        any

	re *regexp.Regexp // of Pattern
}

// Subtopology is a part of the graph that shares neither nodes nor stores with the rest. Each partition of
// its inputs makes one task.
type Subtopology struct {
	ID     int
	Nodes  []*Node  // in the order they were added
	Stores []*Store // in the order they were added
}

// Sources gives the nodes that read topics.
func (s *Subtopology) Sources() []*Node { return s.ofKind(KindSource) }

// Sinks gives the nodes that write to topics.
func (s *Subtopology) Sinks() []*Node { return s.ofKind(KindSink) }

func (s *Subtopology) ofKind(k Kind) []*Node {
	var out []*Node
	for _, n := range s.Nodes {
		if n.Kind == k {
			out = append(out, n)
		}
	}
	return out
}

// Global is a store that every instance fills from all of a topic.
type Global struct {
	ID        int // consumes a number of a sub-topology, but makes no task
	Source    *Node
	Processor *Node
	Store     *Store
}

// Topology is a checked graph.
type Topology struct {
	Subtopologies []*Subtopology // by number; global stores take numbers too
	Globals       []*Global      // by number

	nodes     map[string]*Node
	order     []*Node
	stores    map[string]*Store
	storeList []*Store
	internal  []InternalTopic
	copart    [][]string // groups of source nodes, no node in two of them
}

// Node finds a node by its name, nil if there is none.
func (t *Topology) Node(name string) *Node { return t.nodes[name] }

// Nodes gives all nodes in the order they were added, those of global stores too.
func (t *Topology) Nodes() []*Node { return t.order }

// Store finds a store by its name, nil if there is none.
func (t *Topology) Store(name string) *Store { return t.stores[name] }

// Stores gives all stores in the order they were added, the global ones too.
func (t *Topology) Stores() []*Store { return t.storeList }

// IsInternal tells whether a topic (without the application's id) belongs to this program.
func (t *Topology) IsInternal(topic string) bool {
	for _, it := range t.internal {
		if it.Name == topic {
			return true
		}
	}
	return false
}

// InternalTopicNames gives the repartition topics in the order they were declared, without the application's id.
func (t *Topology) InternalTopicNames() []string {
	var names []string
	for _, it := range t.internal {
		names = append(names, it.Name)
	}
	return names
}
