package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// surveyMax is how long the leader of the group waits for the ends of changelogs while it assigns. The group stands still
// meanwhile only where tasks move, but members that join wait.
const surveyMax = 3 * time.Second

// survey is what the leader finds out of all tasks. Ends that it cannot learn in time are unknown: then tasks stay where
// they are, or go where most of their state is. Alone it need not ask.
func (p *process) survey(tasks map[TaskID][]TopicPartition, alone bool) []groupTask {
	logs := map[TaskID][]TopicPartition{}
	var topics []string
	for id := range tasks {
		for tp := range p.storesOf(id) {
			logs[id] = append(logs[id], tp)
			topics = append(topics, tp.Topic)
		}
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	var ends map[TopicPartition]int64
	var racks map[TopicPartition][]string
	if !alone {
		ctx, cancel := context.WithTimeout(p.ctx, surveyMax)
		defer cancel()
		if len(topics) > 0 {
			ends = p.changelogEnds(ctx, topics)
		}
		if p.app.prog.Settings.Rack != "" {
			racks = p.replicaRacks(ctx, tasks, topics)
		}
	}
	out := make([]groupTask, 0, len(tasks))
	for id, inputs := range tasks {
		t := groupTask{id: id, stateful: len(logs[id]) > 0, inputRacks: racksOf(racks, inputs), logRacks: racksOf(racks, logs[id])}
		for _, tp := range logs[id] {
			end, ok := ends[tp]
			if !ok {
				t.end = -1
				break
			}
			t.end += end
		}
		out = append(out, t)
	}
	return out
}

// changelogEnds are the next offsets of changelog partitions, as far as they can be learned. Where a source topic is the changelog,
// state goes no further than what is committed.
func (p *process) changelogEnds(ctx context.Context, topics []string) map[TopicPartition]int64 {
	ends := map[TopicPartition]int64{}
	found, err := p.app.cluster.admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		p.app.log.Warn("the ends of changelogs are not known, tasks that are to move stay", "error", err)
	}
	var sources []TopicPartition
	found.Each(func(o kadm.ListedOffset) {
		tp := TopicPartition{o.Topic, o.Partition}
		if o.Err != nil {
			return
		}
		ends[tp] = o.Offset
		if _, ok := p.app.taskOf(tp); ok {
			sources = append(sources, tp)
		}
	})
	if len(sources) == 0 {
		return ends
	}
	committed, err := p.app.cluster.admin.FetchOffsets(ctx, p.app.prog.ApplicationID)
	for _, tp := range sources {
		o, ok := committed.Lookup(tp.Topic, tp.Partition)
		switch {
		case err != nil || ok && o.Err != nil:
			delete(ends, tp)
		case ok:
			ends[tp] = min(ends[tp], max(0, o.At))
		default:
			ends[tp] = 0
		}
	}
	return ends
}

// replicaRacks are the racks in which replicas of the partitions are.
func (p *process) replicaRacks(ctx context.Context, tasks map[TaskID][]TopicPartition, topics []string) map[TopicPartition][]string {
	all := map[string]bool{}
	for _, t := range topics {
		all[t] = true
	}
	for _, inputs := range tasks {
		for _, tp := range inputs {
			all[tp.Topic] = true
		}
	}
	meta, err := p.app.cluster.admin.Metadata(ctx, slices.Sorted(maps.Keys(all))...)
	if err != nil {
		p.app.log.Warn("the racks of partitions are not known", "error", err)
		return nil
	}
	rackOf := map[int32]string{}
	for _, b := range meta.Brokers {
		if b.Rack != nil {
			rackOf[b.NodeID] = *b.Rack
		}
	}
	out := map[TopicPartition][]string{}
	meta.Topics.EachPartition(func(d kadm.PartitionDetail) {
		for _, r := range d.Replicas {
			if rack := rackOf[r]; rack != "" {
				tp := TopicPartition{d.Topic, d.Partition}
				out[tp] = append(out[tp], rack)
			}
		}
	})
	return out
}

func racksOf(racks map[TopicPartition][]string, tps []TopicPartition) (out [][]string) {
	for _, tp := range tps {
		if r := racks[tp]; len(r) > 0 {
			out = append(out, r)
		}
	}
	return out
}
