package streamstest

import (
	"cmp"
	"slices"

	"leat.dev/streams"
	"leat.dev/streams/internal/engine"
)

// heads are the partitions that have records for the tasks, by the time of the next one. Which of equal times comes first is
// decided as in a java.util.PriorityQueue: TopologyTestDriver's order depends on it, and where a record goes two ways that
// meet again, so do its results.
type heads []head

type head struct {
	tp   engine.TopicPartition
	time streams.Time
}

func (h *heads) offer(x head) {
	*h = append(*h, x)
	all, at := *h, len(*h)-1
	for at > 0 {
		parent := (at - 1) / 2
		if x.time >= all[parent].time {
			break
		}
		all[at], at = all[parent], parent
	}
	all[at] = x
}

func (h *heads) poll() head {
	first, n := (*h)[0], len(*h)-1
	x, at := (*h)[n], 0
	*h = (*h)[:n]
	all := *h
	for at < n/2 {
		child := 2*at + 1
		if child+1 < n && all[child].time > all[child+1].time {
			child++
		}
		if x.time <= all[child].time {
			break
		}
		all[at], at = all[child], child
	}
	if n > 0 {
		all[at] = x
	}
	return first
}

// feedNext gives the next record to its task, and no other: as TopologyTestDriver, which has all partitions in one task,
// chooses it. Partitions that have got records meanwhile come in the order in which they got them.
func (d *Driver) feedNext(h *heads) error {
	if err := d.feedGlobal(); err != nil {
		return err
	}
	var fresh []*Record
	for _, w := range d.workers {
		for _, f := range w.feeds {
			w.task.Known(f.tp, true)
			if f.next < d.readable(f.tp) && !slices.ContainsFunc(*h, func(x head) bool { return x.tp == f.tp }) {
				fresh = append(fresh, d.log.at(f.tp.Topic, f.tp.Partition, f.next))
			}
		}
	}
	slices.SortFunc(fresh, func(a, b *Record) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range fresh {
		h.offer(head{engine.TopicPartition{Topic: r.Topic, Partition: r.Partition}, r.Time})
	}
	if len(*h) == 0 {
		return nil
	}
	tp := h.poll().tp
	for _, w := range d.workers {
		for _, f := range w.feeds {
			if f.tp != tp || f.next == d.readable(tp) {
				continue
			}
			r := d.log.at(tp.Topic, tp.Partition, f.next)
			if f.next++; f.next < d.readable(tp) {
				h.offer(head{tp, d.log.at(tp.Topic, tp.Partition, f.next).Time})
			}
			return w.task.Add(tp, []engine.In{r.in()})
		}
	}
	return nil
}
