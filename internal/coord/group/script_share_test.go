package group

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// shareRequest builds the requests about share groups; nil for other verbs.
//
//	share-beat GROUP MEMBER epoch= names=t+u rack=   a join subscribes to t by itself
//	describe-share GROUP...
//	share-alter GROUP t-0=5 u-1=7
//	share-delete GROUP TOPIC...
func (c command) shareRequest() kmsg.Request {
	switch c.Verb {
	case "share-beat":
		r := kmsg.NewPtrShareGroupHeartbeatRequest()
		r.Version = 1
		r.GroupID, r.MemberID = c.Arg(0), c.Arg(1)
		r.MemberEpoch = int32(c.Int("epoch", 0))
		r.RackID = c.Ptr("rack")
		if names := c.Ptr("names"); names != nil && *names != "null" {
			r.SubscribedTopicNames = append([]string{}, parseNames(*names)...)
		} else if names == nil && r.MemberEpoch == 0 {
			r.SubscribedTopicNames = []string{"t"}
		}
		return r
	case "describe-share":
		r := kmsg.NewPtrShareGroupDescribeRequest()
		r.Version = 1
		r.GroupIDs = append(r.GroupIDs, c.Args...)
		return r
	case "share-alter":
		r := kmsg.NewPtrAlterShareGroupOffsetsRequest()
		r.GroupID = c.Arg(0)
		for _, name := range sortedKeys(c.Opts) {
			topic, partition, _ := strings.Cut(name, "-")
			p := kmsg.NewAlterShareGroupOffsetsRequestTopicPartition()
			n, _ := strconv.Atoi(partition)
			p.Partition, p.StartOffset = int32(n), c.Int(name, 0)
			if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != topic {
				t := kmsg.NewAlterShareGroupOffsetsRequestTopic()
				t.Topic = topic
				r.Topics = append(r.Topics, t)
			}
			last := &r.Topics[len(r.Topics)-1]
			last.Partitions = append(last.Partitions, p)
		}
		return r
	case "share-delete":
		r := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
		r.GroupID = c.Arg(0)
		for _, topic := range c.Args[1:] {
			t := kmsg.NewDeleteShareGroupOffsetsRequestTopic()
			t.Topic = topic
			r.Topics = append(r.Topics, t)
		}
		return r
	}
	return nil
}

func shareEvent(id RequestID, c command, req kmsg.Request) Event {
	switch r := req.(type) {
	case *kmsg.ShareGroupHeartbeatRequest:
		return ShareGroupHeartbeat{ID: id, Client: Client{ID: c.Str("client", "c"), Host: "/127.0.0.1"}, Req: r}
	case *kmsg.ShareGroupDescribeRequest:
		return ShareGroupDescribe{id, r.GroupIDs}
	case *kmsg.AlterShareGroupOffsetsRequest:
		return AlterShareOffsets{id, r}
	case *kmsg.DeleteShareGroupOffsetsRequest:
		return DeleteShareOffsets{id, r}
	case *kmsg.DeleteGroupsRequest:
		return DeleteShareStates{id, r.Groups}
	}
	return nil
}

// persister stands for the share coordinator: it keeps state in memory, refuses when it
// is told to, or says nothing.
type persister struct {
	mode  string // "", "fail", "silent"
	state map[share.Key]int64
}

func (p *persister) initialize(group string, all []share.InitializePartition) (done, failed assign.Partitions) {
	done, failed = assign.Partitions{}, assign.Partitions{}
	for _, ip := range all {
		if p.mode != "" {
			failed[ip.TopicID] = append(failed[ip.TopicID], ip.Partition)
			continue
		}
		p.state[share.Key{Group: group, TopicPartition: ip.TopicPartition}] = ip.StartOffset
		done[ip.TopicID] = append(done[ip.TopicID], ip.Partition)
	}
	return done, failed
}

// delete reports whether it did.
func (p *persister) delete(group string, all []share.TopicPartition) bool {
	if p.mode != "" {
		return false
	}
	for _, tp := range all {
		delete(p.state, share.Key{Group: group, TopicPartition: tp})
	}
	return true
}

