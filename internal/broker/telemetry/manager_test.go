package telemetry

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/wire/compress"
)

var someone = Client{ID: "app-1", SoftwareName: "java", SoftwareVersion: "4.3.1", Address: "192.0.2.1", Port: 40000}

func id(n byte) [16]byte { return [16]byte{0: 7, 15: n} }

type fixture struct {
	*Manager
	t     *testing.T
	clock *clock.Manual
}

func newFixture(t *testing.T) *fixture {
	c := clock.NewManual(time.UnixMilli(1_700_000_000_000))
	next := uint64(0)
	return &fixture{t: t, clock: c, Manager: New(Options{Clock: c, MaxBytes: 1 << 20, NewID: func() (id [16]byte) {
		next++
		binary.BigEndian.PutUint64(id[:], next)
		return id
	}})}
}

func (f *fixture) push(p Push, want *kerr.Error) {
	f.t.Helper()
	if got := f.Push(someone, p); got != want {
		f.t.Errorf("push %d: %v, want %v", p.Instance[15], got, want)
	}
}

func (f *fixture) get(id [16]byte, want *kerr.Error) Subscription {
	f.t.Helper()
	_, s, got := f.Subscription(someone, id)
	if got != want {
		f.t.Errorf("get %d: %v, want %v", id[15], got, want)
	}
	return s
}

// The answers are those that Apache Kafka 4.3.1 gives to the same requests, with a plugin that takes metrics.
func TestIntervals(t *testing.T) {
	f := newFixture(t)
	f.SetSubscription("a", map[string]string{"interval.ms": "100", "metrics": "org.b,org.a", "match": "client_id=app.*"})
	f.SetSubscription("b", map[string]string{"interval.ms": "200", "metrics": "org.a", "match": "client_software_name=java,client_software_version=4.*"})
	f.SetSubscription("c", map[string]string{"interval.ms": "1000", "metrics": "*", "match": "client_id=ap"})
	s := f.get(id(3), nil)
	if fmt.Sprint(s.Metrics, s.Interval) != "[org.a org.b] 100ms" {
		t.Errorf("%+v", s)
	}
	f.get(id(3), kerr.ThrottlingQuotaExceeded)
	at := func(more Push) Push {
		more.Instance = id(3)
		if more.SubscriptionID == 0 {
			more.SubscriptionID = s.ID
		}
		return more
	}
	wait := func() { f.clock.Advance(100 * time.Millisecond) }
	f.push(at(Push{}), nil) // the first after a subscription is always in order
	f.push(at(Push{}), kerr.ThrottlingQuotaExceeded)
	wait()
	f.push(at(Push{SubscriptionID: s.ID + 1}), kerr.UnknownSubscriptionID)
	f.get(id(3), nil) // the client is to ask at once
	wait()
	f.push(at(Push{Compression: 5}), kerr.UnsupportedCompressionType)
	wait()
	f.push(at(Push{Compression: -1}), kerr.UnsupportedCompressionType)
	wait()
	f.push(at(Push{Compression: 1, Metrics: []byte{1}}), kerr.InvalidRecord)
	wait()
	f.push(at(Push{Metrics: make([]byte, 1<<20+1)}), kerr.TelemetryTooLarge)
	wait()
	f.push(at(Push{}), nil)
	f.push(at(Push{Terminating: true}), nil) // the last one may come early
	f.push(at(Push{Terminating: true}), kerr.InvalidRequest)
	wait()
	f.push(at(Push{}), kerr.InvalidRequest)
	f.push(at(Push{}), nil)
	f.push(Push{}, kerr.InvalidRequest)
	f.push(Push{Instance: [16]byte{15: 1}}, kerr.InvalidRequest)
}

