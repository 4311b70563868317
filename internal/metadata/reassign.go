package metadata

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// AlterPartitionAssignments moves partitions to other brokers, or with no replicas
// takes such a move back (KIP-455); errors stand in the response. A move is under way
// until the new replicas are in sync.
func (n *Node) AlterPartitionAssignments(ctx context.Context, req *kmsg.AlterPartitionAssignmentsRequest) *kmsg.AlterPartitionAssignmentsResponse {
	resp, err := submit(ctx, n, func(v *view) (*kmsg.AlterPartitionAssignmentsResponse, []record.Record, error) {
		resp, records := v.reassign(req)
		return resp, records, nil
	})
	if err != nil {
		resp = kmsg.NewPtrAlterPartitionAssignmentsResponse()
		resp.ErrorCode, resp.ErrorMessage = refusalOf(err).fields()
	}
	return resp
}

func (v *view) reassign(req *kmsg.AlterPartitionAssignmentsRequest) (*kmsg.AlterPartitionAssignmentsResponse, []record.Record) {
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	factorMayChange := req.Version == 0 || req.AllowReplicationFactorChange
	resp.AllowReplicationFactorChange = factorMayChange
	d := v.draft() // a partition that is named again is moved from where it was just sent
	var records []record.Record
	for _, t := range req.Topics {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			r, why := v.reassignPartition(d, t.Topic, p.Partition, p.Replicas, factorMayChange)
			if r != nil {
				if err := d.changePartition(r); err != nil {
					why = refuse(kerr.UnknownServerError, err.Error())
				} else {
					records = append(records, r)
				}
			}
			part := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			part.Partition = p.Partition
			part.ErrorCode, part.ErrorMessage = why.fields()
			out.Partitions = append(out.Partitions, part)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, records
}

// reassignPartition is the record that begins a move or takes one back, nil if nothing is to be done.
func (v *view) reassignPartition(d *draft, topic string, partition int32, target []int32, factorMayChange bool) (*record.PartitionChange, *refusal) {
	t := v.Topic(topic)
	if t == nil {
		return nil, refuse(kerr.UnknownTopicOrPartition, fmt.Sprintf("Unable to find a topic named %s.", topic))
	}
	if partition < 0 || int(partition) >= len(t.Partitions) {
		return nil, refuse(kerr.UnknownTopicOrPartition, fmt.Sprintf("Unable to find partition %s:%d.", topic, partition))
	}
	if changed := d.topics[t.ID]; changed != nil {
		t = changed
	}
	p := &t.Partitions[partition]
	before := p.settled()
	if target == nil {
		if !p.moving() {
			return nil, refuse(kerr.NoReassignmentInProgress, "")
		}
		return v.takeBack(t, p, partition, before)
	}
	if why := v.checkAssignment(target, 0); why != nil {
		return nil, why
	}
	if !factorMayChange && len(target) != len(before) {
		return nil, refuse(kerr.InvalidReplicationFactor, fmt.Sprintf("The replication factor is changed from %d to %d", len(before), len(target)))
	}
	if slices.Equal(target, before) {
		if p.moving() {
			return v.takeBack(t, p, partition, before)
		}
		return nil, nil
	}
	adding, removing := without(target, before), without(before, target)
	r := record.NewPartitionChange(partition, t.ID)
	r.Replicas = slices.Concat(target, removing)
	if len(adding) == 0 && len(without(target, p.ISR)) == 0 {
		// All that is to stay is in sync: nothing has to be waited for.
		r.Replicas, r.ISR = target, without(p.ISR, removing)
		r.AddingReplicas, r.RemovingReplicas = []int32{}, []int32{}
		if slices.Contains(removing, p.Leader) {
			r.Leader = r.ISR[0]
		}
		r.Directories = v.directoriesOf(p, r.Replicas)
		return r, nil
	}
	r.Directories = v.directoriesOf(p, r.Replicas)
	r.AddingReplicas, r.RemovingReplicas = adding, removing
	if r.AddingReplicas == nil {
		r.AddingReplicas = []int32{}
	}
	if r.RemovingReplicas == nil {
		r.RemovingReplicas = []int32{}
	}
	return r, nil
}

// takeBack ends a move where it began, without the replicas that it would have added.
func (v *view) takeBack(t *Topic, p *Partition, partition int32, before []int32) (*record.PartitionChange, *refusal) {
	r := record.NewPartitionChange(partition, t.ID)
	r.Replicas, r.ISR = before, without(p.ISR, p.Adding)
	r.AddingReplicas, r.RemovingReplicas = []int32{}, []int32{}
	if len(r.ISR) == 0 {
		return nil, refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("Unable to revert partition assignment for %s:%d because it would involve an unclean leader election.", t.Name, partition))
	}
	if slices.Contains(p.Adding, p.Leader) {
		r.Leader = r.ISR[0]
	}
	r.Directories = v.directoriesOf(p, r.Replicas)
	return r, nil
}

// directoriesOf are the log directories of the partition with other replicas.
func (v *view) directoriesOf(p *Partition, replicas []int32) []record.UUID {
	out := make([]record.UUID, 0, len(replicas))
	for _, id := range replicas {
		if at := slices.Index(p.Replicas, id); at >= 0 && at < len(p.Directories) {
			out = append(out, p.Directories[at])
		} else {
			out = append(out, directoryOf(v.Broker(id)))
		}
	}
	return out
}

// moving tells whether the partition is on its way to other brokers.
func (p *Partition) moving() bool { return len(p.Adding)+len(p.Removing) > 0 }

// settled are the replicas without those that a move is still adding.
func (p *Partition) settled() []int32 { return without(p.Replicas, p.Adding) }

// without is the list less what stands in the other.
func without(list, less []int32) []int32 {
	var out []int32
	for _, id := range list {
		if !slices.Contains(less, id) {
			out = append(out, id)
		}
	}
	return out
}

// Reassignments are the partitions that are on their way to other brokers: all, or
// those that the request names.
func (i *Image) Reassignments(req *kmsg.ListPartitionReassignmentsRequest) *kmsg.ListPartitionReassignmentsResponse {
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	list := func(t *Topic, partitions []int32) {
		out := kmsg.NewListPartitionReassignmentsResponseTopic()
		out.Topic = t.Name
		for _, id := range partitions {
			if id < 0 || int(id) >= len(t.Partitions) || !t.Partitions[id].moving() {
				continue
			}
			p := &t.Partitions[id]
			part := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			part.Partition, part.Replicas, part.AddingReplicas, part.RemovingReplicas = id, p.Replicas, p.Adding, p.Removing
			out.Partitions = append(out.Partitions, part)
		}
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	if req.Topics == nil {
		for t := range i.Topics() {
			all := make([]int32, len(t.Partitions))
			for id := range all {
				all[id] = int32(id)
			}
			list(t, all)
		}
		return resp
	}
	for _, asked := range req.Topics {
		if t := i.Topic(asked.Topic); t != nil {
			list(t, asked.Partitions)
		}
	}
	return resp
}
