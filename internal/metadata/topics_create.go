package metadata

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/config"
	"leat.dev/internal/metadata/record"
)

// partitionsPerRequest is Kafka's bound on what one request may create.
const partitionsPerRequest = 10_000

// CreateTopics creates topics; errors stand in the response.
func (n *Node) CreateTopics(ctx context.Context, req *kmsg.CreateTopicsRequest) *kmsg.CreateTopicsResponse {
	resp, err := submit(ctx, n, func(v *view) (*kmsg.CreateTopicsResponse, []record.Record, error) {
		return v.limited(ctx).createTopics(req)
	})
	if err != nil {
		resp = kmsg.NewPtrCreateTopicsResponse()
		seen := map[string]bool{}
		for _, t := range req.Topics {
			if seen[t.Topic] {
				continue
			}
			seen[t.Topic] = true
			resp.Topics = append(resp.Topics, refusedTopic(t.Topic, refusalOf(err)))
		}
	}
	return resp
}

func refusedTopic(name string, why *refusal) kmsg.CreateTopicsResponseTopic {
	r := kmsg.NewCreateTopicsResponseTopic()
	r.Topic, r.Configs = name, []kmsg.CreateTopicsResponseTopicConfig{} // null is for those that may not see them
	r.ErrorCode, r.ErrorMessage = why.fields()
	return r
}

func (v *view) createTopics(req *kmsg.CreateTopicsRequest) (*kmsg.CreateTopicsResponse, []record.Record, error) {
	total := 0
	count := map[string]int{}
	for _, t := range req.Topics {
		count[t.Topic]++
		total += v.requestedPartitions(&t)
	}
	if total > partitionsPerRequest {
		return nil, nil, refuse(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	}
	resp := kmsg.NewPtrCreateTopicsResponse()
	var records []record.Record
	created := map[string]bool{} // by collision name
	for i := range req.Topics {
		t := &req.Topics[i]
		switch c := count[t.Topic]; {
		case c < 0:
			continue // answered already
		case c > 1:
			count[t.Topic] = -1
			resp.Topics = append(resp.Topics, refusedTopic(t.Topic, refuse(kerr.InvalidRequest, "Duplicate topic name.")))
			continue
		}
		answer, more, why := v.createTopic(t, created)
		if why != nil {
			resp.Topics = append(resp.Topics, refusedTopic(t.Topic, why))
			continue
		}
		if c := collisionName(t.Topic); c != "" {
			created[c] = true
		}
		resp.Topics = append(resp.Topics, answer)
		records = append(records, more...)
	}
	if req.ValidateOnly {
		records = nil
	}
	return resp, records, nil
}

func (v *view) requestedPartitions(t *kmsg.CreateTopicsRequestTopic) int {
	switch {
	case len(t.ReplicaAssignment) > 0:
		return len(t.ReplicaAssignment)
	case t.NumPartitions == -1:
		return v.node.o.Static.Int("num.partitions")
	}
	return int(max(t.NumPartitions, 0))
}

// checkNewName says why no topic of that name can be created.
func (v *view) checkNewName(name string, created map[string]bool) *refusal {
	if name == LogTopic {
		return refuse(kerr.InvalidRequest, "Creation of internal topic "+LogTopic+" is prohibited.")
	}
	if why := CheckTopicName(name); why != "" {
		return refuse(kerr.InvalidTopicException, why)
	}
	if v.Topic(name) != nil {
		return refuse(kerr.TopicAlreadyExists, "Topic '"+name+"' already exists.")
	}
	if c := collisionName(name); c != "" {
		if other, ok := v.collisions.get(c); ok {
			return refuse(kerr.InvalidTopicException, fmt.Sprintf("Topic '%s' collides with existing topic: %s", name, other))
		}
		if created[c] {
			return refuse(kerr.InvalidTopicException, fmt.Sprintf("Topic '%s' collides with another topic of the request", name))
		}
	}
	return nil
}

// createTopic checks one topic of the request and returns its answer and the
// records that create it.
func (v *view) createTopic(t *kmsg.CreateTopicsRequestTopic, created map[string]bool) (answer kmsg.CreateTopicsResponseTopic, records []record.Record, why *refusal) {
	if why = v.checkNewName(t.Topic, created); why != nil {
		return
	}
	overrides := make(map[string]string, len(t.Configs))
	for _, c := range t.Configs {
		if c.Value == nil {
			return answer, nil, refuse(kerr.InvalidConfig, "Null value not supported for topic configs: "+c.Name)
		}
		overrides[c.Name] = *c.Value
	}
	if err := config.CheckTopic(overrides, v.dynamic(), v.node.o.Static); err != nil {
		return answer, nil, refuse(kerr.InvalidConfig, err.Error())
	}
	replicas, why := v.assign(t)
	if why != nil {
		return
	}
	if why = v.mutate(len(replicas)); why != nil {
		return
	}
	id, err := newTopicID(v.node.o.Random, v.Image)
	if err != nil {
		return answer, nil, refuse(kerr.UnknownServerError, err.Error())
	}
	records = append(records, &record.Topic{Name: t.Topic, TopicID: id})
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		records = append(records, &record.Config{ResourceType: TopicResource, ResourceName: t.Topic, Name: name, Value: new(overrides[name])})
	}
	for p, r := range replicas {
		records = append(records, v.newPartition(id, int32(p), r))
	}
	answer = kmsg.NewCreateTopicsResponseTopic()
	answer.Topic = t.Topic
	answer.TopicID = id
	answer.NumPartitions = int32(len(replicas))
	answer.ReplicationFactor = int16(len(replicas[0]))
	for _, e := range config.DescribeTopic(overrides, v.dynamic(), v.node.o.Static) {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.Value, c.Source, c.IsSensitive, c.ReadOnly = e.Name, e.Value, int8(e.Source), e.Sensitive, e.ReadOnly
		answer.Configs = append(answer.Configs, c)
	}
	return answer, records, nil
}

