package coordinator

import (
	"context"
	"fmt"
	"io"
	"sync"

	"leat.dev/internal/coord/group"
)

// Groups is the group coordinator of one broker.
type Groups struct {
	*coordinators[group.Event]
	o Options

	life    context.Context // of the questions to the share coordinator; ends with Close
	endLife context.CancelFunc
	asking  sync.WaitGroup
}

// New returns a coordinator that leads nothing yet.
func New(o Options) *Groups {
	if o.Metrics == nil {
		o.Metrics = &Metrics{}
	}
	g := &Groups{o: o}
	g.life, g.endLife = context.WithCancel(context.Background())
	g.coordinators = newCoordinators(runtimeOptions[group.Event]{
		Surroundings: o.Surroundings, kind: "group", topic: "__consumer_offsets",
		newMachine:  g.newMachine,
		loaded:      group.Loaded{},
		tick:        group.Tick{},
		send:        g.send,
		newReport:   g.newReport,
		onLoaded:    o.Metrics.Loaded,
		onCommitted: o.Metrics.Committed,
	})
	return g
}

// newMachine makes a state machine that knows the topics of the moment. Changes of
// them that are told from now on reach it after it is loaded.
func (g *Groups) newMachine() machine[group.Event] {
	m := group.New(g.settings(), g.newUUID)
	if g.o.Cluster != nil {
		m.Step(g.o.Clock.Now(), group.ClusterChanged{Cluster: g.o.Cluster(), NewTopics: true})
	}
	return m
}

// TopicsDeleted drops the committed offsets of topics that are gone. It does not
// wait for that.
func (g *Groups) TopicsDeleted(topics []group.Topic) {
	g.tellAll(group.TopicsDeleted{Topics: topics})
}

// Reconfigure hands the current settings to all shards, without waiting.
func (g *Groups) Reconfigure() { g.tellAll(group.Configure{Settings: g.settings()}) }

// settings bounds a step's records by what a batch holds.
func (g *Groups) settings() group.Settings {
	s := g.o.Settings()
	s.MaxRecordBytes = min(s.MaxRecordBytes, g.recordBytes())
	return s
}

// newUUID makes what member ids end in, in the form that Kafka gives it.
func (g *Groups) newUUID() string {
	var b [16]byte
	if _, err := io.ReadFull(g.o.Random, b[:]); err != nil {
		panic(fmt.Sprintf("the random source failed: %v", err)) // as crypto/rand does itself
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newReport tells the metrics what changed in one shard.
func (g *Groups) newReport() func(machine[group.Event]) {
	var last group.Counts
	return func(m machine[group.Event]) {
		var now group.Counts
		if m != nil {
			now = m.(*group.Shard).Counts()
		}
		if now == last {
			return
		}
		g.reportGroups(last, now)
		if d := now.Offsets - last.Offsets; d != 0 && g.o.Metrics.Offsets != nil {
			g.o.Metrics.Offsets(d)
		}
		last = now
	}
}

// reportGroups tells the metrics how many groups of each kind came into each state, or
// left it.
func (g *Groups) reportGroups(last, now group.Counts) {
	if g.o.Metrics.Groups == nil {
		return
	}
	tell := func(kind group.Type, state string, delta int) {
		if delta != 0 {
			g.o.Metrics.Groups(kind.String(), state, delta)
		}
	}
	for st := range now.Groups {
		tell(group.Classic, group.State(st).String(), now.Groups[st]-last.Groups[st])
	}
	for st := range now.Consumer {
		tell(group.Consumer, group.ConsumerState(st).String(), now.Consumer[st]-last.Consumer[st])
	}
	for st := range now.Share {
		tell(group.Share, group.ShareState(st).String(), now.Share[st]-last.Share[st])
	}
	for st := range now.Streams {
		tell(group.Streams, group.StreamsState(st).String(), now.Streams[st]-last.Streams[st])
	}
}
