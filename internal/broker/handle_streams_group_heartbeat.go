package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/metadata"
)

// handleStreamsGroupHeartbeat is all that a member of a streams group (KIP-1071) asks: to join, to stay and to leave.
// Internal topics that the application needs are created before it is answered. It still hears that they are missing,
// as from Apache Kafka, and comes back; what went wrong with them it hears at once.
func (b *Broker) handleStreamsGroupHeartbeat(ctx context.Context, r *Request, req *kmsg.StreamsGroupHeartbeatRequest) kmsg.Response {
	if !b.servesStreamsGroups() {
		return streamsRefusal(kerr.UnsupportedVersion, "")
	}
	if resp := checkTopologyTopics(topologyTopics(req.Topology)); resp != nil {
		return resp
	}
	resp, create := b.groups.StreamsGroupHeartbeat(ctx, group.Client{ID: r.ClientID, Host: r.Host()}, req)
	if len(create) > 0 {
		if detail := b.createStreamsTopics(ctx, r, create); detail != "" {
			for i := range resp.Status {
				if s := &resp.Status[i]; s.StatusCode == group.MissingInternalTopics {
					s.StatusDetail += "; " + detail
				}
			}
		}
	}
	return resp
}

// servesStreamsGroups tells whether the cluster and the settings let groups of this kind be.
func (b *Broker) servesStreamsGroups() bool {
	return b.meta.Image().Features[metadata.StreamsVersion] >= 1 &&
		slices.Contains(b.cfg.List("group.coordinator.rebalance.protocols"), "streams")
}

// streamsRefusal is an answer that is only an error; an empty message is none.
func streamsRefusal(code *kerr.Error, message string) *kmsg.StreamsGroupHeartbeatResponse {
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.ErrorCode = code.Code
	resp.Status = []kmsg.StreamsGroupHeartbeatResponseStatus{}
	if message != "" {
		resp.ErrorMessage = &message
	}
	return resp
}

// topologyTopics are the topics that an application reads and writes, each once.
func topologyTopics(t *kmsg.StreamsGroupHeartbeatRequestTopology) []string {
	if t == nil {
		return nil
	}
	var topics []string
	for i := range t.Subtopologies {
		s := &t.Subtopologies[i]
		topics = append(append(topics, s.SourceTopics...), s.RepartitionSinkTopics...)
		for _, list := range [][]kmsg.TopicInfo{s.RepartitionSourceTopics, s.StateChangelogTopics} {
			for j := range list {
				topics = append(topics, list[j].Topic)
			}
		}
	}
	seen := make(map[string]bool, len(topics))
	return slices.DeleteFunc(topics, func(t string) bool {
		again := seen[t]
		seen[t] = true
		return again
	})
}

// checkTopologyTopics refuses names that no topic of an application can have.
func checkTopologyTopics(topics []string) *kmsg.StreamsGroupHeartbeatResponse {
	var internal, invalid []string
	for _, t := range topics {
		if metadata.IsInternal(t) {
			internal = append(internal, t)
		}
		if metadata.CheckTopicName(t) != "" {
			invalid = append(invalid, t)
		}
	}
	switch {
	case len(internal) > 0:
		return streamsRefusal(kerr.StreamsInvalidTopology, fmt.Sprintf("Use of Kafka internal topics %s in a Kafka Streams topology is prohibited.", strings.Join(internal, ",")))
	case len(invalid) > 0:
		return streamsRefusal(kerr.StreamsInvalidTopology, fmt.Sprintf("Topic names %s are not valid topic names.", strings.Join(invalid, ",")))
	}
	return nil
}

// createStreamsTopics creates internal topics for a client that may, at the cost of its quota, and tells what went wrong. Somebody else may have
// created one meanwhile.
func (b *Broker) createStreamsTopics(ctx context.Context, r *Request, topics []kmsg.CreateTopicsRequestTopic) string {
	g := &guard{b, r}
	if !g.sees(acl.Create, acl.Cluster, acl.ClusterName) {
		var denied []string
		for i := range topics {
			if !g.may(acl.Create, acl.Topic, topics[i].Topic) {
				denied = append(denied, topics[i].Topic)
			}
		}
		if len(denied) > 0 {
			return "Unauthorized to CREATE on topics " + strings.Join(denied, ", ") + "."
		}
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(req.MaxVersion())
	req.TimeoutMillis = int32(b.cfg.Millis("request.timeout.ms").Milliseconds())
	req.Topics = topics
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	var failed []string
	for _, t := range b.meta.CreateTopics(metadata.WithMutations(ctx, b.mutating(r, 0)), req).Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			continue
		}
		why := err.Error()
		if t.ErrorMessage != nil {
			why = *t.ErrorMessage
		}
		failed = append(failed, t.Topic+" ("+why+")")
	}
	const shown = 3
	switch {
	case len(failed) == 0:
		return ""
	case len(failed) > shown:
		return fmt.Sprintf("Creation failed: %s and %d more.", strings.Join(failed[:shown], ", "), len(failed)-shown)
	}
	return "Creation failed: " + strings.Join(failed, ", ") + "."
}
