package broker

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestQuotasAgainstKafka sends the same requests about quotas to this broker and to a running Apache Kafka, and compares
// what they answer, messages included. On the other broker it leaves quotas for names that begin with "differ-" as they
// were, and tries default entities without changing them:
//
//	LEAT_REFERENCE_BROKER=127.0.0.1:9092 go test ./internal/broker -run TestQuotasAgainstKafka
func TestQuotasAgainstKafka(t *testing.T) {
	sides := quotaSides(t)
	alice, app := part("user", "differ-alice"), part("client-id", "differ-app")
	ip := part("ip", "10.99.99.99")
	const produce, consume, percent, mutation, creation = "producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate"
	compared := 0
	compare := func(name string, version int16, req func() kmsg.Request) {
		t.Helper()
		var got [2]string
		answer := func(i int) {
			c := sides[i].dial()
			defer c.Close()
			r := req()
			c.send(r, version)
			got[i] = "closed"
			if resp, err := c.tryReceive(r); err == nil {
				got[i] = quotaAnswer(t, resp)
			}
		}
		answer(0)
		answer(1)
		if _, describes := req().(*kmsg.DescribeClientQuotasRequest); describes {
			// Kafka answers a change before its description knows of it.
			for end := time.Now().Add(time.Second); got[0] != got[1] && time.Now().Before(end); {
				answer(1)
			}
		}
		compared++
		if got[0] != got[1] {
			t.Errorf("%s (version %d):\n leat  %s\n kafka %s", name, version, got[0], got[1])
		}
	}
	alter := func(name string, validate bool, entries ...kmsg.AlterClientQuotasRequestEntry) {
		t.Helper()
		for version := int16(0); version <= 1; version++ {
			compare("alter "+name, version, func() kmsg.Request {
				req := kmsg.NewPtrAlterClientQuotasRequest()
				req.Entries, req.ValidateOnly = entries, validate
				return req
			})
		}
	}
	describe := func(name string, strict bool, components ...kmsg.DescribeClientQuotasRequestComponent) {
		t.Helper()
		for version := int16(0); version <= 1; version++ {
			compare("describe "+name, version, func() kmsg.Request {
				req := kmsg.NewPtrDescribeClientQuotasRequest()
				req.Components, req.Strict = components, strict
				return req
			})
		}
	}
	exact := func(typ, name string) kmsg.DescribeClientQuotasRequestComponent {
		return kmsg.DescribeClientQuotasRequestComponent{EntityType: typ, Match: &name}
	}
	match := func(typ string, m kmsg.QuotasMatchType) kmsg.DescribeClientQuotasRequestComponent {
		return kmsg.DescribeClientQuotasRequestComponent{EntityType: typ, MatchType: m}
	}
	clear := func() {
		for _, e := range []quotaParts{{alice}, {app}, {alice, app}, {alice, part("client-id")}, {ip}} {
			alter("clear", false, quotaChange(e, produce, removed, consume, removed, percent, removed, mutation, removed, creation, removed))
		}
	}
	clear()
	defer clear() // and not in a cleanup, when our broker is gone

	// Values.
	for _, key := range []string{produce, consume, percent, mutation, creation, "nonsense", "", "SCRAM-SHA-256"} {
		for _, v := range []float64{1, 1.5, 0, -1, 0.0000001, 1.0000001, 2147483647, 2147483648, 9.3e18, 9.2e18, math.MaxFloat64, math.Inf(1), removed} {
			for _, e := range []quotaParts{{alice}, {app}, {alice, app}, {ip}} {
				alter(fmt.Sprintf("%s=%v of %d parts", key, v, len(e)), true, quotaChange(e, key, v))
			}
		}
	}
	// Entities.
	for _, e := range []quotaParts{
		nil, {part("user")}, {part("client-id")}, {part("ip")}, {part("user"), part("client-id")}, {part("user", "")}, {part("client-id", "")}, {part("ip", "")},
		{alice, ip}, {app, ip}, {alice, app, ip}, {part("group", "x")}, {part("", "x")}, {alice, part("group", "x")}, {part("ip", "::1")}, {part("ip", "1.2.3.400")},
		{part("ip", "no.such.host.invalid")}, {part("user", "differ-a b/c?")}, {alice, part("user", "differ-bob")}, {part("user", "differ-"+strings.Repeat("x", 300))},
	} {
		alter(fmt.Sprint("entity ", len(e)), true, quotaChange(e, produce, 1.0))
		alter(fmt.Sprint("creation of entity ", len(e)), true, quotaChange(e, creation, 1.0))
		alter(fmt.Sprint("nothing of entity ", len(e)), true, quotaChange(e))
	}
	// Several at once.
	alter("nothing", false)
	alter("two keys, one wrong", false, quotaChange(quotaParts{alice}, produce, 5.0, creation, 1.0))
	describe("after an error", true, exact("user", "differ-alice"))
	alter("key twice", false, quotaChange(quotaParts{alice}, produce, 5.0, produce, 6.0))
	describe("after a key twice", true, exact("user", "differ-alice"))
	alter("entity twice", false, quotaChange(quotaParts{alice}, produce, 5.0), quotaChange(quotaParts{alice}, consume, 6.0))
	describe("after an entity twice", true, exact("user", "differ-alice"))
	alter("one good, one bad", false, quotaChange(quotaParts{app}, consume, 7.0), quotaChange(quotaParts{part("group", "x")}, consume, 6.0))
	alter("both orders", false, quotaChange(quotaParts{app, alice}, consume, 7.0, percent, 12.5, mutation, 0.5))
	alter("default client", false, quotaChange(quotaParts{alice, part("client-id")}, percent, 200.0))
	alter("an address", false, quotaChange(quotaParts{ip}, creation, 10.0))
	alter("what is there is removed, what is not too", false, quotaChange(quotaParts{alice, app}, percent, removed, produce, removed, "nonsense", removed))
	alter("validation only", true, quotaChange(quotaParts{alice, app}, mutation, removed))
	// Filters.
	for _, strict := range []bool{false, true} {
		describe("alice", strict, exact("user", "differ-alice"))
		describe("app", strict, exact("client-id", "differ-app"))
		describe("both", strict, exact("user", "differ-alice"), exact("client-id", "differ-app"))
		describe("alice and default", strict, exact("user", "differ-alice"), match("client-id", 1))
		describe("alice and any", strict, exact("user", "differ-alice"), match("client-id", 2))
		describe("address", strict, exact("ip", "10.99.99.99"))
		describe("nobody", strict, exact("user", "differ-nobody"))
		describe("empty name", strict, exact("user", ""))
		describe("address and user", strict, exact("ip", "1.1.1.1"), match("user", 2))
		describe("client and address", strict, match("client-id", 1), match("ip", 1))
		describe("twice", strict, exact("user", "a"), match("user", 2))
		describe("unknown type", strict, exact("group", "a"))
		describe("empty type", strict, exact("", "a"))
		describe("exact without a name", strict, match("user", 0))
		describe("unknown match", strict, match("user", 3))
		describe("negative match", strict, match("user", -1))
		for _, m := range []kmsg.QuotasMatchType{1, 2} {
			c := exact("user", "a")
			c.MatchType = m
			describe("a name too many", strict, c)
		}
	}
	t.Logf("%d requests compared", compared)
}

