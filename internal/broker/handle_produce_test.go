package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

func TestProduceEveryVersion(t *testing.T) {
	for _, flush := range []string{"commit", "os"} {
		t.Run(flush, func(t *testing.T) {
			h := startBroker(t, "log.flush", flush)
			id := h.createTopic("t", 1)
			c := h.dial()
			want := []string{}
			for version := int16(minProduce); version <= 13; version++ {
				for _, acks := range []int16{1, -1} {
					req := produceRequest("t", 0, acks, records("a", "b"))
					req.Topics[0].TopicID = id
					resp := ask[*kmsg.ProduceResponse](c, req, version)
					p := resp.Topics[0].Partitions[0]
					if p.ErrorCode != 0 || p.BaseOffset != int64(len(want)) || p.LogAppendTime != -1 {
						t.Fatalf("version %d acks %d: %+v", version, acks, p)
					}
					if version >= 13 && resp.Topics[0].TopicID != id || version < 13 && resp.Topics[0].Topic != "t" {
						t.Errorf("version %d: topic %q %x", version, resp.Topics[0].Topic, resp.Topics[0].TopicID)
					}
					want = append(want, "a", "b")
				}
			}
			if got := c.consume("t", 0, 0); !slices.Equal(got, want) {
				t.Errorf("read %q", got)
			}
			h.restart()
			if got := h.dial().consume("t", 0, 0); !slices.Equal(got, want) {
				t.Errorf("after a restart: %q", got)
			}
		})
	}
}

func TestProduceErrors(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1, "max.message.bytes", "2000")
	h.createTopic("compacted", 1, "cleanup.policy", "compact")
	corrupt := records("x")
	corrupt[len(corrupt)-1] ^= 1
	old := records("x")
	old[16] = 1
	tests := []struct {
		name      string
		topic     string
		partition int32
		acks      int16
		data      []byte
		version   int16
		want      *kerr.Error
	}{
		{"acks 2", "t", 0, 2, records("x"), 9, kerr.InvalidRequiredAcks},
		{"acks -2", "t", 0, -2, records("x"), 3, kerr.InvalidRequiredAcks},
		{"unknown topic", "nope", 0, 1, records("x"), 9, kerr.UnknownTopicOrPartition},
		{"unknown partition", "t", 1, 1, records("x"), 9, kerr.UnknownTopicOrPartition},
		{"negative partition", "t", -1, 1, records("x"), 9, kerr.UnknownTopicOrPartition},
		{"unknown id", "", 0, 1, records("x"), 13, kerr.UnknownTopicID},
		{"corrupt", "t", 0, 1, corrupt, 9, kerr.CorruptMessage},
		{"old format", "t", 0, 1, old, 9, kerr.InvalidRecord},
		{"empty", "t", 0, 1, []byte{}, 9, kerr.InvalidRecord},
		{"too large", "t", 0, -1, records(strings.Repeat("x", 3000)), 9, kerr.MessageTooLarge},
		{"no key", "compacted", 0, -1, records("x", "y"), 9, kerr.InvalidRecord},
		{"transactional without id", "t", 0, -1, buildBatch(batch.BuilderOptions{Transactional: true, Producer: &batch.Producer{ID: 1}}, "x"), 9, kerr.TransactionalIDAuthorizationFailed},
		{"control", "t", 0, -1, []byte(endMarker()), 9, kerr.InvalidRecord},
	}
	c := h.dial()
	for _, test := range tests {
		resp := ask[*kmsg.ProduceResponse](c, produceRequest(test.topic, test.partition, test.acks, test.data), test.version)
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != test.want.Code || p.BaseOffset != -1 || p.LogStartOffset > 0 {
			t.Errorf("%s: %v offset %d start %d, want %v", test.name, kerr.ErrorForCode(p.ErrorCode), p.BaseOffset, p.LogStartOffset, test.want)
		}
	}
	if got := c.consume("t", 0, 0); len(got) != 0 {
		t.Errorf("refused batches were written: %q", got)
	}
}