// sent carries out what share groups want done. Lines begin with "send", and are none
// of a live broker's business.
func (w *world) sent(messages []any) {
	for _, m := range messages {
		switch m := m.(type) {
		case ShareMemberGone:
			w.printf("send gone %s %s\n", m.Group, m.MemberID)
		case DeleteShareState:
			w.printf("send delete %s %d partitions\n", m.Group, len(m.Partitions))
			w.persister.delete(m.Group, m.Partitions)
		case InitializeShareState:
			ps := assign.Partitions{}
			for _, p := range m.Partitions {
				ps[p.TopicID] = append(ps[p.TopicID], p.Partition)
			}
			w.printf("send initialize %s epoch=%d %s\n", m.Group, m.Partitions[0].StateEpoch, topicNames(w.cluster.TopicName).partitions(ps))
			if w.persister.mode == "silent" {
				continue
			}
			done, failed := w.persister.initialize(m.Group, m.Partitions)
			w.step(ShareInitialized{Group: m.Group, Done: done, Failed: failed})
		default:
			w.t.Errorf("unexpected message %T", m)
		}
	}
}

// second takes the second step of a request about share groups' state, if it has one.
// It returns what the client is told in the end; nil means another reply brings that.
func (w *world) second(id RequestID, ev Event, response any) any {
	switch r := response.(type) {
	case ShareOffsetsAltered:
		if len(r.Initialize) > 0 {
			group := ev.(AlterShareOffsets).Req.GroupID
			done, failed := w.persister.initialize(group, r.Initialize)
			w.step(ShareInitialized{Group: group, Done: done, Failed: failed})
			for i := range r.Response.Topics {
				for j := range r.Response.Topics[i].Partitions {
					if p := &r.Response.Topics[i].Partitions[j]; len(failed) > 0 && p.ErrorCode == 0 {
						p.ErrorCode = kerr.CoordinatorNotAvailable.Code
					}
				}
			}
		}
		return r.Response
	case ShareOffsetsDeleting:
		group := ev.(DeleteShareOffsets).Req.GroupID
		gone := ShareOffsetsDeleted{Group: group}
		for _, topicID := range assign.SortedTopics(r.Topics) {
			t := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
			t.Topic = r.Topics[topicID].Name
			if !w.persister.delete(group, sharePartitions(map[assign.TopicID]ShareTopic{topicID: r.Topics[topicID]})) {
				t.ErrorCode = kerr.CoordinatorNotAvailable.Code
			} else {
				gone.Topics = append(gone.Topics, topicID)
			}
			r.Response.Topics = append(r.Response.Topics, t)
		}
		if len(gone.Topics) > 0 {
			w.quiet = true
			w.step(gone)
			w.quiet = false
		}
		return r.Response
	case []ShareStatesDeleting:
		var left []string
		var out []kmsg.DeleteGroupsResponseGroup
		for i, g := range ev.(DeleteShareStates).Groups {
			err := r[i].Err
			if err == nil && !w.persister.delete(g, r[i].Partitions) && len(r[i].Partitions) > 0 {
				err = kerr.CoordinatorNotAvailable
			}
			if err == nil {
				left = append(left, g)
				continue
			}
			refused := kmsg.NewDeleteGroupsResponseGroup()
			refused.Group, refused.ErrorCode = g, err.Code
			out = append(out, refused)
		}
		if len(left) == 0 {
			return out
		}
		w.parked[id] = true
		w.refused = out
		w.step(DeleteGroups{id, left})
		return nil
	case []kmsg.DeleteGroupsResponseGroup:
		r = append(r, w.refused...)
		w.refused = nil
		return r
	}
	return response
}

// shareTopics shows topics by the names that the record has of them.
func (topicNames) shareTopics(topics map[assign.TopicID]ShareTopic) string {
	ps := assign.Partitions{}
	named := map[[16]byte]string{}
	for id, t := range topics {
		ps[id], named[id] = t.Partitions, t.Name
	}
	return topicNames(func(id [16]byte) (string, bool) { return named[id], true }).partitions(ps)
}