// quotaAnswer is a response in a form that can be compared: entries come in no order.
func quotaAnswer(t *testing.T, resp kmsg.Response) string {
	var entries []string
	add := func(entity, rest any) {
		a, _ := json.Marshal(entity)
		b, err := json.Marshal(rest)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, string(a)+" "+string(b))
	}
	type named struct {
		Type string
		Name *string
	}
	head := ""
	switch r := resp.(type) {
	case *kmsg.AlterClientQuotasResponse:
		head = fmt.Sprint("throttle ", r.ThrottleMillis)
		for _, e := range r.Entries {
			var parts []named
			for _, p := range e.Entity {
				parts = append(parts, named{p.Type, p.Name})
			}
			slices.SortFunc(parts, func(a, b named) int { return strings.Compare(a.Type, b.Type) })
			message := "null"
			if e.ErrorMessage != nil {
				message = *e.ErrorMessage
			}
			// Kafka prints the parts of an entity in the order of its hash table.
			message = strings.NewReplacer("user=differ-alice, client-id=differ-app", "client-id=differ-app, user=differ-alice").Replace(message)
			add(parts, []any{e.ErrorCode, message})
		}
	case *kmsg.DescribeClientQuotasResponse:
		message := "null"
		if r.ErrorMessage != nil {
			message = *r.ErrorMessage
		}
		head = fmt.Sprint("throttle ", r.ThrottleMillis, " error ", r.ErrorCode, " ", message, " none ", r.Entries == nil)
		for _, e := range r.Entries {
			var parts []named
			for _, p := range e.Entity {
				parts = append(parts, named{p.Type, p.Name})
			}
			slices.SortFunc(parts, func(a, b named) int { return strings.Compare(a.Type, b.Type) })
			values := slices.Clone(e.Values)
			slices.SortFunc(values, func(a, b kmsg.DescribeClientQuotasResponseEntryValue) int { return strings.Compare(a.Key, b.Key) })
			add(parts, values)
		}
	}
	slices.Sort(entries)
	return head + " " + strings.Join(entries, "; ")
}

