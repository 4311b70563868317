package streams

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The serdes write and read what Kafka's own do; internal/codec/testdata/Vectors.java recorded it.
func TestSerdeVectors(t *testing.T) {
	text, err := os.ReadFile("internal/codec/testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		check, ok := serdeVectors[fields[0]]
		if !ok {
			continue // formats of internal/codec
		}
		seen[fields[0]]++
		parts, want := fields[1:len(fields)-1], unhex(t, fields[len(fields)-1])
		t.Run(fields[0]+"/"+strconv.Itoa(seen[fields[0]]), func(t *testing.T) { check(t, parts, want) })
	}
	for name := range serdeVectors {
		if seen[name] == 0 {
			t.Errorf("no vectors of %s", name)
		}
	}
}

var serdeVectors = map[string]func(t *testing.T, parts []string, want []byte){
	"string": func(t *testing.T, parts []string, want []byte) {
		vector(t, String, string(unhex(t, parts[0])), want)
	},
	"int16": func(t *testing.T, parts []string, want []byte) { vector(t, Int16, int16(number(t, parts[0])), want) },
	"int32": func(t *testing.T, parts []string, want []byte) { vector(t, Int32, int32(number(t, parts[0])), want) },
	"int64": func(t *testing.T, parts []string, want []byte) { vector(t, Int64, number(t, parts[0]), want) },
	"float64": func(t *testing.T, parts []string, want []byte) {
		vectorBits(t, Float64, real(t, parts[0], 64), want)
	},
	"float32": func(t *testing.T, parts []string, want []byte) {
		vectorBits(t, Float32, float32(real(t, parts[0], 32)), want)
	},
	"bool": func(t *testing.T, parts []string, want []byte) { vector(t, Bool, parts[0] == "1", want) },
	"uuid": func(t *testing.T, parts []string, want []byte) {
		vector(t, UUID, [16]byte(unhex(t, parts[0])), want)
	},
	"list-string": func(t *testing.T, parts []string, want []byte) {
		checkListVector(t, String, items(t, parts[0], func(f string) string { return string(unhex(t, f)) }), want)
	},
	"list-int64": func(t *testing.T, parts []string, want []byte) {
		checkListVector(t, Int64, items(t, parts[0], func(f string) int64 { return number(t, f) }), want)
	},
	"list-int32": func(t *testing.T, parts []string, want []byte) {
		checkListVector(t, Int32, items(t, parts[0], func(f string) int32 { return int32(number(t, f)) }), want)
	},
	"list-uuid": func(t *testing.T, parts []string, want []byte) {
		checkListVector(t, UUID, items(t, parts[0], func(f string) [16]byte { return [16]byte(unhex(t, f)) }), want)
	},
	"windowed-string": func(t *testing.T, parts []string, want []byte) {
		w := Windowed[string]{string(unhex(t, parts[0])), Time(number(t, parts[1])), Time(number(t, parts[2]))}
		s := WindowedSerde(String, time.Minute)
		vector(t, s, w, want)
		if got := innerKeyOf(s)(want); string(got) != w.Key {
			t.Errorf("the inner key is %q", got)
		}
	},
	"session-string": func(t *testing.T, parts []string, want []byte) {
		w := Windowed[string]{string(unhex(t, parts[0])), Time(number(t, parts[1])), Time(number(t, parts[2]))}
		s := SessionSerde(String)
		vector(t, s, w, want)
		if got := innerKeyOf(s)(want); string(got) != w.Key {
			t.Errorf("the inner key is %q", got)
		}
	},
}

// vector checks both directions of a serde.
func vector[T comparable](t *testing.T, s Serde[T], v T, want []byte) {
	t.Helper()
	got, err := s.Append([]byte("dst"), "topic", nil, v)
	if err != nil || string(got) != "dst"+string(want) {
		t.Errorf("%v is %x, %v; Kafka's is %x", v, got, err, want)
	}
	back, err := s.Decode(want, "topic", nil)
	if err != nil || back != v {
		t.Errorf("%x is read as %v, %v; it is %v", want, back, err, v)
	}
}

// vectorBits is vector for types whose values need not equal themselves.
func vectorBits[T float32 | float64](t *testing.T, s Serde[T], v T, want []byte) {
	t.Helper()
	got, err := s.Append(nil, "topic", nil, v)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v is %x, %v; Kafka's is %x", v, got, err, want)
	}
	back, err := s.Decode(want, "topic", nil)
	if err != nil || back != v && (v == v || back == back) || math.Signbit(float64(back)) != math.Signbit(float64(v)) {
		t.Errorf("%x is read as %v, %v; it is %v", want, back, err, v)
	}
}

func checkListVector[T comparable](t *testing.T, of Serde[T], v []*T, want []byte) {
	t.Helper()
	s := List(Optional(of))
	got, err := s.Append(nil, "topic", nil, v)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the list is %x, %v; Kafka's is %x", got, err, want)
	}
	back, err := s.Decode(want, "topic", nil)
	if err != nil || len(back) != len(v) {
		t.Fatalf("%x is read as %v, %v", want, back, err)
	}
	nulls := 0
	for i := range v {
		if (v[i] == nil) != (back[i] == nil) || v[i] != nil && *v[i] != *back[i] {
			t.Errorf("element %d is read as %v", i, back[i])
		}
		if v[i] == nil {
			nulls++
		}
	}
	plain, err := List(of).Decode(want, "topic", nil)
	if (err != nil) != (nulls > 0) {
		t.Errorf("without pointers the list is %v, %v", plain, err)
	}
}

func items[T any](t *testing.T, field string, parse func(string) T) (all []*T) {
	t.Helper()
	field = strings.Trim(field, "[]")
	if field == "" {
		return []*T{}
	}
	for f := range strings.SplitSeq(field, ",") {
		if f == "-" {
			all = append(all, nil)
			continue
		}
		v := parse(f)
		all = append(all, &v)
	}
	return all
}

func unhex(t *testing.T, f string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(f, "x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t *testing.T, f string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(f, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// real parses Java's text of a number, which is hexadecimal in the vectors.
func real(t *testing.T, f string, bits int) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(string(unhex(t, f)), bits)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