// assign works out the replicas of every partition of a new topic.
func (v *view) assign(t *kmsg.CreateTopicsRequestTopic) ([][]int32, *refusal) {
	if len(t.ReplicaAssignment) > 0 {
		return v.assignManually(t)
	}
	static := v.node.o.Static
	partitions, factor := t.NumPartitions, t.ReplicationFactor
	switch {
	case factor < -1 || factor == 0:
		return nil, refuse(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case partitions < -1 || partitions == 0:
		return nil, refuse(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	if partitions == -1 {
		partitions = int32(static.Int("num.partitions"))
	}
	if factor == -1 {
		factor = int16(static.Int("default.replication.factor"))
	}
	placer := newPlacer(v.Image, v.node.o.Random)
	out := make([][]int32, partitions)
	for p := range out {
		var why *refusal
		if out[p], why = placer.place(int(factor)); why != nil {
			return nil, why
		}
	}
	return out, nil
}

func (v *view) assignManually(t *kmsg.CreateTopicsRequestTopic) ([][]int32, *refusal) {
	switch {
	case t.ReplicationFactor != -1:
		return nil, refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	case t.NumPartitions != -1:
		return nil, refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	byID := map[int32][]int32{}
	factor := 0
	for _, a := range t.ReplicaAssignment {
		if _, ok := byID[a.Partition]; ok {
			return nil, refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("Found multiple manual partition assignments for partition %d", a.Partition))
		}
		if why := v.checkAssignment(a.Replicas, factor); why != nil {
			return nil, why
		}
		if !slices.ContainsFunc(a.Replicas, func(id int32) bool { return v.Broker(id).Live() }) {
			return nil, refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", a.Partition))
		}
		factor = len(a.Replicas)
		byID[a.Partition] = a.Replicas
	}
	out := make([][]int32, len(byID))
	for p := range out {
		r, ok := byID[int32(p)]
		if !ok {
			return nil, refuse(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		out[p] = r
	}
	return out, nil
}

// checkAssignment checks the replicas a client chose for one partition; factor
// is what the topic's other partitions have, 0 if there are none.
func (v *view) checkAssignment(replicas []int32, factor int) *refusal {
	bad := func(format string, args ...any) *refusal {
		return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes "+fmt.Sprintf(format, args...))
	}
	if len(replicas) == 0 {
		return bad("an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, id := range sorted {
		if v.Broker(id) == nil {
			return bad("broker %d, but no such broker is registered.", id)
		}
		if i > 0 && sorted[i-1] == id {
			return bad("the broker %d more than once.", id)
		}
	}
	if factor != 0 && len(replicas) != factor {
		return bad("a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(replicas), factor)
	}
	return nil
}

// newPartition is the record of a new partition: its live replicas are in
// sync, there being no data yet, and the first of them leads.
func (v *view) newPartition(topic record.UUID, id int32, replicas []int32) *record.Partition {
	r := &record.Partition{PartitionID: id, TopicID: topic, Replicas: replicas, Leader: NoLeader}
	for _, b := range replicas {
		broker := v.Broker(b)
		if broker.Live() {
			r.ISR = append(r.ISR, b)
		}
		r.Directories = append(r.Directories, directoryOf(broker))
	}
	if len(r.ISR) > 0 {
		r.Leader = r.ISR[0]
	}
	return r
}

// directoryOf is the log directory a broker will put a new replica into, if it
// has no choice; Kafka writes the zero id while it is not known.
func directoryOf(b *Broker) record.UUID {
	if b != nil && len(b.LogDirs) == 1 {
		return b.LogDirs[0]
	}
	return record.UUID{}
}

// newTopicID draws an id that no topic has. Kafka reserves 0 and 1, and avoids
// ids that print with a leading dash, which command lines take for a flag.
func newTopicID(source io.Reader, img *Image) (id record.UUID, err error) {
	for {
		if _, err := io.ReadFull(source, id[:]); err != nil {
			return id, fmt.Errorf("drawing a topic id: %w", err)
		}
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if id.String()[0] != '-' && img.TopicByID(id) == nil {
			return id, nil
		}
	}
}
