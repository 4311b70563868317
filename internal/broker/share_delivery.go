package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/delivery"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/coord/share"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// startDelivery makes what delivers records to share groups.
func (b *Broker) startDelivery() {
	b.delivery = delivery.NewManager(delivery.Options{
		Clock: b.clock, Logger: b.log,
		Persister:   b.patientShares(),
		Limits:      b.shareLimits,
		StartOffset: b.shareStart,
		MaxSessions: b.cfg.Int("group.share.max.share.sessions"),
		Metrics:     b.metrics.deliveryMetrics(),
	})
}

// closeDelivery ends the delivery; who waits for it is told.
func (b *Broker) closeDelivery() {
	if b.delivery != nil {
		b.delivery.Close()
	}
}

// shareMemberGone ends the session of a member that has left its share group, or was removed from it. What it had acquired
// goes to others. It does not block.
func (b *Broker) shareMemberGone(group, member string) {
	b.delivery.CloseSession(delivery.SessionKey{Group: group, Member: member})
}

// shareConfigs are a group's own settings and the broker's dynamic ones at the moment.
func (b *Broker) shareConfigs(group string) (own map[string]string, dynamic config.Dynamic) {
	img := b.meta.Image()
	return img.Configs(metadata.GroupResource, group), b.dynamicSettings(img)
}

// shareLimits are the settings of a share group that count for its records. They are read from the metadata each time.
func (b *Broker) shareLimits(group string) delivery.Limits {
	own, dynamic := b.shareConfigs(group)
	number := func(name string) int64 { return config.ClampedGroupValue(name, own, dynamic, b.cfg) }
	return delivery.Limits{
		Lock:       time.Duration(number("share.record.lock.duration.ms")) * time.Millisecond,
		Deliveries: int(number("share.delivery.count.limit")),
		Locks:      int(number("share.partition.max.record.locks")),
		Renew:      config.ShareRenews(own),
	}
}

// shareStart is where a group begins in a partition of which it has consumed nothing.
func (b *Broker) shareStart(key share.Key) (int64, *kerr.Error) {
	p, err := b.sharedPartition(key.TopicPartition)
	if err != nil {
		return 0, err
	}
	log := p.Log()
	own, _ := b.shareConfigs(key.Group)
	switch strategy, ago := config.ShareReset(own); strategy {
	case "earliest":
		return log.StartOffset(), nil
	case "by_duration":
		found, ok, err := log.OffsetForTimestamp(b.clock.Now().Add(-ago).UnixMilli(), commitlog.ReadCommittedHW)
		if err != nil {
			return 0, errorCode(err)
		}
		if ok {
			return found.Offset, nil
		}
	}
	return log.HighWatermark(), nil
}

// sharedPartition is a partition that is led here.
func (b *Broker) sharedPartition(tp share.TopicPartition) (*replica.Partition, *kerr.Error) {
	t := b.replicas.TopicByID(tp.TopicID)
	if t == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	return t.Leading(tp.Partition)
}

// deliveryRole follows the leadership of partitions.
func (b *Broker) deliveryRole(p *replica.Partition, leading bool) {
	if !leading {
		b.delivery.Lost(share.TopicPartition{TopicID: p.Topic().ID, Partition: p.Index()})
	}
}

// ackResults gathers what became of acknowledgements.
type ackResults struct {
	list []ackResult
	left chan struct{} // receives once for each that is known
}

type ackResult struct {
	tp   share.TopicPartition
	fail delivery.Failure
}

// acknowledge begins to acknowledge for a member; wait returns when all is over. renew says that locks may be renewed;
// denied, which partitions are not to be touched.
func (b *Broker) acknowledge(key delivery.SessionKey, list []partitionAcks, renew bool, denied func(share.TopicPartition) *kerr.Error) *ackResults {
	r := &ackResults{list: make([]ackResult, len(list)), left: make(chan struct{}, len(list))}
	limits := b.shareLimits(key.Group)
	for i := range list {
		out := &r.list[i]
		out.tp = list[i].tp
		done := func(f delivery.Failure) {
			out.fail = f
			r.left <- struct{}{}
		}
		code := denied(out.tp)
		if code != nil {
			done(failureOf(code))
			continue
		}
		if err := delivery.CheckAcks(list[i].acks, renew); err != nil {
			done(delivery.Failure{Code: kerr.InvalidRequest, Message: err.Error()})
			continue
		}
		p := b.delivery.Find(share.Key{Group: key.Group, TopicPartition: out.tp})
		if p == nil {
			done(failureOf(kerr.UnknownTopicOrPartition))
			continue
		}
		b.metrics.acknowledged(list[i].acks)
		p.Acknowledge(key.Member, list[i].acks, limits, done)
	}
	return r
}

func (r *ackResults) wait() []ackResult {
	for range r.list {
		<-r.left
	}
	return r.list
}

func failureOf(code *kerr.Error) delivery.Failure {
	return delivery.Failure{Code: code, Message: code.Description}
}

// partitionAcks are the acknowledgements of one partition in a request.
type partitionAcks struct {
	tp   share.TopicPartition
	acks []delivery.Ack
}

// unknownShared tells why a partition that a request names cannot be one of ours, apart from who leads it.
func (b *Broker) unknownShared(tp share.TopicPartition) *kerr.Error {
	t := b.meta.Image().TopicByID(tp.TopicID)
	switch {
	case t == nil:
		return kerr.UnknownTopicID
	case tp.Partition < 0 || int(tp.Partition) >= len(t.Partitions):
		return kerr.UnknownTopicOrPartition
	}
	return nil
}

const (
	badShareGroup  = "Invalid group id in the request."
	badShareMember = "Invalid member id in the request."
	// maxMemberID is what Kafka's member ids of share groups may be long.
	maxMemberID = 36
)

// shareMember checks who a request says it is from.
func shareMember(group, member *string) (key delivery.SessionKey, problem string) {
	switch {
	case group == nil:
		return key, badShareGroup
	case member == nil || *member == "" || len(*member) > maxMemberID:
		return key, badShareMember
	}
	return delivery.SessionKey{Group: *group, Member: *member}, ""
}

// offsetOutOfRange tells whether a read failed because there is nothing at its offset any more.
func offsetOutOfRange(err error) bool { return errors.Is(err, commitlog.ErrOffsetOutOfRange) }
