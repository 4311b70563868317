package differ

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// normalizer turns answers into trees of maps, slices and strings that two brokers can have in common. Fields with
// their default value are left out. What differs by nature becomes a word:
//
//	NOW        a time within a day of the run's
//	PID        a producer id that the broker gave
//	ID         a topic's id, when the topic is not known; else id(topic)
//	UUID       within member ids and the like
//	TEXT       messages for people: their being there is compared, not their words
//	HOST PORT CLUSTER DIR SESSION EPOCH BYTES(n), also inside of texts
//
// Arrays of structures are sorted, as Kafka takes most of them from hash maps.
type normalizer struct {
	now     time.Time
	topics  map[[16]byte]string
	cluster string
	key     kmsg.Key // of the answer at hand
}

// word is what stands for a field of that name, if anything does.
func (n *normalizer) word(name string) string {
	if w := more[n.key][name]; w != "" {
		return w
	}
	return words[name]
}

var (
	longUUID  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	address   = regexp.MustCompile(`(127\.0\.0\.1|localhost):\d+`)
	dataDir   = regexp.MustCompile(`(/[^/",\s]+)+/data\b`)
	shortUUID = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)
)

// words are fields that are replaced whatever they hold, unless it is the default.
var words = map[string]string{
	"Host": "HOST", "Port": "PORT", "ClusterID": "CLUSTER", "LogDir": "DIR", "Dir": "DIR", "SessionID": "SESSION", "ShareSessionID": "SESSION",
	"ErrorMessage": "TEXT", "StatusMessage": "TEXT", "StatusDetail": "TEXT", "BrokerEpoch": "EPOCH", "Documentation": "TEXT",
	"TotalBytes": "BYTES", "UsableBytes": "BYTES", "Size": "BYTES", "ThrottleMillis": "MILLIS",
	"HMAC": "BYTES", "TokenID": "UUID", "FinalizedFeaturesEpoch": "EPOCH", "MetadataVersion": "EPOCH",
}

// more are words of one API: how far the metadata log of a broker is.
var more = map[kmsg.Key]map[string]string{
	kmsg.DescribeQuorum:   {"LogEndOffset": "OFFSET", "HighWatermark": "OFFSET", "LeaderEpoch": "EPOCH"},
	kmsg.UnregisterBroker: {"BrokerID": "ID"},
}

// tree is the answer's form for comparing.
func (n *normalizer) tree(resp kmsg.Response) map[string]any {
	n.key = kmsg.Key(resp.Key())
	v := reflect.ValueOf(resp).Elem()
	out, _ := n.structure(v, newDefault(v.Type()).Elem()).(map[string]any)
	delete(out, "Version")
	return out
}

func (n *normalizer) structure(v, def reflect.Value) any {
	out := map[string]any{}
	t := v.Type()
	for i := range t.NumField() {
		name := t.Field(i).Name
		if f, keep := n.field(name, v.Field(i), def.Field(i)); keep {
			out[name] = f
		}
	}
	return out
}

// field is a field's form, and whether it has any: the default does not.
func (n *normalizer) field(name string, f, def reflect.Value) (any, bool) {
	if tags, ok := f.Addr().Interface().(*kmsg.Tags); ok {
		out := map[string]any{}
		tags.Each(func(k uint32, v []byte) { out[fmt.Sprint(k)] = hex.EncodeToString(v) })
		return out, len(out) > 0
	}
	if f.Kind() == reflect.Slice && f.IsNil() {
		return nil, false
	}
	if reflect.DeepEqual(f.Interface(), def.Interface()) && f.Kind() != reflect.Slice {
		return nil, false
	}
	return n.value(name, f), true
}

func (n *normalizer) value(name string, f reflect.Value) any {
	switch f.Kind() {
	case reflect.Pointer:
		if f.IsNil() {
			return nil
		}
		return n.value(name, f.Elem())
	case reflect.Struct:
		return n.structure(f, newDefault(f.Type()).Elem())
	case reflect.Array:
		return n.topicID(f.Interface().([16]byte))
	case reflect.Slice:
		if b, ok := f.Interface().([]byte); ok {
			return n.bytes(name, b)
		}
		out := make([]any, 0, f.Len())
		for i := range f.Len() {
			out = append(out, n.value(name, f.Index(i)))
		}
		if name == "Partitions" || f.Type().Elem().Kind() == reflect.Struct || f.Type().Elem().Kind() == reflect.String {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(sortKey(a), sortKey(b)) })
		}
		return out
	case reflect.String:
		return n.text(name, f.String())
	case reflect.Bool:
		return f.Bool()
	case reflect.Int16:
		if name == "ErrorCode" || strings.HasSuffix(name, "ErrorCode") {
			return errorName(int16(f.Int()))
		}
	}
	return n.number(name, f)
}

