package group

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/script"
)

// request builds the message of a request verb; both the state machine and, in
// live scripts, Apache Kafka are driven by it. Nil for other verbs.
func (c command) request() kmsg.Request {
	switch c.Verb {
	case "join":
		return c.joinRequest()
	case "beat":
		return c.beatRequest()
	case "describe-consumer":
		return c.describeConsumerRequest()
	case "share-beat", "describe-share", "share-alter", "share-delete":
		return c.shareRequest()
	case "stream", "describe-streams":
		return c.streamsRequest()
	case "sync":
		return c.syncRequest()
	case "heartbeat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version = int16(c.Int("v", 4))
		r.Group, r.MemberID = c.Arg(0), c.Arg(1)
		r.Generation = int32(c.Int("gen", 1))
		r.InstanceID = c.Ptr("instance")
		return r
	case "leave":
		return c.leaveRequest()
	case "describe":
		r := kmsg.NewPtrDescribeGroupsRequest()
		r.Version = int16(c.Int("v", 6))
		for i := range c.Args {
			r.Groups = append(r.Groups, c.Arg(i))
		}
		return r
	case "list":
		r := kmsg.NewPtrListGroupsRequest()
		r.Version = 5
		if s := c.Str("states", ""); s != "" {
			r.StatesFilter = strings.Split(s, ",")
		}
		if s := c.Str("types", ""); s != "" {
			r.TypesFilter = strings.Split(s, ",")
		}
		return r
	case "delete":
		r := kmsg.NewPtrDeleteGroupsRequest()
		r.Version = 2
		for i := range c.Args {
			r.Groups = append(r.Groups, c.Arg(i))
		}
		return r
	case "commit":
		return c.commitRequest()
	case "fetch":
		return c.fetchRequest()
	case "offset-delete":
		r := kmsg.NewPtrOffsetDeleteRequest()
		r.Group = c.Arg(0)
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
	return int32(c.Duration(name, missing).Milliseconds())
}

// joinRequest: join GROUP [MEMBER] client= v= instance= type= protos=range:a+b,sticky:a (range:a/a.0.1
// owns partitions of a)
func (c command) joinRequest() kmsg.Request {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version = int16(c.Int("v", 9))
	r.Group, r.MemberID = c.Arg(0), c.Arg(1)
	r.SessionTimeoutMillis = c.millis("session", 10*time.Second)
	r.RebalanceTimeoutMillis = c.millis("rebalance", 60*time.Second)
	r.InstanceID = c.Ptr("instance")
	r.ProtocolType = c.Str("type", "consumer")
	for _, p := range strings.FieldsFunc(c.Str("protos", "range:t"), func(r rune) bool { return r == ',' }) {
		name, topics, _ := strings.Cut(p, ":")
		jp := kmsg.NewJoinGroupRequestProtocol()
		topics, owned, _ := strings.Cut(topics, "/")
		jp.Name, jp.Metadata = script.Unquote(name), subscription(strings.Split(topics, "+")...)
		jp.Metadata = appendOwned(jp.Metadata[:len(jp.Metadata)-4], owned)
		if r.ProtocolType != consumerProtocol {
			jp.Metadata = []byte(topics)
		}
		r.Protocols = append(r.Protocols, jp)
	}
	return r
}

// assignment writes t.0.1;u.2 after "embedded/" the way consumers do, with user data
// after another slash; anything else stands for itself.
func assignment(s string) []byte {
	embedded, ok := strings.CutPrefix(s, "embedded/")
	if !ok {
		return []byte(s)
	}
	embedded, data, ok := strings.Cut(embedded, "/")
	b := appendOwned([]byte{0, 1}, embedded)
	if ok {
		return appendBytes(b, []byte(data))
	}
	return append(b, 0xff, 0xff, 0xff, 0xff) // no user data
}

// appendOwned writes partitions given as t.0.1;u.2.
func appendOwned(b []byte, s string) []byte {
	topics := strings.FieldsFunc(s, func(r rune) bool { return r == ';' })
	b = binary.BigEndian.AppendUint32(b, uint32(len(topics)))
	for _, t := range topics {
		parts := strings.Split(t, ".")
		b = appendString(b, parts[0])
		b = binary.BigEndian.AppendUint32(b, uint32(len(parts)-1))
		for _, p := range parts[1:] {
			n, err := strconv.Atoi(p)
			if err != nil {
				panic(err)
			}
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
	}
	return b
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
	r.Version = int16(c.Int("v", 5))
	r.Group, r.MemberID = c.Arg(0), c.Arg(1)
	r.Generation = int32(c.Int("gen", 1))
	r.InstanceID = c.Ptr("instance")
	if r.Version >= 5 {
		typ, proto := c.Str("type", "consumer"), c.Str("proto", "range")
		r.ProtocolType, r.Protocol = &typ, &proto
		if typ == "null" {
			r.ProtocolType = nil
		}
	}
	for _, a := range strings.FieldsFunc(c.Str("assign", ""), func(r rune) bool { return r == ',' }) {
		id, bytes, _ := strings.Cut(a, ":")
		ga := kmsg.NewSyncGroupRequestGroupAssignment()
		ga.MemberID, ga.MemberAssignment = id, assignment(bytes)
		r.GroupAssignment = append(r.GroupAssignment, ga)
	}
	return r
}

// leaveRequest: leave GROUP MEMBER... ; MEMBER@INSTANCE names both, @INSTANCE an
// instance alone
func (c command) leaveRequest() kmsg.Request {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version = int16(c.Int("v", 5))
	r.Group = c.Arg(0)
	for i := 1; i < len(c.Args); i++ {
		m := kmsg.NewLeaveGroupRequestMember()
		id, instance, ok := strings.Cut(c.Args[i], "@")
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
	for _, a := range c.Args[from:] {
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
	r.Version = int16(c.Int("v", 9))
	r.Group = c.Arg(0)
	r.MemberID = c.Str("member", "")
	r.Generation = int32(c.Int("gen", -1))
	r.InstanceID = c.Ptr("instance")
	r.RetentionTimeMillis = -1
	if d := c.Duration("retention", -1); d >= 0 {
		r.RetentionTimeMillis = d.Milliseconds()
	}
	for _, tp := range c.partitions(1) {
		if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != tp.topic {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = tp.topic, topicID(c.Int("id", 0))
			r.Topics = append(r.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition = tp.partition
		p.Offset = c.Int("offset", 1)
		p.LeaderEpoch = int32(c.Int("epoch", -1))
		p.Metadata = c.Ptr("metadata")
		if n := c.Int("metadata-bytes", 0); n > 0 {
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
	r.RequireStable = c.Str("stable", "") == "true"
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = c.Arg(0)
	g.MemberID, g.MemberEpoch = c.Ptr("member"), int32(c.Int("epoch", -1))
	for _, tp := range c.partitions(1) {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID = tp.topic, topicID(c.Int("id", 0))
		t.Partitions = []int32{tp.partition}
		g.Topics = append(g.Topics, t)
	}
	r.Groups = append(r.Groups, g)
	return r
}
