package plainjson

import (
	"bytes"
	"encoding/json/v2"
	"math"
	"reflect"
	"testing"
	"time"
	"unsafe"
)

type inner struct {
	A int8     `json:"a"`
	B *uint16  `json:"b"`
	C []string `json:"c,omitempty"`
}

type kinds struct {
	S     string  `json:"s"`
	B     bool    `json:"b"`
	I     int     `json:"i"`
	I32   int32   `json:"i32"`
	I64   int64   `json:"i64"`
	U     uint    `json:"u"`
	U8    uint8   `json:"u8"`
	U64   uint64  `json:"u64"`
	F32   float32 `json:"f32"`
	F64   float64 `json:"f64"`
	In    inner   `json:"in"`
	P     *inner  `json:"p,omitzero"`
	L     []inner `json:"l"`
	N     []int64 `json:"n"`
	NoTag string
	E     string `json:"e,omitempty"`
	_     int
	Skip  int    `json:"-"`
	Next  *kinds `json:"next,omitzero"`
}

func codec[T any](t testing.TB) *Codec {
	t.Helper()
	c := For(reflect.TypeFor[T]())
	if c == nil {
		t.Fatalf("%v is plain", reflect.TypeFor[T]())
	}
	return c
}

// same holds what the codec reads and writes to encoding/json/v2.
func same[T any](t *testing.T, c *Codec, text []byte) (knew bool) {
	t.Helper()
	var got, want T
	err := json.Unmarshal(text, &want)
	kept := bytes.Clone(text)
	if knew = c.Decode(text, unsafe.Pointer(&got)); knew {
		for i := range text {
			text[i] ^= 0xff // nothing may refer to it
		}
		if err != nil {
			t.Fatalf("%q was read; json says %v", kept, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is\n%#v, json says\n%#v", kept, got, want)
		}
	}
	if err != nil {
		return knew
	}
	wantText, err := json.Marshal(&want)
	gotText, ok := c.Append([]byte("before"), unsafe.Pointer(&want))
	if !ok {
		return knew
	}
	if err != nil || string(gotText) != "before"+string(wantText) {
		t.Fatalf("%#v is written\n%s, json says\n%s (%v)", want, gotText[6:], wantText, err)
	}
	return knew
}

var texts = []struct {
	text string
	knew bool
}{
	{`{}`, true},
	{` { "s" : "x" , "i" : 1 } `, true},
	{`{"s":"é\n\"\\\/\t","b":true,"i":-5,"i64":123456789012345678,"u8":255,"f64":1.5e3,"f32":0.1}`, true},
	{`{"in":{"a":-128,"b":7,"c":["x","y"]},"p":{"a":1},"l":[{"a":1},{"b":null}],"n":[],"NoTag":"q","e":""}`, true},
	{`{"next":{"next":{"s":"deep"}}}`, true},
	{`{"strange":1,"other":"x","s":"y","third":null}`, true},
	{`{"f64":-0,"n":[1,2,3,4,5,6,7,8,9]}`, true},
	{`{"f64":-0.0}`, true},
	{`{"f64":123456789.123456789012345}`, true},
	{`{"f64":9007199254740993}`, true},
	{`{"f64":0.30000000000000004}`, true},
	{`{"s":null,"i":null,"in":null,"p":null,"l":null,"b":null}`, true},
	{`null`, true},
	{`{"s":"\u0041"}`, false},
	{`{"s":"a","s":"b"}`, false},
	{`{"strange":1,"strange":1}`, false},
	{`{"strange":{}}`, false},
	{`{"u8":256}`, false},
	{`{"u8":-1}`, false},
	{`{"i":01}`, false},
	{`{"i":1.0}`, false},
	{`{"i":"1"}`, false},
	{`{"in":{"a":128}}`, false},
	{`{"f32":1e39}`, false},
	{`{"f64":1e400}`, false},
	{`{"f64":.5}`, false},
	{`{"S":"case"}`, true},
	{`{"s":"` + "\xff" + `"}`, false},
	{`{"s":"` + "\x01" + `"}`, false},
	{`{"i":1,}`, false},
	{`{"i":1}x`, false},
	{`{"i":1`, false},
	{`[]`, false},
	{``, false},
}

func TestTexts(t *testing.T) {
	c := codec[kinds](t)
	for _, c2 := range texts {
		if knew := same[kinds](t, c, []byte(c2.text)); knew != c2.knew {
			t.Errorf("%s: read is %v", c2.text, knew)
		}
	}
}

func TestFloats(t *testing.T) {
	type floats struct {
		A float64
		B float32
	}
	c := codec[floats](t)
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 9.99e-7, 1e20, 1e21, 1 << 53, 1<<53 + 2, 12.34, 1e15 + 0.5, math.MaxFloat32, math.Inf(1), math.NaN(), 16777217} {
		f := floats{v, float32(v)}
		want, err := json.Marshal(&f)
		got, ok := c.Append(nil, unsafe.Pointer(&f))
		if ok && (err != nil || string(got) != string(want)) {
			t.Errorf("%v is written %s, json says %s %v", v, got, want, err)
		}
	}
}

