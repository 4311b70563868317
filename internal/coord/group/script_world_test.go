package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// world is a shard with a clock, a log and the requests that wait.
type world struct {
	t        tester
	shard    *Shard
	settings Settings
	start    time.Time
	now      time.Time
	wakeup   time.Time
	uuids    int
	requests RequestID
	parked   map[RequestID]bool
	log      []LogRecord
	out      strings.Builder
	cluster  *fakeCluster

	persister      persister
	streamsConfigs map[string]StreamsConfig // of groups with settings of their own

	quiet   bool                             // replies are not the script's business
	refused []kmsg.DeleteGroupsResponseGroup // by the first step of a deletion
}

func newWorld(t tester) *world {
	w := &world{t: t, settings: DefaultSettings(), parked: map[RequestID]bool{}, cluster: newFakeCluster()}
	w.persister.state = map[share.Key]int64{}
	consumerDefaults(&w.settings)
	shareDefaults(&w.settings)
	streamsDefaults(&w.settings)
	w.settings.MinSessionTimeout = 100 * time.Millisecond
	w.start = time.UnixMilli(1_700_000_000_000)
	w.now = w.start
	w.open()
	return w
}

func (w *world) uuid() string {
	w.uuids++
	return fmt.Sprint(w.uuids)
}

// open makes the shard from the log.
func (w *world) open() {
	w.shard = New(w.settings, w.uuid)
	w.shard.Step(w.now, ClusterChanged{Cluster: w.cluster, NewTopics: true})
	for _, r := range w.log {
		if r.Key == nil { // the scripts' end markers
			w.shard.ReplayEndTxn(r.Offset, r.ProducerID, string(r.Value) == "commit")
			continue
		}
		if err := w.shard.Replay(r); err != nil {
			w.printf("cannot load: %v\n", err)
		}
	}
	w.step(Loaded{})
}

func (w *world) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

func (w *world) do(c command) string {
	w.out.Reset()
	if req := c.request(); req != nil {
		w.requests++
		id := w.requests
		w.parked[id] = true
		if r, ok := req.(*kmsg.ConsumerGroupHeartbeatRequest); ok {
			realTopicIDs(r, func(name string) [16]byte { return w.cluster.topics[name].ID })
		}
		w.step(event(id, c, req))
		w.advance(w.now) // what it asked to be done right after
		if w.parked[id] {
			w.printf("#%d parked\n", id)
		}
		return w.out.String()
	}
	switch c.Verb {
	case "settings":
		w.configure(c)
	case "advance":
		d, err := time.ParseDuration(c.Arg(0))
		if err != nil {
			w.t.Fatal(err)
		}
		w.advance(w.now.Add(d))
	case "restart":
		for id := RequestID(1); id <= w.requests; id++ {
			if w.parked[id] {
				w.printf("#%d lost\n", id)
			}
		}
		w.parked = map[RequestID]bool{}
		w.open()
	case "streams-config":
		w.groupConfig(c)
	case "topic", "created": // by a script, or as the coordinator wished
		var ev ClusterChanged
		w.cluster, ev = w.cluster.change(c.Arg(0), int32(c.Int("partitions", 0)))
		w.step(ev)
	case "topic-gone": // the topic as it is now
		w.step(TopicsDeleted{Topics: []Topic{{Name: c.Arg(0), ID: w.cluster.topics[c.Arg(0)].ID}}})
		var ev ClusterChanged
		w.cluster, ev = w.cluster.change(c.Arg(0), 0)
		w.step(ev)
	case "share-initialized": // share-initialized g t:0+1, late
		ps := assign.Partitions{}
		for name, p := range parsePartitions(c.Arg(1)) {
			ps[w.cluster.topics[name].ID] = p
		}
		w.step(ShareInitialized{Group: c.Arg(0), Done: ps})
	case "topic-deleted":
		w.step(TopicsDeleted{Topics: []Topic{{Name: c.Arg(0), ID: topicID(c.Int("id", 0))}}})
	case "counts":
		counts := w.shard.Counts()
		for st, n := range counts.Groups {
			if n > 0 {
				w.printf("%s: %d\n", State(st), n)
			}
		}
		for st, n := range counts.Consumer {
			if n > 0 {
				w.printf("consumer %s: %d\n", ConsumerState(st), n)
			}
		}
		for st, n := range counts.Share {
			if n > 0 {
				w.printf("share %s: %d\n", ShareState(st), n)
			}
		}
		for st, n := range counts.Streams {
			if n > 0 {
				w.printf("streams %s: %d\n", StreamsState(st), n)
			}
		}
		w.printf("offsets: %d\n", counts.Offsets)
	case "log":
		w.writeLog(c)
	default:
		w.t.Fatalf("unknown verb %q", c.Verb)
	}
	return w.out.String()
}

