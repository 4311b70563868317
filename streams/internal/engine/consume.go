package engine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams/internal/topology"
)

// connect makes the client that asks and administers, and learns what the cluster can do.
func (a *App) connect(ctx context.Context) (func(), error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	resp, err := a.reach(ctx, client)
	if err != nil {
		client.Close()
		return nil, err
	}
	a.streamsGroups = slices.ContainsFunc(resp.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return kmsg.Key(k.ApiKey) == kmsg.StreamsGroupHeartbeat })
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
			a.transactions2 = true
		}
	}
	if a.transactions2 { // this client, too, ends transactions as those do that began them
		client.Close()
		if client, err = a.client(); err != nil {
			return nil, err
		}
	}
	a.cluster = newCluster(client)
	return client.Close, nil
}

// consumer makes the client that reads the inputs of tasks.
func (p *process) consumer() (*kgo.Client, error) {
	a := p.app
	opts := []kgo.Opt{
		a.isolation(), kgo.KeepControlRecords(), kgo.FetchMaxWait(fetchMaxWait), recordPools(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	return a.client(append(opts, p.group.options()...)...)
}

// fetchMaxWait is how long a broker holds a fetch that finds nothing. Partitions that go on meanwhile wait for its end, so it
// is shorter than fetch.max.wait.ms of Kafka's consumer.
const fetchMaxWait = 100 * time.Millisecond

// How much one answer of a broker holds, beside a first record batch that is larger: of all partitions and of one. There are
// two answers for each broker, one that was taken apart and one that waits for it to be processed.
const (
	fetchMaxBytes       = 16 << 20
	fetchPartitionBytes = 256 << 10
)

// sourceTopics are what the group reads: names, or regular expressions if there is a pattern among them.
func (a *App) sourceTopics() (topics []string, pattern bool) {
	pattern = len(a.patterns) > 0
	for _, s := range a.prog.Topology.Subtopologies {
		for _, n := range s.Sources() {
			for _, t := range n.Topics {
				if name := a.fullName(t); pattern {
					topics = append(topics, regexp.QuoteMeta(name))
				} else {
					topics = append(topics, name)
				}
			}
			if n.Pattern != "" {
				topics = append(topics, n.Pattern)
			}
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics), pattern
}

// self is what this process tells the group.
func (p *process) self() memberInfo {
	a := p.app
	a.mu.Lock()
	standby := a.hosts.Standby
	a.mu.Unlock()
	producers := 0
	if a.prog.Settings.ExactlyOnce {
		producers = int(p.manager.made.Load())
	}
	return memberInfo{
		Version: userDataVersion, Process: a.processID, Workers: a.workers(), Endpoint: a.opt.Endpoint,
		Topology: fingerprint(a.prog.Topology.Describe()), Stop: a.stopAll.Load(), Producers: producers,
		Sums: p.restorer.offsetSums(), Standby: standby, Tags: a.prog.Settings.Tags, Rack: a.prog.Settings.Rack,
	}
}

// tasksOf are all tasks, as the leader of the group sees the topics.
func (p *process) tasksOf(partitions map[string]int32) (map[TaskID][]TopicPartition, error) {
	have := make(map[string]int, len(partitions))
	for topic, n := range partitions {
		have[topic] = int(n)
	}
	layout, err := p.app.layoutOf(have)
	if err == nil {
		err = p.app.stillFits(layout)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAssign, err)
	}
	tasks := make(map[TaskID][]TopicPartition, len(layout.Tasks))
	for _, t := range layout.Tasks {
		id := TaskID{t.ID.Subtopology, int32(t.ID.Partition)} //nolint:gosec // partitions are int32
		for _, tp := range t.Inputs {
			tasks[id] = append(tasks[id], TopicPartition{tp.Topic, tp.Partition})
		}
	}
	return tasks, nil
}

// told takes what the group's leader says beside the assignment.
func (p *process) told(info groupInfo, active []TaskID) {
	a := p.app
	a.mu.Lock()
	a.hosts = info
	a.taskCounts = nil
	a.mu.Unlock()
	switch {
	case info.Error != "":
		p.fail(fmt.Errorf("group %s: %s", a.prog.ApplicationID, info.Error))
	case info.Stop:
		p.failOnce(ErrStopped)
	default:
		p.manager.keep(info.Standby, active)
		p.prober.tell(info.ProbeAt, info.Warmup)
	}
}

// failOnce ends the process: with the error for which it stopped the application, where it was the one.
func (p *process) failOnce(err error) {
	p.app.mu.Lock()
	own := p.stopCause
	p.app.mu.Unlock()
	if own != nil {
		err = own
	}
	p.fail(err)
}

// ErrStopped ends every process of an application in which one decided StopApplication.
var ErrStopped = fmt.Errorf("a process of the application failed and decided that all of them stop")

// stopApplication tells the group that everybody stops, and why this process does.
func (p *process) stopApplication(err error) {
	p.app.mu.Lock()
	p.stopCause = err
	p.app.mu.Unlock()
	p.app.stopAll.Store(true)
	p.group.changed()
	p.stopping.Go(func() { // the leader answers, or is gone
		pause(p.ctx, stopMax)
		p.fail(err)
	})
}

// stopMax is how long the process that stops an application waits for the group to hear of it.
const stopMax = 5 * time.Second

// beginning is where an input starts that has no committed offset.
func (a *App) beginning(tp TopicPartition) (kgo.Offset, error) {
	at := kgo.NewOffset()
	for _, n := range a.prog.Topology.Nodes() {
		if n.Kind != topology.KindSource || !a.reads(n, tp.Topic) {
			continue
		}
		switch n.Reset.Policy {
		case topology.ResetLatest:
			return at.AtEnd(), nil
		case topology.ResetByDuration:
			return at.AfterMilli(a.now() - n.Reset.By.Milliseconds()), nil
		case topology.ResetNone:
			return at, fmt.Errorf("node %s reads topic %s, partition %d, which has no committed offset in group %s, and its policy is none: "+
				"commit one, or let the source start at Earliest, Latest or Since", n.Name, tp.Topic, tp.Partition, a.prog.ApplicationID)
		}
	}
	return at.AtStart(), nil
}

func (a *App) reads(n *topology.Node, topic string) bool {
	if re := a.patterns[n]; re != nil {
		_, named := a.subOf[topic]
		return !named && re.MatchString(topic)
	}
	return slices.ContainsFunc(n.Topics, func(t string) bool { return a.fullName(t) == topic })
}