func quotaSides(t *testing.T) []*side {
	t.Helper()
	ours, theirs := compared(t, "LEAT_REFERENCE_BROKER", 60*time.Second)
	return []*side{{name: "leat", dial: ours}, {name: "kafka", dial: theirs}}
}

// TestThrottlingAgainstKafka measures the same clients on both: what they get under a quota, and how long they are told
// to wait.
func TestThrottlingAgainstKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	sides := quotaSides(t)
	const topic, client = "differ-throttled", "differ-throttled"
	type measured struct {
		produced, fetched float64 // bytes per second
		waits             []int32
		fetchWaits        []int32
		mutation          []string
	}
	var got [2]measured
	for i, s := range sides {
		admin := s.dial()
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TopicNames, del.TimeoutMillis = []string{topic, topic + "-m1", topic + "-m2", topic + "-m3"}, 10_000
		ask[*kmsg.DeleteTopicsResponse](admin, del, 5)
		createUntilDone(t, admin, topic, nil)
		of := quotaParts{part("client-id", client)}
		admin.alterQuotas(quotaChange(of, "producer_byte_rate", 1e6, "consumer_byte_rate", 2e6, "controller_mutation_rate", 0.25))
		m := &got[i]
		c := s.dial()
		c.id = client
		data := records(string(make([]byte, 900_000)))
		sent := 0
		took := elapsed(func() {
			for sent < 15_000_000 {
				resp := ask[*kmsg.ProduceResponse](c, produceRequest(topic, 0, -1, append([]byte{}, data...)), 9)
				if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
					t.Fatalf("%s: error %d", s.name, code)
				}
				m.waits = append(m.waits, resp.ThrottleMillis)
				sent += len(data)
			}
			ask[*kmsg.ApiVersionsResponse](c, kmsg.NewPtrApiVersionsRequest(), 0) // comes when the last wait is over
		})
		m.produced = float64(sent) / took.Seconds()
		c = s.dial()
		c.id = client
		had, offset := 0, int64(0)
		took = elapsed(func() {
			for had < 30_000_000 {
				resp := ask[*kmsg.FetchResponse](c, fetchOf(topic, [16]byte{}, 0, offset%16), 12)
				m.fetchWaits = append(m.fetchWaits, resp.ThrottleMillis)
				if resp.ThrottleMillis == 0 {
					had += len(resp.Topics[0].Partitions[0].RecordBatches)
					offset++
				}
			}
		})
		m.fetched = float64(had) / took.Seconds()
		for j, version := range []int16{7, 7, 5, 7} {
			c := s.dial()
			c.id = client
			req := kmsg.NewPtrCreateTopicsRequest()
			req.TimeoutMillis = 10_000
			req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: fmt.Sprintf("%s-m%d", topic, j), NumPartitions: 4, ReplicationFactor: 1}}
			resp := ask[*kmsg.CreateTopicsResponse](c, req, version)
			// Rounded: some time passes between the requests.
			m.mutation = append(m.mutation, fmt.Sprintf("error %d, wait %d s", resp.Topics[0].ErrorCode, (resp.ThrottleMillis+999)/1000))
			c.Close()
		}
		admin.alterQuotas(quotaChange(of, "producer_byte_rate", removed, "consumer_byte_rate", removed, "controller_mutation_rate", removed))
		t.Logf("%s: produced %.0f bytes/s, waits %v", s.name, m.produced, m.waits)
		t.Logf("%s: fetched %.0f bytes/s, waits %v", s.name, m.fetched, m.fetchWaits)
		t.Logf("%s: mutations %v", s.name, m.mutation)
	}
	near := func(what string, a, b float64) {
		t.Helper()
		if math.Abs(a-b) > 0.15*max(a, b)+50 {
			t.Errorf("%s: %.0f with leat, %.0f with kafka", what, a, b)
		}
	}
	sum := func(list []int32) (n float64) {
		for _, v := range list {
			n += float64(v)
		}
		return n
	}
	near("produced", got[0].produced, got[1].produced)
	near("fetched", got[0].fetched, got[1].fetched)
	near("waited for producing", sum(got[0].waits), sum(got[1].waits))
	near("waited for fetching", sum(got[0].fetchWaits), sum(got[1].fetchWaits))
	if !slices.Equal(got[0].mutation, got[1].mutation) {
		t.Errorf("mutations: %v with leat, %v with kafka", got[0].mutation, got[1].mutation)
	}
}
