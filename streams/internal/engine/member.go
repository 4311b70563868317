package engine

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupMember is the state of a member of a streams group (KIP-1071): what it says with the next heartbeat, and what follows
// from the answer. It does no I/O and has no clock.
//
// Offset sums are not told: brokers of Kafka 4.3 refuse them, and assign nobody to warm up.
//
// A member that the group does not know (any more) has epoch 0. It joins by it, with its topology and without tasks; from
// then on it says only what changed since the last answer. When an answer is lost, the coordinator may have gone on to another
// assignment, and Kafka does not repeat it: the member joins again under its own id, which is answered with all it has.
type groupMember struct {
	group    string
	id       string
	instance *string // static
	topology *kmsg.StreamsGroupHeartbeatRequestTopology

	epoch         int32
	endpointEpoch int32
	owned         heldTasks  // what the process has
	sent          *heldTasks // what the group was told of it last, nil: unknown
	told          heldTasks  // what it is to have
	lost          bool       // the answer to the last heartbeat
	fencing       bool       // the process is to give up everything before it joins again
}

// heldTasks are the tasks of a member by what they are to it.
type heldTasks struct{ active, standby, warmup []TaskID }

func (h *heldTasks) equal(o *heldTasks) bool {
	return slices.Equal(h.active, o.active) && slices.Equal(h.standby, o.standby) && slices.Equal(h.warmup, o.warmup)
}

// Codes of a status in the answer to a heartbeat (KIP-1071).
const (
	statusStaleTopology          int8 = 0
	statusMissingSourceTopics    int8 = 1
	statusIncorrectlyPartitioned int8 = 2
	statusMissingInternalTopics  int8 = 3
	statusShutdownApplication    int8 = 4
	statusAssignmentDelayed      int8 = 5
)

// Epochs by which members leave.
const leftDynamic, leftStatic int32 = -1, -2

// joins tells whether the next heartbeat says everything.
func (m *groupMember) joins() bool {
	return m.epoch == 0 || m.lost && m.owned.equal(&m.told)
}

// request is the next heartbeat, and joins what joins said. Of self only Stop is looked at, unless the member joins.
func (m *groupMember) request(joins bool, self *memberInfo) (*kmsg.StreamsGroupHeartbeatRequest, error) {
	r := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	r.Group, r.MemberID, r.MemberEpoch, r.InstanceID = m.group, m.id, m.epoch, m.instance
	r.EndpointInformationEpoch = m.endpointEpoch
	r.ShutdownApplication = self.Stop
	if joins {
		r.MemberEpoch = 0
		r.Topology = m.topology
		r.RebalanceTimeoutMillis = int32(rebalanceTimeout.Milliseconds())
		r.ProcessID = &self.Process
		r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
		r.ClientTags = []kmsg.StreamsGroupHeartbeatRequestClientTag{}
		for _, key := range slices.Sorted(maps.Keys(self.Tags)) {
			t := kmsg.NewStreamsGroupHeartbeatRequestClientTag()
			t.Key, t.Value = key, self.Tags[key]
			r.ClientTags = append(r.ClientTags, t)
		}
		if self.Rack != "" {
			r.RackID = &self.Rack
		}
		var err error
		r.UserEndpoint, err = userEndpoint(self.Endpoint)
		return r, err
	}
	if m.sent == nil || !m.sent.equal(&m.owned) {
		r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = taskIDs(m.owned.active), taskIDs(m.owned.standby), taskIDs(m.owned.warmup)
	}
	return r, nil
}

func userEndpoint(hostPort string) (*kmsg.StreamsGroupHeartbeatRequestUserEndpoint, error) {
	if hostPort == "" {
		return nil, nil //nolint:nilnil // a member without endpoint says nothing of it
	}
	host, port, err := net.SplitHostPort(hostPort)
	n, numErr := strconv.ParseUint(port, 10, 16)
	if err = cmp.Or(err, numErr); err != nil {
		return nil, fmt.Errorf("the address %s, at which queries are served, cannot be told to the group: %w", hostPort, err)
	}
	e := kmsg.NewStreamsGroupHeartbeatRequestUserEndpoint()
	e.Host, e.Port = host, uint16(n)
	return &e, nil
}

// farewell is the heartbeat by which the member leaves; a static one may come back.
func (m *groupMember) farewell(stop, forGood bool) *kmsg.StreamsGroupHeartbeatRequest {
	r := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	r.Group, r.MemberID, r.MemberEpoch, r.InstanceID = m.group, m.id, leftDynamic, m.instance
	if !forGood {
		r.MemberEpoch = leftStatic
	}
	r.EndpointInformationEpoch = m.endpointEpoch
	r.ShutdownApplication = stop
	return r
}

// verdict is what follows from the answer to a heartbeat.
type verdict struct {
	told    bool  // there is something to run or to give up: groupMember.told
	fenced  bool  // everything is lost
	again   bool  // nothing is known: try again soon
	err     error // the end
	wait    time.Duration
	stop    bool // of the application
	missing bool // err is about source topics that are missing
	status  map[int8]string
	hosts   map[string]hostTasks // nil: as before
}

