package field

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flexible := rapid.Bool().Draw(t, "flexible")
		text := rapid.StringN(0, 300, -1).Draw(t, "text")
		i16, i32 := rapid.Int16().Draw(t, "i16"), rapid.Int32().Draw(t, "i32")
		u32 := rapid.Uint32().Draw(t, "u32")
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		id := [16]byte{1, 15: 16}

		w := Writer{Flexible: flexible}
		w.Int16(i16)
		w.Int32(i32)
		w.UUID(id)
		w.Uvarint(u32)
		before := len(w.B)
		w.String(text)
		if flexible && len(w.B)-before != CompactStringSize(text) {
			t.Fatalf("string of %d bytes takes %d", len(text), len(w.B)-before)
		}
		w.NullableString("")
		w.BytesLen(len(data))
		w.B = append(w.B, data...)
		w.BytesLen(-1)
		w.ArrayLen(2)
		w.Int32(1)
		w.Int32(2)
		w.ArrayLen(-1)
		w.EndStruct()

		r := Reader{B: w.B, Flexible: flexible}
		if r.Int16() != i16 || r.Int32() != i32 || r.UUID() != id || r.Uvarint() != u32 ||
			string(r.String()) != text || r.String() != nil || !bytes.Equal(r.Bytes(), data) || r.Bytes() != nil ||
			r.ArrayLen(4) != 2 || r.Int32() != 1 || r.Int32() != 2 || r.ArrayLen(4) != -1 {
			t.Fatalf("%x reads otherwise", w.B)
		}
		r.EndStruct()
		if r.Bad || len(r.B) != 0 {
			t.Fatalf("bad %v, %d bytes left", r.Bad, len(r.B))
		}
		if UvarintSize(u32) != len(encodeUvarint(u32)) {
			t.Fatalf("size of %d", u32)
		}
	})
}

func encodeUvarint(v uint32) []byte {
	var w Writer
	w.Uvarint(v)
	return w.B
}

func TestTaggedFieldsAreSkipped(t *testing.T) {
	w := Writer{Flexible: true}
	w.Uvarint(2)
	w.CurrentLeader(3, CurrentLeader{ID: 1, Epoch: 2})
	w.NodeEndpoints(7, []Endpoint{{NodeID: 1, Host: "host", Port: 9092}, {NodeID: 2, Host: "other", Port: 9093, Rack: "r"}})
	w.Int16(42)
	r := Reader{B: w.B, Flexible: true}
	r.EndStruct()
	if got := r.Int16(); got != 42 || r.Bad {
		t.Errorf("%d follows, bad %v", got, r.Bad)
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		read func(*Reader)
	}{
		"short int16":         {[]byte{1}, func(r *Reader) { r.Int16() }},
		"short int32":         {[]byte{1, 2, 3}, func(r *Reader) { r.Int32() }},
		"short uuid":          {make([]byte, 15), func(r *Reader) { r.UUID() }},
		"uvarint of 6 bytes":  {[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, func(r *Reader) { r.Uvarint() }},
		"uvarint of 33 bits":  {[]byte{0xff, 0xff, 0xff, 0xff, 0x1f}, func(r *Reader) { r.Uvarint() }},
		"uvarint without end": {[]byte{0x80}, func(r *Reader) { r.Uvarint() }},
		"array too long":      {[]byte{0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8}, func(r *Reader) { r.ArrayLen(4) }},
		"array of -2":         {[]byte{0xff, 0xff, 0xff, 0xfe}, func(r *Reader) { r.ArrayLen(1) }},
		"string of -2":        {[]byte{0xff, 0xfe}, func(r *Reader) { r.String() }},
		"string too long":     {[]byte{0, 3, 'a', 'b'}, func(r *Reader) { r.String() }},
		"endless tags": {[]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0},
			func(r *Reader) { r.Flexible = true; r.EndStruct() }},
	} {
		r := Reader{B: c.b}
		c.read(&r)
		if !r.Bad || len(r.B) != 0 {
			t.Errorf("%s: bad %v, %d bytes left", name, r.Bad, len(r.B))
		}
	}
}

// FuzzReader reads fields as the first bytes of the input say.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, []byte{0, 2, 'h', 'i', 0, 0, 0, 1, 5}, false)
	f.Add([]byte{5, 3, 6, 4, 2}, []byte{3, 'h', 'i', 2, 5, 1, 9, 2, 0, 0}, true)
	f.Fuzz(func(t *testing.T, ops, data []byte, flexible bool) {
		r := Reader{B: data, Flexible: flexible}
		for _, op := range ops {
			before := len(r.B)
			switch op % 7 {
			case 0:
				r.Int16()
			case 1:
				r.Int32()
			case 2:
				r.UUID()
			case 3:
				r.String()
			case 4:
				r.Bytes()
			case 5:
				if n := r.ArrayLen(3); 3*n > len(r.B) {
					t.Fatalf("array of %d in %d bytes", n, len(r.B))
				}
			case 6:
				r.EndStruct()
			}
			if len(r.B) > before {
				t.Fatal("reads backwards")
			}
		}
	})
}
