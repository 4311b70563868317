package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/metadata"
)

// handleConsumerGroupHeartbeat is all that a member of a consumer group (KIP-848) asks: to join, to stay and to leave.
func (b *Broker) handleConsumerGroupHeartbeat(ctx context.Context, r *Request, req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
	if !b.servesConsumerGroups() {
		resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	g := &guard{b, r}
	mayDescribe := func(topic string) bool { return g.sees(acl.Describe, acl.Topic, topic) }
	return b.groups.ConsumerGroupHeartbeat(ctx, group.Client{ID: r.ClientID, Host: r.Host()}, req, mayDescribe)
}

// servesConsumerGroups tells whether the cluster and the settings let groups of this kind be.
func (b *Broker) servesConsumerGroups() bool {
	return b.meta.Image().Features[metadata.GroupVersion] >= 1 &&
		slices.Contains(b.cfg.List("group.coordinator.rebalance.protocols"), "consumer")
}