// endMarker is a control batch made to look like one that a producer sends: outside a transaction.
func endMarker() batch.Batch {
	b := batch.NewBuilder(batch.BuilderOptions{Control: true})
	b.Append(1, []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0}, nil)
	out, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return out
}

func TestProduceRecordErrors(t *testing.T) {
	h := startBroker(t)
	h.createTopic("compacted", 1, "cleanup.policy", "compact")
	c := h.dial()
	resp := ask[*kmsg.ProduceResponse](c, produceRequest("compacted", 0, -1, records("x", "y")), 8)
	p := resp.Topics[0].Partitions[0]
	if len(p.ErrorRecords) != 2 || p.ErrorRecords[1].RelativeOffset != 1 || p.ErrorMessage == nil || *p.ErrorMessage == "" {
		t.Errorf("%+v", p)
	}
}

// A producer that wants no answers learns of an error by losing its connection.
func TestProduceAcksZero(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	for range 3 {
		c.send(produceRequest("t", 0, 0, records("quiet")), 9)
	}
	if base := c.produce("t", 0, records("loud")); base != 3 {
		t.Errorf("offset %d", base)
	}
	c.send(produceRequest("nope", 0, 0, records("x")), 9)
	c.closed()
}

func TestProduceToInternalTopic(t *testing.T) {
	h := startBroker(t)
	h.createTopic(offsetsTopic, 1, "cleanup.policy", "delete")
	c := h.dial()
	resp := ask[*kmsg.ProduceResponse](c, produceRequest(offsetsTopic, 0, -1, records("x")), 9)
	if code := resp.Topics[0].Partitions[0].ErrorCode; code != kerr.InvalidTopicException.Code {
		t.Errorf("error %d", code)
	}
}

// An idempotent producer's batch that comes again gets the first one's offset, also after a restart.
func TestProduceIdempotent(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	data := func(seq int32) []byte {
		return buildBatch(batch.BuilderOptions{Producer: &batch.Producer{ID: 5, BaseSequence: seq}}, "x", "y")
	}
	send := func(c *conn, seq int32) kmsg.ProduceResponseTopicPartition {
		return ask[*kmsg.ProduceResponse](c, produceRequest("t", 0, -1, data(seq)), 9).Topics[0].Partitions[0]
	}
	if p := send(c, 0); p.BaseOffset != 0 {
		t.Fatalf("%+v", p)
	}
	if p := send(c, 2); p.BaseOffset != 2 {
		t.Fatalf("%+v", p)
	}
	if p := send(c, 0); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("again: %+v", p)
	}
	if p := send(c, 10); p.ErrorCode != kerr.OutOfOrderSequenceNumber.Code {
		t.Errorf("gap: %+v", p)
	}
	h.restart()
	c = h.dial()
	if p := send(c, 2); p.ErrorCode != 0 || p.BaseOffset != 2 {
		t.Errorf("again after a restart: %+v", p)
	}
	if got := c.consume("t", 0, 0); len(got) != 4 {
		t.Errorf("read %q", got)
	}
}

// Requests of one connection are appended and answered in their order, while they wait for the same flushes.
func TestProducePipelined(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 3)
	c := h.dial()
	const n = 300
	reqs := make([]*kmsg.ProduceRequest, n)
	go func() {
		for i := range reqs {
			reqs[i] = produceRequest("t", int32(i%3), -1, records(fmt.Sprint(i)))
			reqs[i].SetVersion(9)
			b := kmsg.NewRequestFormatter().AppendRequest(nil, reqs[i], int32(i))
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	like := produceRequest("t", 0, -1, nil)
	like.SetVersion(9)
	for i := range n {
		resp := c.receive(like).(*kmsg.ProduceResponse)
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != 0 || p.Partition != int32(i%3) || p.BaseOffset != int64(i/3) {
			t.Fatalf("answer %d: %+v", i, p)
		}
	}
	got := c.consume("t", 1, 0)
	for i, v := range got {
		if v != fmt.Sprint(i*3+1) {
			t.Fatalf("record %d is %s", i, v)
		}
	}
	if len(got) != n/3 {
		t.Errorf("%d records", len(got))
	}
}

// The timeout is for acks=all: a leader's own disk is waited for.
func TestProduceTimeout(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	for acks, want := range map[int16]*kerr.Error{-1: kerr.RequestTimedOut, 1: nil} {
		req := produceRequest("t", 0, acks, records("x"))
		req.TimeoutMillis = 0
		p := ask[*kmsg.ProduceResponse](c, req, 9).Topics[0].Partitions[0]
		// The flush may be quicker than the look at the clock: then all is well with acks=all too.
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, want) || err != nil && want == nil {
			t.Errorf("acks %d: %v", acks, err)
		}
	}
}

