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
		kind: "group", topic: "__consumer_offsets",
		clock: o.Clock, logger: o.Logger, commitTimeout: o.CommitTimeout, batchBytes: o.BatchBytes,
		partitions: o.Partitions, createTopic: o.CreateTopic,
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
		for st := range now.Groups {
			if d := now.Groups[st] - last.Groups[st]; d != 0 && g.o.Metrics.Groups != nil {
				g.o.Metrics.Groups(group.State(st).String(), d)
			}
		}
		for st := range now.Consumer {
			if d := now.Consumer[st] - last.Consumer[st]; d != 0 && g.o.Metrics.Groups != nil {
				g.o.Metrics.Groups(group.ConsumerState(st).String(), d)
			}
		}
		if d := now.Offsets - last.Offsets; d != 0 && g.o.Metrics.Offsets != nil {
			g.o.Metrics.Offsets(d)
		}
		last = now
	}
}
