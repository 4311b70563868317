package group

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// request builds the message of a request verb; both the state machine and, in
// live scripts, Apache Kafka are driven by it. Nil for other verbs.
func (c command) request() kmsg.Request {
	switch c.verb {
	case "join":
		return c.joinRequest()
	case "sync":
		return c.syncRequest()
	case "heartbeat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version = int16(c.int("v", 4))
		r.Group, r.MemberID = c.arg(0), c.arg(1)
		r.Generation = int32(c.int("gen", 1))
		r.InstanceID = c.ptr("instance")
		return r
	case "leave":
		return c.leaveRequest()
	case "describe":
		r := kmsg.NewPtrDescribeGroupsRequest()
		r.Version = int16(c.int("v", 6))
		for i := range c.args {
			r.Groups = append(r.Groups, c.arg(i))
		}
		return r
	case "list":
		r := kmsg.NewPtrListGroupsRequest()
		r.Version = 5
		if s := c.str("states", ""); s != "" {
			r.StatesFilter = strings.Split(s, ",")
		}
		if s := c.str("types", ""); s != "" {
			r.TypesFilter = strings.Split(s, ",")
		}
		return r
	case "delete":
		r := kmsg.NewPtrDeleteGroupsRequest()
		r.Version = 2
		for i := range c.args {
			r.Groups = append(r.Groups, c.arg(i))
		}
		return r
	case "commit":
		return c.commitRequest()
	case "fetch":
		return c.fetchRequest()
	case "offset-delete":
		r := kmsg.NewPtrOffsetDeleteRequest()
		r.Group = c.arg(0)
		for _, tp := range c.partitions(1) {
			if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != tp.topic {
				t := kmsg.NewOffsetDeleteRequestTopic()
				t.Topic = tp.topic
				r.Topics = append(r.Topics, t)
			}
			p := kmsg.NewOffsetDeleteRequestTopicPartition()
			p.Partition = tp.partition
			last := &r.Topics[len(r.Topics)-1]
			last.Partitions = append(last.Partitions, p)
		}
		return r
	}
	return nil
}

func (c command) millis(name string, missing time.Duration) int32 {
	return int32(c.duration(name, missing).Milliseconds())
}

// joinRequest: join GROUP [MEMBER] client= v= instance= type= protos=range:a+b,sticky:a
func (c command) joinRequest() kmsg.Request {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version = int16(c.int("v", 9))
	r.Group, r.MemberID = c.arg(0), c.arg(1)
	r.SessionTimeoutMillis = c.millis("session", 10*time.Second)
	r.RebalanceTimeoutMillis = c.millis("rebalance", 60*time.Second)
	r.InstanceID = c.ptr("instance")
	r.ProtocolType = c.str("type", "consumer")
	for _, p := range strings.FieldsFunc(c.str("protos", "range:t"), func(r rune) bool { return r == ',' }) {
		name, topics, _ := strings.Cut(p, ":")
		jp := kmsg.NewJoinGroupRequestProtocol()
		jp.Name, jp.Metadata = unquote(name), subscription(strings.Split(topics, "+")...)
		if r.ProtocolType != consumerProtocol {
			jp.Metadata = []byte(topics)
		}
		r.Protocols = append(r.Protocols, jp)
	}
	return r
}

func subscription(topics ...string) []byte {
	b := []byte{0, 1}
	b = binary.BigEndian.AppendUint32(b, uint32(len(topics)))
	for _, t := range topics {
		b = appendString(b, t)
	}
	b = append(b, 0xff, 0xff, 0xff, 0xff) // no user data
	return append(b, 0, 0, 0, 0)          // owns no partitions
}

// syncRequest: sync GROUP MEMBER gen= v= instance= type= proto= assign=MEMBER:BYTES,...
func (c command) syncRequest() kmsg.Request {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version = int16(c.int("v", 5))
	r.Group, r.MemberID = c.arg(0), c.arg(1)
	r.Generation = int32(c.int("gen", 1))
	r.InstanceID = c.ptr("instance")
	if r.Version >= 5 {
		typ, proto := c.str("type", "consumer"), c.str("proto", "range")
		r.ProtocolType, r.Protocol = &typ, &proto
		if typ == "null" {
			r.ProtocolType = nil
		}
	}
	for _, a := range strings.FieldsFunc(c.str("assign", ""), func(r rune) bool { return r == ',' }) {
		id, bytes, _ := strings.Cut(a, ":")
		ga := kmsg.NewSyncGroupRequestGroupAssignment()
		ga.MemberID, ga.MemberAssignment = id, []byte(bytes)
		r.GroupAssignment = append(r.GroupAssignment, ga)
	}
	return r
}

// leaveRequest: leave GROUP MEMBER... ; MEMBER@INSTANCE names both, @INSTANCE an
// instance alone
func (c command) leaveRequest() kmsg.Request {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version = int16(c.int("v", 5))
	r.Group = c.arg(0)
	for i := 1; i < len(c.args); i++ {
		m := kmsg.NewLeaveGroupRequestMember()
		id, instance, ok := strings.Cut(c.args[i], "@")
		m.MemberID = id
		if ok {
			m.InstanceID = &instance
		}
		r.MemberID = id
		r.Members = append(r.Members, m)
	}
	return r
}

// partitions reads arguments of the form topic-partition.
func (c command) partitions(from int) []topicPartition {
	var all []topicPartition
	for _, a := range c.args[from:] {
		topic, partition, _ := strings.Cut(a, "-")
		n, err := strconv.Atoi(partition)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", a, err))
		}
		all = append(all, topicPartition{topic, int32(n)})
	}
	return all
}

// commitRequest: commit GROUP topic-partition... offset= member= gen= instance=
// metadata= retention= id=
func (c command) commitRequest() kmsg.Request {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version = int16(c.int("v", 9))
	r.Group = c.arg(0)
	r.MemberID = c.str("member", "")
	r.Generation = int32(c.int("gen", -1))
	r.InstanceID = c.ptr("instance")
	r.RetentionTimeMillis = -1
	if d := c.duration("retention", -1); d >= 0 {
		r.RetentionTimeMillis = d.Milliseconds()
	}
	for _, tp := range c.partitions(1) {
		if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != tp.topic {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = tp.topic, topicID(c.int("id", 0))
			r.Topics = append(r.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition = tp.partition
		p.Offset = c.int("offset", 1)
		p.LeaderEpoch = int32(c.int("epoch", -1))
		p.Metadata = c.ptr("metadata")
		if n := c.int("metadata-bytes", 0); n > 0 {
			s := strings.Repeat("m", int(n))
			p.Metadata = &s
		}
		last := &r.Topics[len(r.Topics)-1]
		last.Partitions = append(last.Partitions, p)
	}
	return r
}

func topicID(n int64) [16]byte {
	id := [16]byte{}
	id[15] = byte(n)
	return id
}

// fetchRequest: fetch GROUP [topic-partition...] [stable=true] [id=]; without
// partitions, all
func (c command) fetchRequest() kmsg.Request {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = 9
	r.RequireStable = c.str("stable", "") == "true"
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = c.arg(0)
	g.MemberEpoch = -1
	for _, tp := range c.partitions(1) {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID = tp.topic, topicID(c.int("id", 0))
		t.Partitions = []int32{tp.partition}
		g.Topics = append(g.Topics, t)
	}
	r.Groups = append(r.Groups, g)
	return r
}
