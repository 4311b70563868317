package streams

import (
	"bytes"
	"encoding/json/v2"
	"errors"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

// What a serde wrote, it reads as the same value, whatever stood in dst before.
func roundTrip[T any](t *rapid.T, s Serde[T], v T) {
	t.Helper()
	b, err := s.Append([]byte("dst"), "topic", nil, v)
	if err != nil || !bytes.HasPrefix(b, []byte("dst")) {
		t.Fatalf("%v is %x, %v", v, b, err)
	}
	b = b[3:]
	back, err := s.Decode(b, "topic", nil)
	for i := range b {
		b[i] ^= 0xff // nothing that was read may share its memory
	}
	if err != nil || !reflect.DeepEqual(back, v) {
		t.Fatalf("%v came back as %v, %v", v, back, err)
	}
}

type order struct {
	ID    int64          `avro:"id"              json:"id"`
	Item  string         `avro:"item"            json:"item"`
	Tags  []string       `avro:"tags"            json:"tags"`
	Notes map[string]int `avro:"notes"           json:"notes"`
	Paid  *float64       `avro:"paid"            json:"paid,omitempty"`
}

const orderSchema = `{"type": "record", "name": "order", "fields": [
	{"name": "id", "type": "long"}, {"name": "item", "type": "string"},
	{"name": "tags", "type": {"type": "array", "items": "string"}}, {"name": "notes", "type": {"type": "map", "values": "int"}},
	{"name": "paid", "type": ["null", "double"]}]}`

var orders = rapid.Custom(func(t *rapid.T) order {
	o := order{
		ID: rapid.Int64().Draw(t, "id"), Item: rapid.String().Draw(t, "item"),
		Tags:  rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "tags"),
		Notes: rapid.MapOfN(rapid.String(), rapid.IntRange(-1000, 1000), 0, 3).Draw(t, "notes"),
	}
	if rapid.Bool().Draw(t, "is paid") {
		o.Paid = new(rapid.Float64().Draw(t, "paid"))
	}
	return o
})

func TestSerdesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, b := rapid.String().Draw(t, "string"), rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		n, f := rapid.Int64().Draw(t, "int"), rapid.Float64().Draw(t, "float")
		id := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		o := orders.Draw(t, "order")
		roundTrip(t, String, s)
		roundTrip(t, Bytes, b)
		roundTrip(t, Int16, int16(n))
		roundTrip(t, Int32, int32(n))
		roundTrip(t, Int64, n)
		roundTrip(t, Float32, float32(f))
		roundTrip(t, Float64, f)
		roundTrip(t, Bool, n > 0)
		roundTrip(t, UUID, id)
		roundTrip(t, Optional(String), &s)
		roundTrip(t, JSON[order](), o)
		roundTrip(t, JSON[*order](), &o)
		roundTrip(t, Avro[order](orderSchema), o)
		roundTrip(t, List(String), rapid.SliceOf(rapid.String()).Draw(t, "strings"))
		roundTrip(t, List(Int64), rapid.SliceOf(rapid.Int64()).Draw(t, "numbers"))
		roundTrip(t, List(List(Bytes)), [][][]byte{{b, nil}, nil, {}})
		start := rapid.Int64Range(0, 1<<60).Draw(t, "start")
		w := Windowed[string]{s, Time(start), Time(start + 5)}
		roundTrip(t, WindowedSerde(String, 5*time.Millisecond), w)
		roundTrip(t, SessionSerde(String), w)
	})
}

// Equal values have equal bytes, also with maps in them: they may be keys.
func TestEqualValuesHaveEqualBytes(t *testing.T) {
	notes := map[string]int{}
	fields := map[string]*structpb.Value{}
	for _, k := range strings.Split("a b c d e f g h i j", " ") {
		notes[k], fields[k] = len(k), structpb.NewStringValue(k)
	}
	j, p := JSON[order](), Proto[structpb.Struct]()
	var wantJSON, wantProto []byte
	for range 20 {
		gotJSON, err := j.Append(nil, "t", nil, order{Notes: notes})
		if err != nil {
			t.Fatal(err)
		}
		gotProto, err := p.Append(nil, "t", nil, &structpb.Struct{Fields: fields})
		if err != nil {
			t.Fatal(err)
		}
		if wantJSON == nil {
			wantJSON, wantProto = gotJSON, gotProto
		}
		if !bytes.Equal(gotJSON, wantJSON) || !bytes.Equal(gotProto, wantProto) {
			t.Fatal("the same value has other bytes")
		}
	}
}

func TestProto(t *testing.T) {
	s := Proto[wrapperspb.StringValue]()
	b, err := s.Append([]byte("dst"), "t", nil, wrapperspb.String("x"))
	if err != nil || string(b) != "dst\n\x01x" {
		t.Fatalf("%q, %v", b, err)
	}
	v, err := s.Decode(b[3:], "t", nil)
	if err != nil || !proto.Equal(v, wrapperspb.String("x")) {
		t.Fatalf("%v, %v", v, err)
	}
	if v, err = s.Decode([]byte{}, "t", nil); err != nil || v == nil {
		t.Fatalf("no bytes are %v, %v", v, err)
	}
}