func TestChangedSubscription(t *testing.T) {
	f := newFixture(t)
	f.SetSubscription("a", map[string]string{"interval.ms": "1000", "metrics": "x"})
	before := f.get(id(4), nil)
	f.SetSubscription("a", map[string]string{"interval.ms": "1000", "metrics": "y"})
	f.push(Push{Instance: id(4), SubscriptionID: before.ID}, kerr.UnknownSubscriptionID)
	if s := f.get(id(4), nil); s.ID == before.ID || s.Metrics[0] != "y" {
		t.Errorf("%+v after %+v", s, before)
	}
	f.SetSubscription("b", map[string]string{"metrics": "*", "match": "client_source_address=192\\.0\\.2\\.1,client_source_port=40000,client_instance_id=BwA.*"})
	if s := f.get(id(4), nil); fmt.Sprint(s.Metrics) != "[*]" {
		t.Errorf("%+v", s)
	}
	f.SetSubscription("a", nil)
	f.SetSubscription("b", nil)
	if s := f.get(id(4), nil); len(s.Metrics) != 0 || s.Interval != 5*time.Minute {
		t.Errorf("%+v", s)
	}
	fresh, _, err := f.Subscription(someone, [16]byte{})
	if err != nil || fresh == ([16]byte{}) {
		t.Errorf("%v %v", fresh, err)
	}
}

// What Kafka answers for these.
func TestSubscriptionID(t *testing.T) {
	if got := subscriptionID(nil, 300*time.Second, id(1)); got != -741909537 {
		t.Errorf("%d", got)
	}
	if got := subscriptionID([]string{"*"}, 100*time.Millisecond, id(5)); got != 849280164 {
		t.Errorf("%d", got)
	}
}

func TestInstancesAreBounded(t *testing.T) {
	f := newFixture(t)
	f.SetSubscription("a", map[string]string{"interval.ms": "1000", "metrics": "*"})
	s := f.get(id(1), nil)
	f.push(Push{Instance: id(1), SubscriptionID: s.ID, Metrics: otlp("m", 1, false)}, nil)
	for range InstancesMax - 1 {
		f.get([16]byte{}, nil)
	}
	if st := f.Stats(); st.Instances != InstancesMax || st.Series != 1 {
		t.Errorf("%+v", st)
	}
	f.get([16]byte{}, nil) // takes the place of the one that was silent longest
	if st := f.Stats(); st.Instances != InstancesMax || st.Series != 0 {
		t.Errorf("%+v", st)
	}
	f.clock.Advance(2 * time.Minute)
	f.get(id(2), nil)
	if st := f.Stats(); st.Instances != 1 {
		t.Errorf("%d instances are left of those that fell silent", st.Instances)
	}
}

func TestValues(t *testing.T) {
	f := newFixture(t)
	f.SetSubscription("a", map[string]string{"interval.ms": "1000", "metrics": "org.x"})
	s := f.get(id(9), nil)
	push := func(data []byte) {
		t.Helper()
		f.clock.Advance(time.Second)
		zipped, err := compress.Compress(nil, data, compress.Zstd, compress.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		f.push(Push{Instance: id(9), SubscriptionID: s.ID, Compression: 4, Metrics: zipped}, nil)
	}
	push(otlp("org.x.rate", 2.5, false, "group", `a"b`))
	push(otlp("org.x.rate", 3.5, false, "group", `a"b`))
	push(otlp("org.x.total", 2, true))
	push(otlp("org.x.total", 3, true))
	push(otlp("org.y.unasked", 3, true))
	push(otlp("org.x.liar", 3, false, "client_id", "somebody else", "client-id", "also"))
	var out strings.Builder
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	const who = `{client_id="app-1",client_instance_id="BwAAAAAAAAAAAAAAAAAACQ"`
	want := `# TYPE leat_client_info gauge
leat_client_info` + who + `,client_software_name="java",client_software_version="4.3.1",client_source_address="192.0.2.1"} 1
# TYPE org_x_liar gauge
org_x_liar` + who + `} 3
# TYPE org_x_rate gauge
org_x_rate` + who + `,group="a\"b"} 3.5
# TYPE org_x_total counter
org_x_total` + who + `} 5
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// A push that becomes large when decompressed is refused, and takes no more memory than the bound.
func TestBomb(t *testing.T) {
	f := newFixture(t)
	f.SetSubscription("a", map[string]string{"interval.ms": "100", "metrics": "*"})
	s := f.get(id(9), nil)
	for _, codec := range []compress.Codec{compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd} {
		bomb, err := compress.Compress(nil, make([]byte, 16<<20), codec, compress.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(time.Second)
		f.push(Push{Instance: id(9), SubscriptionID: s.ID, Compression: int8(codec), Metrics: bomb[:min(len(bomb), 1<<20)]}, kerr.TelemetryTooLarge)
	}
}