// describeShareReply shows the answers to requests about share groups; false for
// others.
func describeShareReply(response any, names topicNames) (string, bool) {
	switch r := response.(type) {
	case *kmsg.ShareGroupHeartbeatResponse:
		if r.ErrorCode != 0 {
			return refusalOf(r.ErrorCode, r.ErrorMessage), true
		}
		s := fmt.Sprintf("NONE member=%s epoch=%d interval=%d", deref(r.MemberID), r.MemberEpoch, r.HeartbeatIntervalMillis)
		if r.Assignment != nil {
			ps := assign.Partitions{}
			for _, t := range r.Assignment.TopicPartitions {
				ps[t.TopicID] = t.Partitions
			}
			s += " assignment=" + names.partitions(ps)
		}
		return s, true
	case []kmsg.ShareGroupDescribeResponseGroup:
		return describeShareGroups(r), true
	case *kmsg.AlterShareGroupOffsetsResponse:
		if r.ErrorCode != 0 {
			return refusalOf(r.ErrorCode, r.ErrorMessage), true
		}
		var all []string
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				all = append(all, fmt.Sprintf("%s-%d:%s", t.Topic, p.Partition, code(p.ErrorCode)))
			}
		}
		return sortedList(all), true
	case *kmsg.DeleteShareGroupOffsetsResponse:
		if r.ErrorCode != 0 {
			return refusalOf(r.ErrorCode, r.ErrorMessage), true
		}
		var all []string
		for _, t := range r.Topics {
			s := t.Topic + ":" + code(t.ErrorCode)
			if t.ErrorMessage != nil {
				s += fmt.Sprintf("(%s)", *t.ErrorMessage)
			}
			all = append(all, s)
		}
		return sortedList(all), true
	}
	return "", false
}

func describeShareGroups(all []kmsg.ShareGroupDescribeResponseGroup) string {
	var parts []string
	for _, g := range all {
		if g.ErrorCode != 0 {
			parts = append(parts, g.GroupID+" "+refusalOf(g.ErrorCode, g.ErrorMessage))
			continue
		}
		s := fmt.Sprintf("%s NONE %s epoch=%d/%d assignor=%s", g.GroupID, g.GroupState, g.GroupEpoch, g.AssignmentEpoch, g.Assignor)
		slices.SortFunc(g.Members, func(a, b kmsg.ShareGroupDescribeResponseGroupMember) int {
			return strings.Compare(a.MemberID, b.MemberID)
		})
		for _, m := range g.Members {
			var has []string
			for _, t := range m.Assignment.TopicPartitions {
				ps := slices.Clone(t.Partitions)
				slices.Sort(ps)
				has = append(has, fmt.Sprintf("%s:%v", t.Topic, ps))
			}
			s += fmt.Sprintf(" %s(%s%s rack=%s epoch=%d names=%v has=%s)", m.MemberID, m.ClientID, m.ClientHost,
				deref(m.RackID), m.MemberEpoch, m.SubscribedTopicNames, sortedList(has))
		}
		parts = append(parts, s)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// configureShare is the part of the settings verb for share groups.
func (w *world) configureShare(c command) {
	s := &w.settings.Share
	s.SessionTimeout = c.Duration("share-session", s.SessionTimeout)
	s.AssignmentInterval = c.Duration("share-assignment-interval", s.AssignmentInterval)
	s.InitializeRetry = c.Duration("share-retry", s.InitializeRetry)
	s.MaxSize = int(c.Int("share-max-size", int64(s.MaxSize)))
	if mode := c.Ptr("share-state"); mode != nil {
		w.persister.mode = strings.TrimSuffix(*mode, "ok")
	}
}

// shareDefaults are what TestLive's broker is set to.
func shareDefaults(s *Settings) {
	s.Share.SessionTimeout = 6 * time.Second
	s.Share.HeartbeatInterval = 100 * time.Millisecond
	s.Share.AssignmentInterval = 0
}

var (
	sharedSet  = regexp.MustCompile(`\b([a-z]+):\[?\d+(?:[+ ]\d+)*\]?`)
	numberOnly = regexp.MustCompile(`\d+`)
)

// countShares puts the number of partitions in the place of those that members of share
// groups have: Apache Kafka deals them out in the order of a hash table.
func countShares(lines []string) {
	for i, line := range lines {
		if strings.Contains(line, "append share-state") || !strings.Contains(line, "share-") && !strings.Contains(line, "assignment=") && !strings.Contains(line, "assignor=simple") {
			continue
		}
		lines[i] = sharedSet.ReplaceAllStringFunc(line, func(set string) string {
			name, ps, _ := strings.Cut(set, ":")
			return fmt.Sprintf("%s:%d of them", name, len(numberOnly.FindAllString(ps, -1)))
		})
	}
}
