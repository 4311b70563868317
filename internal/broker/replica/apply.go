package replica

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/metadata"
)

var errRemoved = kerr.NotLeaderForPartition

// change is one partition that differs between two images.
type change struct {
	p        *Partition
	settings Settings
	broken   error
	next     *metadata.Partition
	created  bool
}

// Apply makes the partitions follow from prev to next; the first call takes all of next, whatever prev is. It returns
// when topics that are new can be written to. Directories that cannot be made leave their partition offline and are
// tried again.
func (m *Manager) Apply(prev, next *metadata.Image) {
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	if m.closed {
		return
	}
	first := m.image == nil
	m.image = next
	var changes []change
	if first {
		broken := m.opts.Dir.Broken()
		m.markStray(next)
		for t := range next.Topics() {
			changes = m.follow(changes, nil, t, next, broken, true)
		}
	} else {
		for old, t := range next.ChangedTopics(prev) {
			changes = m.follow(changes, old, t, next, nil, false)
		}
		m.reconfigure(prev, next)
	}
	each(changes, func(c change) { m.prepare(c) })
	for _, c := range changes {
		m.takeRole(c)
	}
	m.scheduleRetry()
}

// follow brings one topic to its new state, except for what takes I/O to create.
func (m *Manager) follow(changes []change, old, t *metadata.Topic, img *metadata.Image, broken map[logdir.TopicPartition]error, first bool) []change {
	if old != nil && (t == nil || old.ID != t.ID) {
		m.remove(old)
	}
	if t == nil {
		return changes
	}
	topic := m.Topic(t.Name)
	if topic == nil {
		topic = &Topic{Name: t.Name, ID: t.ID, Internal: t.Internal()}
	}
	settings := m.opts.Settings(img, t.Name)
	topic.mu.Lock()
	for i := range t.Partitions {
		np := &t.Partitions[i]
		if !slices.Contains(np.Replicas, m.opts.NodeID) {
			continue
		}
		for len(topic.partitions) <= i {
			topic.partitions = append(slices.Clip(topic.partitions), nil)
		}
		p, created := topic.partitions[i], false
		if p == nil {
			created = true
			p = &Partition{manager: m, topic: topic, index: int32(i), fresh: !first}
			p.role.Store(&role{leader: metadata.NoLeader, epoch: -1, failed: errNotReady})
			topic.partitions[i] = p
		}
		changes = append(changes, change{
			p: p, settings: settings, next: np, created: created,
			broken: broken[logdir.TopicPartition{Topic: t.Name, Partition: int32(i)}],
		})
	}
	topic.mu.Unlock()
	m.mu.Lock()
	m.topics[t.Name] = topic
	m.ids[t.ID] = topic
	m.mu.Unlock()
	return changes
}

var errNotReady = errors.New("partition is being opened")

// prepare opens or creates the log of a partition and moves it to its leader epoch. It runs on several goroutines.
func (m *Manager) prepare(c change) {
	p := c.p
	if !c.created {
		return
	}
	if c.broken != nil {
		m.opts.Logger.Error("partition could not be opened", "topic", p.topic.Name, "partition", p.index, "err", c.broken)
		p.role.Store(&role{leader: metadata.NoLeader, epoch: -1, failed: c.broken})
		return
	}
	if err := m.open(p, c.next, c.settings.Log); err != nil {
		m.opts.Logger.Error("partition could not be created", "topic", p.topic.Name, "partition", p.index, "err", err)
		p.role.Store(&role{leader: metadata.NoLeader, epoch: -1, failed: err})
	}
}

func (m *Manager) open(p *Partition, np *metadata.Partition, cfg commitlog.Config) error {
	tp := logdir.TopicPartition{Topic: p.topic.Name, Partition: p.index}
	log := m.opts.Dir.Get(tp)
	if log != nil && log.TopicID() != p.topic.ID {
		// A topic of this name from another life: its data stays on disk, under another name.
		if err := m.opts.Dir.MarkStray(tp); err != nil {
			return err
		}
		log = nil
	}
	if log == nil {
		if !p.fresh {
			if err := m.opts.Dir.CheckLost(directoryOf(np, m.opts.NodeID)); err != nil {
				return err
			}
		}
		var err error
		if log, err = m.opts.Dir.Create(tp.Topic, p.topic.ID, tp.Partition, cfg); err != nil {
			return err
		}
	} else {
		log.SetConfig(cfg)
		m.flushRecovered(p, log)
	}
	p.log.Store(log)
	return nil
}

// directoryOf is the log directory that the metadata has for a broker's replica, zero if it has none.
func directoryOf(p *metadata.Partition, node int32) (id [16]byte) {
	if at := slices.Index(p.Replicas, node); at >= 0 && at < len(p.Directories) {
		id = p.Directories[at]
	}
	return id
}

// flushRecovered makes durable what a crash left above the offset that is known to be. It may have been acknowledged and
// read before the crash: were the partition served first, its high watermark would go back for a moment, and records
// that everybody has seen would be gone until the first flush. An error is not the end: recovered asks for a flush again,
// and that one takes the partition offline.
func (m *Manager) flushRecovered(p *Partition, log *commitlog.Log) {
	if !m.opts.FlushOnCommit || log.FlushedOffset() >= log.EndOffset() {
		return
	}
	if _, err := log.Flush(); err != nil {
		m.opts.Logger.Warn("what was recovered could not be flushed", "topic", p.topic.Name, "partition", p.index, "err", err)
	}
}

