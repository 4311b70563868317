package codec

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testHeader is shaped as a record header; CutHeaders and its like take any such type.
type testHeader struct {
	Key   string
	Value []byte
}

// parts are the fields of one line of testdata/vectors.txt.
type parts struct {
	t      *testing.T
	fields []string
}

func (p *parts) text() string {
	f := p.fields[0]
	p.fields = p.fields[1:]
	return f
}

func (p *parts) int() int64 {
	n, err := strconv.ParseInt(p.text(), 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *parts) int32() int32 { return int32(p.int()) }
func (p *parts) bytes() []byte {
	return p.parse(p.text())
}

func (p *parts) parse(f string) []byte {
	if f == "-" {
		return nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(f, "x"))
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *parts) list() []string {
	f := strings.Trim(p.text(), "[]")
	if f == "" {
		return nil
	}
	return strings.Split(f, ",")
}

func (p *parts) headers() (hs []testHeader) {
	for _, f := range p.list() {
		k, v, _ := strings.Cut(f, "=")
		hs = append(hs, testHeader{string(p.parse(k)), p.parse(v)})
	}
	return hs
}

func (p *parts) hash() (h Hash, ok bool) {
	b := p.bytes()
	if b == nil {
		return h, false
	}
	c := cursor{b: b}
	return c.hash(), true
}

// same fails unless got is want, nil told from empty.
func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("%s is %x (nil: %v), Kafka's is %x (nil: %v)", what, got, got == nil, want, want == nil)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, Kafka's is %v", what, got, want)
	}
}

// lead stands in dst before an encoder appends: it must still be there.
var lead = []byte("dst")

func encoded(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.HasPrefix(got, lead) {
		t.Errorf("dst was overwritten: %x", got)
	}
	same(t, "encoding", got[len(lead):], want)
}

