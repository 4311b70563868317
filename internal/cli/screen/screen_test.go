package screen

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(-1000): "-1,000", Count(int64(1234567)): "1,234,567",
		Bytes(0): "0 B", Bytes(999): "999 B", Bytes(1000): "1.0 kB", Bytes(int64(1_500_000)): "1.5 MB", Bytes(int64(999_960_000)): "1.0 GB",
		Plural(1, "record"): "1 record", Plural(0, "record"): "0 records", Plural(1200, "record"): "1,200 records",
		Numbers(nil): "", Numbers([]int32{1, 20, 3}): "1,20,3", Optional(nil, Count[int64]): "", Optional(new(int64(1000)), Count[int64]): "1,000",
		Duration(0): "0 ns", Duration(1500): "1.50 µs", Duration(12345 * time.Microsecond): "12.3 ms",
		Duration(999 * time.Millisecond): "999 ms", Duration(1234 * time.Millisecond): "1.23 s", Duration(90 * time.Second): "1m30s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := NewTable("NAME", "SIZE>", "NOTE")
	table.Row("a", 1, "")
	table.Row("longer\x1b[31m", 1234, "x")
	if err := table.Write(&Screen{Out: &out}); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"NAME         SIZE  NOTE",
		"a               1  -",
		"longer�[31m  1234  x", "",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestProgressIsSilentAwayFromTerminals(t *testing.T) {
	var out bytes.Buffer
	p := (&Screen{Err: &out}).Progress("x", 10, true)
	p.Add(3)
	p.Set(5)
	if _, err := p.Reader(strings.NewReader("abc")).Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	p.Done()
	p.Done()
	if out.Len() != 0 {
		t.Errorf("wrote %q", out.String())
	}
}
