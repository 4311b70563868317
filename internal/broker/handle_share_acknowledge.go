package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/delivery"
	"leat.dev/internal/coord/share"
	"leat.dev/internal/wire/field"
)

// handleShareAcknowledge takes a member's word for what became of records that were delivered to it. The answer leaves
// once that is written down. A final request also ends the session.
func (b *Broker) handleShareAcknowledge(_ context.Context, r *Request, req *kmsg.ShareAcknowledgeRequest) kmsg.Response {
	resp := kmsg.NewPtrShareAcknowledgeResponse()
	refuse := func(code *kerr.Error, message string) kmsg.Response {
		resp.ErrorCode, resp.ErrorMessage = code.Code, &message
		return resp
	}
	if !b.servesShareGroups() {
		return refuse(kerr.UnsupportedVersion, kerr.UnsupportedVersion.Description)
	}
	key, problem := shareMember(req.GroupID, req.MemberID)
	if problem != "" {
		return refuse(kerr.InvalidRequest, problem)
	}
	if code := b.acknowledgeEpoch(key, req.ShareSessionEpoch); code != nil {
		return refuse(code, code.Description)
	}
	if r.Version >= 2 {
		resp.AcquisitionLockTimeoutMillis = int32(b.shareLimits(key.Group).Lock.Milliseconds())
	}
	var acks []partitionAcks
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			one := partitionAcks{tp: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}}
			for _, a := range p.AcknowledgementBatches {
				one.acks = append(one.acks, delivery.Ack{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
			acks = append(acks, one)
		}
	}
	for _, one := range b.acknowledge(key, acks, req.IsRenewAck, b.unknownShared).wait() {
		b.addAcknowledged(resp, one)
	}
	if req.ShareSessionEpoch == delivery.FinalEpoch {
		b.delivery.CloseSession(key)
	}
	return resp
}

// acknowledgeEpoch checks a session epoch and counts it on. A session is not opened by acknowledging.
func (b *Broker) acknowledgeEpoch(key delivery.SessionKey, epoch int32) *kerr.Error {
	switch epoch {
	case delivery.InitialEpoch:
		return kerr.InvalidShareSessionEpoch
	case delivery.FinalEpoch:
		if !b.delivery.Has(key) {
			return kerr.ShareSessionNotFound
		}
		return nil
	}
	_, code := b.delivery.Continue(key, epoch, nil, nil)
	return code
}

// addAcknowledged puts what became of one partition's acknowledgements into the response.
func (b *Broker) addAcknowledged(resp *kmsg.ShareAcknowledgeResponse, one ackResult) {
	var t *kmsg.ShareAcknowledgeResponseTopic
	for i := range resp.Topics {
		if resp.Topics[i].TopicID == one.tp.TopicID {
			t = &resp.Topics[i]
		}
	}
	if t == nil {
		resp.Topics = append(resp.Topics, kmsg.NewShareAcknowledgeResponseTopic())
		t = &resp.Topics[len(resp.Topics)-1]
		t.TopicID = one.tp.TopicID
	}
	p := kmsg.NewShareAcknowledgeResponseTopicPartition()
	p.Partition = one.tp.Partition
	if code := one.fail.Code; code != nil {
		p.ErrorCode, p.ErrorMessage = code.Code, &one.fail.Message
		if leader := b.currentLeader(one.tp); leader != nil && (code == kerr.NotLeaderForPartition || code == kerr.FencedLeaderEpoch) {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = leader.ID, leader.Epoch
			resp.NodeEndpoints = resp.NodeEndpoints[:0]
			for _, e := range b.endpointOf([]field.Endpoint(nil), leader.ID) {
				n := kmsg.NewShareAcknowledgeResponseNodeEndpoint()
				n.NodeID, n.Host, n.Port = e.NodeID, e.Host, e.Port
				if e.Rack != "" {
					n.Rack = &e.Rack
				}
				resp.NodeEndpoints = append(resp.NodeEndpoints, n)
			}
		}
	}
	t.Partitions = append(t.Partitions, p)
}
