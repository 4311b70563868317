package engine

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/streams/internal/topology"
)

// housekeepEvery is how often tasks that wait to know whether an input has more are helped.
const housekeepEvery = 100 * time.Millisecond

// housekeep does what is due now and then: it asks for the ends of inputs that tasks wait for, and purges repartition topics.
func (p *process) housekeep(ctx context.Context) {
	purged := map[TopicPartition]int64{}
	every := time.Duration(p.app.prog.Settings.RepartitionPurgeMs) * time.Millisecond
	last := p.app.clk.Now()
	looked, seconds, idle := last, 0, map[string]time.Time{}
	gone := map[string]bool{}
	for pause(ctx, housekeepEvery) {
		p.tellEnds(ctx)
		if now := p.app.clk.Now(); now.Sub(looked) >= time.Second {
			looked = now
			p.watch()
			if seconds++; seconds%cleanEvery == 0 {
				p.clean(idle)
			}
			if seconds%lookEvery == 0 {
				p.lookForTopics(ctx, gone)
			}
		}
		if now := p.app.clk.Now(); every > 0 && now.Sub(last) >= every {
			last = now
			p.purge(ctx, purged)
		}
	}
}

// lookEvery is how many seconds there are between two looks whether the topics that are read are still there: a consumer
// is not always told.
const lookEvery = 5

// lookForTopics ends the process when a source topic was deleted. gone are those that were not there when it looked last.
func (p *process) lookForTopics(ctx context.Context, gone map[string]bool) {
	for topic := range p.app.subOf {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		err := p.app.cluster.exists(ctx, topic)
		cancel()
		switch {
		case err == nil:
			delete(gone, topic)
		case !errors.Is(err, kerr.UnknownTopicOrPartition):
			return // there are other things wrong
		case gone[topic]: // a broker may be behind once
			p.fail(p.manager.topicGone(topic))
			return
		default:
			gone[topic] = true
		}
	}
}

// tellEnds finds out for inputs that are empty, while others of their task have records, whether the broker has more.
// Answers to fetches say so too, but franz-go shows none that are empty.
func (p *process) tellEnds(ctx context.Context) {
	type asked struct {
		task *runningTask
		feed *feed
		next int64
	}
	var waiting []asked
	buffered, records := int64(0), int64(0)
	p.manager.call(func() {
		for _, t := range p.manager.tasks {
			for _, f := range t.inputs {
				buffered += f.waitingBytes.Load() + f.heldBytes.Load()
				records += f.waiting.Load() + f.held.Load()
			}
			if t.place != onWorker {
				continue
			}
			for _, f := range t.inputs {
				if f.behind.Load() {
					waiting = append(waiting, asked{t, f, f.next.Load()})
				}
			}
		}
	})
	p.app.met.buffered.Set(float64(buffered))
	p.app.met.bufferedRecords.Set(float64(records))
	p.budget.set(buffered)
	if len(waiting) == 0 {
		return
	}
	var topics []string
	for _, w := range waiting {
		topics = append(topics, w.feed.tp.Topic)
	}
	starts, ends, err := p.stable(ctx, topics)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.app.log.Warn("asking for the ends of inputs failed", "error", err)
		return
	}
	p.manager.call(func() {
		for _, w := range waiting {
			tp := w.feed.tp
			next := w.next
			if next < 0 { // nothing was read or committed yet
				next = starts[tp]
				if at, err := p.app.beginning(tp); err == nil && at.EpochOffset().Offset == -1 { // latest
					next = ends[tp]
				}
			}
			if w.task.place == onWorker && !w.task.gone {
				w.task.worker.feed(fetched{task: w.task, feed: w.feed, known: true, next: w.next, caughtUp: next >= ends[tp]})
			}
		}
	})
}

// stable are the bounds of what can be read: under exactly-once up to the last stable offset.
func (p *process) stable(ctx context.Context, topics []string) (starts, ends map[TopicPartition]int64, err error) {
	starts, ends, err = p.bounds(ctx, topics)
	if err != nil || !p.app.prog.Settings.ExactlyOnce {
		return starts, ends, err
	}
	found, err := p.app.cluster.admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = found.Error()
	}
	found.Each(func(o kadm.ListedOffset) { ends[TopicPartition{o.Topic, o.Partition}] = o.Offset })
	return starts, ends, err
}

// purge deletes what is processed from repartition topics (KAFKA-6150).
func (p *process) purge(ctx context.Context, purged map[TopicPartition]int64) {
	done := map[TopicPartition]int64{}
	p.manager.call(func() {
		for _, t := range p.manager.tasks {
			for tp, f := range t.inputs {
				if p.app.isRepartition(tp.Topic) {
					done[tp] = f.purgeable.Load()
				}
			}
		}
	})
	var offsets kadm.Offsets
	for tp, offset := range done {
		if offset > purged[tp] {
			offsets.AddOffset(tp.Topic, tp.Partition, offset, -1)
		} else {
			delete(done, tp)
		}
	}
	if len(offsets) == 0 {
		return
	}
	answers, err := p.app.cluster.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = answers.Error()
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.app.log.Warn("purging repartition topics failed", "error", err)
		return
	}
	maps.Copy(purged, done)
}

func (a *App) isRepartition(topic string) bool {
	for _, name := range a.prog.Topology.InternalTopicNames() {
		if topology.Decorate(a.prog.ApplicationID, name) == topic {
			return true
		}
	}
	return false
}
