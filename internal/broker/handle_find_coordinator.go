package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The key types of coordinators.
const (
	coordinatorGroup       = 0
	coordinatorTransaction = 1
	coordinatorShare       = 2 // from version 6 on
)

// keyed is a coordinator that keeps each key in a partition of its topic.
type keyed interface {
	EnsureTopic(context.Context) error
	PartitionFor(key string) (partition int32, ok bool)
}

// handleFindCoordinator tells which broker coordinates a group or a transactional id: the leader of the partition of the
// coordinator's topic that it falls on. The topic is created when it is first needed; Kafka answers COORDINATOR_NOT_AVAILABLE
// meanwhile, here the answer waits for the topic, which saves the client a round of retries.
func (b *Broker) handleFindCoordinator(ctx context.Context, r *Request, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	if r.Version >= 4 {
		for _, key := range req.CoordinatorKeys {
			resp.Coordinators = append(resp.Coordinators, b.findCoordinator(ctx, r, req.CoordinatorType, key))
		}
		return resp
	}
	c := b.findCoordinator(ctx, r, req.CoordinatorType, req.CoordinatorKey)
	resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
	resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
	return resp
}

func (b *Broker) findCoordinator(ctx context.Context, r *Request, keyType int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key = key
	c.NodeID, c.Port = -1, -1
	fail := func(err *kerr.Error, message string) kmsg.FindCoordinatorResponseCoordinator {
		c.ErrorCode = err.Code
		if message == "" {
			message = err.Description
		}
		c.ErrorMessage = &message
		return c
	}
	var shards keyed
	var name string
	switch keyType {
	case coordinatorGroup:
		shards, name = b.groups, offsetsTopic
	case coordinatorTransaction:
		shards, name = b.txns, transactionTopic
	case coordinatorShare:
		if r.Version < 6 {
			return fail(kerr.InvalidRequest, "share coordinators are asked for from version 6 on")
		}
		if problem := checkShareKey(key); problem != "" {
			return fail(kerr.InvalidRequest, problem)
		}
		shards, name = b.shares, shareTopic
	default:
		return fail(kerr.InvalidRequest, "coordinators are those of groups (0), transactions (1) and share groups (2)")
	}
	if err := shards.EnsureTopic(ctx); err != nil {
		b.log.Warn("the topic of a coordinator cannot be created", "topic", name, "err", err)
		return fail(kerr.CoordinatorNotAvailable, "")
	}
	img := b.meta.Image()
	topic := img.Topic(name)
	partition, ok := shards.PartitionFor(key)
	if !ok || topic == nil || int(partition) >= len(topic.Partitions) {
		return fail(kerr.CoordinatorNotAvailable, "")
	}
	node := img.Broker(topic.Partitions[partition].Leader)
	if !node.Live() {
		return fail(kerr.CoordinatorNotAvailable, "")
	}
	e := node.Endpoint(r.Listener)
	if e == nil {
		return fail(kerr.CoordinatorNotAvailable, "")
	}
	c.NodeID, c.Host, c.Port = node.ID, e.Host, int32(e.Port)
	// Kafka fills the field even then.
	message := ""
	if r.Version < 4 {
		message = "NONE"
	}
	c.ErrorMessage = &message
	return c
}
