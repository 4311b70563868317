package broker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// probe fills a request with names of one kind that exist or do not, of equal length.
type probe struct{ topic, group, txn string }

// fill sets what names topics, groups and transactional ids, and puts one element into each list.
func (p probe) fill(v reflect.Value, field string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "Version" && f.Name != "UnknownTags" {
				p.fill(v.Field(i), f.Name)
			}
		}
	case reflect.Pointer:
		if v.Type().Elem().Kind() != reflect.Struct { // cursors and the like stay away
			v.Set(reflect.New(v.Type().Elem()))
			p.fill(v.Elem(), field)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		if d, ok := v.Index(0).Addr().Interface().(interface{ Default() }); ok {
			d.Default()
		}
		p.fill(v.Index(0), field)
	case reflect.String:
		v.SetString(p.name(field))
	}
}

func (p probe) name(field string) string {
	switch {
	case strings.HasPrefix(field, "Group"):
		return p.group
	case strings.HasPrefix(field, "Transactional"):
		return p.txn
	case strings.HasPrefix(field, "Topic"), field == "Name":
		return p.topic
	}
	return ""
}

// requests are the ways to ask about the names in one API, besides what the lists of its fields come to.
func (p probe) requests(key int16, version int16) (out []kmsg.Request) {
	fresh := func(more func(kmsg.Request)) {
		req := kmsg.RequestForKey(key)
		if d, ok := req.(interface{ Default() }); ok {
			d.Default()
		}
		p.fill(reflect.ValueOf(req).Elem(), "")
		req.SetVersion(version)
		more(req)
		out = append(out, req)
	}
	switch kmsg.Key(key) {
	case kmsg.FindCoordinator:
		for typ, name := range []string{p.group, p.txn, p.group + ":AAAAAAAAAAAAAAAAAAAAAA:0"} {
			fresh(func(r kmsg.Request) {
				q := r.(*kmsg.FindCoordinatorRequest)
				q.CoordinatorType, q.CoordinatorKey, q.CoordinatorKeys = int8(typ), name, []string{name}
			})
		}
	case kmsg.DescribeConfigs, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs:
		for i, typ := range []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeGroupConfig} {
			name := []string{p.topic, p.group}[i]
			fresh(func(r kmsg.Request) {
				switch q := r.(type) {
				case *kmsg.DescribeConfigsRequest:
					q.Resources[0].ResourceType, q.Resources[0].ResourceName, q.Resources[0].ConfigNames = typ, name, nil
				case *kmsg.AlterConfigsRequest:
					q.Resources[0].ResourceType, q.Resources[0].ResourceName = typ, name
				case *kmsg.IncrementalAlterConfigsRequest:
					q.Resources[0].ResourceType, q.Resources[0].ResourceName = typ, name
				}
			})
		}
	default:
		fresh(func(kmsg.Request) {})
	}
	return out
}

// shape is a response without its values: which fields are there, which are null, which lists have how many elements, and
// every error code.
func shape(v any, field string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = shape(e, k)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = shape(e, field)
		}
		return out
	case string:
		return fmt.Sprintf("text of %d", min(len(v), 1))
	case float64:
		if field == "ErrorCode" {
			return v
		}
		return "number"
	}
	return v
}

// outcomeOf asks as a client does: again while an earlier request's transaction is still being ended.
func outcomeOf(t *testing.T, h *harness, req kmsg.Request, version int16) (out string) {
	t.Helper()
	waitFor(t, func() bool {
		out = answerOf(t, h, req, version)
		return !strings.Contains(out, fmt.Sprintf(`"ErrorCode":%d`, kerr.ConcurrentTransactions.Code))
	})
	return out
}

