package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// protocolName keeps members of this library and those of Kafka Streams out of one another's groups: their assignments
// mean different things.
const protocolName = "leat-streams"

// What a member says of itself and what it is told stand as JSON in the user data of Kafka's consumer protocol, whose own
// fields say the same in partitions: tools that list a group's members show them.
const userDataVersion = 2

// memberInfo is what a process tells the group.
type memberInfo struct {
	Version  int    `json:"v"`
	Process  string `json:"process"`            // the same after a restart on the same state directory
	Workers  int    `json:"workers"`            // its weight
	Endpoint string `json:"endpoint,omitempty"` // where it answers queries, host:port
	Topology string `json:"topology"`           // a hash: members must run the same one
	Stop     bool   `json:"stop,omitempty"`     // the application is to stop
	// Producers is how many transactional ids it has, counted from 0; none without exactly-once.
	Producers int `json:"producers,omitempty"`

	// Sums are the offset sums of the tasks whose state is here: those that run are marked as such, others have the sum of the
	// changelog offsets they would go on from, also when only the disk has them.
	Sums    taskSums          `json:"sums,omitempty"`
	Standby taskList          `json:"standby,omitempty"` // kept up to date here now, warm-ups too
	Tags    map[string]string `json:"tags,omitempty"`    // KIP-708
	Rack    string            `json:"rack,omitempty"`    // KIP-925
}

// groupInfo is what a member is told beside its partitions.
type groupInfo struct {
	Version int                  `json:"v"`
	Stop    bool                 `json:"stop,omitempty"`
	Error   string               `json:"error,omitempty"`
	Hosts   map[string]hostTasks `json:"hosts,omitempty"`   // by endpoint, of members that have one
	Active  taskList             `json:"active,omitempty"`  // what its partitions are; only tools need it, as the next
	Reads   map[int][]string     `json:"reads,omitempty"`   // topics by sub-topology; the leader has it
	Standby taskList             `json:"standby,omitempty"` // whose state this member keeps up to date
	Warmup  taskList             `json:"warmup,omitempty"`  // those of them that will be active here once they have caught up
	// Producers are the numbers of transactional ids of all processes, so that who leads the group next can end what one leaves open.
	Producers map[string]int `json:"producers,omitempty"`

	ProbeAt int64 `json:"probe,omitempty"` // when this member makes the group rebalance, ms since the epoch; 0: never
}

// hostTasks are the tasks of one member.
type hostTasks struct {
	Active  taskList `json:"a,omitempty"`
	Standby taskList `json:"s,omitempty"` // warm-ups are not among them
}

// balancer gives whole tasks to the members of the group, as a franz-go group balancer: cooperative, so that tasks which
// stay keep running.
type balancer struct {
	self    func() memberInfo
	tasks   func(partitions map[string]int32) (map[TaskID][]TopicPartition, error)
	taskOf  func(TopicPartition) (TaskID, bool)
	survey  func(tasks map[TaskID][]TopicPartition, alone bool) []groupTask // what the assignment needs to know of them
	rules   assignRules
	probing time.Duration // while a movement waits, the group assigns anew every so often
	now     func() int64
	told    func(info groupInfo, active []TaskID)
	// departed hears which processes with transactions are in the group.
	departed func(producers map[string]int)
}

func (b *balancer) ProtocolName() string { return protocolName }
func (b *balancer) IsCooperative() bool  { return true }

func (b *balancer) JoinGroupMetadata(topics []string, owned map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 3
	meta.Topics = topics
	meta.Generation = generation
	for _, topic := range slices.Sorted(maps.Keys(owned)) {
		p := kmsg.NewConsumerMemberMetadataOwnedPartition()
		p.Topic, p.Partitions = topic, owned[topic]
		meta.OwnedPartitions = append(meta.OwnedPartitions, p)
	}
	meta.UserData = encodeUserData(b.self())
	return meta.AppendTo(nil)
}

func (b *balancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	parts, info, err := parseAssignment(assignment)
	if err != nil {
		return nil, err
	}
	b.told(info, b.tasksIn(parts))
	return parts, nil
}

func parseAssignment(assignment []byte) (map[string][]int32, groupInfo, error) {
	var info groupInfo
	parsed := kmsg.NewConsumerMemberAssignment()
	if err := parsed.ReadFrom(assignment); err != nil {
		return nil, info, fmt.Errorf("reading the assignment of the group: %w", err)
	}
	parts := make(map[string][]int32, len(parsed.Topics))
	for _, t := range parsed.Topics {
		parts[t.Topic] = t.Partitions
	}
	if len(parsed.UserData) > 0 {
		if err := decodeUserData(parsed.UserData, &info); err != nil {
			return nil, info, fmt.Errorf("reading the user data of the assignment: %w", err)
		}
	}
	return parts, info, nil
}

func (b *balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	c, err := kgo.NewConsumerBalancer(b, members)
	return c, c.MemberTopics(), err
}

