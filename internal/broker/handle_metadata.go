package broker

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// What anybody may do while there is no authorizer, as sums of 1<<operation.
const (
	topicOperations   int32 = 3576
	clusterOperations int32 = 8096
	operationsUnasked int32 = math.MinInt32
)

func (b *Broker) handleMetadata(ctx context.Context, r *Request, req *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	if asksByIDTooEarly(r.Version, req) {
		return askedByIDTooEarly(req)
	}
	// Version 0 has no null: there an empty list means all topics.
	all := req.Topics == nil || r.Version == 0 && len(req.Topics) == 0
	create := (req.AllowAutoTopicCreation || r.Version < 4) && b.cfg.Bool("auto.create.topics.enable")
	if !all && create {
		b.createAskedTopics(ctx, r, req)
	}
	img := b.meta.Image()
	a := metadataAnswer{img: img, version: r.Version, operations: req.IncludeTopicAuthorizedOperations}
	resp.ClusterID = new(img.ClusterID)
	resp.ControllerID = b.nodeID
	for n := range img.Brokers() {
		e := n.Endpoint(r.Listener)
		if e != nil {
			a.reachable = append(a.reachable, n.ID)
		}
		if n.Fenced {
			continue
		}
		a.live = append(a.live, n.ID)
		if e == nil {
			continue
		}
		m := kmsg.NewMetadataResponseBroker()
		m.NodeID, m.Host, m.Port, m.Rack = n.ID, e.Host, int32(e.Port), n.Rack
		resp.Brokers = append(resp.Brokers, m)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}
	if all {
		resp.Topics = make([]kmsg.MetadataResponseTopic, 0, img.TopicCount())
		for t := range img.Topics() {
			resp.Topics = append(resp.Topics, a.topic(t))
		}
		return resp
	}
	resp.Topics = make([]kmsg.MetadataResponseTopic, 0, len(req.Topics))
	seen := make(map[string]bool, len(req.Topics))
	seenID := make(map[[16]byte]bool)
	for i := range req.Topics {
		t := &req.Topics[i]
		// An id goes before a name: Java's admin client asks by id with an empty name beside it.
		if t.Topic == nil || t.TopicID != [16]byte{} {
			if seenID[t.TopicID] {
				continue
			}
			seenID[t.TopicID] = true
			resp.Topics = append(resp.Topics, a.byID(t.TopicID))
		} else if !seen[*t.Topic] {
			seen[*t.Topic] = true
			resp.Topics = append(resp.Topics, a.byName(*t.Topic))
		}
	}
	return resp
}

// idsInMetadata is the first version that may ask by id, although two before it have the field.
const idsInMetadata = 12

func asksByIDTooEarly(version int16, req *kmsg.MetadataRequest) bool {
	return version < idsInMetadata && slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic == nil || t.TopicID != [16]byte{} })
}

// askedByIDTooEarly refuses a request as a whole: every topic has the error, and there is nothing about the cluster.
func askedByIDTooEarly(req *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	for _, t := range req.Topics {
		m := kmsg.NewMetadataResponseTopic()
		m.Topic, m.TopicID, m.ErrorCode = t.Topic, t.TopicID, kerr.InvalidRequest.Code
		if m.Topic == nil {
			m.Topic = new(string)
		}
		resp.Topics = append(resp.Topics, m)
	}
	return resp
}

// createAskedTopics creates the topics of the request that do not exist. Those that cannot be created are left out:
// the answer then says that they are unknown, and a client that cares asks again.
func (b *Broker) createAskedTopics(ctx context.Context, r *Request, req *kmsg.MetadataRequest) {
	img := b.meta.Image()
	creation := kmsg.NewPtrCreateTopicsRequest()
	creation.SetVersion(creation.MaxVersion())
	seen := map[string]bool{}
	for _, t := range req.Topics {
		if t.Topic == nil || t.TopicID != [16]byte{} || seen[*t.Topic] || img.Topic(*t.Topic) != nil || metadata.CheckTopicName(*t.Topic) != "" {
			continue
		}
		seen[*t.Topic] = true
		switch {
		case *t.Topic == offsetsTopic:
			if err := b.createOffsetsTopic(ctx); err != nil {
				b.log.Warn("creating the offsets topic failed", "err", err)
			}
		case metadata.IsInternal(*t.Topic):
			// Its coordinator is not served, so nobody would use it.
		default:
			c := kmsg.NewCreateTopicsRequestTopic()
			c.Topic, c.NumPartitions, c.ReplicationFactor = *t.Topic, -1, -1
			creation.Topics = append(creation.Topics, c)
		}
	}
	if len(creation.Topics) == 0 {
		return
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	r.watch.pause()
	defer r.watch.resume()
	// The client's quota holds for them too, but it is told nothing of it: a topic that may not be created yet is unknown.
	for _, t := range b.meta.CreateTopics(metadata.WithMutations(ctx, b.mutating(r, 0)), creation).Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			b.log.Warn("creating a topic on demand failed", "topic", t.Topic, "err", err, "message", text(t.ErrorMessage))
		}
	}
	r.mutations = nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// metadataAnswer builds the topics of a Metadata response from one image.
