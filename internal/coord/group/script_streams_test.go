package group

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// streamsRequest builds the requests about streams groups.
//
//	stream GROUP MEMBER epoch= topology=NAME topology-epoch= process= endpoint=h:1 endpoints=
//	       tags=k:v+.. rack= instance= rebalance= active=0:0+1,1:0 standby= warmup= shutdown=true
//	describe-streams GROUP...
//
// A join (epoch=0) has a rebalance timeout, no tasks and a topology; tasks that are
// told in part are told in whole. See topologyNamed for the topologies.
func (c command) streamsRequest() kmsg.Request {
	if c.Verb == "describe-streams" {
		r := kmsg.NewPtrStreamsGroupDescribeRequest()
		r.Groups = append(r.Groups, c.Args...)
		return r
	}
	r := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	r.Group, r.MemberID = c.Arg(0), c.Arg(1)
	r.MemberEpoch = int32(c.Int("epoch", 0))
	r.EndpointInformationEpoch = int32(c.Int("endpoints", 0))
	r.InstanceID, r.RackID, r.ProcessID = c.Ptr("instance"), c.Ptr("rack"), c.Ptr("process")
	r.RebalanceTimeoutMillis = -1
	topology := c.Str("topology", "")
	if r.MemberEpoch == 0 {
		r.RebalanceTimeoutMillis = 5000
		r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
		if topology == "" {
			topology = "one"
		}
		if r.ProcessID == nil {
			r.ProcessID = &r.MemberID
		}
	}
	if topology != "" && topology != "null" {
		r.Topology = topologyNamed(topology, r.Group)
		r.Topology.Epoch = int32(c.Int("topology-epoch", 0))
	}
	switch d := c.Str("rebalance", ""); d {
	case "":
	case "null":
		r.RebalanceTimeoutMillis = -1
	default:
		r.RebalanceTimeoutMillis = c.millis("rebalance", 0)
	}
	told := false
	for name, to := range map[string]*[]kmsg.TaskIDs{"active": &r.ActiveTasks, "standby": &r.StandbyTasks, "warmup": &r.WarmupTasks} {
		s := c.Ptr(name)
		told = told || s != nil && *s != "null"
		if s != nil {
			*to = parseTasks(*s)
		}
	}
	if told && c.Str("partly", "") == "" {
		for _, to := range []*[]kmsg.TaskIDs{&r.ActiveTasks, &r.StandbyTasks, &r.WarmupTasks} {
			if *to == nil {
				*to = []kmsg.TaskIDs{}
			}
		}
	}
	if e := c.Ptr("endpoint"); e != nil {
		host, port, _ := net.SplitHostPort(*e)
		n, _ := strconv.Atoi(port)
		r.UserEndpoint = &kmsg.StreamsGroupHeartbeatRequestUserEndpoint{Host: host, Port: uint16(n)}
	}
	if tags := c.Ptr("tags"); tags != nil {
		r.ClientTags = []kmsg.StreamsGroupHeartbeatRequestClientTag{}
		for part := range strings.SplitSeq(*tags, "+") {
			if k, v, ok := strings.Cut(part, ":"); ok {
				r.ClientTags = append(r.ClientTags, kmsg.StreamsGroupHeartbeatRequestClientTag{Key: k, Value: v})
			}
		}
	}
	r.ShutdownApplication = c.Str("shutdown", "") == "true"
	switch c.Str("offsets", "") {
	case "some":
		r.TaskOffsets = []kmsg.TaskOffset{{SubtopologyID: "0", Offset: 5}}
	case "ends":
		r.TaskEndOffsets = []kmsg.TaskOffset{}
	}
	return r
}

// parseTasks reads 0:0+1,1:0; "null" is null and "-" none.
func parseTasks(s string) []kmsg.TaskIDs {
	if s == "null" {
		return nil
	}
	all := []kmsg.TaskIDs{}
	tasks := parsePartitions(s)
	for _, sub := range sortedKeys(tasks) {
		all = append(all, kmsg.TaskIDs{SubtopologyID: sub, Partitions: tasks[sub]})
	}
	return all
}

