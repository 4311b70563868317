package metadata

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leat.dev/internal/metadata/record"
)

// errInconsistent marks a record that does not fit the state before it. The
// controller checks before it proposes, so this means a corrupt log or a bug.
var errInconsistent = errors.New("metadata record contradicts the state before it")

// draft is an image under construction: the state before a batch plus the
// batch's records so far. Topics that change are copied once per batch, not
// once per record.
type draft struct {
	img    Image
	topics map[record.UUID]*Topic // changed or new; in img only after finish
	order  []record.UUID          // the keys of topics, oldest first; removed ones may still be listed
	names  map[string]record.UUID // of the topics the batch creates
	cfgs   map[configKey]*configs // changed; in img only after finish
}

func (i *Image) draft() *draft { return &draft{img: *i} }

// apply adds one record of the log; offset is its own.
func (d *draft) apply(r record.Record, offset int64) error {
	d.img.Offset = offset
	switch r := r.(type) {
	case *record.Topic:
		return d.createTopic(r)
	case *record.Partition:
		return d.setPartition(r)
	case *record.PartitionChange:
		return d.changePartition(r)
	case *record.RemoveTopic:
		return d.removeTopic(r)
	case *record.Config:
		d.setConfig(r)
	case *record.RegisterBroker:
		d.registerBroker(r)
	case *record.UnregisterBroker:
		return d.changeBroker(r.BrokerID, r.BrokerEpoch, nil)
	case *record.FenceBroker:
		return d.changeBroker(r.ID, r.Epoch, func(b *Broker) { b.Fenced = true })
	case *record.UnfenceBroker:
		return d.changeBroker(r.ID, r.Epoch, func(b *Broker) { b.Fenced = false })
	case *record.BrokerRegistrationChange:
		return d.changeRegistration(r)
	case *record.FeatureLevel:
		d.setFeature(r)
	case *record.ProducerIDs:
		d.img.NextProducerID = r.NextProducerID
	case *record.NoOp, *record.RegisterController:
	default:
		if d.img.security.apply(r) || d.img.quotas.apply(r) {
			return nil
		}
		// Dropping it would lose it with the next snapshot.
		return fmt.Errorf("%w: %T is not supported by this version", record.ErrUnknown, r)
	}
	return nil
}

func (d *draft) createTopic(r *record.Topic) error {
	if d.img.Topic(r.Name) != nil || d.img.TopicByID(r.TopicID) != nil {
		return fmt.Errorf("%w: topic %s (%v) exists", errInconsistent, r.Name, r.TopicID)
	}
	if _, ok := d.names[r.Name]; ok || d.topics[r.TopicID] != nil {
		return fmt.Errorf("%w: topic %s (%v) exists", errInconsistent, r.Name, r.TopicID)
	}
	if d.topics == nil {
		d.topics = map[record.UUID]*Topic{}
	}
	if d.names == nil {
		d.names = map[string]record.UUID{}
	}
	d.topics[r.TopicID] = &Topic{Name: r.Name, ID: r.TopicID}
	d.order = append(d.order, r.TopicID)
	d.names[r.Name] = r.TopicID
	return nil
}

// topic returns the topic for changing it.
func (d *draft) topic(id record.UUID) (*Topic, error) {
	if t := d.topics[id]; t != nil {
		return t, nil
	}
	t := d.img.TopicByID(id)
	if t == nil {
		return nil, fmt.Errorf("%w: no topic has the id %v", errInconsistent, id)
	}
	t = &Topic{Name: t.Name, ID: t.ID, Partitions: slices.Clone(t.Partitions)}
	if d.topics == nil {
		d.topics = map[record.UUID]*Topic{}
	}
	d.topics[id] = t
	d.order = append(d.order, id)
	return t, nil
}

