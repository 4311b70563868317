package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinatorGroup is the key type of group coordinators; 1 is transactions, 2 share groups.
const coordinatorGroup = 0

// handleFindCoordinator tells which broker coordinates a group: the leader of the partition of __consumer_offsets that
// the group's id falls on. The topic is created when it is first needed; Kafka answers COORDINATOR_NOT_AVAILABLE
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
	if keyType != coordinatorGroup {
		return fail(kerr.InvalidRequest, "this broker coordinates groups, and neither transactions nor share groups")
	}
	if err := b.groups.EnsureTopic(ctx); err != nil {
		b.log.Warn("the topic of the group coordinator cannot be created", "err", err)
		return fail(kerr.CoordinatorNotAvailable, "")
	}
	img := b.meta.Image()
	topic := img.Topic(offsetsTopic)
	partition, ok := b.groups.PartitionFor(key)
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