// topologyNamed returns the topologies of the scripts. Internal topics bear the
// group's name.
//
//	one      reads t
//	count    reads t and groups it: a repartition topic and a store behind it
//	join     joins t and u, which need as many partitions, with a store
//	rejoin   joins u with what t is grouped to; the number of partitions follows u's
//	fixed    as rejoin, with two partitions set for the repartition topic
//	two      two parts with a store each, that read t and u
//	missing  reads t, nope and nada
//	loop     repartition topics that feed each other
//	stray    reads a repartition topic that nobody writes
//	sized    a changelog with partitions
//	none     a part that reads nothing
//	regex    reads by an expression
//	place    a co-partition group of topics that are not there
//	twice    two parts of one name
func topologyNamed(name, group string) *kmsg.StreamsGroupHeartbeatRequestTopology {
	type sub = kmsg.StreamsGroupHeartbeatRequestTopologySubtopology
	type group16 = kmsg.StreamsGroupHeartbeatRequestTopologySubtopologyCopartitionGroup
	rep := kmsg.TopicInfo{Topic: group + "-rep", Configs: []kmsg.TopicInfoConfig{{Key: "cleanup.policy", Value: "delete"}, {Key: "retention.ms", Value: "-1"}}}
	fixed := rep
	fixed.NumPartitions = 2
	log := kmsg.TopicInfo{Topic: group + "-log", Configs: []kmsg.TopicInfoConfig{{Key: "cleanup.policy", Value: "compact"}}}
	sized := log
	sized.NumPartitions = 3
	info := func(t ...kmsg.TopicInfo) []kmsg.TopicInfo { return t }
	subs := map[string][]sub{
		"one": {{SubtopologyID: "0", SourceTopics: []string{"t"}}},
		"count": {
			{SubtopologyID: "0", SourceTopics: []string{"t"}, RepartitionSinkTopics: []string{rep.Topic}},
			{SubtopologyID: "1", RepartitionSourceTopics: info(rep), StateChangelogTopics: info(log)},
		},
		"join": {{SubtopologyID: "0", SourceTopics: []string{"t", "u"}, StateChangelogTopics: info(log), CopartitionGroups: []group16{{SourceTopics: []int16{0, 1}}}}},
		"rejoin": {
			{SubtopologyID: "0", SourceTopics: []string{"t"}, RepartitionSinkTopics: []string{rep.Topic}},
			{SubtopologyID: "1", SourceTopics: []string{"u"}, RepartitionSourceTopics: info(rep), StateChangelogTopics: info(log), CopartitionGroups: []group16{{SourceTopics: []int16{0}, RepartitionSourceTopics: []int16{0}}}},
		},
		"fixed": {
			{SubtopologyID: "0", SourceTopics: []string{"t"}, RepartitionSinkTopics: []string{rep.Topic}},
			{SubtopologyID: "1", SourceTopics: []string{"u"}, RepartitionSourceTopics: info(fixed), StateChangelogTopics: info(log), CopartitionGroups: []group16{{SourceTopics: []int16{0}, RepartitionSourceTopics: []int16{0}}}},
		},
		"two": {
			{SubtopologyID: "0", SourceTopics: []string{"t"}, StateChangelogTopics: info(log)},
			{SubtopologyID: "1", SourceTopics: []string{"u"}, StateChangelogTopics: info(kmsg.TopicInfo{Topic: group + "-log2"})},
		},
		"missing": {{SubtopologyID: "0", SourceTopics: []string{"t", "nope", "nada"}}},
		"loop": {
			{SubtopologyID: "0", RepartitionSourceTopics: info(rep), RepartitionSinkTopics: []string{rep.Topic}},
		},
		"stray": {{SubtopologyID: "0", SourceTopics: []string{"t"}, RepartitionSourceTopics: info(rep)}},
		"sized": {{SubtopologyID: "0", SourceTopics: []string{"t"}, StateChangelogTopics: info(sized)}},
		"none":  {{SubtopologyID: "0", StateChangelogTopics: info(log)}},
		"regex": {{SubtopologyID: "0", SourceTopicRegex: []string{"t.*"}}},
		"place": {{SubtopologyID: "0", SourceTopics: []string{"t"}, CopartitionGroups: []group16{{SourceTopics: []int16{7}}}}},
		"twice": {{SubtopologyID: "0", SourceTopics: []string{"t"}}, {SubtopologyID: "0", SourceTopics: []string{"u"}}},
	}
	t := kmsg.NewStreamsGroupHeartbeatRequestTopology()
	t.Subtopologies = subs[name]
	return &t
}