func (d *draft) setPartition(r *record.Partition) error {
	t, err := d.topic(r.TopicID)
	if err != nil {
		return err
	}
	p := Partition{
		Replicas: r.Replicas, ISR: r.ISR, Removing: r.RemovingReplicas, Adding: r.AddingReplicas,
		Leader: r.Leader, LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch,
		Directories: r.Directories, Recovering: r.LeaderRecoveryState == 1,
		ELR: r.EligibleLeaderReplicas, LastKnownELR: r.LastKnownELR,
	}
	switch n := int32(len(t.Partitions)); {
	case r.PartitionID == n:
		t.Partitions = append(t.Partitions, p)
		d.img.partitions++
	case r.PartitionID >= 0 && r.PartitionID < n:
		t.Partitions[r.PartitionID] = p
	default:
		return fmt.Errorf("%w: partition %d of %s after %d", errInconsistent, r.PartitionID, t.Name, n)
	}
	return nil
}

func (d *draft) changePartition(r *record.PartitionChange) error {
	t, err := d.topic(r.TopicID)
	if err != nil {
		return err
	}
	if r.PartitionID < 0 || int(r.PartitionID) >= len(t.Partitions) {
		return fmt.Errorf("%w: no partition %d in %s", errInconsistent, r.PartitionID, t.Name)
	}
	p := &t.Partitions[r.PartitionID]
	setIf := func(dst *[]int32, v []int32) {
		if v != nil {
			*dst = v
		}
		if len(*dst) == 0 {
			*dst = nil // as a record that creates the partition has it
		}
	}
	setIf(&p.ISR, r.ISR)
	setIf(&p.Replicas, r.Replicas)
	setIf(&p.Removing, r.RemovingReplicas)
	setIf(&p.Adding, r.AddingReplicas)
	setIf(&p.ELR, r.EligibleLeaderReplicas)
	setIf(&p.LastKnownELR, r.LastKnownELR)
	if r.Directories != nil {
		p.Directories = r.Directories
	}
	if r.LeaderRecoveryState != record.RecoveryStateUnchanged {
		p.Recovering = r.LeaderRecoveryState == 1
	}
	if r.Leader != record.LeaderUnchanged {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	p.PartitionEpoch++
	return nil
}

func (d *draft) removeTopic(r *record.RemoveTopic) error {
	t := d.topics[r.TopicID]
	old := d.img.TopicByID(r.TopicID)
	if t == nil {
		t = old
	}
	if t == nil {
		return fmt.Errorf("%w: no topic has the id %v", errInconsistent, r.TopicID)
	}
	d.img.partitions -= len(t.Partitions)
	delete(d.topics, r.TopicID)
	delete(d.names, t.Name)
	if old != nil {
		d.img.topics = d.img.topics.without(t.Name)
		d.img.ids = d.img.ids.without(r.TopicID)
		if n := collisionName(t.Name); n != "" {
			d.img.collisions = d.img.collisions.without(n)
		}
	}
	key := configKey{TopicResource, t.Name}
	delete(d.cfgs, key)
	d.img.configs = d.img.configs.without(key)
	return nil
}

func (d *draft) setConfig(r *record.Config) {
	key := configKey{r.ResourceType, r.ResourceName}
	c := d.cfgs[key]
	if c == nil {
		c = &configs{maps.Clone(d.img.Configs(key.typ, key.name))}
		if c.values == nil {
			c.values = map[string]string{}
		}
		if d.cfgs == nil {
			d.cfgs = map[configKey]*configs{}
		}
		d.cfgs[key] = c
	}
	if r.Value == nil {
		delete(c.values, r.Name)
	} else {
		c.values[r.Name] = *r.Value
	}
}

func (d *draft) registerBroker(r *record.RegisterBroker) {
	d.img.brokers = d.img.brokers.with(r.BrokerID, &Broker{
		ID: r.BrokerID, Epoch: r.BrokerEpoch, Incarnation: r.IncarnationID,
		Endpoints: r.EndPoints, Features: r.Features, Rack: r.Rack,
		Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown,
		LogDirs: r.LogDirs, CordonedLogDirs: r.CordonedLogDirs,
	})
}

// changeBroker changes a copy of the broker; a nil change removes it.
func (d *draft) changeBroker(id int32, epoch int64, change func(*Broker)) error {
	old := d.img.Broker(id)
	if old == nil || old.Epoch != epoch {
		return fmt.Errorf("%w: no broker %d with epoch %d", errInconsistent, id, epoch)
	}
	if change == nil {
		d.img.brokers = d.img.brokers.without(id)
		return nil
	}
	b := *old
	change(&b)
	d.img.brokers = d.img.brokers.with(id, &b)
	return nil
}

func (d *draft) changeRegistration(r *record.BrokerRegistrationChange) error {
	return d.changeBroker(r.BrokerID, r.BrokerEpoch, func(b *Broker) {
		if r.Fenced != 0 {
			b.Fenced = r.Fenced > 0
		}
		if r.InControlledShutdown != 0 {
			b.InControlledShutdown = true
		}
		if len(r.LogDirs) > 0 {
			b.LogDirs = r.LogDirs
		}
		if r.CordonedLogDirs != nil {
			b.CordonedLogDirs = r.CordonedLogDirs
		}
	})
}

func (d *draft) setFeature(r *record.FeatureLevel) {
	d.img.Features = maps.Clone(d.img.Features)
	if r.Level == 0 {
		delete(d.img.Features, r.Name)
	} else {
		d.img.Features[r.Name] = r.Level
	}
}

// finish returns the image. The draft must not be used afterwards.
func (d *draft) finish() *Image {
	d.finishTopics()
	d.finishConfigs()
	return &d.img
}

func (d *draft) finishTopics() {
	if len(d.topics) == 0 {
		return
	}
	changed := make([]*Topic, 0, len(d.topics))
	for _, id := range d.order { // mostly sorted by name, after a snapshot wholly
		if t := d.topics[id]; t != nil {
			delete(d.topics, id)
			t.Partitions = slices.Clip(t.Partitions)
			changed = append(changed, t)
		}
	}
	slices.SortFunc(changed, func(a, b *Topic) int { return strings.Compare(a.Name, b.Name) })
	byName := make([]entry[string, *Topic], 0, len(changed))
	byID := make([]entry[record.UUID, *Topic], 0, len(changed))
	var colliding []entry[string, string]
	for _, t := range changed {
		byName = append(byName, entry[string, *Topic]{t.Name, t})
		byID = append(byID, entry[record.UUID, *Topic]{t.ID, t})
		if n := collisionName(t.Name); n != "" {
			if _, created := d.names[t.Name]; created {
				colliding = append(colliding, entry[string, string]{n, t.Name})
			}
		}
	}
	slices.SortFunc(byID, func(a, b entry[record.UUID, *Topic]) int { return compareIDs(a.k, b.k) })
	slices.SortFunc(colliding, func(a, b entry[string, string]) int { return strings.Compare(a.k, b.k) })
	d.img.topics = d.img.topics.withAll(byName)
	d.img.ids = d.img.ids.withAll(byID)
	d.img.collisions = d.img.collisions.withAll(colliding)
}

func (d *draft) finishConfigs() {
	if len(d.cfgs) == 0 {
		return
	}
	changed := make([]entry[configKey, *configs], 0, len(d.cfgs))
	for k, c := range d.cfgs {
		if len(c.values) == 0 {
			d.img.configs = d.img.configs.without(k)
			continue
		}
		changed = append(changed, entry[configKey, *configs]{k, c})
	}
	slices.SortFunc(changed, func(a, b entry[configKey, *configs]) int { return compareConfigKeys(a.k, b.k) })
	d.img.configs = d.img.configs.withAll(changed)
}

// with returns the image after the records, the first of which has the offset
// after the image's own.
func (i *Image) with(records []record.Record, epoch int32) (*Image, error) {
	d := i.draft()
	for _, r := range records {
		if err := d.apply(r, d.img.Offset+1); err != nil {
			return nil, err
		}
	}
	d.img.Epoch = cmp.Or(epoch, d.img.Epoch)
	return d.finish(), nil
}