// writeLog puts records into the log as somebody else wrote them; a restart makes
// the shard read them.
func (w *world) writeLog(c command) {
	r := LogRecord{Offset: int64(len(w.log)), ProducerID: c.Int("pid", -1)}
	switch kind := c.Arg(0); kind {
	case "offset":
		tp := c.partitions(2)[0]
		rec := EncodeOffset(OffsetKey{c.Arg(1), tp.topic, tp.partition}, OffsetValue{Offset: c.Int("offset", 1),
			LeaderEpoch: -1, ExpireTimestamp: -1, CommitTimestamp: w.now.UnixMilli()})
		r.Key, r.Value = rec.Key, rec.Value
	case "offset-tombstone":
		tp := c.partitions(2)[0]
		r.Key = encodeOffsetKey(OffsetKey{c.Arg(1), tp.topic, tp.partition})
	case "commit", "abort":
		r.Value = []byte(kind)
	case "key-type":
		r.Key, r.Value = []byte{0, byte(c.Int("type", 3)), 1, 2, 3}, []byte{0, 0}
	default:
		w.t.Fatalf("log %s", kind)
	}
	w.log = append(w.log, r)
}

func (w *world) configure(c command) {
	s := &w.settings
	s.InitialRebalanceDelay = c.Duration("initial-delay", s.InitialRebalanceDelay)
	s.MinSessionTimeout = c.Duration("min-session", s.MinSessionTimeout)
	s.MaxSize = int(c.Int("max-size", int64(s.MaxSize)))
	s.OffsetsRetention = c.Duration("retention", s.OffsetsRetention)
	s.RetentionCheckInterval = c.Duration("check", s.RetentionCheckInterval)
	s.OffsetMetadataMaxBytes = int(c.Int("metadata-max", int64(s.OffsetMetadataMaxBytes)))
	s.MaxRecordBytes = int(c.Int("max-record-bytes", int64(s.MaxRecordBytes)))
	w.configureConsumer(c)
	w.configureShare(c)
	w.configureStreams(c)
	w.step(Configure{Settings: *s})
}

func (w *world) advance(to time.Time) { w.pass(to.Sub(w.now), w.step) }

// pass moves the clock and wakes the shard whenever it asked for it.
func (w *world) pass(d time.Duration, step func(Event)) {
	to := w.now.Add(d)
	for !w.wakeup.IsZero() && !w.wakeup.After(to) {
		if w.wakeup.After(w.now) {
			w.now = w.wakeup
		}
		step(Tick{})
	}
	w.now = to
}

func event(id RequestID, c command, req kmsg.Request) Event {
	if ev := shareEvent(id, c, req); ev != nil {
		return ev
	}
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		return JoinGroup{id, Client{ID: c.Str("client", "c"), Host: "/127.0.0.1"}, r}
	case *kmsg.ConsumerGroupHeartbeatRequest:
		return ConsumerGroupHeartbeat{ID: id, Client: Client{ID: c.Str("client", "c"), Host: "/127.0.0.1"}, Req: r}
	case *kmsg.ConsumerGroupDescribeRequest:
		return ConsumerGroupDescribe{id, r.Groups}
	case *kmsg.StreamsGroupHeartbeatRequest:
		return StreamsGroupHeartbeat{id, Client{ID: c.Str("client", "c"), Host: "/127.0.0.1"}, r}
	case *kmsg.StreamsGroupDescribeRequest:
		return StreamsGroupDescribe{id, r.Groups}
	case *kmsg.SyncGroupRequest:
		return SyncGroup{id, r}
	case *kmsg.HeartbeatRequest:
		return Heartbeat{id, r}
	case *kmsg.LeaveGroupRequest:
		return LeaveGroup{id, r}
	case *kmsg.DescribeGroupsRequest:
		return DescribeGroups{id, r.Version, r.Groups}
	case *kmsg.ListGroupsRequest:
		return ListGroups{id, lower(r.StatesFilter), lower(r.TypesFilter)}
	case *kmsg.OffsetCommitRequest:
		return OffsetCommit{id, r}
	case *kmsg.OffsetFetchRequest:
		return OffsetFetch{id, r.Groups[0], len(r.Groups[0].Topics) == 0, r.RequireStable}
	case *kmsg.OffsetDeleteRequest:
		return OffsetDelete{id, r}
	}
	panic(fmt.Sprintf("%T", req))
}