func describeTaskIDs(ids []kmsg.TaskIDs) string {
	var all []string
	for _, t := range ids {
		ps := slices.Clone(t.Partitions)
		slices.Sort(ps)
		all = append(all, t.SubtopologyID+":"+strings.Trim(strings.ReplaceAll(fmt.Sprint(ps), " ", "+"), "[]"))
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ",") + "}"
}

func describeStreamsBeat(r *kmsg.StreamsGroupHeartbeatResponse) string {
	if r.ErrorCode != 0 {
		return refusalOf(r.ErrorCode, r.ErrorMessage)
	}
	s := fmt.Sprintf("NONE member=%s epoch=%d interval=%d", r.MemberID, r.MemberEpoch, r.HeartbeatIntervalMillis)
	if r.ActiveTasks != nil {
		s += fmt.Sprintf(" active=%s standby=%s warmup=%s", describeTaskIDs(r.ActiveTasks), describeTaskIDs(r.StandbyTasks), describeTaskIDs(r.WarmupTasks))
	}
	for _, st := range r.Status {
		detail := st.StatusDetail
		if head, names, ok := strings.Cut(detail, "missing: "); ok { // Kafka names them in any order
			detail = head + "missing: " + strings.Join(slices.Sorted(slices.Values(strings.Split(names, ", "))), ", ")
		}
		s += fmt.Sprintf(" %d(%s)", st.StatusCode, detail)
	}
	if r.PartitionsByUserEndpoint != nil {
		s += fmt.Sprintf(" endpoints=%d", r.EndpointInformationEpoch)
		var all []string
		for _, e := range r.PartitionsByUserEndpoint {
			var ps []string
			for _, p := range e.ActivePartitions {
				ps = append(ps, fmt.Sprintf("%s:%v", p.Topic, sortedPartitions(p.Partitions)))
			}
			for _, p := range e.StandbyPartitions {
				ps = append(ps, fmt.Sprintf("%s:%v(standby)", p.Topic, sortedPartitions(p.Partitions)))
			}
			slices.Sort(ps)
			all = append(all, fmt.Sprintf("%s:%d%v", e.UserEndpoint.Host, e.UserEndpoint.Port, ps))
		}
		slices.Sort(all)
		s += fmt.Sprint(all)
	}
	return s
}

func sortedPartitions(ps []int32) []int32 { return slices.Sorted(slices.Values(ps)) }