// answered takes the answer to a request.
func (m *groupMember) answered(req *kmsg.StreamsGroupHeartbeatRequest, resp *kmsg.StreamsGroupHeartbeatResponse, taskOf func(TopicPartition) (TaskID, bool)) verdict {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return m.failed(req, resp, err)
	}
	v := verdict{wait: time.Duration(resp.HeartbeatIntervalMillis) * time.Millisecond, status: map[int8]string{}}
	joined := req.MemberEpoch == 0
	m.lost = false
	m.epoch, m.endpointEpoch = resp.MemberEpoch, resp.EndpointInformationEpoch
	switch {
	case joined:
		m.sent = &heldTasks{}
	case req.ActiveTasks != nil:
		sent := heldTasks{readTasks(req.ActiveTasks), readTasks(req.StandbyTasks), readTasks(req.WarmupTasks)}
		m.sent = &sent
	}
	if resp.ActiveTasks != nil || resp.StandbyTasks != nil || resp.WarmupTasks != nil {
		told, err := m.readAssignment(resp)
		if err != nil {
			return verdict{err: err}
		}
		v.told = joined || !told.equal(&m.told)
		m.told = told
	}
	for _, s := range resp.Status {
		v.status[s.StatusCode] = s.StatusDetail
	}
	_, v.stop = v.status[statusShutdownApplication]
	if resp.PartitionsByUserEndpoint != nil {
		v.hosts = readHosts(resp.PartitionsByUserEndpoint, taskOf)
	}
	return v
}

// failed sorts the errors of a heartbeat.
func (m *groupMember) failed(req *kmsg.StreamsGroupHeartbeatRequest, resp *kmsg.StreamsGroupHeartbeatResponse, err error) verdict {
	message := ""
	if resp.ErrorMessage != nil {
		message = *resp.ErrorMessage
	}
	switch code := *err.(*kerr.Error); code.Code { //nolint:errorlint,forcetypeassert // ErrorForCode gives nothing else
	case kerr.FencedMemberEpoch.Code, kerr.UnknownMemberID.Code:
		return m.fence()
	case kerr.GroupIDNotFound.Code:
		if req.MemberEpoch != 0 { // deleted, or not yet made anew
			return m.fence()
		}
	case kerr.UnreleasedInstanceID.Code:
		return verdict{again: true}
	default:
		if kerr.IsRetriable(err) {
			m.lost = true
			return verdict{again: true}
		}
	}
	return verdict{err: &groupError{err: err, message: message}}
}

// fence makes the member begin anew when the process has given up what it had.
func (m *groupMember) fence() verdict {
	m.epoch, m.sent, m.lost = 0, nil, false
	m.told = heldTasks{}
	m.fencing = true
	return verdict{fenced: true}
}

func (m *groupMember) readAssignment(resp *kmsg.StreamsGroupHeartbeatResponse) (heldTasks, error) {
	var told heldTasks
	known := map[string]bool{}
	for i := range m.topology.Subtopologies {
		known[m.topology.Subtopologies[i].SubtopologyID] = true
	}
	for _, list := range [][]kmsg.TaskIDs{resp.ActiveTasks, resp.StandbyTasks, resp.WarmupTasks} {
		for i := range list {
			if !known[list[i].SubtopologyID] {
				return told, fmt.Errorf("group %s assigned a task of sub-topology %.40q, which this program does not have: run the same program everywhere, or give it another application id", m.group, list[i].SubtopologyID)
			}
		}
	}
	return heldTasks{readTasks(resp.ActiveTasks), readTasks(resp.StandbyTasks), readTasks(resp.WarmupTasks)}, nil
}

// taskIDs writes tasks as the protocol has them. The list is never nil.
func taskIDs(tasks []TaskID) []kmsg.TaskIDs {
	out := []kmsg.TaskIDs{}
	for _, id := range sortedTasks(tasks) {
		if n := len(out); n == 0 || out[n-1].SubtopologyID != strconv.Itoa(id.Subtopology) {
			t := kmsg.NewTaskIDs()
			t.SubtopologyID = strconv.Itoa(id.Subtopology)
			out = append(out, t)
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, id.Partition)
	}
	return out
}

// readTasks reads what taskIDs writes, sorted; what is no task is left out.
func readTasks(ids []kmsg.TaskIDs) []TaskID {
	var out []TaskID
	for i := range ids {
		sub, err := strconv.Atoi(ids[i].SubtopologyID)
		if err != nil {
			continue
		}
		for _, p := range ids[i].Partitions {
			out = append(out, TaskID{sub, p})
		}
	}
	return sortedTasks(out)
}

// readHosts are the tasks of the members that serve queries. The coordinator names their input partitions.
func readHosts(endpoints []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint, taskOf func(TopicPartition) (TaskID, bool)) map[string]hostTasks {
	hosts := map[string]hostTasks{}
	for i := range endpoints {
		e := &endpoints[i]
		var h hostTasks
		for _, t := range e.ActivePartitions {
			h.Active = append(h.Active, tasksReading(t.Topic, t.Partitions, taskOf)...)
		}
		for _, t := range e.StandbyPartitions {
			h.Standby = append(h.Standby, tasksReading(t.Topic, t.Partitions, taskOf)...)
		}
		h.Active, h.Standby = sortedTasks(h.Active), sortedTasks(h.Standby)
		hosts[net.JoinHostPort(e.UserEndpoint.Host, strconv.Itoa(int(e.UserEndpoint.Port)))] = h
	}
	return hosts
}

func tasksReading(topic string, partitions []int32, taskOf func(TopicPartition) (TaskID, bool)) []TaskID {
	var out []TaskID
	for _, p := range partitions {
		if id, ok := taskOf(TopicPartition{topic, p}); ok {
			out = append(out, id)
		}
	}
	return out
}
