// Package group holds the commands under "leat group": what groups of consumers there are, share and streams groups among
// them, how far each has come, and moving or deleting their offsets.
package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/position"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("group", "List, describe, reset and delete groups of consumers", "",
		newList(env), newDescribe(env), newReset(env), newDelete(env))
}

// member is one member of a group, of either protocol.
type member struct {
	ID         string                      `json:"id"`
	InstanceID string                      `json:"instance_id,omitempty"`
	ClientID   string                      `json:"client_id"`
	Protocol   string                      `json:"protocol,omitempty"` // in a consumer group: classic or consumer
	Epoch      *int32                      `json:"epoch,omitempty"`
	Regex      string                      `json:"subscribed_regex,omitempty"`
	Target     map[string][]int32          `json:"target,omitempty"` // where it is on its way to something else
	Host       string                      `json:"host"`
	Assigned   map[string][]int32          `json:"assigned"`
	Tasks      *tasks                      `json:"tasks,omitempty"` // of a member of a streams group
	owns       map[position.Partition]bool // the same, for look-ups
}

// described is a group as its coordinator tells it, of either protocol.
type described struct {
	name        string
	kind        string // classic, consumer, share or streams
	state       string
	protocol    string // the assignor
	coordinator int32
	members     []member
	subscribed  map[string]bool
	// epochs of a consumer, share or streams group; nil for a classic one
	epoch, assignmentEpoch *int32
	topology               []subtopology // of a streams group
}

// states in which a group exists without members.
const (
	stateEmpty = "Empty"
	stateDead  = "Dead"
)

// describe asks for a group of the classic protocol, and if it is none of that, of the newer one. A group that
// does not exist is an error that names the near ones.
func describe(ctx context.Context, client *command.Client, name string) (*described, error) {
	what := fmt.Sprintf("describe group %q", name)
	groups, err := client.Admin.DescribeGroups(ctx, name)
	if err != nil && len(groups) == 0 {
		return nil, client.Explain(what, err)
	}
	g := groups[name]
	switch {
	case errors.Is(g.Err, kerr.GroupIDNotFound), g.Err == nil && g.State == stateDead:
		for _, ask := range []func(context.Context, *command.Client, string) (*described, error){describeNewer, describeShare, describeStreams} {
			if d, err := ask(ctx, client, name); err != nil || d != nil {
				return d, err
			}
		}
		return nil, client.UnknownGroup(ctx, name)
	case g.Err != nil:
		return nil, client.ExplainWith(what, g.Err, g.ErrMessage)
	}
	d := &described{name: name, kind: "classic", state: g.State, protocol: g.Protocol, coordinator: g.Coordinator.NodeID, subscribed: map[string]bool{}}
	for _, m := range g.Members {
		out := member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}, owns: map[position.Partition]bool{}}
		out.InstanceID = command.Text(m.InstanceID)
		if c, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range c.Topics {
				out.assign(t.Topic, t.Partitions)
			}
		}
		if c, ok := m.Join.AsConsumer(); ok {
			for _, t := range c.Topics {
				d.subscribed[t] = true
			}
		}
		d.members = append(d.members, out)
	}
	return d, nil
}

// describeNewer asks for a group of the protocol of KIP-848; nil if there is none or the cluster has no such groups.
func describeNewer(ctx context.Context, client *command.Client, name string) (*described, error) {
	groups, err := client.Admin.DescribeConsumerGroups(ctx, name)
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
	d := &described{name: name, kind: "consumer", state: g.State, protocol: g.AssignorName, coordinator: g.Coordinator.NodeID, subscribed: map[string]bool{}, epoch: &g.Epoch, assignmentEpoch: &g.AssignmentEpoch}
	for _, m := range g.Members {
		out := member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}, owns: map[position.Partition]bool{}}
		out.InstanceID = command.Text(m.InstanceID)
		out.Epoch = &m.MemberEpoch
		out.Protocol = "consumer"
		if m.MemberType == 0 {
			out.Protocol = "classic"
		}
		out.Regex = command.Text(m.SubscribedTopicRegex)
		for topic, partitions := range m.Assignment {
			out.assign(topic, slices.Sorted(maps.Keys(partitions)))
		}
		target := map[string][]int32{}
		for topic, partitions := range m.TargetAssignment {
			target[topic] = slices.Sorted(maps.Keys(partitions))
		}
		if !maps.EqualFunc(target, out.Assigned, slices.Equal) {
			out.Target = target
		}
		for _, t := range m.SubscribedTopics {
			d.subscribed[t] = true
		}
		d.members = append(d.members, out)
	}
	return d, nil
}

func (m *member) assign(topic string, partitions []int32) {
	m.Assigned[topic] = append(m.Assigned[topic], partitions...)
	for _, p := range partitions {
		m.owns[position.Partition{Topic: topic, Partition: p}] = true
	}
}

// offsets reads how far a group has come; of a share group also the lags, which its start offsets alone do not tell.
func (d *described) offsets(ctx context.Context, client *command.Client) (kadm.OffsetResponses, map[position.Partition]int64, error) {
	if d.kind == kindShare {
		return shareOffsets(ctx, client, d.name)
	}
	offsets, err := committed(ctx, client, d.name)
	return offsets, nil, err
}

// committed reads the offsets that a group has committed.
func committed(ctx context.Context, client *command.Client, name string) (kadm.OffsetResponses, error) {
	offsets, err := client.Admin.FetchOffsets(ctx, name)
	if err != nil {
		return nil, client.Explain(fmt.Sprintf("read the offsets of group %q", name), err)
	}
	offsets.DeleteFunc(func(o kadm.OffsetResponse) bool { return o.Err == nil && o.At < 0 })
	return offsets, nil
}