// What is not plain is left to encoding/json/v2.
func TestNotPlain(t *testing.T) {
	type embedded struct{ inner }
	for _, v := range []any{
		time.Time{}, struct{ T time.Time }{}, struct{ D time.Duration }{}, struct{ B []byte }{}, struct{ A any }{}, struct{ M map[string]int }{},
		struct{ A [2]int }{}, embedded{}, struct {
			A int `json:"a,string"`
		}{}, struct {
			A int `json:"'x'"`
		}{}, struct {
			A *int `json:",omitempty"`
		}{}, 1, "x", []int{}, struct{ F func() }{},
	} {
		if For(reflect.TypeOf(v)) != nil {
			t.Errorf("%T is not plain", v)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range texts {
		f.Add([]byte(c.text))
	}
	c := codec[kinds](f)
	f.Fuzz(func(t *testing.T, text []byte) { same[kinds](t, c, text) })
}

func FuzzAppend(f *testing.F) {
	f.Add("a\"\\\n\x7f\u2028é\x01", int64(-1), uint64(1<<63), 0.1, float32(1e-7), true)
	c := codec[kinds](f)
	f.Fuzz(func(t *testing.T, s string, i int64, u uint64, d float64, d32 float32, b bool) {
		k := kinds{S: s, B: b, I: int(i), I32: int32(i), I64: i, U: uint(u), U8: uint8(u), U64: u, F32: d32, F64: d, L: []inner{{A: int8(i), C: []string{s}}}, N: []int64{i, i / 3}, E: s}
		want, err := json.Marshal(&k)
		got, ok := c.Append(nil, unsafe.Pointer(&k))
		if !ok {
			return
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%#v is written\n%s, json says\n%s (%v)", k, got, want, err)
		}
		var back kinds
		if !c.Decode(got, unsafe.Pointer(&back)) {
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
		}
	})
}

type event struct {
	ID     int64   `json:"id"`
	User   string  `json:"user"`
	Item   string  `json:"item"`
	Amount int64   `json:"amount"`
	Price  float64 `json:"price"`
	Time   int64   `json:"time"`
	Ok     bool    `json:"ok"`
}

func BenchmarkPlain(b *testing.B) {
	text := []byte(`{"id":123456,"user":"user-00123","item":"item-00421","amount":1234,"price":12.34,"time":1700000000000,"ok":true}`)
	c := codec[event](b)
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e event
			c.Decode(text, unsafe.Pointer(&e))
		}
	})
	b.Run("read, json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e event
			_ = json.Unmarshal(text, &e)
		}
	})
	var e event
	_ = json.Unmarshal(text, &e)
	var out []byte
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out, _ = c.Append(out[:0], unsafe.Pointer(&e))
		}
	})
	b.Run("write, json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(&e)
		}
	})
}
