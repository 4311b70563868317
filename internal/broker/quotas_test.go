package broker

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/quota"
)

// part is one part of a quota entity: "type=name", and "type" for the default.
func part(typ string, name ...string) kmsg.AlterClientQuotasRequestEntryEntity {
	p := kmsg.AlterClientQuotasRequestEntryEntity{Type: typ}
	if len(name) > 0 {
		p.Name = &name[0]
	}
	return p
}

type quotaParts = []kmsg.AlterClientQuotasRequestEntryEntity

// quotaChange is a change of one entity; a negative infinity removes.
func quotaChange(e quotaParts, keysAndValues ...any) kmsg.AlterClientQuotasRequestEntry {
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity = e
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Value = keysAndValues[i].(string), keysAndValues[i+1].(float64)
		op.Remove = math.IsInf(op.Value, -1)
		entry.Ops = append(entry.Ops, op)
	}
	return entry
}

var removed = math.Inf(-1)

func (c *conn) alterQuotas(entries ...kmsg.AlterClientQuotasRequestEntry) {
	c.t.Helper()
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = entries
	for _, e := range ask[*kmsg.AlterClientQuotasResponse](c, req, 1).Entries {
		if err := kerr.ErrorForCode(e.ErrorCode); err != nil {
			c.t.Fatalf("%v: %v: %s", e.Entity, err, text(e.ErrorMessage))
		}
	}
}

// describeQuotas lists all quotas as text.
func (c *conn) describeQuotas() (out []string) {
	c.t.Helper()
	resp := ask[*kmsg.DescribeClientQuotasResponse](c, kmsg.NewPtrDescribeClientQuotasRequest(), 1)
	for _, e := range resp.Entries {
		line := ""
		for _, p := range e.Entity {
			line += p.Type + "="
			if p.Name != nil {
				line += *p.Name
			}
			line += " "
		}
		for _, v := range e.Values {
			line += fmt.Sprintf("%s=%v ", v.Key, v.Value)
		}
		out = append(out, line)
	}
	return out
}

func TestQuotasAcrossRestart(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	c.alterQuotas(quotaChange(quotaParts{part("user", "alice"), part("client-id")}, "producer_byte_rate", 1000.0, "request_percentage", 12.5),
		quotaChange(quotaParts{part("user")}, "consumer_byte_rate", 5.0),
		quotaChange(quotaParts{part("ip", "10.0.0.1")}, "connection_creation_rate", 3.0))
	c.alterQuotas(quotaChange(quotaParts{part("user")}, "consumer_byte_rate", removed))
	want := "[client-id= user=alice producer_byte_rate=1000 request_percentage=12.5  ip=10.0.0.1 connection_creation_rate=3 ]"
	for range 2 {
		if got := fmt.Sprint(h.dial().describeQuotas()); got != want {
			t.Fatalf("got %s", got)
		}
		if !h.security.quotas.Active(quota.Produce) || !h.security.quotas.Active(quota.Request) || h.security.quotas.Active(quota.Fetch) {
			t.Fatal("the wrong quotas hold")
		}
		h.restart()
	}
}

// elapsed tells how long f takes.
func elapsed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// Where waits are told to the millisecond, time is that of a bubble: what the machine takes for the work does not count.

// TestProduceQuota: the answer comes at once and says how long to wait, and what is sent before that waits.
func TestProduceQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBroker(t)
		id := h.createTopic("t", 1)
		c := h.dial()
		c.alterQuotas(quotaChange(quotaParts{part("user", "ANONYMOUS"), part("client-id", "test")}, "producer_byte_rate", 10_000.0))
		data := records(string(make([]byte, 102_000))) // 2 % more than the window has
		req := produceRequest("t", 0, -1, data)
		req.Topics[0].TopicID = id
		var throttle int32
		if d := elapsed(func() { throttle = ask[*kmsg.ProduceResponse](c, req, 13).ThrottleMillis }); d > time.Second {
			t.Errorf("answered after %v", d)
		}
		if throttle < 150 || throttle > 400 {
			t.Fatalf("throttled for %d ms", throttle)
		}
		if d := elapsed(func() { ask[*kmsg.HeartbeatResponse](c, kmsg.NewPtrHeartbeatRequest(), 4) }); d < time.Duration(throttle-50)*time.Millisecond {
			t.Errorf("muted for %v, told %d ms", d, throttle)
		}
		// Another client id has no quota.
		other := h.dial()
		other.id = "other"
		if r := ask[*kmsg.ProduceResponse](other, req, 13); r.ThrottleMillis != 0 || r.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("%+v", r)
		}
		if n, total := h.security.quotas.Throttled(quota.Produce); n != 1 || total != time.Duration(throttle)*time.Millisecond {
			t.Errorf("counted %d, %v", n, total)
		}
		// Without answers the client is held back all the same.
		req.Acks = 0
		c.send(req, 13)
		c.send(kmsg.NewPtrHeartbeatRequest(), 4)
		waitFor(t, func() bool { n, _ := h.security.quotas.Throttled(quota.Produce); return n == 2 })
	})
}