func lower(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, strings.ToLower(s))
	}
	return out
}

func (w *world) step(ev Event) {
	fx := w.shard.Step(w.now, ev)
	w.wakeup = fx.Wakeup
	at := ""
	if _, tick := ev.(Tick); tick {
		at = fmt.Sprintf("[%s] ", w.now.Sub(w.start))
	}
	for _, r := range fx.Records {
		w.log = append(w.log, LogRecord{Offset: int64(len(w.log)), ProducerID: -1, Key: r.Key, Value: r.Value})
		w.printf("%sappend %s\n", at, describeRecord(r, w.start, w.cluster.TopicName))
	}
	quiet := w.quiet
	for _, r := range fx.Replies {
		if quiet {
			continue
		}
		if !w.parked[r.ID] {
			w.t.Errorf("second reply to request #%d: %+v", r.ID, r.Response)
		}
		delete(w.parked, r.ID)
		if r.Response = w.second(r.ID, ev, r.Response); r.Response == nil {
			continue
		}
		if reply, ok := r.Response.(StreamsHeartbeatReply); ok {
			r.Response = w.streamsReply(reply)
		}
		w.printf("%s#%d %s\n", at, r.ID, describeReply(r.Response, w.cluster.TopicName))
	}
	w.sent(fx.Sends)
}

func describeRecord(r Record, start time.Time, names topicNames) string {
	key, err := DecodeKey(r.Key)
	if err != nil {
		return err.Error()
	}
	switch k := key.(type) {
	case OffsetKey:
		name := fmt.Sprintf("offset %s %s-%d", k.Group, k.Topic, k.Partition)
		if r.Value == nil {
			return name + " tombstone"
		}
		v, err := DecodeOffsetValue(r.Value)
		if err != nil {
			return name + " " + err.Error()
		}
		name += fmt.Sprintf(" = %d at %s", v.Offset, time.UnixMilli(v.CommitTimestamp).Sub(start))
		if v.LeaderEpoch >= 0 {
			name += fmt.Sprintf(" epoch=%d", v.LeaderEpoch)
		}
		if len(v.Metadata) > 100 {
			name += fmt.Sprintf(" metadata of %d bytes", len(v.Metadata))
		} else if v.Metadata != "" {
			name += " metadata=" + v.Metadata
		}
		if v.ExpireTimestamp >= 0 {
			name += fmt.Sprintf(" expires=%s", time.UnixMilli(v.ExpireTimestamp).Sub(start))
		}
		return name
	case GroupKey:
		if r.Value == nil {
			return "group " + k.Group + " tombstone"
		}
		v, err := DecodeGroupValue(r.Value)
		if err != nil {
			return "group " + k.Group + " " + err.Error()
		}
		s := fmt.Sprintf("group %s type=%q gen=%d protocol=%s leader=%s", k.Group, v.ProtocolType, v.Generation, deref(v.Protocol), deref(v.Leader))
		for _, m := range v.Members {
			assigned := string(m.Assignment)
			if strings.HasPrefix(assigned, "\x00") {
				assigned = fmt.Sprintf("(%dB)", len(assigned)) // written by a consumer
			}
			s += fmt.Sprintf(" %s=%s", memberName(m.ID, m.InstanceID), assigned)
		}
		return s
	}
	if s, ok := describeGroupRecord(key, r.Value, names); ok {
		return s
	}
	return fmt.Sprint(key)
}

func memberName(id string, instance *string) string {
	if instance == nil {
		return id
	}
	return id + "@" + *instance
}

