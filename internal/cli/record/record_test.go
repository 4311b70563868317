package record

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestJSONRoundTrip(t *testing.T) {
	binary := []byte{0xff, 0x00, 0x80, '"'}
	for name, r := range map[string]*kgo.Record{
		"text":      {Key: []byte("k"), Value: []byte(`a "quoted" <value> with ü and \`), Timestamp: time.UnixMilli(1517363399650)},
		"tombstone": {Key: []byte("k"), Timestamp: time.UnixMilli(0)},
		"empty":     {Key: []byte{}, Value: []byte{}, Timestamp: time.UnixMilli(1)},
		"binary":    {Key: binary, Value: binary, Headers: []kgo.RecordHeader{{Key: "h", Value: binary}, {Key: "n"}}, Timestamp: time.UnixMilli(5)},
		"json":      {Key: []byte(`"s"`), Value: []byte(`{"a":[1,2,null]}`), Timestamp: time.UnixMilli(5)},
		"json null": {Key: []byte(`1`), Value: []byte(`null`), Timestamp: time.UnixMilli(5)},
	} {
		for _, e := range []Encoding{Text, Base64, Hex, JSON} {
			line := AppendJSON(nil, r, e, e)
			got, err := ParseJSON(line)
			if err != nil {
				t.Fatalf("%s as %s: %v in %s", name, e, err, line)
			}
			if !same(got.Key, r.Key) || !same(got.Value, r.Value) || !got.Timestamp.Equal(r.Timestamp) || len(got.Headers) != len(r.Headers) {
				t.Errorf("%s as %s: %s reads back as %+v", name, e, line, got)
			}
			for i := range got.Headers {
				if got.Headers[i].Key != r.Headers[i].Key || !same(got.Headers[i].Value, r.Headers[i].Value) {
					t.Errorf("%s as %s: header %d differs", name, e, i)
				}
			}
		}
	}
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestParseJSONRefuses(t *testing.T) {
	for line, want := range map[string]string{
		`{`: "not a record in JSON", `{"valeu":"x"}`: "valeu", `{"value":"x"} {}`: "more than one",
		`{"value":"zz","value_encoding":"hex"}`: "not valid hex", `{"value":1,"value_encoding":"hex"}`: "must be a string",
		`{"value":"x","value_encoding":"rot13"}`: "not known", `{"timestamp":"yesterday"}`: "timestamp", `{"timestamp":-5}`: "timestamp",
	} {
		if _, err := ParseJSON([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", line, err, want)
		}
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, in string
		f        LineFormat
		want     []string // key|value, nil written as ~
		err      string
	}{
		{"plain", "a\nb\r\n\nlast", LineFormat{Delimiter: "\n"}, []string{"~|a", "~|b", "~|", "~|last"}, ""},
		{"keys", "k:v\nk2:v:2\n", LineFormat{Delimiter: "\n", KeySeparator: ":"}, []string{"k|v", "k2|v:2"}, ""},
		{"missing key", "k:v\nno\n", LineFormat{Delimiter: "\n", KeySeparator: ":"}, []string{"k|v"}, `record 2: no key separator ":" in "no"`},
		{"optional key", "no\n", LineFormat{Delimiter: "\n", KeySeparator: ":", KeyOptional: true}, []string{"~|no"}, ""},
		{"null", "k:NULL\n", LineFormat{Delimiter: "\n", KeySeparator: ":", NullMarker: "NULL"}, []string{"k|~"}, ""},
		{"tombstones", "a\nb\n", LineFormat{Delimiter: "\n", KeysOnly: true}, []string{"a|~", "b|~"}, ""},
		{"binary delimiter", "a\x00b\nc\x00", LineFormat{Delimiter: "\x00"}, []string{"~|a", "~|b\nc"}, ""},
		{"long delimiter", "a--b---c", LineFormat{Delimiter: "--"}, []string{"~|a", "~|b", "~|-c"}, ""},
		{"base64", "aGk=\naGk\n", LineFormat{Delimiter: "\n", Value: Base64}, []string{"~|hi", "~|hi"}, ""},
		{"hex", "6869\nzz\n", LineFormat{Delimiter: "\n", Value: Hex}, []string{"~|hi"}, "record 2: value: not valid hex"},
		{"json", `{"key":"k","value":{"a": 1}}` + "\n\n", LineFormat{Delimiter: "\n", JSON: true}, []string{`k|{"a": 1}`}, ""},
	} {
		var got []string
		err := Lines(strings.NewReader(c.in), c.f, func(r *kgo.Record) error {
			show := func(b []byte) string {
				if b == nil {
					return "~"
				}
				return string(b)
			}
			got = append(got, show(r.Key)+"|"+show(r.Value))
			return nil
		})
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.err)
		}
	}
}

func TestPrinter(t *testing.T) {
	r := &kgo.Record{Topic: "t", Partition: 2, Offset: 7, Timestamp: time.UnixMilli(1517363399650), Key: []byte("k"),
		Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "b"}}}
	fields, err := ParseFields("--print", "all")
	if err != nil {
		t.Fatal(err)
	}
	p := Printer{Fields: fields, Separator: "\t", Delimiter: "\n", Key: Hex, NullMarker: "NULL"}
	if got, want := string(p.Append(nil, r)), "t\t2\t7\t2018-01-31T01:49:59.650Z\t6b\ta=1,b=NULL\tNULL\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := ParseFields("--print", "key,ofset"); err == nil || !strings.Contains(err.Error(), "ofset") {
		t.Errorf("a wrong field gives %v", err)
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"topic":"t","partition":0,"offset":7,"timestamp":"2026-01-31T08:00:00.000Z","key":"a","value":"b","headers":[{"key":"h","value":null}]}`))
	f.Add([]byte(`{"value":"aGk=","value_encoding":"base64","timestamp":5}`))
	f.Add([]byte(`{"value":{"a":1},"value_encoding":"json"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseJSON(line)
		if err != nil {
			return
		}
		again, err := ParseJSON(AppendJSON(nil, r, Text, Text))
		if err != nil {
			t.Fatalf("%q is written as something that cannot be read: %v", line, err)
		}
		if !same(again.Key, r.Key) || !same(again.Value, r.Value) {
			t.Fatalf("%q changes on the way", line)
		}
	})
}