// TestFetchQuota: a client that has had too much gets an empty answer, and its data afterwards.
func TestFetchQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBroker(t)
		id := h.createTopic("t", 1)
		c := h.dial()
		c.produce("t", 0, records(string(make([]byte, 30_000))))
		c.produce("t", 0, records(string(make([]byte, 30_000))))
		c.alterQuotas(quotaChange(quotaParts{part("user")}, "consumer_byte_rate", 3_000.0))
		fetch := func(offset int64) *kmsg.FetchResponse {
			req := fetchOf("t", id, 0, offset)
			req.SessionEpoch = 0
			return ask[*kmsg.FetchResponse](c, req, 13)
		}
		// The whole window is 30,000 bytes; a batch more than that is returned all the same when it is the first.
		first := fetch(0)
		if first.ThrottleMillis == 0 || len(first.Topics) != 0 || first.SessionID != 0 {
			t.Fatalf("throttled %d, %d topics, session %d", first.ThrottleMillis, len(first.Topics), first.SessionID)
		}
		if sessions, _, _ := h.sessions.Stats(); sessions != 0 {
			t.Fatalf("%d sessions", sessions)
		}
		c.alterQuotas(quotaChange(quotaParts{part("user")}, "consumer_byte_rate", 3_100.0))
		ok := fetch(0)
		if ok.ThrottleMillis != 0 || len(ok.Topics) != 1 || len(ok.Topics[0].Partitions[0].RecordBatches) < 30_000 || ok.SessionID == 0 {
			t.Fatalf("throttled %d, %d topics, session %d", ok.ThrottleMillis, len(ok.Topics), ok.SessionID)
		}
		// An incremental fetch that is throttled keeps its session.
		more := kmsg.NewPtrFetchRequest()
		more.MaxBytes, more.SessionID, more.SessionEpoch = 1<<20, ok.SessionID, 1
		topic := kmsg.NewFetchRequestTopic()
		topic.TopicID = id
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset, p.PartitionMaxBytes = 1, 1<<20
		topic.Partitions = append(topic.Partitions, p)
		more.Topics = append(more.Topics, topic)
		held := ask[*kmsg.FetchResponse](c, more, 13)
		if held.ThrottleMillis < 5000 || held.SessionID != ok.SessionID || len(held.Topics) != 0 || held.ErrorCode != 0 {
			t.Fatalf("throttled %d, session %d, %d topics", held.ThrottleMillis, held.SessionID, len(held.Topics))
		}
		h.dial().alterQuotas(quotaChange(quotaParts{part("user")}, "consumer_byte_rate", removed))
		more.SessionEpoch, more.Topics = 2, nil
		c = h.dial()
		if r := ask[*kmsg.FetchResponse](c, more, 13); len(r.Topics) != 1 || len(r.Topics[0].Partitions[0].RecordBatches) < 30_000 {
			t.Fatalf("%d topics, error %d", len(r.Topics), r.ErrorCode)
		}
	})
}