// formats checks an encoder and its decoder against one vector each.
var formats = map[string]func(t *testing.T, p *parts){
	"time-window": func(t *testing.T, p *parts) {
		key, start, want := p.bytes(), p.int(), p.bytes()
		encoded(t, AppendTimeWindow(slices.Clone(lead), key, start), want)
		k, s, err := TimeWindow(want)
		same(t, "key", k, key)
		equal(t, "start", s, start)
		equal(t, "error", err, nil)
	},
	"session": func(t *testing.T, p *parts) {
		key, start, end, want := p.bytes(), p.int(), p.int(), p.bytes()
		encoded(t, AppendSession(slices.Clone(lead), key, start, end), want)
		k, s, e, err := Session(want)
		same(t, "key", k, key)
		equal(t, "start", s, start)
		equal(t, "end", e, end)
		equal(t, "error", err, nil)
	},
	"window": func(t *testing.T, p *parts) {
		key, start, seq, want := p.bytes(), p.int(), p.int32(), p.bytes()
		encoded(t, AppendWindow(slices.Clone(lead), key, start, seq), want)
		k, s, n, err := Window(want)
		same(t, "key", k, key)
		equal(t, "start", s, start)
		equal(t, "sequence", n, seq)
		equal(t, "error", err, nil)
	},
	"time-first": func(t *testing.T, p *parts) {
		key, start, seq, want := p.bytes(), p.int(), p.int32(), p.bytes()
		encoded(t, AppendTimeFirst(slices.Clone(lead), key, start, seq), want)
		k, s, n, err := TimeFirst(want)
		same(t, "key", k, key)
		equal(t, "time", s, start)
		equal(t, "sequence", n, seq)
		equal(t, "error", err, nil)
	},
	"outer-key": func(t *testing.T, p *parts) {
		ts, side, key, want := p.int(), Side(p.int()), p.bytes(), p.bytes()
		encoded(t, AppendOuterKey(slices.Clone(lead), ts, side, key), want)
		s, d, k, err := OuterKey(want)
		same(t, "key", k, key)
		equal(t, "timestamp", s, ts)
		equal(t, "side", d, side)
		equal(t, "error", err, nil)
	},
	"outer-value": func(t *testing.T, p *parts) {
		side, value, want := Side(p.int()), p.bytes(), p.bytes()
		encoded(t, AppendOuterValue(slices.Clone(lead), side, value), want)
		d, v, err := OuterValue(want)
		same(t, "value", v, value)
		equal(t, "side", d, side)
		equal(t, "error", err, nil)
	},
	"stamped": func(t *testing.T, p *parts) {
		ts, value, want := p.int(), p.bytes(), p.bytes()
		encoded(t, AppendStamped(slices.Clone(lead), ts, value), want)
		s, v, err := Stamped(want)
		same(t, "value", v, value)
		equal(t, "timestamp", s, ts)
		equal(t, "error", err, nil)
	},
	"stamped-headers": func(t *testing.T, p *parts) {
		headers, ts, value, want := p.headers(), p.int(), p.bytes(), p.bytes()
		encoded(t, AppendStamped(AppendHeaders(slices.Clone(lead), headers), ts, value), want)
		hs, rest, err := CutHeaders[testHeader](nil, want)
		equal(t, "error", err, nil)
		sameHeaders(t, hs, headers)
		s, v, err := Stamped(rest)
		same(t, "value", v, value)
		equal(t, "timestamp", s, ts)
		equal(t, "error", err, nil)
	},
	"value-headers": func(t *testing.T, p *parts) {
		headers, value, want := p.headers(), p.bytes(), p.bytes()
		encoded(t, append(AppendHeaders(slices.Clone(lead), headers), value...), want)
		hs, v, err := CutHeaders[testHeader](nil, want)
		equal(t, "error", err, nil)
		sameHeaders(t, hs, headers)
		same(t, "value", v, value)
	},
	"change": func(t *testing.T, p *parts) {
		now, old, want := p.bytes(), p.bytes(), p.bytes()
		encoded(t, AppendChange(slices.Clone(lead), now, old), want)
		c, err := ParseChange(want)
		same(t, "new value", c.New, now)
		same(t, "old value", c.Old, old)
		equal(t, "latest", c.Latest, true)
		equal(t, "error", err, nil)
	},
	"change-latest": func(t *testing.T, p *parts) {
		now, old, latest, raw := p.bytes(), p.bytes(), p.int() == 1, p.bytes()
		c, err := ParseChange(raw)
		same(t, "new value", c.New, now)
		same(t, "old value", c.Old, old)
		equal(t, "latest", c.Latest, latest)
		equal(t, "error", err, nil)
	},
	"subscription": func(t *testing.T, p *parts) {
		s := Subscription{Version: byte(p.int()), Instruction: Instruction(p.int())}
		s.Hash, s.Hashed = p.hash()
		s.PrimaryKey, s.Partition = p.bytes(), p.int32()
		want := p.bytes()
		encoded(t, AppendSubscription(slices.Clone(lead), &s), want)
		got, err := ParseSubscription(want)
		equal(t, "error", err, nil)
		same(t, "primary key", got.PrimaryKey, s.PrimaryKey)
		got.PrimaryKey, s.PrimaryKey = nil, nil
		equal(t, "version", got.Version, s.Version)
		equal(t, "instruction", got.Instruction, s.Instruction)
		equal(t, "hash", got.Hash, s.Hash)
		equal(t, "hashed", got.Hashed, s.Hashed)
		equal(t, "partition", got.Partition, s.Partition)
	},
	"response": func(t *testing.T, p *parts) {
		var r Response
		r.Hash, r.Hashed = p.hash()
		r.Value = p.bytes()
		want := p.bytes()
		encoded(t, AppendResponse(slices.Clone(lead), &r), want)
		got, err := ParseResponse(want)
		equal(t, "error", err, nil)
		equal(t, "hash", got.Hash, r.Hash)
		equal(t, "hashed", got.Hashed, r.Hashed)
		if len(r.Value) == 0 {
			r.Value = nil // Kafka cannot tell them apart either
		}
		same(t, "value", got.Value, r.Value)
	},
	"foreign-key": func(t *testing.T, p *parts) {
		foreign, primary, want := p.bytes(), p.bytes(), p.bytes()
		encoded(t, AppendForeignKey(slices.Clone(lead), foreign, primary), want)
		f, k, err := ForeignKey(want)
		equal(t, "error", err, nil)
		same(t, "foreign key", f, foreign)
		same(t, "primary key", k, primary)
	},
	"buffer": func(t *testing.T, p *parts) {
		var v BufferValue[testHeader]
		v.Context.Timestamp, v.Context.Offset, v.Context.Topic = p.int(), p.int(), string(p.bytes())
		v.Context.Partition, v.Context.Headers = p.int32(), p.headers()
		v.Prior, v.Old, v.New = p.bytes(), p.bytes(), p.bytes()
		time, resident, want := p.int(), p.int(), p.bytes()
		encoded(t, AppendBufferEntry(slices.Clone(lead), &v, time), want)
		equal(t, "size", BufferedBytes([]byte("key"), &v), resident+8+3)
		got, at, err := BufferEntry[testHeader](want)
		equal(t, "error", err, nil)
		equal(t, "time", at, time)
		equal(t, "timestamp", got.Context.Timestamp, v.Context.Timestamp)
		equal(t, "offset", got.Context.Offset, v.Context.Offset)
		equal(t, "topic", got.Context.Topic, v.Context.Topic)
		equal(t, "partition", got.Context.Partition, v.Context.Partition)
		sameHeaders(t, got.Context.Headers, v.Context.Headers)
		same(t, "prior", got.Prior, v.Prior)
		same(t, "old", got.Old, v.Old)
		same(t, "new", got.New, v.New)
	},
	"list": func(t *testing.T, p *parts) {
		var items [][]byte
		for _, f := range p.list() {
			items = append(items, p.parse(f))
		}
		want := p.bytes()
		got := AppendListHead(slices.Clone(lead), len(items))
		for _, item := range items {
			if mark := len(got); item == nil {
				got = AppendListElement(got, nil)
			} else {
				got = EndListElement(append(BeginListElement(got), item...), mark)
			}
		}
		encoded(t, got, want)
		checkList(t, want, 0, items)
		var list []byte
		for _, item := range items {
			var err error
			if list, err = AppendListItem(nil, list, item); err != nil {
				t.Fatal(err)
			}
		}
		if len(items) > 0 {
			same(t, "list by items", list, want)
		}
	},
	"list-int32": func(t *testing.T, p *parts) {
		var items [][]byte
		var nulls []int32
		var data []byte
		for i, f := range p.list() {
			if f == "-" {
				items, nulls = append(items, nil), append(nulls, int32(i))
				continue
			}
			n, err := strconv.ParseInt(f, 10, 32)
			equal(t, "error", err, nil)
			item := put32(nil, int32(n))
			items, data = append(items, item), append(data, item...)
		}
		want := p.bytes()
		encoded(t, append(AppendFixedListHead(slices.Clone(lead), len(items), nulls), data...), want)
		checkList(t, want, 4, items)
	},
	"offset-metadata": func(t *testing.T, p *parts) {
		m := OffsetMetadata{PartitionTime: p.int()}
		names, numbers := p.list(), p.list()
		for i, name := range names {
			n, err := strconv.ParseInt(numbers[i], 10, 64)
			equal(t, "error", err, nil)
			m.Processors = append(m.Processors, ProcessorTime{string(p.parse(name)), n})
		}
		want := p.bytes()
		encoded(t, AppendOffsetMetadata(slices.Clone(lead), &m), want)
		got, err := ParseOffsetMetadata(string(want))
		equal(t, "error", err, nil)
		equal(t, "time", got.PartitionTime, m.PartitionTime)
		if !slices.Equal(got.Processors, m.Processors) {
			t.Errorf("processors %v, want %v", got.Processors, m.Processors)
		}
	},
	"partition": func(t *testing.T, p *parts) {
		key, n, want, hash := p.bytes(), p.int32(), p.int32(), p.int32()
		equal(t, "partition", Partition(key, n), want)
		equal(t, "murmur2", int32(Murmur2(key)), hash)
	},
	"murmur3": func(t *testing.T, p *parts) {
		got := Murmur3(p.bytes())
		want, _ := p.hash()
		equal(t, "murmur3", got, want)
	},
}

