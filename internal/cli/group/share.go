package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/screen"
)

// kindShare is a share group (KIP-932): its members read the same partitions side by side, and what it has committed is
// where each partition's unread records start.
const kindShare = "share"

// describeShare asks for a share group; nil if there is none or the cluster has no such groups.
func describeShare(ctx context.Context, client *command.Client, name string) (*described, error) {
	groups, err := client.Admin.DescribeShareGroups(ctx, name)
	if err != nil && len(groups) == 0 {
		return nil, nil // an older cluster, or one without this protocol
	}
	g, ok := groups[name]
	switch {
	case !ok, errors.Is(g.Err, kerr.GroupIDNotFound), errors.Is(g.Err, kerr.UnsupportedVersion):
		return nil, nil
	case g.Err != nil:
		return nil, client.Explain(fmt.Sprintf("describe group %q", name), g.Err)
	}
	d := &described{name: name, kind: kindShare, state: g.GroupState, protocol: g.Assignor, coordinator: g.Coordinator.NodeID,
		subscribed: map[string]bool{}, epoch: &g.GroupEpoch, assignmentEpoch: &g.AssignmentEpoch}
	for _, m := range g.Members {
		out := member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Epoch: &m.MemberEpoch, Protocol: kindShare,
			Assigned: map[string][]int32{}, owns: map[position.Partition]bool{}}
		for topic, partitions := range m.Assignment {
			list := make([]int32, 0, len(partitions))
			for p := range partitions {
				list = append(list, p)
			}
			slices.Sort(list)
			out.assign(topic, list)
		}
		for _, t := range m.SubscribedTopicNames {
			d.subscribed[t] = true
		}
		d.members = append(d.members, out)
	}
	return d, nil
}

// shareOffsets reads where a share group's partitions start, as if it had committed that, and how many records of each
// it has not delivered for good; -1 where that is not known.
func shareOffsets(ctx context.Context, client *command.Client, name string) (kadm.OffsetResponses, map[position.Partition]int64, error) {
	what := fmt.Sprintf("read the offsets of group %q", name)
	groups, err := client.Admin.DescribeShareGroupOffsets(ctx, name)
	if err != nil && len(groups) == 0 {
		return nil, nil, client.Explain(what, err)
	}
	g := groups[name]
	if g.Err != nil {
		return nil, nil, client.Explain(what, g.Err)
	}
	offsets, lags := kadm.OffsetResponses{}, map[position.Partition]int64{}
	for _, partitions := range g.Offsets {
		for _, o := range partitions {
			lags[position.Partition{Topic: o.Topic, Partition: o.Partition}] = o.Lag
			offsets.Add(kadm.OffsetResponse{
				Offset: kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.StartOffset, LeaderEpoch: o.LeaderEpoch}, Err: o.Err,
			})
		}
	}
	return offsets, lags, nil
}

// commitShare moves the start offsets of a share group.
func commitShare(ctx context.Context, client *command.Client, name string, moves []position.Move) error {
	what := fmt.Sprintf("set the offsets of group %q", name)
	answers, err := client.Admin.AlterShareGroupOffsets(ctx, name, position.List(moves))
	if err != nil {
		return client.Explain(what, err)
	}
	var failure error
	answers.EachError(func(topic string, partition int32, err error) {
		failure = client.Explain(fmt.Sprintf("%s for partition %d of topic %q", what, partition, topic), err)
	})
	return failure
}

// removeShareTopics deletes what a share group knows of topics.
func removeShareTopics(ctx context.Context, client *command.Client, name string, topics []string) error {
	what := fmt.Sprintf("delete offsets of group %q", name)
	answers, err := client.Admin.DeleteShareGroupOffsets(ctx, name, topics...)
	if err != nil {
		return client.Explain(what, err)
	}
	for _, topic := range topics {
		switch err := answers[topic]; {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return noOffsets(name, topic)
		case err != nil:
			return client.Explain(what, err)
		}
	}
	return nil
}

// owners names who reads a partition: the member if there is one, else how many.
func (d *described) owners(tp position.Partition) *member {
	first, n := (*member)(nil), 0
	for i := range d.members {
		if d.members[i].owns[tp] {
			first = &d.members[i]
			n++
		}
	}
	if n > 1 {
		return &member{ID: screen.Plural(n, "member")}
	}
	return first
}