// TestRequestQuota: every request counts, and no wait is longer than a window.
func TestRequestQuota(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	c.alterQuotas(quotaChange(quotaParts{part("client-id", "busy")}, "request_percentage", 1e-9))
	for _, req := range []kmsg.Request{
		kmsg.NewPtrMetadataRequest(), kmsg.NewPtrHeartbeatRequest(), produceRequest("t", 0, -1, records("x")),
		kmsg.NewPtrApiVersionsRequest(), fetchOf("t", [16]byte{}, 0, 0),
	} {
		version := map[kmsg.Key]int16{kmsg.Metadata: 9, kmsg.Heartbeat: 4, kmsg.Produce: 9, kmsg.ApiVersions: 3, kmsg.Fetch: 12}[kmsg.Key(req.Key())]
		if r, ok := req.(*kmsg.ApiVersionsRequest); ok {
			r.ClientSoftwareName, r.ClientSoftwareVersion = "x", "1"
		}
		conn := h.dial() // not the one that is muted
		conn.id = "busy"
		conn.send(req, version)
		resp := conn.receive(req)
		throttle, _ := resp.(kmsg.ThrottleResponse).Throttle()
		if throttle <= 0 || throttle > 1000 {
			t.Errorf("%s: throttled for %d ms", kmsg.NameForKey(req.Key()), throttle)
		}
	}
	if m, _ := ask[*kmsg.MetadataResponse](c, kmsg.NewPtrMetadataRequest(), 9).Throttle(); m != 0 {
		t.Errorf("another client is throttled for %d ms", m)
	}
}

// TestMutationQuota: new versions are refused, old ones wait; what is refused leaves nothing.
func TestMutationQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBroker(t, "controller.quota.window.num", "2")
		h.dial().alterQuotas(quotaChange(quotaParts{part("user")}, "controller_mutation_rate", 1.0))
		create := func(c *conn, version int16, names ...string) *kmsg.CreateTopicsResponse {
			req := kmsg.NewPtrCreateTopicsRequest()
			req.TimeoutMillis = 10_000
			for _, name := range names {
				topic := kmsg.NewCreateTopicsRequestTopic()
				topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 3, 1
				req.Topics = append(req.Topics, topic)
			}
			return ask[*kmsg.CreateTopicsResponse](c, req, version)
		}
		exceeded := kerr.ThrottlingQuotaExceeded.Code
		r := create(h.dial(), 6, "a", "b")
		if r.Topics[0].ErrorCode != 0 || r.Topics[1].ErrorCode != exceeded || r.ThrottleMillis < 500 || r.ThrottleMillis > 1000 {
			t.Fatalf("%+v", r)
		}
		if h.meta.Image().Topic("b") != nil {
			t.Fatal("b exists")
		}
		old := create(h.dial(), 5, "c")
		if old.Topics[0].ErrorCode != 0 || old.ThrottleMillis < 3000 {
			t.Fatalf("%+v", old)
		}
		parts := kmsg.NewPtrCreatePartitionsRequest()
		parts.TimeoutMillis = 10_000
		parts.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: 5}}
		if r := ask[*kmsg.CreatePartitionsResponse](h.dial(), parts, 3); r.Topics[0].ErrorCode != exceeded || r.ThrottleMillis < 2000 {
			t.Fatalf("%+v", r)
		}
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TimeoutMillis = 10_000
		del.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: new("a")}}
		if r := ask[*kmsg.DeleteTopicsResponse](h.dial(), del, 6); r.Topics[0].ErrorCode != exceeded || h.meta.Image().Topic("a") == nil {
			t.Fatalf("%+v", r)
		}
		// A topic that a client would have created by asking for it is unknown for now.
		meta := kmsg.NewPtrMetadataRequest()
		meta.AllowAutoTopicCreation = true
		meta.Topics = []kmsg.MetadataRequestTopic{{Topic: new("d")}}
		if r := ask[*kmsg.MetadataResponse](h.dial(), meta, 9); r.Topics[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || r.ThrottleMillis != 0 {
			t.Fatalf("%+v", r)
		}
		del.TopicNames = []string{"c"}
		if r := ask[*kmsg.DeleteTopicsResponse](h.dial(), del, 4); r.Topics[0].ErrorCode != 0 || r.ThrottleMillis < 4000 {
			t.Fatalf("%+v", r)
		}
	})
}

// TestQuotaRates: a producer and a consumer that wait as they are told get what their quota says.
func TestQuotaRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBroker(t, "quota.window.num", "2")
		h.createTopic("t", 1)
		c := h.dial()
		const rate = 1_000_000.0
		c.alterQuotas(quotaChange(quotaParts{part("user")}, "producer_byte_rate", rate))
		data := records(string(make([]byte, 100_000)))
		sent := 0
		took := elapsed(func() {
			for sent < 5_000_000 {
				c.produce("t", 0, append([]byte{}, data...))
				sent += len(data)
			}
		})
		got := (float64(sent) - rate) / took.Seconds() // one window is free
		t.Logf("%.0f bytes/s in %v", got, took)
		if got > 1.2*rate || got < 0.6*rate {
			t.Errorf("%.0f bytes/s with a quota of %.0f", got, rate)
		}
	})
}