type metadataAnswer struct {
	img        *metadata.Image
	version    int16
	operations bool
	live       []int32 // brokers that are not fenced
	reachable  []int32 // brokers that have the client's listener
}

func (a *metadataAnswer) byName(name string) kmsg.MetadataResponseTopic {
	if t := a.img.Topic(name); t != nil {
		return a.topic(t)
	}
	m := kmsg.NewMetadataResponseTopic()
	m.Topic = &name
	m.IsInternal = metadata.IsInternal(name)
	m.ErrorCode = kerr.UnknownTopicOrPartition.Code
	if metadata.CheckTopicName(name) != "" {
		m.ErrorCode = kerr.InvalidTopicException.Code
	}
	m.AuthorizedOperations = a.topicOperations()
	return m
}

func (a *metadataAnswer) byID(id [16]byte) kmsg.MetadataResponseTopic {
	if t := a.img.TopicByID(id); t != nil {
		return a.topic(t)
	}
	m := kmsg.NewMetadataResponseTopic()
	m.TopicID = id
	m.ErrorCode = kerr.UnknownTopicID.Code
	m.AuthorizedOperations = operationsUnasked
	return m
}

func (a *metadataAnswer) topicOperations() int32 {
	if a.operations {
		return topicOperations
	}
	return operationsUnasked
}

// topic shares the image's lists of replicas with the response, which nobody changes.
func (a *metadataAnswer) topic(t *metadata.Topic) kmsg.MetadataResponseTopic {
	m := kmsg.NewMetadataResponseTopic()
	m.Topic, m.TopicID, m.IsInternal = &t.Name, t.ID, t.Internal()
	m.AuthorizedOperations = a.topicOperations()
	m.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i := range t.Partitions {
		p, out := &t.Partitions[i], &m.Partitions[i]
		out.Partition, out.Leader, out.LeaderEpoch = int32(i), p.Leader, p.LeaderEpoch
		out.Replicas, out.ISR = p.Replicas, p.ISR
		out.OfflineReplicas = without(p.Replicas, a.live)
		switch {
		case p.Leader == metadata.NoLeader:
			out.ErrorCode = kerr.LeaderNotAvailable.Code
		case !slices.Contains(a.reachable, p.Leader):
			out.Leader = metadata.NoLeader
			out.ErrorCode = kerr.ListenerNotFound.Code
			if a.version < 6 {
				out.ErrorCode = kerr.LeaderNotAvailable.Code
			}
		}
		if a.version == 0 && len(out.OfflineReplicas) > 0 {
			// The first version has no place for offline replicas and says so by an error.
			out.Replicas = without(out.Replicas, out.OfflineReplicas)
			out.ISR = without(out.ISR, out.OfflineReplicas)
			if out.ErrorCode == 0 {
				out.ErrorCode = kerr.ReplicaNotAvailable.Code
			}
		}
	}
	return m
}

// without returns the ids that are not in gone, nil if all are.
func without(ids, gone []int32) []int32 {
	var out []int32
	for _, id := range ids {
		if !slices.Contains(gone, id) {
			out = append(out, id)
		}
	}
	return out
}

// liveBrokers are the brokers that are not fenced.
func liveBrokers(img *metadata.Image) (live []int32) {
	for n := range img.Brokers() {
		if !n.Fenced {
			live = append(live, n.ID)
		}
	}
	return live
}
