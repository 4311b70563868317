package chaos

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// bomb is a megabyte at most that becomes many when it is decompressed: with codec 1 gzip, 2 snappy, 3 lz4, 4 zstd.
func bomb(t *testing.T, codec int) []byte {
	t.Helper()
	size := []int{1: 600 << 20, 2: 19 << 20, 3: 240 << 20, 4: 2000 << 20}[codec]
	var out bytes.Buffer
	zeros := make([]byte, 1<<20)
	fill := func(w interface{ Write([]byte) (int, error) }, end func() error) {
		for range size >> 20 {
			if _, err := w.Write(zeros); err != nil {
				t.Fatal(err)
			}
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	switch codec {
	case 1:
		w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		fill(w, w.Close)
	case 2:
		return s2.EncodeSnappy(nil, make([]byte, size))
	case 3:
		w := lz4.NewWriter(&out)
		fill(w, w.Close)
	case 4:
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(1<<20))
		if err != nil {
			t.Fatal(err)
		}
		fill(w, w.Close)
	}
	return out.Bytes()
}

// bombBatch is a batch of one record whose compressed part is the bomb.
func bombBatch(codec int, payload []byte) []byte {
	batch := kmsg.NewRecordBatch()
	batch.PartitionLeaderEpoch, batch.Magic, batch.Attributes = -1, 2, int16(codec)
	now := time.Now().UnixMilli()
	batch.FirstTimestamp, batch.MaxTimestamp = now, now
	batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence = -1, -1, -1
	batch.NumRecords = 1
	batch.Records = payload
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func produceRaw(topic string, partition int32, raw []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = 1, 10000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// makeBombs makes a bomb of each codec, as a payload and as a batch.
func (g *target) makeBombs() {
	for codec := 1; codec <= 4; codec++ {
		payload := bomb(g.t, codec)
		g.payloads[codec], g.batches[codec] = payload, bombBatch(codec, payload)
		if len(g.batches[codec]) > 1<<20 {
			g.t.Fatalf("the bomb of codec %d has %d bytes", codec, len(g.batches[codec]))
		}
	}
}

// mallory are clients that may write to some topics, on connections of their own.
func (g *target) mallory(n int) []*kgo.Client {
	var out []*kgo.Client
	for range n {
		out = append(out, g.login("mallory", "m-secret", kgo.ClientID("mallory")))
	}
	return out
}

// produceBombs: a producer with rights sends batches that the broker has to decompress, because it compresses anew or needs the keys.
func produceBombs(ctx context.Context, g *target) string {
	var refused, taken atomic.Int64
	clients := g.mallory(24)
	var next atomic.Int64
	crowd(ctx, 48, func(ctx context.Context) {
		i := next.Add(1)
		topic := []string{"forced", "compacted"}[i%2]
		resp, err := (&pinned{produceRaw(topic, int32(i%4), g.batches[1+int(i/2)%4]), 9}).RequestWith(ctx, clients[i%24])
		switch {
		case err != nil:
		case resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode != 0:
			refused.Add(1)
		default:
			taken.Add(1)
		}
	})
	return fmt.Sprintf("%d bombs of up to 2 GB in under 1 MB refused, %d taken", refused.Load(), taken.Load())
}

// RequestWith sends a pinned request to the broker.
func (p *pinned) RequestWith(ctx context.Context, cl *kgo.Client) (kmsg.Response, error) {
	return node(cl).Request(ctx, p)
}

// lookupBombs: bombs that were stored as they came are looked into when somebody asks for an offset by time.
func lookupBombs(ctx context.Context, g *target) string {
	clients := g.mallory(24)
	stored := 0
	for codec, b := range g.batches[1:] {
		resp, err := (&pinned{produceRaw("stored", int32(codec), b), 9}).RequestWith(ctx, clients[0])
		if err == nil && resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode == 0 {
			stored++
		}
	}
	var answers, next atomic.Int64
	crowd(ctx, 48, func(ctx context.Context) {
		i := next.Add(1)
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = "stored"
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp, part.CurrentLeaderEpoch = int32(i%4), 1000, -1
		topic.Partitions = append(topic.Partitions, part)
		req.Topics = append(req.Topics, topic)
		if _, err := (&pinned{req, 7}).RequestWith(ctx, clients[i%24]); err == nil {
			answers.Add(1)
		}
	})
	return fmt.Sprintf("%d bombs stored, %d look-ups answered", stored, answers.Load())
}

// telemetryBombs: clients push compressed metrics that become large.
func telemetryBombs(ctx context.Context, g *target) string {
	clients := g.mallory(24)
	var next, pushed atomic.Int64
	results := map[int16]*atomic.Int64{0: {}, 118: {}, 87: {}}
	crowd(ctx, 48, func(ctx context.Context) {
		i := next.Add(1)
		cl := clients[i%24]
		got, err := (&pinned{kmsg.NewPtrGetTelemetrySubscriptionsRequest(), 0}).RequestWith(ctx, cl)
		if err != nil {
			return
		}
		s := got.(*kmsg.GetTelemetrySubscriptionsResponse)
		push := kmsg.NewPtrPushTelemetryRequest()
		push.ClientInstanceID, push.SubscriptionID = s.ClientInstanceID, s.SubscriptionID
		push.CompressionType, push.Metrics = int8(1+i%4), g.payloads[1+i%4]
		resp, err := (&pinned{push, 0}).RequestWith(ctx, cl)
		if err != nil {
			return
		}
		pushed.Add(1)
		if n := results[resp.(*kmsg.PushTelemetryResponse).ErrorCode]; n != nil {
			n.Add(1)
		}
	})
	return fmt.Sprintf("%d pushes: %d too large, %d not decodable, %d taken", pushed.Load(), results[118].Load(), results[87].Load(), results[0].Load())
}
