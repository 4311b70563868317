package streamstest

import (
	"errors"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// globalPart is the part of the topology that every process runs whole.
type globalPart struct {
	part engine.Global
	st   *state.Task
	next map[engine.TopicPartition]int64
}

func (d *Driver) startGlobal() error {
	if len(d.prog.Topology.Globals) == 0 {
		return nil
	}
	st, err := d.db.Task("global")
	if err != nil {
		return err
	}
	part, err := d.prog.NewGlobal(d.env(), st)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	d.global = &globalPart{part: part, st: st, next: map[engine.TopicPartition]int64{}}
	for tp, at := range part.Positions() {
		d.global.next[tp] = at
	}
	return d.feedGlobal()
}

// feedGlobal applies what was appended to the topics of global tables, before any task goes on.
func (d *Driver) feedGlobal() error {
	g := d.global
	if g == nil {
		return nil
	}
	moved := false
	for _, topic := range g.part.Topics() {
		for p := range d.partitionsOf(topic) {
			tp := engine.TopicPartition{Topic: topic, Partition: int32(p)} //nolint:gosec // a few
			for end := d.readable(tp); g.next[tp] < end; g.next[tp]++ {
				in := d.log.at(topic, tp.Partition, g.next[tp]).in()
				if err := g.part.Update(&in); err != nil {
					return err
				}
				moved = true
			}
		}
	}
	if !moved {
		return nil
	}
	return g.part.Committed(g.next)
}

func (d *Driver) stopGlobal() error {
	g := d.global
	d.global = nil
	if g == nil {
		return nil
	}
	return errors.Join(g.part.Close(), g.st.Close())
}