func sameHeaders(t *testing.T, got, want []testHeader) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d headers, want %d", len(got), len(want))
	}
	for i := range want {
		equal(t, "header", got[i].Key, want[i].Key)
		same(t, "header", got[i].Value, want[i].Value)
	}
}

func checkList(t *testing.T, list []byte, fixed int, want [][]byte) {
	t.Helper()
	r, err := ReadList(list, fixed)
	equal(t, "error", err, nil)
	equal(t, "count", r.Count, len(want))
	for i := 0; r.More(); i++ {
		same(t, "element", r.Element(), want[i])
	}
	equal(t, "error", r.Err(), nil)
}

// What Kafka's own classes wrote is what is written here, and is read back.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, string(text))
}

func checkVectors(t *testing.T, text string) {
	t.Helper()
	seen := map[string]int{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		check, ok := formats[fields[0]]
		if !ok {
			continue // serdes of package streams
		}
		seen[fields[0]]++
		t.Run(fields[0]+"/"+strconv.Itoa(seen[fields[0]]), func(t *testing.T) {
			p := &parts{t, fields[1:]}
			check(t, p)
			if len(p.fields) > 0 {
				t.Errorf("%d fields were not looked at", len(p.fields))
			}
		})
	}
	for name := range formats {
		if seen[name] == 0 {
			t.Errorf("no vectors of %s", name)
		}
	}
}
