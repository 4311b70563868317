package streamstest

import (
	"fmt"

	"leat.dev/streams"
	"leat.dev/streams/internal/engine"
)

// env is the world of the tasks.
type env struct{ d *Driver }

func (d *Driver) env() engine.Env { return env{d} }

func (e env) Send(o *engine.Out) error {
	r := Record{
		Topic: o.Topic, Partition: o.Partition, Key: clone(o.Key), Value: clone(o.Value), Time: streams.Time(o.Time),
		Node: o.Node, Changelog: o.Changelog,
	}
	if o.Time < 0 {
		r.Time = -1
	}
	for _, h := range o.Headers {
		r.Headers = append(r.Headers, streams.Header{Key: h.Key, Value: clone(h.Value)})
	}
	n := e.d.partitionsOf(o.Topic)
	switch {
	case r.Partition < 0:
		r.Partition = e.d.log.partition(o.Topic, o.PartitionKey)
	case int(r.Partition) >= n && o.Changelog:
		e.d.set.perTopic[o.Topic] = int(r.Partition) + 1
	case int(r.Partition) >= n:
		return fmt.Errorf("topic %s has %d partitions, there is no number %d", o.Topic, n, r.Partition)
	}
	e.d.log.append(r, false)
	return nil
}

// clone keeps null apart from empty.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

func (e env) Partitions(topic string) (int, error) { return e.d.partitionsOf(topic), nil }

func (e env) Now() int64 { return e.d.now }

func (e env) Count(metric engine.Metric, node string, n int64) {
	by := e.d.counts[metric]
	if by == nil {
		by = map[string]int64{}
		e.d.counts[metric] = by
	}
	by[node] += n
}

// TaskInfo tells about one task.
type TaskInfo struct {
	ID     string      // sub-topology and partition, as in 0_1
	Inputs []InputInfo // in the order of the sources
	Stores []string
}

// InputInfo tells about one input partition of a task.
type InputInfo struct {
	Topic     string
	Partition int32
	Committed int64  // the next offset to process
	Metadata  string // what was committed beside it: the partition's time, and operators' times
	Waiting   int    // records the task has and could not process yet
}

// Tasks are the tasks there are, by sub-topology and partition.
func (d *Driver) Tasks() []TaskInfo {
	var out []TaskInfo
	for _, w := range d.workers {
		t := TaskInfo{ID: w.id.String()}
		for _, f := range w.feeds {
			waiting, _ := w.task.Buffered(f.tp)
			kept := d.kept[f.tp]
			t.Inputs = append(t.Inputs, InputInfo{f.tp.Topic, f.tp.Partition, kept.Offset, kept.Metadata, waiting})
		}
		for _, s := range w.sub.Stores {
			t.Stores = append(t.Stores, s.Name)
		}
		out = append(out, t)
	}
	return out
}
