package broker

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/metadata"
)

// topicRules are those of APIs about topics and their records.
var topicRules = map[kmsg.Key]rule{
	// These two ask for themselves, see produceState.appendAll and fetchState.open.
	kmsg.Produce: {needs: "Write Topic; with a transaction Write TransactionalId"},
	kmsg.Fetch:   {needs: "Read Topic; as a replica ClusterAction Cluster"},

	kmsg.ListOffsets: {"Describe Topic", checked(func(g *guard, q *kmsg.ListOffsetsRequest, next func() *kmsg.ListOffsetsResponse) *kmsg.ListOffsetsResponse {
		may := g.mayNames(acl.Describe, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.ListOffsetsRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		return resp
	})},
	kmsg.Metadata: {"Describe Topic; to create Create Cluster or Topic", checked(guardMetadata)},
	kmsg.OffsetForLeaderEpoch: {"ClusterAction Cluster or Describe Topic", checked(func(g *guard, q *kmsg.OffsetForLeaderEpochRequest, next func() *kmsg.OffsetForLeaderEpochResponse) *kmsg.OffsetForLeaderEpochResponse {
		if g.sees(acl.ClusterAction, acl.Cluster, acl.ClusterName) {
			return next()
		}
		may := g.mayNames(acl.Describe, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.OffsetForLeaderEpochRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		return resp
	})},
	kmsg.CreateTopics: {"Create Cluster or Topic; to see configs DescribeConfigs Topic", checked(guardCreateTopics)},
	kmsg.DeleteTopics: {"Delete Topic", checked(guardDeleteTopics)},
	kmsg.DeleteRecords: {"Delete Topic", checked(func(g *guard, q *kmsg.DeleteRecordsRequest, next func() *kmsg.DeleteRecordsResponse) *kmsg.DeleteRecordsResponse {
		may := g.mayNames(acl.Delete, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.DeleteRecordsRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		at := len(resp.Topics)
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		for i := at; i < len(resp.Topics); i++ {
			for j := range resp.Topics[i].Partitions {
				resp.Topics[i].Partitions[j].LowWatermark = -1
			}
		}
		return resp
	})},
	kmsg.CreatePartitions: {"Alter Topic", checked(func(g *guard, q *kmsg.CreatePartitionsRequest, next func() *kmsg.CreatePartitionsResponse) *kmsg.CreatePartitionsResponse {
		may := g.mayNames(acl.Alter, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.CreatePartitionsRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		at := len(resp.Topics)
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		for i := at; i < len(resp.Topics); i++ {
			resp.Topics[i].ErrorMessage = nil // as in Kafka
		}
		return resp
	})},
	kmsg.DescribeProducers: {"Read Topic", checked(func(g *guard, q *kmsg.DescribeProducersRequest, next func() *kmsg.DescribeProducersResponse) *kmsg.DescribeProducersResponse {
		may := g.mayNames(acl.Read, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.DescribeProducersRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		return resp
	})},
	kmsg.DescribeTopicPartitions: {"Describe Topic", checked(func(g *guard, q *kmsg.DescribeTopicPartitionsRequest, next func() *kmsg.DescribeTopicPartitionsResponse) *kmsg.DescribeTopicPartitionsResponse {
		may := g.mayNames(acl.Describe, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.DescribeTopicPartitionsRequestTopic) bool { return may(t.Topic) })
		if q.Topics = left; len(denied) > 0 && q.Cursor != nil && !may(q.Cursor.Topic) {
			q.Cursor = nil // it points at what the client may not see
		}
		var resp *kmsg.DescribeTopicPartitionsResponse
		if len(left) == 0 && len(denied) > 0 {
			resp = kmsg.NewPtrDescribeTopicPartitionsResponse() // no names would mean all
		} else {
			resp = next()
		}
		for i := range resp.Topics {
			if t := &resp.Topics[i]; t.Topic != nil && t.AuthorizedOperations != math.MinInt32 {
				t.AuthorizedOperations = g.operations(acl.Topic, *t.Topic)
			}
		}
		for _, t := range denied {
			m := kmsg.NewDescribeTopicPartitionsResponseTopic()
			m.Topic, m.ErrorCode, m.AuthorizedOperations = &t.Topic, kerr.TopicAuthorizationFailed.Code, math.MinInt32
			resp.Topics = append(resp.Topics, m)
		}
		return resp
	})},
}

// guardMetadata hides topics from those who may not describe them: asked for by name they are answered alike whether
// they exist or not, and by id without their name.
func guardMetadata(g *guard, q *kmsg.MetadataRequest, next func() *kmsg.MetadataResponse) *kmsg.MetadataResponse {
	if asksByIDTooEarly(g.r.Version, q) {
		return next() // refused as a whole, whoever asks
	}
	all := q.Topics == nil || g.r.Version == 0 && len(q.Topics) == 0
	img := g.b.meta.Image()
	var hidden, closed []kmsg.MetadataRequestTopic
	if !all {
		may := g.mayTopic(acl.Describe)
		q.Topics, hidden = split(q.Topics, func(t *kmsg.MetadataRequestTopic) bool { return may(text(t.Topic), t.TopicID) })
		if (q.AllowAutoTopicCreation || g.r.Version < 4) && g.b.cfg.Bool("auto.create.topics.enable") {
			mayCreate := g.mayNames(acl.Create, acl.Topic)
			q.Topics, closed = split(q.Topics, func(t *kmsg.MetadataRequestTopic) bool {
				return t.Topic == nil || img.Topic(*t.Topic) != nil || g.sees(acl.Create, acl.Cluster, acl.ClusterName) || mayCreate(*t.Topic)
			})
		}
	}
	resp := next()
	switch {
	case all:
		resp.Topics = shown(resp.Topics, func(t *kmsg.MetadataResponseTopic) bool { return g.b.visible(g.r, text(t.Topic)) })
	case len(q.Topics) == 0:
		resp.Topics = nil // nothing was left to ask for, which version 0 takes for everything
	}
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic != nil && t.AuthorizedOperations != math.MinInt32 {
			t.AuthorizedOperations = g.operations(acl.Topic, *t.Topic)
		}
	}
	if q.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = 0
		if g.sees(acl.Describe, acl.Cluster, acl.ClusterName) {
			resp.AuthorizedOperations = g.operations(acl.Cluster, acl.ClusterName)
		}
	}
	named, numbered := map[string]bool{}, map[[16]byte]bool{}
	for _, t := range append(hidden, closed...) {
		if t.Topic == nil && numbered[t.TopicID] || t.Topic != nil && named[*t.Topic] {
			continue // topics that are asked for twice are answered once
		}
		if numbered[t.TopicID] = t.Topic == nil; t.Topic != nil {
			named[*t.Topic] = true
		}
		m := kmsg.NewMetadataResponseTopic()
		m.Topic, m.TopicID, m.ErrorCode = t.Topic, t.TopicID, kerr.TopicAuthorizationFailed.Code
		if t.Topic != nil {
			m.IsInternal, m.TopicID = metadata.IsInternal(*t.Topic), [16]byte{}
		}
		m.AuthorizedOperations = math.MinInt32
		resp.Topics = append(resp.Topics, m)
	}
	return resp
}

func guardCreateTopics(g *guard, q *kmsg.CreateTopicsRequest, next func() *kmsg.CreateTopicsResponse) *kmsg.CreateTopicsResponse {
	var denied []kmsg.CreateTopicsRequestTopic
	if !g.sees(acl.Create, acl.Cluster, acl.ClusterName) {
		may := g.mayNames(acl.Create, acl.Topic)
		q.Topics, denied = split(q.Topics, func(t *kmsg.CreateTopicsRequestTopic) bool { return may(t.Topic) })
	}
	resp := next()
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.ErrorCode == 0 && !g.sees(acl.DescribeConfigs, acl.Topic, t.Topic) {
			t.Configs, t.ConfigErrorCode = nil, kerr.TopicAuthorizationFailed.Code
			t.NumPartitions, t.ReplicationFactor = -1, -1
		}
	}
	times := map[string]int{}
	for i := range denied {
		times[denied[i].Topic]++
	}
	for i := range denied {
		m := kmsg.NewCreateTopicsResponseTopic()
		m.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
		m.Topic, m.ErrorCode, m.ErrorMessage = denied[i].Topic, kerr.TopicAuthorizationFailed.Code, new("Authorization failed.")
		switch n := times[denied[i].Topic]; {
		case n < 0:
			continue
		case n > 1: // a name that comes twice is wrong before it is forbidden
			m.ErrorCode, m.ErrorMessage = kerr.InvalidRequest.Code, new("Duplicate topic name.")
		}
		times[denied[i].Topic] = -1
		resp.Topics = append(resp.Topics, m)
	}
	return resp
}

// guardDeleteTopics: who may not even describe a topic that it names by id does not learn its name.
func guardDeleteTopics(g *guard, q *kmsg.DeleteTopicsRequest, next func() *kmsg.DeleteTopicsResponse) *kmsg.DeleteTopicsResponse {
	everything := g.sees(acl.Delete, acl.Cluster, acl.ClusterName)
	may := g.mayTopic(acl.Delete)
	names, deniedNames := split(q.TopicNames, func(n *string) bool { return everything || may(*n, [16]byte{}) })
	left, denied := split(q.Topics, func(t *kmsg.DeleteTopicsRequestTopic) bool { return everything || may(text(t.Topic), t.TopicID) })
	q.TopicNames, q.Topics = names, left
	resp := next()
	refuse := func(name *string, id [16]byte) {
		m := kmsg.NewDeleteTopicsResponseTopic()
		m.Topic, m.TopicID = name, id
		m.ErrorCode, m.ErrorMessage = kerr.TopicAuthorizationFailed.Code, new(denialMessage(kerr.TopicAuthorizationFailed))
		if known, ok := g.topicName("", id); name == nil && ok && g.sees(acl.Describe, acl.Topic, known) {
			m.Topic = &known
		}
		resp.Topics = append(resp.Topics, m)
	}
	for _, n := range deniedNames {
		refuse(&n, [16]byte{})
	}
	for i := range denied {
		refuse(denied[i].Topic, denied[i].TopicID)
	}
	return resp
}
