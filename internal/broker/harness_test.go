package broker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/loglevel"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/wire/batch"
)

// Machines that run tests are busy: patience is how long a test waits for what should take a moment, and connectionLife what all
// the requests of one connection may take together.
const (
	patience       = time.Minute
	connectionLife = 4 * time.Minute
)

// harness is a broker on a disk in memory, which clients reach inside the process.
type harness struct {
	t        testing.TB
	fs       vfs.FS
	settings map[string]string
	path     string
	levels   *loglevel.Table // may be nil
	*Broker
	memory *transport.Memory
}

// startBroker starts a broker with settings in addition to those that make tests quick.
func startBroker(t *testing.T, settings ...string) *harness {
	t.Helper()
	return startOn(t, vfs.NewMem(1), "/log", settings...)
}

// startBench starts a broker for a benchmark.
func startBench(b *testing.B) *harness {
	b.Helper()
	return startOn(b, vfs.NewMem(1), "/log", "log.flush", "os")
}

func startOn(t testing.TB, fsys vfs.FS, path string, settings ...string) *harness {
	t.Helper()
	h := &harness{t: t, fs: fsys, path: path, settings: map[string]string{
		"node.id": "1", "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "2", "log.cleaner.enable": "false",
	}}
	for i := 0; i+1 < len(settings); i += 2 {
		h.settings[settings[i]] = settings[i+1]
	}
	h.open()
	t.Cleanup(func() {
		if h.Broker != nil {
			h.stop()
		}
	})
	return h
}

func (h *harness) open() {
	h.t.Helper()
	static, _, err := config.Parse(h.settings)
	if err != nil {
		h.t.Fatal(err)
	}
	h.memory = transport.NewMemory("memory")
	h.Broker, err = Open(h.t.Context(), Options{
		FS: h.fs, Clock: clock.System, Random: rand.Reader, Logger: slog.New(slog.NewTextHandler(testWriter{h.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Levels: h.levels, Path: h.path, Config: static,
		Listeners: []Listener{{Name: "PLAINTEXT", Listener: h.memory, AdvertisedHost: "leat.test", AdvertisedPort: 9092}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	// Clients ask coordinators that are still loading again; what follows here need not.
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	h.groups.AwaitLoads(ctx)
	h.shares.AwaitLoads(ctx)
	h.txns.AwaitLoads(ctx)
}

// stop closes the broker in order.
func (h *harness) stop() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Broker.Close(ctx); err != nil {
		h.t.Errorf("close: %v", err)
	}
	h.Broker = nil
}

func (h *harness) restart() {
	h.t.Helper()
	h.stop()
	h.open()
}

// testWriter shows the broker's warnings in the test's output.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("broker: %s", b)
	return len(b), nil
}

// conn is a client that speaks the raw protocol.
type conn struct {
	t testing.TB
	net.Conn
	id   string
	corr int32
}

func (h *harness) dial() *conn {
	h.t.Helper()
	nc, err := h.memory.DialContext(h.t.Context(), "", "")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(connectionLife)); err != nil {
		h.t.Fatal(err)
	}
	return &conn{t: h.t, Conn: nc, id: "test"}
}

// send sends a request at a version and returns its correlation id.
func (c *conn) send(req kmsg.Request, version int16) int32 {
	c.t.Helper()
	req.SetVersion(version)
	c.corr++
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.id)).AppendRequest(nil, req, c.corr)
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
	return c.corr
}

// receive reads the response to a request that was sent.
func (c *conn) receive(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	resp, err := c.tryReceive(req)
	if err != nil {
		c.t.Fatalf("%s version %d: %v", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return resp
}

func (c *conn) tryReceive(req kmsg.Request) (kmsg.Response, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	b = b[4:]
	if req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		b = b[1:]
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(b); err != nil {
		return nil, fmt.Errorf("decoding the response: %w", err)
	}
	return resp, nil
}

// ask sends a request and returns its response.
func ask[R kmsg.Response](c *conn, req kmsg.Request, version int16) R {
	c.t.Helper()
	c.send(req, version)
	return c.receive(req).(R)
}

// closed checks that the broker closes the connection without an answer.
func (c *conn) closed() {
	c.t.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		c.t.Fatal("got an answer, want a closed connection")
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the connection stays open")
	}
}

// createTopic makes a topic with configs in name, value pairs.
func (h *harness) createTopic(name string, partitions int32, configs ...string) [16]byte {
	h.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for i := 0; i+1 < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp := ask[*kmsg.CreateTopicsResponse](h.dial(), req, 7)
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		h.t.Fatalf("creating %s: %v", name, err)
	}
	return resp.Topics[0].TopicID
}

// records builds a batch of records with the values and no keys.
func records(values ...string) []byte {
	return buildBatch(batch.BuilderOptions{}, values...)
}

func buildBatch(o batch.BuilderOptions, values ...string) []byte {
	b := batch.NewBuilder(o)
	now := time.Now().UnixMilli()
	for _, v := range values {
		b.Append(now, nil, []byte(v), nil)
	}
	out, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return out
}

// produceRequest writes one batch to one partition.
func produceRequest(topic string, partition int32, acks int16, data []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 10000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, data
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// produce writes a batch with acks=all and returns its base offset.
func (c *conn) produce(topic string, partition int32, data []byte) int64 {
	c.t.Helper()
	resp := ask[*kmsg.ProduceResponse](c, produceRequest(topic, partition, -1, data), 9)
	p := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		c.t.Fatalf("produce: %v", err)
	}
	return p.BaseOffset
}

// fetchOf reads one partition; it waits for nothing.
func fetchOf(topic string, id [16]byte, partition int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.SessionEpoch = 10<<20, 1, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// values decodes the records of fetched bytes, leaving out what lies before offset.
func values(t testing.TB, data []byte, offset int64) (out []string) {
	t.Helper()
	for b, err := range batch.Split(data) {
		if err != nil {
			break // cut off at the end, as the protocol allows
		}
		if !b.VerifyCRC() {
			t.Fatal("bad CRC")
		}
		for r, err := range b.Records(nil, 1<<20) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Offset >= offset {
				out = append(out, string(r.Value))
			}
		}
	}
	return out
}

// consume reads a partition from an offset.
func (c *conn) consume(topic string, partition int32, offset int64) []string {
	c.t.Helper()
	resp := ask[*kmsg.FetchResponse](c, fetchOf(topic, [16]byte{}, partition, offset), 12)
	p := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		c.t.Fatalf("fetch: %v", err)
	}
	return values(c.t, p.RecordBatches, offset)
}

// waitFor tries a condition that nothing signals until it is true.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("condition never came true")
		}
	}
}

var errNoSpace = fmt.Errorf("no space: %w", syscall.ENOSPC)
