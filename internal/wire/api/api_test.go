package api

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fill sets every field of a message to something random, the tagged ones too.
func fill(v reflect.Value, r *rand.Rand, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> (64 - v.Type().Bits()))
	case reflect.String:
		v.SetString(string(make([]byte, r.IntN(9))))
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), r, depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(r.Uint32() & 0xff))
		}
	case reflect.Slice:
		if r.IntN(8) == 0 {
			return
		}
		n := r.IntN(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			if v.Type().Elem().Kind() == reflect.Uint8 {
				v.Index(i).SetUint(uint64(r.IntN(256)))
			} else {
				fill(v.Index(i), r, depth+1)
			}
		}
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			for range r.IntN(2) {
				tags.Set(uint32(100+r.IntN(100)), make([]byte, r.IntN(5)))
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Version" {
				fill(v.Field(i), r, depth+1)
			}
		}
	}
}

func randomBody(a API, version int16, r *rand.Rand) []byte {
	req := a.Key.Request()
	req.SetVersion(version)
	fill(reflect.ValueOf(req).Elem(), r, 0)
	return req.AppendTo(nil)
}

// Every message the decoder's own encoder makes must have the shape, and its
// size to the byte: cut off anywhere it must not.
func TestShapesMatchTheMessages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, a := range All() {
		if a.shape == "" {
			continue
		}
		for v := a.Min; v <= a.Max; v++ {
			for range 200 {
				body := randomBody(a, v, r)
				if err := Precheck(int16(a.Key), v, body); err != nil {
					t.Fatalf("%v v%d: %v\n%x", a, v, err, body)
				}
				if len(body) == 0 {
					continue
				}
				if err := Precheck(int16(a.Key), v, body[:len(body)-1]); err == nil {
					t.Fatalf("%v v%d: a byte less is accepted\n%x", a, v, body)
				}
			}
		}
	}
}

func TestTableIsSane(t *testing.T) {
	last := int16(-1)
	for _, a := range All() {
		if int16(a.Key) <= last {
			t.Errorf("%v is out of order", a)
		}
		last = int16(a.Key)
		if !strings.EqualFold(a.Name, a.Key.Name()) {
			t.Errorf("%v: the protocol calls it %s", a, a.Key.Name())
		}
		if a.Min > a.Max || a.Max > a.Key.Request().MaxVersion() {
			t.Errorf("%v: impossible versions", a)
		}
		if got, ok := Lookup(int16(a.Key)); !ok || got != a {
			t.Errorf("Lookup(%d) = %v, %v", a.Key, got, ok)
		}
	}
	for _, key := range []int16{-1, 4, 7, 1000} {
		if a, ok := Lookup(key); ok {
			t.Errorf("Lookup(%d) = %v", key, a)
		}
		if Precheck(key, 0, nil) == nil {
			t.Errorf("key %d passes", key)
		}
	}
	versions, _ := Lookup(int16(kmsg.ApiVersions))
	if !versions.FlexibleRequest(3) || versions.FlexibleResponseHeader(3) {
		t.Error("ApiVersions v3 has a flexible request and a response header that is not")
	}
}

func TestPrecheckRefusesHostileCounts(t *testing.T) {
	pad := make([]byte, 1<<20)
	for name, c := range map[string]struct {
		key     kmsg.Key
		version int16
		head    []byte
	}{
		"metadata topics":            {kmsg.Metadata, 1, []byte{0, 0x0f, 0, 0}},
		"flexible metadata topics":   {kmsg.Metadata, 12, []byte{0x80, 0x80, 0x40}},
		"group tags":                 {kmsg.Heartbeat, 4, []byte{1, 0, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		"many tags without content":  {kmsg.Heartbeat, 4, []byte{1, 0, 0, 0, 0, 1, 0, 0xff, 0xff, 0x0f}},
		"a tag larger than the rest": {kmsg.Heartbeat, 4, []byte{1, 0, 0, 0, 0, 1, 0, 1, 7, 0xff, 0xff, 0xff, 0x0f}},
		"array length below -1":      {kmsg.Metadata, 1, []byte{0x80, 0, 0, 0}},
	} {
		if err := Precheck(int16(c.key), c.version, append(c.head, pad...)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// Tags inside a tagged structure are counted too: the decoder would spin.
	head := make([]byte, 4+4+4+1+4+4)
	spin := append(bytes.Clone(head), 1, 1, 1 /* tags: */, 1, 1, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f)
	if err := Precheck(int16(kmsg.Fetch), 15, spin); err == nil {
		t.Error("four billion tags in the replica state: accepted")
	}
}

// FuzzPrecheck: whatever passes must decode, or fail to, within memory in
// proportion to its size.
func FuzzPrecheck(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, a := range All() {
		for v := a.Min; v <= a.Max && a.shape != ""; v++ {
			f.Add(int16(a.Key), v, randomBody(a, v, r))
		}
	}
	f.Add(int16(kmsg.Metadata), int16(9), []byte("\x80\x02"+string(make([]byte, 2048))))
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		if key == int16(kmsg.Produce) || Precheck(key, version, body) != nil {
			return
		}
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = req.ReadFrom(body)
		runtime.ReadMemStats(&after)
		// The constant covers the free tags and the test's own noise.
		const constant = 512 << 10
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(32*len(body)+constant) {
			t.Fatalf("key %d v%d: %d bytes allocated for a request of %d", key, version, used, len(body))
		}
	})
}

func BenchmarkPrecheckFetch(b *testing.B) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 18
	for range 10 {
		t := kmsg.NewFetchRequestTopic()
		for p := range int32(10) {
			q := kmsg.NewFetchRequestTopicPartition()
			q.Partition = p
			t.Partitions = append(t.Partitions, q)
		}
		req.Topics = append(req.Topics, t)
	}
	body := req.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := Precheck(int16(kmsg.Fetch), 18, body); err != nil {
			b.Fatal(err)
		}
	}
}