// takeRole makes the partition's role that of the metadata and tells OnRole of a change of leadership.
func (m *Manager) takeRole(c change) {
	p, np := c.p, c.next
	was := p.role.Load()
	log := p.log.Load()
	failed := was.failed
	if log != nil {
		failed = nil
	} else if c.created && c.broken == nil {
		m.missing[p] = struct{}{}
	}
	now := &role{
		leader: np.Leader, epoch: np.LeaderEpoch, replicas: np.Replicas, isr: np.ISR,
		minInSync: c.settings.MinInSync, failed: failed,
	}
	leads := np.Leader == m.opts.NodeID
	led := was.leader == m.opts.NodeID
	if log != nil && leads && np.LeaderEpoch > log.LatestEpoch() {
		if err := log.AssignEpoch(np.LeaderEpoch, log.EndOffset()); err != nil {
			m.opts.Logger.Error("leader epoch could not be written", "topic", p.topic.Name, "partition", p.index, "err", err)
		}
	}
	p.role.Store(now)
	if log != nil && c.created {
		p.recovered()
	}
	if led && !leads {
		p.fail(kerr.NotLeaderForPartition, false)
	}
	if m.opts.OnRole != nil && (leads != led || leads && was.epoch != now.epoch) && log != nil {
		m.opts.OnRole(p, leads, np.LeaderEpoch)
	}
}

// remove ends a topic that the metadata has no more and deletes its directories.
func (m *Manager) remove(t *metadata.Topic) {
	topic := m.TopicByID(t.ID)
	if topic == nil {
		return
	}
	m.mu.Lock()
	if m.topics[t.Name] == topic {
		delete(m.topics, t.Name)
	}
	delete(m.ids, t.ID)
	m.mu.Unlock()
	topic.mu.Lock()
	parts := topic.partitions
	topic.partitions = nil
	topic.mu.Unlock()
	for _, p := range parts {
		if p == nil {
			continue
		}
		delete(m.missing, p)
		was := p.role.Load()
		p.role.Store(&role{leader: metadata.NoLeader, epoch: was.epoch, failed: errRemoved})
		if m.opts.OnRole != nil && was.leader == m.opts.NodeID {
			m.opts.OnRole(p, false, was.epoch)
		}
		p.fail(errRemoved, true)
	}
	each(parts, func(p *Partition) {
		if p == nil || p.log.Load() == nil {
			return
		}
		if err := m.opts.Dir.Delete(logdir.TopicPartition{Topic: topic.Name, Partition: p.index}); err != nil {
			m.opts.Logger.Error("partition could not be deleted", "topic", topic.Name, "partition", p.index, "err", err)
		}
	})
}

// reconfigure gives changed settings to the logs they concern: those of one topic, or of all where the broker's
// defaults changed.
func (m *Manager) reconfigure(prev, next *metadata.Image) {
	all := false
	for typ, name := range next.ChangedConfigs(prev) {
		switch typ {
		case metadata.TopicResource:
			if t := m.Topic(name); t != nil {
				m.setConfig(t, next)
			}
		case metadata.BrokerResource:
			all = true
		}
	}
	if !all {
		return
	}
	m.mu.RLock()
	topics := make([]*Topic, 0, len(m.topics))
	for _, t := range m.topics {
		topics = append(topics, t)
	}
	m.mu.RUnlock()
	for _, t := range topics {
		m.setConfig(t, next)
	}
}

func (m *Manager) setConfig(t *Topic, img *metadata.Image) {
	s := m.opts.Settings(img, t.Name)
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.partitions {
		if p == nil {
			continue
		}
		if log := p.log.Load(); log != nil {
			log.SetConfig(s.Log)
		}
		r := *p.role.Load()
		r.minInSync = s.MinInSync
		p.role.Store(&r)
	}
}

// markStray sets aside directories of partitions that the metadata does not know, at the start.
func (m *Manager) markStray(img *metadata.Image) {
	for tp := range m.opts.Dir.Logs() {
		if tp.Topic == MetadataTopic {
			continue
		}
		t := img.Topic(tp.Topic)
		if t != nil && int(tp.Partition) < len(t.Partitions) && slices.Contains(t.Partitions[tp.Partition].Replicas, m.opts.NodeID) {
			continue
		}
		m.opts.Logger.Warn("partition is not in the metadata, set aside", "topic", tp.Topic, "partition", tp.Partition)
		if err := m.opts.Dir.MarkStray(tp); err != nil {
			m.opts.Logger.Error("partition could not be set aside", "topic", tp.Topic, "partition", tp.Partition, "err", err)
		}
	}
}

// MetadataTopic is the log of the metadata itself, which lies in the same directory and is not the manager's.
const MetadataTopic = "__cluster_metadata"

// scheduleRetry arms the timer that tries missing directories again. applyMu is held.
func (m *Manager) scheduleRetry() {
	if len(m.missing) > 0 && m.retry == nil && !m.closed {
		m.retry = m.opts.Clock.AfterFunc(retryMissing, m.retryNow)
	}
}

func (m *Manager) retryNow() {
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	m.retry = nil
	if m.closed {
		return
	}
	for p := range m.missing {
		m.adopt(p)
	}
	m.scheduleRetry()
}

// adopt gives a partition without a log the one that may be had by now. applyMu is held.
func (m *Manager) adopt(p *Partition) {
	t := m.image.Topic(p.topic.Name)
	if t == nil || t.ID != p.topic.ID || int(p.index) >= len(t.Partitions) {
		delete(m.missing, p)
		return
	}
	s := m.opts.Settings(m.image, t.Name)
	if err := m.open(p, &t.Partitions[p.index], s.Log); err != nil {
		return
	}
	delete(m.missing, p)
	// As if it were new: the role is taken with the log in place.
	p.role.Store(&role{leader: metadata.NoLeader, epoch: -1})
	m.takeRole(change{p: p, settings: s, next: &t.Partitions[p.index], created: true})
}
