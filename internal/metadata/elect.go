package metadata

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// Kinds of elections, as ElectLeaders numbers them (KIP-460).
const (
	preferredElection int8 = 0
	uncleanElection   int8 = 1
)

// ElectLeaders elects the leaders of partitions, of all for which it makes a difference
// if the request names none; errors stand in the response.
func (n *Node) ElectLeaders(ctx context.Context, req *kmsg.ElectLeadersRequest) *kmsg.ElectLeadersResponse {
	kind := req.ElectionType
	if req.Version == 0 {
		kind = preferredElection
	}
	var why *refusal
	if kind != preferredElection && kind != uncleanElection && (req.Topics == nil || len(req.Topics) > 0) {
		why = refuse(kerr.InvalidRequest, fmt.Sprintf("Unknown election type %d", kind))
	} else {
		resp, err := submit(ctx, n, func(v *view) (*kmsg.ElectLeadersResponse, []record.Record, error) {
			resp, records := v.electLeaders(req.Topics, kind)
			return resp, records, nil
		})
		if err == nil {
			return resp
		}
		why = refusalOf(err)
	}
	resp := kmsg.NewPtrElectLeadersResponse()
	resp.ErrorCode = why.code.Code
	for _, t := range req.Topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			out.Partitions = append(out.Partitions, electionOf(p, why))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func electionOf(partition int32, why *refusal) kmsg.ElectLeadersResponseTopicPartition {
	out := kmsg.NewElectLeadersResponseTopicPartition()
	out.Partition = partition
	out.ErrorCode, out.ErrorMessage = why.fields()
	return out
}

// electLeaders is the election; without topics it is about all of them, and does not
// list the partitions for which nothing was to be done.
func (v *view) electLeaders(topics []kmsg.ElectLeadersRequestTopic, kind int8) (*kmsg.ElectLeadersResponse, []record.Record) {
	resp := kmsg.NewPtrElectLeadersResponse()
	var records []record.Record
	elected := map[[16]byte]map[int32]bool{} // a partition named twice is elected once
	elect := func(name string, partition int32) *refusal {
		r, why := v.electLeader(name, partition, kind)
		if why != nil {
			return why
		}
		if elected[r.TopicID][partition] {
			return electionNotNeeded
		}
		if elected[r.TopicID] == nil {
			elected[r.TopicID] = map[int32]bool{}
		}
		elected[r.TopicID][partition] = true
		records = append(records, r)
		return nil
	}
	if topics == nil {
		for t := range v.Topics() {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.Name
			for p := range t.Partitions {
				if why := elect(t.Name, int32(p)); why != electionNotNeeded {
					out.Partitions = append(out.Partitions, electionOf(int32(p), why))
				}
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp, records
	}
	for _, t := range topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			out.Partitions = append(out.Partitions, electionOf(p, elect(t.Topic, p)))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, records
}

var electionNotNeeded = refuse(kerr.ElectionNotNeeded, "Leader election not needed for topic partition.")

// electLeader is the record that makes another replica the leader.
func (v *view) electLeader(topic string, partition int32, kind int8) (*record.PartitionChange, *refusal) {
	t := v.Topic(topic)
	if t == nil {
		return nil, refuse(kerr.UnknownTopicOrPartition, "No such topic as "+topic)
	}
	if partition < 0 || int(partition) >= len(t.Partitions) {
		return nil, refuse(kerr.UnknownTopicOrPartition, fmt.Sprintf("No such partition as %s-%d", topic, partition))
	}
	p := &t.Partitions[partition]
	if len(p.Replicas) == 0 || kind == preferredElection && p.Leader == p.Replicas[0] || kind == uncleanElection && p.Leader != NoLeader {
		return nil, electionNotNeeded
	}
	r := record.NewPartitionChange(partition, t.ID)
	if kind == preferredElection {
		if !v.electable(p, p.Replicas[0]) {
			return nil, refuse(kerr.PreferredLeaderNotAvailable, "The preferred leader was not available.")
		}
		r.Leader = p.Replicas[0]
		return r, nil
	}
	for _, id := range p.Replicas {
		if v.electable(p, id) {
			r.Leader = id
			return r, nil
		}
	}
	for _, id := range p.Replicas {
		if v.Broker(id).Live() {
			// What only the others had is lost; the leader starts over as the only one in sync.
			r.Leader, r.ISR, r.LeaderRecoveryState = id, []int32{id}, 1
			return r, nil
		}
	}
	return nil, refuse(kerr.EligibleLeadersNotAvailable, "Eligible topic partition leaders are not available.")
}

// electable tells whether a replica can lead without losing anything.
func (v *view) electable(p *Partition, id int32) bool {
	return v.Broker(id).Live() && slices.Contains(p.ISR, id)
}