// Several partitions in one request: those that fail do not keep the others from being written.
func TestProducePartly(t *testing.T) {
	h := startBroker(t)
	h.createTopic("a", 2)
	h.createTopic("b", 1)
	req := produceRequest("a", 1, -1, records("1"))
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 7, Records: records("2")})
	req.Topics = append(req.Topics, produceRequest("missing", 0, -1, records("3")).Topics[0], produceRequest("b", 0, -1, records("4")).Topics[0])
	resp := ask[*kmsg.ProduceResponse](h.dial(), req, 9)
	var got []string
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			got = append(got, fmt.Sprintf("%s-%d:%d", rt.Topic, p.Partition, p.ErrorCode))
		}
	}
	if want := []string{"a-1:0", "a-7:3", "missing-0:3", "b-0:0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// When the disk refuses, producers get the storage error, the process stays up, and all is well once the disk is.
func TestStorageErrorAndBack(t *testing.T) {
	fault := vfs.NewFault(vfs.NewMem(1))
	h := startOn(t, fault, "/log")
	h.createTopic("t", 1)
	h.createTopic("other", 1)
	c := h.dial()
	c.produce("t", 0, records("before"))
	fault.Set(func(op vfs.Op, name string) error {
		if strings.Contains(name, "/t-0/") {
			return errNoSpace
		}
		return nil
	})
	resp := ask[*kmsg.ProduceResponse](c, produceRequest("t", 0, -1, records("lost")), 9)
	if code := resp.Topics[0].Partitions[0].ErrorCode; code != kerr.KafkaStorageError.Code {
		t.Fatalf("error %d", code)
	}
	c.produce("other", 0, records("elsewhere"))
	if h.OfflinePartitions() != 1 {
		t.Errorf("%d offline", h.OfflinePartitions())
	}
	fault.Set(nil)
	waitFor(t, func() bool {
		resp := ask[*kmsg.ProduceResponse](c, produceRequest("t", 0, -1, records("after")), 9)
		return resp.Topics[0].Partitions[0].ErrorCode == 0
	})
	if got := c.consume("t", 0, 0); got[0] != "before" || got[len(got)-1] != "after" {
		t.Errorf("read %q", got)
	}
}

// A partition that cannot be opened when the broker starts keeps nothing else from being served, and is served itself
// once it can be.
func TestUnreadableAtStart(t *testing.T) {
	fault := vfs.NewFault(vfs.NewMem(1))
	h := startOn(t, fault, "/log")
	h.createTopic("t", 1)
	h.createTopic("other", 1)
	c := h.dial()
	c.produce("t", 0, records("before"))
	c.produce("other", 0, records("before"))
	h.stop()
	fault.Set(func(op vfs.Op, name string) error {
		if strings.Contains(name, "/t-0") {
			return syscall.EIO
		}
		return nil
	})
	h.open()
	c = h.dial()
	resp := ask[*kmsg.ProduceResponse](c, produceRequest("t", 0, -1, records("lost")), 9)
	if code := resp.Topics[0].Partitions[0].ErrorCode; code != kerr.KafkaStorageError.Code && code != kerr.NotLeaderForPartition.Code {
		t.Fatalf("error %d", code)
	}
	c.produce("other", 0, records("after"))
	fault.Set(nil)
	waitFor(t, func() bool {
		resp := ask[*kmsg.ProduceResponse](c, produceRequest("t", 0, -1, records("after")), 9)
		return resp.Topics[0].Partitions[0].ErrorCode == 0
	})
	if got := c.consume("t", 0, 0); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("read %q", got)
	}
}
