package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCreateTopicsVersions(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	for version := int16(2); version <= 7; version++ {
		req := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t"+string(rune('0'+version)), 2, 1
		req.Topics = append(req.Topics, topic)
		resp := ask[*kmsg.CreateTopicsResponse](c, req, version)
		got := resp.Topics[0]
		if got.ErrorCode != 0 {
			t.Fatalf("version %d: %+v", version, got)
		}
		if version >= 5 && (got.NumPartitions != 2 || got.ReplicationFactor != 1 || len(got.Configs) != 33) {
			t.Errorf("version %d: %d partitions, factor %d, %d configs", version, got.NumPartitions, got.ReplicationFactor, len(got.Configs))
		}
		if version >= 7 && got.TopicID != h.meta.Image().Topic(topic.Topic).ID {
			t.Errorf("version %d: topic id %v", version, got.TopicID)
		}
		// The answer means that the topic can be written to.
		c.produce(topic.Topic, 1, records("x"))
	}
}

func TestDeleteTopics(t *testing.T) {
	h := startBroker(t)
	h.createTopic("a", 1)
	id := h.createTopic("b", 1)
	h.createTopic("c", 1)
	c := h.dial()
	del := func(version int16, topics ...any) (codes []int16) {
		req := kmsg.NewPtrDeleteTopicsRequest()
		for _, topic := range topics {
			d := kmsg.NewDeleteTopicsRequestTopic()
			switch topic := topic.(type) {
			case string:
				d.Topic = &topic
				if version < 6 {
					req.TopicNames = append(req.TopicNames, topic)
				}
			case [16]byte:
				d.TopicID = topic
			}
			if version >= 6 {
				req.Topics = append(req.Topics, d)
			}
		}
		for _, topic := range ask[*kmsg.DeleteTopicsResponse](c, req, version).Topics {
			codes = append(codes, topic.ErrorCode)
		}
		return codes
	}
	check := func(got []int16, want ...*kerr.Error) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%d answers, want %d", len(got), len(want))
		}
		for i, w := range want {
			code := int16(0)
			if w != nil {
				code = w.Code
			}
			if got[i] != code {
				t.Errorf("answer %d is %v, want %v", i, kerr.ErrorForCode(got[i]), w)
			}
		}
	}
	check(del(6, "nope", [16]byte{5}, [16]byte{}), kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidRequest)
	check(del(6, "a", "a"), kerr.InvalidRequest)
	check(del(1, "a", "nope"), nil, kerr.UnknownTopicOrPartition)
	check(del(6, id), nil)
	check(del(5, "c"), nil)
	if n := h.meta.Image().TopicCount(); n != 0 {
		t.Errorf("%d topics are left", n)
	}
	if again := h.createTopic("b", 1); again == id {
		t.Error("a topic that was created again has its old id")
	}

	h.settings["delete.topic.enable"] = "false"
	h.restart()
	c = h.dial()
	check(del(6, "b"), kerr.TopicDeletionDisabled)
	check(del(2, "b"), kerr.InvalidRequest)
}

func TestCreatePartitions(t *testing.T) {
	h := startBroker(t)
	h.createTopic("a", 2)
	c := h.dial()
	grow := func(name string, count int32, validate bool, assignments ...[]int32) *kmsg.CreatePartitionsResponseTopic {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.ValidateOnly = validate
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = name, count
		for _, replicas := range assignments {
			a := kmsg.NewCreatePartitionsRequestTopicAssignment()
			a.Replicas = replicas
			topic.Assignment = append(topic.Assignment, a)
		}
		req.Topics = append(req.Topics, topic)
		return &ask[*kmsg.CreatePartitionsResponse](c, req, 3).Topics[0]
	}
	check := func(got *kmsg.CreatePartitionsResponseTopic, want *kerr.Error, message string) {
		t.Helper()
		if got.ErrorCode != want.Code || text(got.ErrorMessage) != message {
			t.Errorf("got %v %q, want %v %q", kerr.ErrorForCode(got.ErrorCode), text(got.ErrorMessage), want, message)
		}
	}
	check(grow("nope", 3, false), kerr.UnknownTopicOrPartition, "")
	check(grow("a", 2, false), kerr.InvalidPartitions, "Topic already has 2 partition(s).")
	check(grow("a", 1, false), kerr.InvalidPartitions, "The topic a currently has 2 partition(s); 1 would not be an increase.")
	check(grow("a", 4, false, []int32{1}), kerr.InvalidReplicaAssignment, "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.")
	check(grow("a", 3, false, []int32{9}), kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker 9, but no such broker is registered.")
	if got := grow("a", 5, true); got.ErrorCode != 0 || len(h.meta.Image().Topic("a").Partitions) != 2 {
		t.Errorf("validating: %+v", got)
	}
	if got := grow("a", 5, false); got.ErrorCode != 0 {
		t.Errorf("growing: %+v", got)
	}
	c.produce("a", 4, records("x"))
	if got := grow("a", 6, false, []int32{1}); got.ErrorCode != 0 {
		t.Errorf("growing by hand: %+v", got)
	}
}

func TestInitProducerID(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	request := func(id *string, pid int64, epoch int16, version int16) *kmsg.InitProducerIDResponse {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = id, 60000
		req.ProducerID, req.ProducerEpoch = pid, epoch
		return ask[*kmsg.InitProducerIDResponse](c, req, version)
	}
	last := int64(-1)
	for version := int16(0); version <= 5; version++ {
		resp := request(nil, -1, -1, version)
		if resp.ErrorCode != 0 || resp.ProducerID <= last || resp.ProducerEpoch != 0 {
			t.Errorf("version %d: %+v", version, resp)
		}
		last = resp.ProducerID
	}
	for range 1100 { // more than a block
		resp := request(nil, -1, -1, 4)
		if resp.ErrorCode != 0 || resp.ProducerID <= last {
			t.Fatalf("after %d: %+v", last, resp)
		}
		last = resp.ProducerID
	}
	h.restart()
	c = h.dial()
	if resp := request(nil, -1, -1, 4); resp.ErrorCode != 0 || resp.ProducerID <= last {
		t.Errorf("after a restart: %+v; %d was the last", resp, last)
	}
	empty := ""
	for _, test := range []struct {
		resp *kmsg.InitProducerIDResponse
		want *kerr.Error
	}{
		{request(nil, 5, -1, 4), kerr.InvalidRequest},
		{request(&empty, -1, -1, 4), kerr.InvalidRequest},
	} {
		if test.resp.ErrorCode != test.want.Code || test.resp.ProducerID != -1 {
			t.Errorf("%+v, want %v", test.resp, test.want)
		}
	}
}