// TestQuotaMetrics: what the guide says stands under /metrics.
func TestQuotaMetrics(t *testing.T) {
	h := startBroker(t)
	h.dial().alterQuotas(quotaChange(quotaParts{part("client-id", "busy")}, "request_percentage", 1e-9))
	c := h.dial()
	c.id = "busy"
	ask[*kmsg.MetadataResponse](c, kmsg.NewPtrMetadataRequest(), 9)
	registry := prometheus.NewRegistry()
	if err := registry.Register(&collector{h.Broker}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			seen[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for _, name := range []string{"leat_throttled_total request", "leat_throttled_seconds_total request", "leat_quota_entities request", "leat_connections_muted_total"} {
		if seen[name] <= 0 {
			t.Errorf("%s is %v", name, seen[name])
		}
	}
	for _, name := range []string{"leat_throttled_total produce", "leat_throttled_total controller_mutation", "leat_connections_throttled_total rate", "leat_connections_throttled_total ip"} {
		if v, ok := seen[name]; !ok || v != 0 {
			t.Errorf("%s is %v, %v", name, v, ok)
		}
	}
}

// TestQuotasAreForAdministrators: who may not change quotas is told so for each entity.
func TestQuotasAreForAdministrators(t *testing.T) {
	h, w := guardedBroker(t)
	w.set(func(string) bool { return true })
	c := h.dial()
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = append(req.Entries, quotaChange(quotaParts{part("user", "a"), part("client-id")}, "producer_byte_rate", 1.0), quotaChange(quotaParts{part("ip", "10.0.0.1")}))
	r := ask[*kmsg.AlterClientQuotasResponse](c, req, 1)
	if len(r.Entries) != 2 || r.Entries[0].ErrorCode != kerr.ClusterAuthorizationFailed.Code || r.Entries[1].ErrorCode != r.Entries[0].ErrorCode {
		t.Fatalf("%+v", r)
	}
	if e := r.Entries[0].Entity; len(e) != 2 || e[0].Type != "user" || *e[0].Name != "a" || e[1].Type != "client-id" || e[1].Name != nil {
		t.Fatalf("%+v", e)
	}
	d := ask[*kmsg.DescribeClientQuotasResponse](c, kmsg.NewPtrDescribeClientQuotasRequest(), 1)
	if d.ErrorCode != kerr.ClusterAuthorizationFailed.Code || d.Entries != nil {
		t.Fatalf("%+v", d)
	}
	if want := "[AlterConfigs Cluster kafka-cluster DescribeConfigs Cluster kafka-cluster]"; fmt.Sprint(w.asked) != want {
		t.Fatalf("asked %v", w.asked)
	}
}

// TestAddressQuota: the rate of an address holds at once, also after a restart, and can be taken back.
func TestAddressQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBroker(t, "quota.window.num", "2")
		admin := h.dial()
		admin.alterQuotas(quotaChange(quotaParts{part("ip", "127.0.0.1")}, "connection_creation_rate", 1.0))
		turnedAway := func() (n int) {
			for range 6 {
				c := h.dial()
				c.send(kmsg.NewPtrHeartbeatRequest(), 4)
				if _, err := c.tryReceive(kmsg.NewPtrHeartbeatRequest()); err != nil {
					n++
				}
			}
			return n
		}
		if n := turnedAway(); n == 0 || n == 6 {
			t.Fatalf("%d of 6 were turned away", n)
		}
		h.restart()
		if n := turnedAway(); n == 0 || n == 6 {
			t.Fatalf("%d of 6 were turned away after a restart", n)
		}
		waitFor(t, func() bool {
			c := h.dial()
			req := kmsg.NewPtrAlterClientQuotasRequest()
			req.Entries = append(req.Entries, quotaChange(quotaParts{part("ip", "127.0.0.1")}, "connection_creation_rate", removed))
			c.send(req, 1)
			_, err := c.tryReceive(req)
			return err == nil
		})
		if n := turnedAway(); n != 0 {
			t.Fatalf("%d were turned away without a quota", n)
		}
	})
}
