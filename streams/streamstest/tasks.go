package streamstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"leat.dev/streams"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// worker is one task and what it has been fed.
type worker struct {
	id    engine.TaskID
	sub   *topology.Subtopology
	task  engine.Task
	st    *state.Task
	feeds []*feed
}

// feed is one input partition of a task.
type feed struct {
	tp   engine.TopicPartition
	next int64 // the first offset the task was not given
}

// partitionsOf is the number of partitions of a topic.
func (d *Driver) partitionsOf(topic string) int {
	if d.set.partitions == 0 {
		return 1
	}
	if n, ok := d.set.perTopic[topic]; ok {
		return n
	}
	return d.set.partitions
}

// layout gives the topics each source reads and the tasks there are.
func (d *Driver) layout() (reads map[string][]string, tasks []topology.TaskID, err error) {
	if d.set.partitions == 0 {
		reads, tasks = d.single()
		return reads, tasks, nil
	}
	var known []string
	for topic := range d.log.topics {
		if !strings.HasPrefix(topic, d.set.appID) {
			known = append(known, topic)
		}
	}
	slices.Sort(known)
	l, err := d.prog.Topology.Layout(topology.LayoutConfig{ApplicationID: d.set.appID, Topics: known}, func(topic string) (int, error) {
		return d.partitionsOf(topic), nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, spec := range l.Internal {
		d.set.perTopic[spec.Name] = spec.Partitions
	}
	for _, t := range l.Tasks {
		tasks = append(tasks, t.ID)
	}
	return l.Reads, tasks, nil
}

// single is the layout of TopologyTestDriver: every topic has one partition, given numbers or not.
func (d *Driver) single() (reads map[string][]string, tasks []topology.TaskID) {
	reads = map[string][]string{}
	for _, sub := range d.prog.Topology.Subtopologies {
		tasks = append(tasks, topology.TaskID{Subtopology: sub.ID})
		for _, src := range sub.Sources() {
			for _, topic := range src.Topics {
				reads[src.Name] = append(reads[src.Name], d.prog.Topology.FullName(d.set.appID, topic))
			}
		}
	}
	named := map[string]bool{}
	for _, topics := range reads {
		for _, topic := range topics {
			named[topic] = true
		}
	}
	for _, sub := range d.prog.Topology.Subtopologies {
		for _, src := range sub.Sources() {
			if src.Pattern == "" {
				continue
			}
			re := regexp.MustCompile("^(?:" + src.Pattern + ")$") // checked when the topology was built
			for topic := range d.log.topics {
				if !named[topic] && re.MatchString(topic) {
					reads[src.Name] = append(reads[src.Name], topic)
				}
			}
			slices.Sort(reads[src.Name])
		}
	}
	return reads, tasks
}

// start makes the tasks there should be and are not yet, and gives those that are the inputs they lack.
func (d *Driver) start() error {
	if d.global == nil {
		if err := d.startGlobal(); err != nil {
			return err
		}
	}
	reads, tasks, err := d.layout()
	if err != nil {
		return err
	}
	for _, sub := range d.prog.Topology.Subtopologies {
		for _, id := range tasks {
			if id.Subtopology != sub.ID {
				continue
			}
			if err := d.startTask(sub, engine.TaskID{Subtopology: id.Subtopology, Partition: int32(id.Partition)}, reads); err != nil { //nolint:gosec // a few
				return err
			}
		}
	}
	return nil
}

func (d *Driver) startTask(sub *topology.Subtopology, id engine.TaskID, reads map[string][]string) error {
	i := slices.IndexFunc(d.workers, func(w *worker) bool { return w.id == id })
	var w *worker
	fresh := i < 0
	if fresh {
		w = &worker{id: id, sub: sub}
		var err error
		if w.st, err = d.db.Task(id.String()); err != nil {
			return err
		}
		var global engine.Global
		if d.global != nil {
			global = d.global.part
		}
		if w.task, err = d.prog.NewTask(id, d.env(), w.st, global); err != nil {
			return errors.Join(err, w.st.Close())
		}
		d.workers = append(d.workers, w)
	} else {
		w = d.workers[i]
	}
	for _, src := range sub.Sources() {
		for _, topic := range reads[src.Name] {
			tp := engine.TopicPartition{Topic: topic, Partition: id.Partition}
			if int(id.Partition) >= d.partitionsOf(topic) {
				w.task.Known(tp, true) // there is no such partition: never wait for it
				continue
			}
			if slices.ContainsFunc(w.feeds, func(f *feed) bool { return f.tp == tp }) {
				continue
			}
			w.feeds = append(w.feeds, &feed{tp: tp, next: d.kept[tp].Offset})
			if kept, ok := d.kept[tp]; ok && fresh {
				w.task.Resume(tp, kept.Metadata)
			}
		}
	}
	if !fresh {
		return nil
	}
	if err := d.restore(w); err != nil {
		return err
	}
	return w.task.Initialize()
}

// restore gives the stores what their changelogs have and their state has not.
func (d *Driver) restore(w *worker) error {
	have := w.st.Offsets()
	for _, s := range w.sub.Stores {
		topic := s.Changelog(d.set.appID)
		if topic == "" {
			continue
		}
		tp := engine.TopicPartition{Topic: topic, Partition: w.id.Partition}
		var records []engine.In
		for at := have[fmt.Sprintf("%s-%d", tp.Topic, tp.Partition)]; at < d.changelogEnd(s, tp); at++ {
			records = append(records, d.log.at(tp.Topic, tp.Partition, at).in())
		}
		if len(records) == 0 {
			continue
		}
		if err := w.task.Restore(s.Name, records); err != nil {
			return fmt.Errorf("task %s: restoring store %s: %w", w.id, s.Name, err)
		}
	}
	return nil
}

// changelogEnd is where the changelog of a store ends: a source topic that serves as one ends where it was committed.
func (d *Driver) changelogEnd(s *topology.Store, tp engine.TopicPartition) int64 {
	if s.ChangelogTopic != "" {
		return d.kept[tp].Offset
	}
	return d.log.end(tp.Topic, tp.Partition)
}

// work runs tasks until none has anything to do.
func (d *Driver) work(punctuate bool) {
	d.t.Helper()
	if d.held > 0 || d.err != nil {
		return
	}
	if err := d.run(punctuate); err != nil {
		_ = d.stop(false) // the first error is the one to show
		d.fail(err)
	}
}

func (d *Driver) run(punctuate bool) error {
	if err := d.start(); err != nil {
		return err
	}
	if punctuate {
		for _, w := range slices.Clone(d.workers) {
			if _, err := w.task.Punctuate(); err != nil {
				return err
			}
			if err := d.commitAfter(w); err != nil {
				return err
			}
		}
	}
	random := rand.New(rand.NewPCG(d.set.seed, uint64(len(d.log.records)))) //nolint:gosec // an order that can be repeated
	single := d.set.partitions == 0 && !d.set.manualCommit && !d.batch
	var heads heads
	for {
		var err error
		if single {
			err = d.feedNext(&heads)
		} else {
			err = d.feed()
		}
		if err != nil {
			return err
		}
		moved := false
		for _, w := range d.order(random) {
			before := w.buffered()
			did, err := w.task.Process()
			if err != nil {
				return err
			}
			if did || w.buffered() != before {
				if err := d.commitAfter(w); err != nil {
					return err
				}
				moved = true
				break
			}
		}
		if !moved && !single {
			return nil
		}
		if !moved {
			single = false // what waits for other inputs may go on when it has all there is
			continue
		}
		if err := d.restartEach(); err != nil {
			return err
		}
	}
}

func (w *worker) buffered() int {
	n := 0
	for _, f := range w.feeds {
		waiting, _ := w.task.Buffered(f.tp)
		n += waiting
	}
	return n
}

// order gives the tasks that have records: with one partition, first the one whose next record is the oldest, as
// TopologyTestDriver, which has one task for all sub-topologies, would take it; with several, any order.
func (d *Driver) order(random *rand.Rand) []*worker {
	type next struct {
		w    *worker
		time streams.Time
		seq  int
	}
	var all []next
	for _, w := range d.workers {
		best := next{}
		for _, f := range w.feeds {
			waiting, _ := w.task.Buffered(f.tp)
			if waiting == 0 {
				continue
			}
			r := d.log.at(f.tp.Topic, f.tp.Partition, f.next-int64(waiting))
			if best.w == nil || r.Time < best.time || r.Time == best.time && r.seq < best.seq {
				best = next{w, r.Time, r.seq}
			}
		}
		if best.w != nil {
			all = append(all, best)
		}
	}
	if d.set.partitions > 0 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	} else {
		slices.SortStableFunc(all, func(a, b next) int {
			if a.time != b.time {
				return int(min(max(a.time-b.time, -1), 1))
			}
			return a.seq - b.seq
		})
	}
	out := make([]*worker, len(all))
	for i, n := range all {
		out[i] = n.w
	}
	return out
}

// feed gives tasks and the global part what was appended to their topics.
func (d *Driver) feed() error {
	if err := d.feedGlobal(); err != nil {
		return err
	}
	for _, w := range d.workers {
		for _, f := range w.feeds {
			var records []engine.In
			for end := d.readable(f.tp); f.next < end; f.next++ {
				records = append(records, d.log.at(f.tp.Topic, f.tp.Partition, f.next).in())
			}
			if err := w.task.Add(f.tp, records); err != nil {
				return err
			}
			w.task.Known(f.tp, true)
		}
	}
	return nil
}

// readable is the end of what a reader of committed records sees of a partition.
func (d *Driver) readable(tp engine.TopicPartition) int64 {
	end := d.log.end(tp.Topic, tp.Partition)
	for end > 0 && !d.visible(d.log.at(tp.Topic, tp.Partition, end-1)) {
		end--
	}
	return end
}

func (r *Record) in() engine.In {
	in := engine.In{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: -1, Time: int64(r.Time), Key: r.Key, Value: r.Value,
	}
	for _, h := range r.Headers {
		in.Headers = append(in.Headers, engine.Header{Key: h.Key, Value: h.Value})
	}
	return in
}