// identity is what names an element among others: a topic, a partition, a group.
func identity(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return compact(v)
	}
	var b strings.Builder
	for _, name := range []string{"Topic", "TopicID", "Name", "Group", "GroupID", "ResourceName", "TransactionalID", "Host", "ApiKey", "Partition"} {
		fmt.Fprint(&b, m[name])
		b.WriteByte(0)
	}
	return b.String()
}

// sortKey puts elements of the same name side by side, whatever else is in them.
func sortKey(v any) string { return identity(v) + compact(v) }

func (n *normalizer) number(name string, f reflect.Value) any {
	if f.Kind() == reflect.Float64 {
		return fmt.Sprint(f.Float())
	}
	if f.CanUint() {
		if w := n.word(name); w != "" {
			return w
		}
		return json.Number(fmt.Sprint(f.Uint()))
	}
	i := f.Int()
	if w := n.word(name); w != "" && i > 0 {
		return w
	}
	if f.Kind() == reflect.Int64 {
		day := int64(24 * time.Hour / time.Millisecond)
		if now := n.now.UnixMilli(); i > now-day && i < now+8*day {
			return "NOW"
		}
		if name == "ProducerID" && i >= 0 && i < scriptPID {
			return "PID"
		}
	}
	return json.Number(fmt.Sprint(i))
}

// scriptPID is the first of the producer ids that scripts make up; brokers count from 0.
const scriptPID = 1_000_000

func (n *normalizer) text(name, s string) any {
	if w := n.word(name); w != "" && s != "" {
		return w
	}
	if s != "" && s == n.cluster {
		return "CLUSTER"
	}
	s = longUUID.ReplaceAllString(s, "UUID")
	s = address.ReplaceAllString(s, "HOST:PORT")
	s = dataDir.ReplaceAllString(s, "DIR")
	if name == "MemberID" && shortUUID.MatchString(s) {
		return "UUID"
	}
	return s
}

func (n *normalizer) topicID(id [16]byte) any {
	switch name, ok := n.topics[id]; {
	case id == [16]byte{}:
		return "zero"
	case ok:
		return "id(" + name + ")"
	case id[0] == madeUp:
		return "uuid(" + fmt.Sprint(id[1]) + ")"
	}
	return "ID"
}

func (n *normalizer) bytes(name string, b []byte) any {
	if w := n.word(name); w != "" && len(b) > 0 {
		return fmt.Sprintf("%s(%d)", w, len(b))
	}
	if name == "RecordBatches" || name == "Records" {
		return n.batches(b)
	}
	if utf8.Valid(b) && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' }) {
		return string(b)
	}
	return "base64:" + base64.RawStdEncoding.EncodeToString(b)
}

// batches says what a reader sees of record batches.
func (n *normalizer) batches(b []byte) any {
	out := []any{}
	for len(b) >= 61 {
		size := int(binary.BigEndian.Uint32(b[8:])) + 12
		attributes := binary.BigEndian.Uint16(b[21:])
		pid := int64(binary.BigEndian.Uint64(b[43:]))
		m := map[string]any{
			"Base": json.Number(fmt.Sprint(binary.BigEndian.Uint64(b))), "Count": json.Number(fmt.Sprint(binary.BigEndian.Uint32(b[57:]))),
			"Attributes": json.Number(fmt.Sprint(attributes)),
		}
		if attributes&7 == 0 { // codecs may reach other sizes
			m["Bytes"] = json.Number(fmt.Sprint(size))
		}
		if pid >= 0 {
			m["Producer"] = fmt.Sprintf("%v epoch %d sequence %d", n.number("ProducerID", reflect.ValueOf(pid)), binary.BigEndian.Uint16(b[51:]), int32(binary.BigEndian.Uint32(b[53:])))
		}
		if len(b) < size {
			m["Cut"] = true
		}
		out = append(out, m)
		b = b[min(size, len(b)):]
	}
	if len(b) > 0 {
		out = append(out, fmt.Sprintf("%d bytes", len(b)))
	}
	return out
}

func errorName(code int16) string {
	if code == 0 {
		return "NONE"
	}
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return fmt.Sprint(code)
}

// compact is a tree as one line of JSON, keys sorted.
func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
