package group

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// CheckStreamsGroupHeartbeat checks a heartbeat by itself, and returns the answer to
// one that is not acceptable, else nil.
func CheckStreamsGroupHeartbeat(req *kmsg.StreamsGroupHeartbeatRequest) *kmsg.StreamsGroupHeartbeatResponse {
	if err := checkStreamsBeat(req); err != nil {
		return refuseStreamsBeat(req, err)
	}
	return nil
}

func refuseStreamsBeat(req *kmsg.StreamsGroupHeartbeatRequest, err *refusal) *kmsg.StreamsGroupHeartbeatResponse {
	r := newStreamsResponse(req)
	r.ErrorCode = err.code.Code
	if err.message != "" {
		r.ErrorMessage = &err.message
	}
	return r
}

func newStreamsResponse(req *kmsg.StreamsGroupHeartbeatRequest) *kmsg.StreamsGroupHeartbeatResponse {
	r := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	r.Version = req.Version
	r.Status = []kmsg.StreamsGroupHeartbeatResponseStatus{}
	return r
}

// checkStreamsBeat does so in Kafka's order and words: first what Kafka 4.3 does not
// serve yet, then what is wrong.
func checkStreamsBeat(req *kmsg.StreamsGroupHeartbeatRequest) *refusal {
	invalid := func(message string) *refusal { return refuse(kerr.InvalidRequest, "%s", message) }
	blank := func(p *string) bool { return p != nil && isBlank(*p) }
	switch {
	case req.InstanceID != nil:
		return invalid("Static membership is not yet supported.")
	case req.TaskOffsets != nil:
		return invalid("TaskOffsets are not supported yet.")
	case req.TaskEndOffsets != nil:
		return invalid("TaskEndOffsets are not supported yet.")
	case len(req.WarmupTasks) > 0:
		return invalid("WarmupTasks are not supported yet.")
	case req.Topology != nil && slices.ContainsFunc(req.Topology.Subtopologies, hasRegex):
		return invalid("Regular expressions for source topics are not supported yet.")
	case isBlank(req.MemberID):
		return invalid("MemberId can't be empty.")
	case isBlank(req.Group):
		return invalid("GroupId can't be empty.")
	case blank(req.RackID):
		return invalid("RackId can't be empty.")
	}
	switch epoch := req.MemberEpoch; {
	case epoch == 0:
		if err := checkStreamsJoin(req, invalid); err != nil {
			return err
		}
	case epoch == leftStatic:
		return invalid("InstanceId can't be null.")
	case epoch < leftStatic:
		return refuse(kerr.InvalidRequest, "MemberEpoch is %d, but must be greater than or equal to -2.", epoch)
	}
	switch some := req.ActiveTasks != nil || req.StandbyTasks != nil || req.WarmupTasks != nil; {
	case some && (req.ActiveTasks == nil || req.StandbyTasks == nil || req.WarmupTasks == nil):
		return invalid("If one task-type is non-null, all must be non-null.")
	case req.MemberEpoch != 0 && req.Topology != nil:
		return invalid("Topology can only be provided when (re-)joining.")
	}
	return nil
}

func hasRegex(s kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) bool {
	return len(s.SourceTopicRegex) > 0
}

func checkStreamsJoin(req *kmsg.StreamsGroupHeartbeatRequest, invalid func(string) *refusal) *refusal {
	// A list that has to be empty has to be there as well.
	wrong := func(tasks []kmsg.TaskIDs) bool { return tasks == nil || len(tasks) > 0 }
	switch {
	case req.RebalanceTimeoutMillis == -1:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case wrong(req.ActiveTasks):
		return invalid("ActiveTasks must be empty when (re-)joining.")
	case wrong(req.StandbyTasks):
		return invalid("StandbyTasks must be empty when (re-)joining.")
	case wrong(req.WarmupTasks):
		return invalid("WarmupTasks must be empty when (re-)joining.")
	case req.Topology == nil:
		return invalid("Topology must be non-null when (re-)joining.")
	}
	for i := range req.Topology.Subtopologies {
		for _, t := range req.Topology.Subtopologies[i].StateChangelogTopics {
			if t.NumPartitions != 0 {
				return refuse(kerr.StreamsInvalidTopology, "Changelog topic %s must have an undefined partition count, but it is set to %d.", t.Topic, t.NumPartitions)
			}
		}
	}
	return nil
}

// streamsPlan is what a heartbeat will do. All of it is worked out, and refused if
// it has to be, before anything changes.
type streamsPlan struct {
	group   *streams
	created bool
	had     bool // a group of any kind, of this name
	member  *streamsMember
	value   StreamsMemberValue
	owned   *assign.TaskSet // nil = not said
	// behind: the member has the epoch before its own, so it has not got the answer
	// that gave it tasks. It is told again; Kafka leaves it without them.
	behind bool

	topology    *topology
	configured  *configuredTopology
	hash        int64
	validated   int32
	configs     []KeyValue
	epoch       int32 // of the group
	delayed     bool  // by the delay before the first assignment
	targets     map[string]assign.TaskSet
	target      assign.TaskSet // of the member
	targetEpoch int32
	next        StreamsCurrentValue

	status []kmsg.StreamsGroupHeartbeatResponseStatus
}

func (p *streamsPlan) say(code int8, detail string) {
	st := kmsg.NewStreamsGroupHeartbeatResponseStatus()
	st.StatusCode, st.StatusDetail = code, detail
	p.status = append(p.status, st)
}