// Balance runs on the group's leader.
func (b *balancer) Balance(c *kgo.ConsumerBalancer, partitions map[string]int32) kgo.IntoSyncAssignment {
	tasks, err := b.tasks(partitions)
	if err != nil {
		c.SetError(err)
		return nil
	}
	var members []candidate
	infos := map[string]memberInfo{}
	all := groupInfo{Version: userDataVersion}
	c.EachMember(func(m *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		var info memberInfo
		if err := decodeUserData(meta.UserData, &info); err != nil || info.Version < userDataVersion {
			all.Error = fmt.Sprintf("member %s of the group does not speak version %d of the protocol %s: its user data cannot be read", m.MemberID, userDataVersion, protocolName)
		}
		infos[m.MemberID] = info
		all.Stop = all.Stop || info.Stop
		members = append(members, candidate{
			id: m.MemberID, process: info.Process, weight: info.Workers, generation: meta.Generation, owned: b.ownedTasks(meta, tasks),
			sums: info.Sums, standby: info.Standby, tags: info.Tags, rack: info.Rack,
		})
	})
	all.Producers = producersOf(infos)
	b.departed(all.Producers)
	plan := assign(members, b.survey(tasks, len(members) == 1), b.rules)
	all.Hosts = hostsOf(infos, &plan)
	self := b.self()
	out := make(syncAssignment, 0, len(members))
	for _, m := range members {
		told := all
		told.Active = plan.active[m.id]
		told.Warmup = plan.warmup[m.id]
		told.Standby = slices.Concat(plan.standby[m.id], plan.warmup[m.id])
		if m.process == self.Process {
			told.Reads = topicsOf(tasks)
		}
		if plan.pending && m.process == self.Process {
			told.ProbeAt = b.now() + b.probing.Milliseconds()
		}
		if other := infos[m.id].Topology; other != self.Topology {
			told.Error = fmt.Sprintf("this instance runs another topology (%s) than the leader of its group (%s): run the same program everywhere, or give it another application id", other, self.Topology)
		}
		out = append(out, memberAssignment(m.id, plan.active[m.id], tasks, &told))
	}
	return out
}

func producersOf(infos map[string]memberInfo) map[string]int {
	out := map[string]int{}
	for _, info := range infos {
		if info.Producers > 0 {
			out[info.Process] = max(out[info.Process], info.Producers)
		}
	}
	return out
}

// hostsOf are the tasks of members that serve queries. A task that is on its way from one to the other is nobody's.
func hostsOf(infos map[string]memberInfo, plan *groupPlan) map[string]hostTasks {
	hosts := map[string]hostTasks{}
	for member, info := range infos {
		if info.Endpoint != "" {
			hosts[info.Endpoint] = hostTasks{Active: plan.active[member], Standby: plan.standby[member]}
		}
	}
	return hosts
}

// tasksIn are the tasks that partitions belong to.
func (b *balancer) tasksIn(parts map[string][]int32) []TaskID {
	seen := map[TaskID]bool{}
	for topic, list := range parts {
		for _, p := range list {
			if id, ok := b.taskOf(TopicPartition{topic, p}); ok {
				seen[id] = true
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// ownedTasks are the tasks of which a member has partitions.
func (b *balancer) ownedTasks(meta *kmsg.ConsumerMemberMetadata, tasks map[TaskID][]TopicPartition) []TaskID {
	seen := map[TaskID]bool{}
	for _, o := range meta.OwnedPartitions {
		for _, p := range o.Partitions {
			if id, ok := b.taskOf(TopicPartition{o.Topic, p}); ok && tasks[id] != nil {
				seen[id] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), compareTasks)
}

// topicsOf are the topics that sub-topologies read.
func topicsOf(tasks map[TaskID][]TopicPartition) map[int][]string {
	out := map[int][]string{}
	for id, tps := range tasks {
		for _, tp := range tps {
			if !slices.Contains(out[id.Subtopology], tp.Topic) {
				out[id.Subtopology] = append(out[id.Subtopology], tp.Topic)
			}
		}
	}
	for _, topics := range out {
		slices.Sort(topics)
	}
	return out
}

type syncAssignment []kmsg.SyncGroupRequestGroupAssignment

func (s syncAssignment) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment { return s }

func memberAssignment(member string, ids []TaskID, tasks map[TaskID][]TopicPartition, told *groupInfo) kmsg.SyncGroupRequestGroupAssignment {
	parts := map[string][]int32{}
	for _, id := range ids {
		for _, tp := range tasks[id] {
			parts[tp.Topic] = append(parts[tp.Topic], tp.Partition)
		}
	}
	a := kmsg.NewConsumerMemberAssignment()
	for _, topic := range slices.Sorted(maps.Keys(parts)) {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		slices.Sort(parts[topic])
		t.Topic, t.Partitions = topic, parts[topic]
		a.Topics = append(a.Topics, t)
	}
	a.UserData = encodeUserData(told)
	out := kmsg.NewSyncGroupRequestGroupAssignment()
	out.MemberID, out.MemberAssignment = member, a.AppendTo(nil)
	return out
}