func deref(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func code(c int16) string {
	if c == 0 {
		return "NONE"
	}
	var e *kerr.Error
	if err := kerr.ErrorForCode(c); errors.As(err, &e) {
		return e.Message
	}
	return fmt.Sprint(c)
}

// refusalOf shows an error with its message.
func refusalOf(errorCode int16, message *string) string {
	return fmt.Sprintf("%s %q", code(errorCode), deref(message))
}

// describeReply shows what a client would act on.
func describeReply(response any, names topicNames) string {
	var w strings.Builder
	switch r := response.(type) {
	case *kmsg.JoinGroupResponse:
		fmt.Fprintf(&w, "%s member=%s", code(r.ErrorCode), r.MemberID)
		if r.ErrorCode != 0 {
			break
		}
		fmt.Fprintf(&w, " gen=%d", r.Generation)
		if r.Version >= 7 {
			fmt.Fprintf(&w, " type=%s", deref(r.ProtocolType))
		}
		fmt.Fprintf(&w, " protocol=%s leader=%s", deref(r.Protocol), r.LeaderID)
		if r.SkipAssignment {
			w.WriteString(" skip-assignment")
		}
		if len(r.Members) > 0 {
			names := []string{}
			for _, m := range r.Members {
				names = append(names, memberName(m.MemberID, m.InstanceID))
			}
			fmt.Fprintf(&w, " members=%s", sortedList(names))
		}
	case *kmsg.ConsumerGroupHeartbeatResponse:
		w.WriteString(describeBeat(r, names))
	case []kmsg.ConsumerGroupDescribeResponseGroup:
		w.WriteString(describeConsumerGroups(r))
	case *kmsg.StreamsGroupHeartbeatResponse:
		w.WriteString(describeStreamsBeat(r))
	case []kmsg.StreamsGroupDescribeResponseGroup:
		w.WriteString(describeStreamsGroups(r))
	case *kmsg.SyncGroupResponse:
		w.WriteString(code(r.ErrorCode))
		if r.ErrorCode == 0 {
			fmt.Fprintf(&w, " assignment=%q", r.MemberAssignment)
		}
	case *kmsg.HeartbeatResponse:
		w.WriteString(code(r.ErrorCode))
	case *kmsg.LeaveGroupResponse:
		w.WriteString(code(r.ErrorCode))
		for _, m := range r.Members {
			fmt.Fprintf(&w, " %s:%s", memberName(m.MemberID, m.InstanceID), code(m.ErrorCode))
		}
	case []kmsg.DescribeGroupsResponseGroup:
		slices.SortFunc(r, func(a, b kmsg.DescribeGroupsResponseGroup) int { return strings.Compare(a.Group, b.Group) })
		for i, g := range r {
			if i > 0 {
				w.WriteString("; ")
			}
			fmt.Fprintf(&w, "%s %s %s type=%q protocol=%q", g.Group, code(g.ErrorCode), g.State, g.ProtocolType, g.Protocol)
			names := []string{}
			for _, m := range g.Members {
				names = append(names, fmt.Sprintf("%s(%s%s %dB %q)", memberName(m.MemberID, m.InstanceID), m.ClientID, m.ClientHost, len(m.ProtocolMetadata), m.MemberAssignment))
			}
			fmt.Fprintf(&w, " members=%s", sortedList(names))
		}
	case []kmsg.ListGroupsResponseGroup:
		names := []string{}
		for _, g := range r {
			names = append(names, fmt.Sprintf("%s(%s %s %q)", g.Group, g.GroupType, g.GroupState, g.ProtocolType))
		}
		w.WriteString(sortedList(names))
	case []kmsg.DeleteGroupsResponseGroup:
		names := []string{}
		for _, g := range r {
			names = append(names, g.Group+":"+code(g.ErrorCode))
		}
		w.WriteString(sortedList(names))
	case *kmsg.OffsetCommitResponse:
		for i, t := range r.Topics {
			for j, p := range t.Partitions {
				if i+j > 0 {
					w.WriteString(" ")
				}
				fmt.Fprintf(&w, "%s-%d:%s", t.Topic, p.Partition, code(p.ErrorCode))
			}
		}
	case kmsg.OffsetFetchResponseGroup:
		w.WriteString(code(r.ErrorCode))
		names := []string{}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s := fmt.Sprintf("%s-%d=%d", t.Topic, p.Partition, p.Offset)
				if p.LeaderEpoch >= 0 {
					s += fmt.Sprintf("/epoch %d", p.LeaderEpoch)
				}
				if p.Metadata == nil || *p.Metadata != "" {
					s += "/" + deref(p.Metadata)
				}
				if p.ErrorCode != 0 {
					s += "/" + code(p.ErrorCode)
				}
				names = append(names, s)
			}
		}
		w.WriteString(" " + sortedList(names))
	case *kmsg.OffsetDeleteResponse:
		w.WriteString(code(r.ErrorCode))
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				fmt.Fprintf(&w, " %s-%d:%s", t.Topic, p.Partition, code(p.ErrorCode))
			}
		}
	default:
		if s, ok := describeShareReply(response, names); ok {
			return s
		}
		fmt.Fprintf(&w, "%T", response)
	}
	return w.String()
}

// sortedList prints what has no order of its own in the protocol.
func sortedList(all []string) string {
	slices.Sort(all)
	return "[" + strings.Join(all, " ") + "]"
}