// Errors say which topic, which type and what was wrong.
func TestSerdeErrors(t *testing.T) {
	decode := func(err error) string { return strings.ReplaceAll(err.Error(), "\u00a0", " ") } // protobuf varies its blanks
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(Int32.Decode([]byte{1}, "in", nil)), "cannot read an int32 of topic in: it has 4 bytes, there are 1"},
		{second(Int64.Decode([]byte{}, "in", nil)), "cannot read an int64 of topic in: it has 8 bytes, there are 0"},
		{second(Bool.Decode([]byte{7}, "in", nil)), "cannot read a bool of topic in: the byte is 7, not 0 or 1"},
		{second(UUID.Decode(make([]byte, 36), "in", nil)), "cannot read a UUID of topic in: "},
		{second(UUID.Decode([]byte("0123456789abcdef0123456789abcdef0123"), "in", nil)), `cannot read a UUID of topic in: "0123456789abcdef0123456789abcdef0123" has no hyphen where one belongs`},
		{second(None.Decode([]byte{1}, "in", nil)), "cannot read nothing of topic in: there are 1 bytes, only null was expected"},
		{second(JSON[order]().Decode([]byte(`{"id": "x"}`), "in", nil)), "cannot read streams.order as JSON of topic in: "},
		{second(JSON[order]().Decode([]byte(`{} {}`), "in", nil)), "cannot read streams.order as JSON of topic in: "},
		{second(JSON[order](json.RejectUnknownMembers(true)).Decode([]byte(`{"new": 1}`), "in", nil)), "cannot read streams.order as JSON of topic in: "},
		{second(JSON[any]().Append(nil, "out", nil, func() {})), "cannot write interface {} as JSON for topic out: "},
		{second(Avro[order](orderSchema).Decode([]byte{2}, "in", nil)), "cannot read streams.order as Avro of topic in: "},
		{second(Avro[string](`"string"`).Decode([]byte{2, 'a', 'b'}, "in", nil)), "cannot read string as Avro of topic in: 1 bytes are left behind the value"},
		{second(Proto[wrapperspb.StringValue]().Decode([]byte{10, 5}, "in", nil)), "cannot read *wrapperspb.StringValue of topic in: proto:"},
		{second(List(String).Decode([]byte{9}, "in", nil)), "cannot read a list of string of topic in: list: form 9: "},
		{second(List(Int32).Decode([]byte{0, 0, 0, 0, 0, 0, 0, 0, 2, 1}, "in", nil)), "cannot read a list of int32 of topic in: list: 2 elements in 1 bytes: "},
		{second(List(String).Decode([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0}, "in", nil)), "cannot read a list of string of topic in: list: its elements have no lengths, but are not of a fixed size: "},
		{second(WindowedSerde(String, 1).Decode([]byte("short"), "in", nil)), "cannot read a windowed key of topic in: key of a time window of 5 bytes, it needs 8: "},
		{second(WindowedSerde(String, 1).Decode(bytes.Repeat([]byte{255}, 8), "in", nil)), "cannot read a windowed key of topic in: its start -1 is negative: "},
		{second(SessionSerde(Int32).Decode(make([]byte, 17), "in", nil)), "cannot read an int32 of topic in: it has 4 bytes, there are 1"},
		{second(SerdeFunc(nil, func([]byte) (int, error) { return 0, errors.New("no") }).Decode(nil, "in", nil)), "cannot read int of topic in: no"},
	} {
		if c.err == nil || !strings.HasPrefix(decode(c.err), c.want) {
			t.Errorf("the error is %v\nit should begin with %s", c.err, c.want)
		}
	}
}

func second[A any](_ A, err error) error { return err }

// What is wrong with a serde as it was declared is known before any record, through the serdes around it.
func TestSerdeMistakes(t *testing.T) {
	bad := Avro[order](`{"type": "nonsense"}`)
	for name, s := range map[string]any{
		"avro": bad, "list": List(bad), "optional": Optional(bad), "windowed": WindowedSerde(bad, time.Second), "session": SessionSerde(bad),
		"size": WindowedSerde(String, 0), "functions": SerdeFunc[int](nil, nil), "proto": Proto[order](),
	} {
		if serdeMistake(s) == nil {
			t.Errorf("%s has no mistake", name)
		}
	}
	for _, s := range []any{String, List(String), JSON[order](), Avro[order](orderSchema), Proto[structpb.Struct]()} {
		if err := serdeMistake(s); err != nil {
			t.Error(err)
		}
	}
}