func describeStreamsGroups(all []kmsg.StreamsGroupDescribeResponseGroup) string {
	var parts []string
	for _, g := range all {
		if g.ErrorCode != 0 {
			parts = append(parts, g.Group+" "+refusalOf(g.ErrorCode, g.ErrorMessage))
			continue
		}
		s := fmt.Sprintf("%s NONE %s epoch=%d/%d", g.Group, g.State, g.Epoch, g.AssignmentEpoch)
		if t := g.Topology; t != nil {
			s += fmt.Sprintf(" topology=%d", t.Epoch)
			for _, sub := range t.Subtopologies {
				s += fmt.Sprintf(" %s%v->%v rep=%s log=%s", sub.SubtopologyID, sub.SourceTopics, sub.RepartitionSinkTopics, describeInternal(sub.RepartitionSourceTopics), describeInternal(sub.StateChangelogTopics))
			}
		}
		slices.SortFunc(g.Members, func(a, b kmsg.StreamsGroupDescribeResponseGroupMember) int {
			return strings.Compare(a.MemberID, b.MemberID)
		})
		for _, m := range g.Members {
			tasks := func(a kmsg.StreamsAssignment) string {
				return describeTaskIDs(a.ActiveTasks) + describeTaskIDs(a.StandbyTasks) + describeTaskIDs(a.WarmupTasks)
			}
			s += fmt.Sprintf(" %s(%s%s rack=%s epoch=%d topology=%d process=%s", memberName(m.MemberID, m.InstanceID), m.ClientID, m.ClientHost,
				deref(m.RackID), m.MemberEpoch, m.TopologyEpoch, m.ProcessID)
			if m.UserEndpoint != nil {
				s += fmt.Sprintf(" endpoint=%s:%d", m.UserEndpoint.Host, m.UserEndpoint.Port)
			}
			slices.SortFunc(m.ClientTags, func(a, b kmsg.StreamsGroupDescribeResponseGroupMemberClientTag) int {
				return strings.Compare(a.Key, b.Key)
			})
			for _, t := range m.ClientTags {
				s += " " + t.Key + "=" + t.Value
			}
			s += fmt.Sprintf(" has=%s shall=%s)", tasks(m.Assignment), tasks(m.TargetAssignment))
		}
		parts = append(parts, s)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func describeInternal(topics []kmsg.TopicInfo) string {
	var all []string
	for _, t := range topics {
		s := fmt.Sprintf("%s*%d", t.Topic, t.NumPartitions)
		slices.SortFunc(t.Configs, func(a, b kmsg.TopicInfoConfig) int { return strings.Compare(a.Key, b.Key) })
		for _, c := range t.Configs {
			s += " " + c.Key + "=" + c.Value
		}
		all = append(all, s)
	}
	return fmt.Sprint(all)
}

func describeHeldTasks(h HeldTasks) string {
	var all []string
	for sub, ps := range h.Active {
		for p, epoch := range ps {
			all = append(all, fmt.Sprintf("%s:%d@%d", sub, p, epoch))
		}
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ",") + "}" + describeTaskIDs(taskIDs(h.Standby)) + describeTaskIDs(taskIDs(h.Warmup))
}

// configureStreams is the part of the settings verb for streams groups.
func (w *world) configureStreams(c command) {
	s := &w.settings.Streams
	s.SessionTimeout = c.Duration("streams-session", s.SessionTimeout)
	s.HeartbeatInterval = c.Duration("streams-heartbeat", s.HeartbeatInterval)
	s.AssignmentInterval = c.Duration("streams-assignment-interval", s.AssignmentInterval)
	s.InitialDelay = c.Duration("streams-delay", s.InitialDelay)
	s.MaxSize = int(c.Int("streams-max-size", int64(s.MaxSize)))
	s.StandbyReplicas = int(c.Int("standbys", int64(s.StandbyReplicas)))
}

// groupConfig is the verb that gives one streams group settings of its own:
//
//	streams-config GROUP standbys=1 delay=0
func (w *world) groupConfig(c command) {
	s := &w.settings.Streams
	if w.streamsConfigs == nil {
		w.streamsConfigs = map[string]StreamsConfig{}
		s.ForGroup = func(group string) StreamsConfig {
			if own, ok := w.streamsConfigs[group]; ok {
				return own
			}
			return w.settings.Streams.StreamsConfig
		}
	}
	own := s.ForGroup(c.Arg(0))
	own.StandbyReplicas = int(c.Int("standbys", int64(own.StandbyReplicas)))
	own.InitialDelay = c.Duration("delay", own.InitialDelay)
	own.AssignmentInterval = c.Duration("interval", own.AssignmentInterval)
	w.streamsConfigs[c.Arg(0)] = own
	w.step(Configure{Settings: w.settings})
}

// streamsDefaults are what TestLive's broker is set to.
func streamsDefaults(s *Settings) {
	s.Streams.SessionTimeout = 2 * time.Second
	s.Streams.HeartbeatInterval = 100 * time.Millisecond
	s.Streams.InitialDelay = 0
	s.Streams.AssignmentInterval = 0
}

// streamsReply shows the answer of a heartbeat. What is to be created is not in the
// answer, but a line of its own.
func (w *world) streamsReply(r StreamsHeartbeatReply) *kmsg.StreamsGroupHeartbeatResponse {
	for _, t := range r.Create {
		s := fmt.Sprintf("create %s partitions=%d replicas=%d", t.Topic, t.NumPartitions, t.ReplicationFactor)
		for _, c := range t.Configs {
			s += " " + c.Name + "=" + *c.Value
		}
		w.printf("%s\n", s)
	}
	return r.Response
}
