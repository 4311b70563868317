package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/screen"
)

// kindStreams is a streams group (KIP-1071): its members are threads of an application of Kafka Streams, and the
// coordinator assigns them tasks, each of which reads one partition of a subtopology's topics.
const kindStreams = "streams"

// subtopology is a part of an application.
type subtopology struct {
	ID         string   `json:"id"`
	Reads      []string `json:"reads"`
	Writes     []string `json:"writes,omitempty"`     // repartition topics
	Changelogs []string `json:"changelogs,omitempty"` // of its stores
}

// tasks are a member's, by subtopology. The target is there while the member is on its way to something else.
type tasks struct {
	Process string             `json:"process"`
	Active  map[string][]int32 `json:"active"`
	Standby map[string][]int32 `json:"standby"`
	Warmup  map[string][]int32 `json:"warmup"`
	Target  map[string][]int32 `json:"target,omitempty"` // of active tasks
}

// describeStreams asks for a streams group; nil if there is none or the cluster has no such groups.
func describeStreams(ctx context.Context, client *command.Client, name string) (*described, error) {
	what := fmt.Sprintf("describe group %q", name)
	found := client.Admin.FindGroupCoordinators(ctx, name)[name]
	if found.Err != nil {
		return nil, client.Explain(what, found.Err)
	}
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{name}
	resp, err := req.RequestWith(ctx, client.Broker(int(found.NodeID)))
	if err != nil || len(resp.Groups) == 0 {
		return nil, nil //nolint:nilerr // an older cluster, or one without this protocol
	}
	g := &resp.Groups[0]
	switch g.ErrorCode {
	case 0:
		return streamsGroup(g, found.NodeID), nil
	case kerr.GroupIDNotFound.Code, kerr.UnsupportedVersion.Code:
		return nil, nil
	}
	return nil, client.Refused(what, g.ErrorCode, g.ErrorMessage)
}

func streamsGroup(g *kmsg.StreamsGroupDescribeResponseGroup, coordinator int32) *described {
	d := &described{name: g.Group, kind: kindStreams, state: g.State, coordinator: coordinator,
		subscribed: map[string]bool{}, epoch: &g.Epoch, assignmentEpoch: &g.AssignmentEpoch}
	reads := map[string][]string{}
	if g.Topology != nil {
		for i := range g.Topology.Subtopologies {
			s := &g.Topology.Subtopologies[i]
			sub := subtopology{ID: s.SubtopologyID, Reads: s.SourceTopics, Writes: s.RepartitionSinkTopics}
			for _, t := range s.RepartitionSourceTopics {
				sub.Reads = append(sub.Reads, t.Topic)
			}
			for _, t := range s.StateChangelogTopics {
				sub.Changelogs = append(sub.Changelogs, t.Topic)
			}
			for _, t := range sub.Reads {
				d.subscribed[t] = true
			}
			reads[sub.ID] = sub.Reads
			d.topology = append(d.topology, sub)
		}
	}
	for i := range g.Members {
		m := &g.Members[i]
		out := member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Epoch: &m.MemberEpoch, Protocol: kindStreams,
			Assigned: map[string][]int32{}, owns: map[position.Partition]bool{}}
		out.InstanceID = command.Text(m.InstanceID)
		out.Tasks = &tasks{Process: m.ProcessID, Active: byPart(m.Assignment.ActiveTasks), Standby: byPart(m.Assignment.StandbyTasks), Warmup: byPart(m.Assignment.WarmupTasks)}
		if target := byPart(m.TargetAssignment.ActiveTasks); !maps.EqualFunc(target, out.Tasks.Active, slices.Equal) {
			out.Tasks.Target = target
		}
		for part, partitions := range out.Tasks.Active {
			for _, topic := range reads[part] {
				out.assign(topic, partitions)
			}
		}
		d.members = append(d.members, out)
	}
	return d
}

func byPart(ids []kmsg.TaskIDs) map[string][]int32 {
	all := map[string][]int32{}
	for _, t := range ids {
		all[t.SubtopologyID] = slices.Sorted(slices.Values(t.Partitions))
	}
	return all
}

// writeTasks shows the members of a streams group with their tasks as subtopology:partitions.
func writeTasks(env *command.Env, members []member) error {
	t := screen.NewTable("MEMBER", "CLIENT", "HOST", "PROCESS", "EPOCH>", "ACTIVE", "STANDBY", "WARMUP", "TARGET")
	for _, m := range members {
		t.Row(m.ID, m.ClientID, m.Host, m.Tasks.Process, *m.Epoch, assignedText(m.Tasks.Active), assignedText(m.Tasks.Standby),
			assignedText(m.Tasks.Warmup), assignedText(m.Tasks.Target))
	}
	return t.Write(env.Screen)
}

// writeTopology shows the parts of an application.
func writeTopology(env *command.Env, parts []subtopology) error {
	if err := env.Printf("\n"); err != nil {
		return err
	}
	t := screen.NewTable("SUBTOPOLOGY", "READS", "WRITES", "CHANGELOGS")
	for _, p := range parts {
		t.Row(p.ID, strings.Join(p.Reads, " "), strings.Join(p.Writes, " "), strings.Join(p.Changelogs, " "))
	}
	return t.Write(env.Screen)
}