func answerOf(t *testing.T, h *harness, req kmsg.Request, version int16) string {
	t.Helper()
	c := h.dial()
	defer c.Close()
	req.SetVersion(version)
	c.send(req, version)
	resp, err := c.tryReceive(req)
	if err != nil {
		return "closed"
	}
	raw, err := json.Marshal(resp)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(raw, &decoded); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(shape(decoded, ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Who may not describe a topic, a group or a transactional id cannot find out by any request whether it exists: the answer has
// the same error codes and the same shape.
func TestProbingTellsNothing(t *testing.T) {
	h, w := guardedBroker(t)
	c := h.dial()
	h.createTopic("exists-1", 2, "retention.ms", "5000")
	c.produce("exists-1", 0, records("x"))
	makeGroupAndTransaction(t, h)
	there, gone := probe{"exists-1", "exists-1", "exists-1"}, probe{"absent-1", "absent-1", "absent-1"}
	for _, pass := range []struct {
		denied string
		a, b   probe
	}{
		{"everything", there, gone},
		{" Topic ", there, probe{"absent-1", "exists-1", "exists-1"}},
		{" Group ", there, probe{"exists-1", "absent-1", "exists-1"}},
		{" TransactionalId ", there, probe{"exists-1", "exists-1", "absent-1"}},
	} {
		w.set(func(q string) bool {
			// What exists must go on to exist: nothing may be deleted or made.
			changes := strings.HasPrefix(q, "Delete ") || strings.HasPrefix(q, "Alter") || strings.HasPrefix(q, "Create ")
			return pass.denied == "everything" || strings.Contains(q, pass.denied) || changes || strings.Contains(q, " Cluster ") || strings.HasSuffix(q, " ANY")
		})
		asked := 0
		for _, a := range apis {
			if slices.Contains([]kmsg.Key{kmsg.ApiVersions, kmsg.SASLHandshake, kmsg.SASLAuthenticate}, a.key) {
				continue
			}
			for version := max(a.min, map[kmsg.Key]int16{kmsg.Produce: minProduce}[a.key]); version <= a.max; version++ {
				first, second := pass.a.requests(int16(a.key), version), pass.b.requests(int16(a.key), version)
				for i := range first {
					asked++
					if one, two := outcomeOf(t, h, first[i], version), outcomeOf(t, h, second[i], version); one != two {
						t.Errorf("denied%s: %s version %d tells what exists:\n there %s\n gone  %s", pass.denied, a.key.Name(), version, one, two)
					}
				}
			}
		}
		t.Logf("%d requests without a difference: denied %s", asked, pass.denied)
	}
	w.set(func(string) bool { return true })
	timing(t, h)
}

// makeGroupAndTransaction makes a group with an offset and a transactional id, both named exists-1.
func makeGroupAndTransaction(t *testing.T, h *harness) {
	t.Helper()
	waitFor(t, func() bool {
		c := h.dial()
		defer c.Close()
		ask[*kmsg.FindCoordinatorResponse](c, &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"exists-1"}}, 4)
		commit := &kmsg.OffsetCommitRequest{Group: "exists-1", Generation: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "exists-1", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}}
		return ask[*kmsg.OffsetCommitResponse](c, commit, 8).Topics[0].Partitions[0].ErrorCode == 0
	})
	waitFor(t, func() bool {
		c := h.dial()
		defer c.Close()
		name := "exists-1"
		ask[*kmsg.FindCoordinatorResponse](c, &kmsg.FindCoordinatorRequest{CoordinatorType: 1, CoordinatorKeys: []string{name}}, 4)
		return ask[*kmsg.InitProducerIDResponse](c, &kmsg.InitProducerIDRequest{TransactionalID: &name, TransactionTimeoutMillis: 60000, ProducerID: -1, ProducerEpoch: -1}, 4).ErrorCode == 0
	})
}

// timing compares how long denials take. What a network adds hides a difference of this size. A difference that is there is seen
// each time; that of a busy machine is not.
func timing(t *testing.T, h *harness) {
	t.Helper()
	const tries = 10
	var seen []time.Duration
	for range tries {
		diff := timingOnce(t, h)
		if diff.Abs() <= time.Millisecond {
			return
		}
		seen = append(seen, diff)
	}
	t.Errorf("the answers differ by %v", seen)
}

func timingOnce(t *testing.T, h *harness) time.Duration {
	t.Helper()
	c := h.dial()
	defer c.Close()
	const rounds = 400
	times := map[string][]time.Duration{}
	for range rounds {
		for _, name := range []string{"exists-1", "absent-1"} {
			began := time.Now()
			ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: &name}}}, 9)
			times[name] = append(times[name], time.Since(began))
		}
	}
	median := func(name string) time.Duration { slices.Sort(times[name]); return times[name][rounds/2] }
	one, two := median("exists-1"), median("absent-1")
	t.Logf("metadata of a topic that may not be seen: %v if it exists, %v if not (medians of %d)", one, two, rounds)
	return one - two
}