// The text null is a nil, if the type has one.
func TestJSONNull(t *testing.T) {
	v, err := JSON[*order]().Decode([]byte("null"), "t", nil)
	if v != nil || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// Nothing of one record may show in the next, though memory is used again.
func TestSerdesForget(t *testing.T) {
	j, a := JSON[order](), Avro[[]string](`{"type": "array", "items": "string"}`)
	if _, err := j.Decode([]byte(`{"id": 1, "item": "x", "tags": ["a"], "notes": {"n": 1}, "paid": 2}`), "t", nil); err != nil {
		t.Fatal(err)
	}
	v, err := j.Decode([]byte(`{}`), "t", nil)
	if err != nil || !reflect.DeepEqual(v, order{}) {
		t.Errorf("%+v, %v", v, err)
	}
	first, err := a.Decode([]byte{2, 2, 'a', 0}, "t", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = a.Decode([]byte{2, 2, 'b', 0}, "t", nil); err != nil || first[0] != "a" {
		t.Errorf("%v, %v", first, err)
	}
}

// The basic serdes and those around them allocate nothing of their own.
func TestSerdeAllocations(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("pools forget under the race detector")
	}
	dst := make([]byte, 0, 4096)
	o := order{ID: 1, Item: "x", Tags: []string{}, Notes: nil}
	j, p, a := JSON[order](), Proto[wrapperspb.Int64Value](), Avro[order](orderSchema)
	wire, ws, ls := wrapperspb.Int64(7), WindowedSerde(String, time.Second), List(Int64)
	numbers := []int64{1, 2, 3}
	number, order7, message := make([]byte, 8), []byte(`{"id":1,"item":"xyz"}`), []byte{8, 7}
	for name, c := range map[string]struct {
		max float64
		f   func()
	}{
		"string":       {0, func() { _, _ = String.Append(dst, "t", nil, "some text") }},
		"bytes":        {0, func() { _, _ = Bytes.Append(dst, "t", nil, number) }},
		"int32":        {0, func() { _, _ = Int32.Append(dst, "t", nil, 1) }},
		"int64":        {0, func() { _, _ = Int64.Append(dst, "t", nil, 1) }},
		"float64":      {0, func() { _, _ = Float64.Append(dst, "t", nil, 1) }},
		"uuid":         {0, func() { _, _ = UUID.Append(dst, "t", nil, [16]byte{}) }},
		"windowed":     {0, func() { _, _ = ws.Append(dst, "t", nil, Windowed[string]{Key: "k"}) }},
		"list":         {0, func() { _, _ = ls.Append(dst, "t", nil, numbers) }},
		"read int64":   {0, func() { _, _ = Int64.Decode(number, "t", nil) }},
		"read string":  {1, func() { _, _ = String.Decode(number, "t", nil) }},
		"JSON":         {0, func() { _, _ = j.Append(dst, "t", nil, o) }},
		"read JSON":    {1, func() { _, _ = j.Decode(order7, "t", nil) }},
		"protobuf":     {0, func() { _, _ = p.Append(dst, "t", nil, wire) }},
		"read message": {1, func() { _, _ = p.Decode(message, "t", nil) }},
		"Avro":         {1, func() { _, _ = a.Append(dst, "t", nil, o) }},
	} {
		if got := testing.AllocsPerRun(200, c.f); got > c.max {
			t.Errorf("%s allocates %v times, at most %v is right", name, got, c.max)
		}
	}
}

func FuzzSerdes(f *testing.F) {
	for _, seed := range []string{"", "\x00", "12345678", "00000000-0000-0000-0000-000000000000", `{"id":1}`, "\x01\x00\x00\x00\x01\x00\x00\x00\x01a", "\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02"} {
		f.Add([]byte(seed))
	}
	j, a := JSON[order](), Avro[order](orderSchema)
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, String, b, true)
		again(t, Bytes, b, true)
		again(t, Int32, b, true)
		again(t, Bool, b, true)
		again(t, UUID, bytes.ToLower(b), true)
		again(t, List(Optional(Int32)), b, false)
		again(t, List(Optional(String)), b, false)
		again(t, List(List(Bytes)), b, false)
		again(t, WindowedSerde(String, time.Second), b, true)
		again(t, SessionSerde(Bytes), b, true)
		again(t, j, b, false)
		again(t, a, b, false)
	})
}

// again reads bytes, writes what it read and reads that once more: exact serdes give the very bytes, others the same value.
func again[T any](t *testing.T, s Serde[T], b []byte, exact bool) {
	t.Helper()
	v, err := s.Decode(b, "t", nil)
	if err != nil {
		return
	}
	out, err := s.Append(nil, "t", nil, v)
	if err != nil {
		return // JSON reads what it does not write
	}
	if exact && !bytes.Equal(out, b) {
		t.Fatalf("%T: %x became %x", s, b, out)
	}
	back, err := s.Decode(out, "t", nil)
	if err != nil {
		t.Fatalf("%T: %x became %x: %v", s, b, out, err)
	}
	twice, err := s.Append(nil, "t", nil, back)
	if err != nil || !bytes.Equal(out, twice) {
		if !strings.Contains(string(twice), "\x7f\xf8") { // NaN
			t.Fatalf("%T: %x became %x, then %x, %v", s, b, out, twice, err)
		}
	}
}