// findStreams finds the group, or prepares one if it may be created.
func (s *Shard) findStreams(p *streamsPlan, id string, join bool) *refusal {
	p.had = s.groups[id] != nil
	switch g := s.groups[id].(type) {
	case *streams:
		p.group = g
		if join && len(g.members) >= s.settings.Streams.MaxSize {
			return refuse(kerr.GroupMaxSizeReached, "The streams group has reached its maximum capacity of %d members.", s.settings.Streams.MaxSize)
		}
		return nil
	case nil:
		if !join {
			return refuse(kerr.GroupIDNotFound, "Streams group %s not found.", id)
		}
	case *classic:
		if !join || g.state != Empty {
			return notStreams(id)
		}
	default:
		return notStreams(id)
	}
	p.group, p.created = newStreamsGroup(id), true
	return nil
}

func notStreams(id string) *refusal {
	return refuse(kerr.GroupIDNotFound, "Group %s is not a streams group.", id)
}

// findStreamsMember finds who beats, or prepares a new member, and what it says of
// itself.
func (s *Shard) findStreamsMember(p *streamsPlan, ev StreamsGroupHeartbeat) *refusal {
	req := ev.Req
	if p.member = p.group.members[req.MemberID]; p.member == nil {
		if req.MemberEpoch != 0 {
			return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, p.group.id)
		}
		p.member = newStreamsMember(req.MemberID)
	}
	if req.ActiveTasks != nil && req.StandbyTasks != nil && req.WarmupTasks != nil {
		p.owned = &assign.TaskSet{Active: tasksOf(req.ActiveTasks), Standby: tasksOf(req.StandbyTasks), Warmup: tasksOf(req.WarmupTasks)}
	}
	if err := checkStreamsEpoch(p.member, req.MemberEpoch, p.owned); err != nil {
		return err
	}
	p.behind = req.MemberEpoch != 0 && req.MemberEpoch < p.member.current.Epoch
	p.value = p.member.StreamsMemberValue
	v := &p.value
	v.ClientID, v.ClientHost = ev.Client.ID, ev.Client.Host
	v.RackID = orKeep(req.RackID, v.RackID)
	if req.RebalanceTimeoutMillis != -1 {
		v.RebalanceTimeoutMillis = req.RebalanceTimeoutMillis
	}
	if req.Topology != nil {
		v.TopologyEpoch = req.Topology.Epoch
	}
	if req.ProcessID != nil {
		v.ProcessID = *req.ProcessID
	}
	if e := req.UserEndpoint; e != nil {
		v.Endpoint = &EndpointValue{Host: e.Host, Port: e.Port}
	}
	if req.ClientTags != nil {
		v.Tags = nil
		for _, t := range req.ClientTags {
			v.Tags = append(v.Tags, KeyValue{t.Key, t.Value})
		}
		slices.SortFunc(v.Tags, func(a, b KeyValue) int { return cmp.Compare(a.Key, b.Key) })
		for i := 1; i < len(v.Tags); i++ {
			if v.Tags[i].Key == v.Tags[i-1].Key {
				return serverError
			}
		}
	}
	return s.checkStreamsSize(p)
}

// checkStreamsSize refuses a member that the log would not take.
func (s *Shard) checkStreamsSize(p *streamsPlan) *refusal {
	if len(p.group.id) > maxString || len(p.member.id) > maxString ||
		len(EncodeStreamsMember(p.value))+len(p.member.id)+len(p.group.id) > s.settings.MaxRecordBytes {
		return refuse(kerr.UnknownServerError, "What member %s says of itself does not fit a record.", p.member.id[:min(len(p.member.id), 100)])
	}
	return nil
}

// tasksOf reads tasks of a request.
func tasksOf(ids []kmsg.TaskIDs) assign.Tasks {
	t := assign.Tasks{}
	for i := range ids {
		all := append(t[ids[i].SubtopologyID], ids[i].Partitions...)
		slices.Sort(all)
		if all = slices.Compact(all); len(all) > 0 {
			t[ids[i].SubtopologyID] = all
		}
	}
	return t
}

// checkStreamsEpoch fences a member whose epoch is wrong, as checkEpoch does in
// consumer groups.
func checkStreamsEpoch(m *streamsMember, received int32, owned *assign.TaskSet) *refusal {
	switch known := m.current.Epoch; {
	case received == 0:
		return nil
	case received > known:
		return refuse(kerr.FencedMemberEpoch, "The streams group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", received, known)
	case received < known && (received != m.current.Previous || owned == nil || !m.current.Assigned.include(owned)):
		return refuse(kerr.FencedMemberEpoch, "The streams group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", received, known)
	}
	return nil
}

// include tells whether all of some tasks are among these.
func (h *HeldTasks) include(owned *assign.TaskSet) bool {
	for id, ps := range owned.Active {
		for _, p := range ps {
			if _, ok := h.Active[id][p]; !ok {
				return false
			}
		}
	}
	return includes(h.Standby, owned.Standby) && includes(h.Warmup, owned.Warmup)
}

func includes(all, some assign.Tasks) bool {
	for id, ps := range some {
		for _, p := range ps {
			if !hasTask(all, id, p) {
				return false
			}
		}
	}
	return true
}

func hasTask(t assign.Tasks, id string, p int32) bool {
	_, ok := slices.BinarySearch(t[id], p)
	return ok
}
