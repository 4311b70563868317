package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Keys keep the order that stores rely on: by time within a key, and by key, side and time where those come first.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		times := rapid.Int64Range(0, math.MaxInt64)
		a, b := times.Draw(t, "a"), times.Draw(t, "b")
		want := 0
		switch {
		case a < b:
			want = -1
		case a > b:
			want = 1
		}
		for what, pair := range map[string][2][]byte{
			"windows":    {AppendWindow(nil, key, a, 0), AppendWindow(nil, key, b, 0)},
			"sessions":   {AppendSession(nil, key, 0, a), AppendSession(nil, key, 0, b)},
			"time first": {AppendTimeFirst(nil, key, a, 0), AppendTimeFirst(nil, key, b, 0)},
			"outer":      {AppendOuterKey(nil, a, Left, key), AppendOuterKey(nil, b, Left, key)},
		} {
			if got := bytes.Compare(pair[0], pair[1]); got != want {
				t.Fatalf("%s: %d and %d compare as %d", what, a, b, got)
			}
		}
		if bytes.Compare(AppendOuterKey(nil, a, Right, key), AppendOuterKey(nil, a, Left, nil)) >= 0 {
			t.Fatal("a left entry came before a right one of the same time")
		}
		prefix := AppendForeignKey(nil, key, nil)
		if !bytes.HasPrefix(AppendForeignKey(nil, key, []byte("primary")), prefix) {
			t.Fatal("a subscription is not below the prefix of its foreign key")
		}
	})
}

func TestWindowEnd(t *testing.T) {
	for _, c := range []struct{ start, size, want int64 }{{0, 10, 10}, {5, 1, 6}, {math.MaxInt64 - 1, 1, math.MaxInt64}, {math.MaxInt64 - 1, 5, math.MaxInt64}} {
		if got := WindowEnd(c.start, c.size); got != c.want {
			t.Errorf("the window from %d of %d ms ends at %d, not %d", c.start, c.size, got, c.want)
		}
	}
}

// Version 1, of Kafka Streams before 3.3, and what others left in the metadata of an offset.
func TestForeignOffsetMetadata(t *testing.T) {
	v1 := base64.StdEncoding.EncodeToString(put64([]byte{1}, 42))
	if m, err := ParseOffsetMetadata(v1); err != nil || m.PartitionTime != 42 {
		t.Errorf("version 1 is %+v, %v", m, err)
	}
	if m, err := ParseOffsetMetadata(""); err != nil || m.PartitionTime != -1 {
		t.Errorf("none is %+v, %v", m, err)
	}
	for _, text := range []string{"leader", "{}", "AA==", base64.StdEncoding.EncodeToString(put64([]byte{3}, 42)), base64.StdEncoding.EncodeToString(put32(put64([]byte{2}, 42), 1<<30))} {
		if m, err := ParseOffsetMetadata(text); !errors.Is(err, ErrCorrupt) || m.PartitionTime != -1 || m.Processors != nil {
			t.Errorf("%q is %+v, %v", text, m, err)
		}
	}
}

func TestListItemNeedsVariableForm(t *testing.T) {
	for _, list := range [][]byte{{}, {7}, AppendFixedListHead(nil, 0, nil)} {
		if _, err := AppendListItem(nil, list, []byte("x")); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%x took an item: %v", list, err)
		}
	}
}

func TestEncodersDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	key, value, change := []byte("key"), []byte("value"), []byte("new\x01")
	headers := []testHeader{{"a", value}, {"b", nil}}
	sub := Subscription{Version: 1, Hashed: true, PrimaryKey: key}
	entry := BufferValue[testHeader]{Context: Context[testHeader]{Topic: "t", Headers: headers}, New: value}
	for name, f := range map[string]func(){
		"time window":  func() { AppendTimeWindow(dst, key, 1) },
		"session":      func() { AppendSession(dst, key, 1, 2) },
		"window":       func() { AppendWindow(dst, key, 1, 2) },
		"stamped":      func() { AppendStamped(AppendHeaders(dst, headers), 1, value) },
		"change":       func() { AppendChange(dst, value, key) },
		"parse change": func() { _, _ = ParseChange(change) },
		"subscription": func() { AppendSubscription(dst, &sub) },
		"buffer":       func() { AppendBufferEntry(dst, &entry, 1) },
		"hashes":       func() { _ = Partition(key, 3); _ = Murmur3(value) },
	} {
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// Whatever a decoder accepts, its encoder writes again as it was, but for the forms that only other programs write.
func FuzzDecoders(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "key of some length", "new\x01", "\x06newold\x02", "x\x01\x03", "\x80\x02pk\x00\x00\x00\x01",
		"\x01\x00\x00\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff", "\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01",
		"\x0a\x02\x02k\x02v", "AgAAAAAAAAAqAAAAAQAAAAFhAAAAAAAAAAE=",
	} {
		f.Add([]byte(seed))
	}
	entry := BufferValue[testHeader]{Context: Context[testHeader]{Topic: "t", Headers: []testHeader{{"k", nil}}}, Prior: []byte("p"), Old: []byte("p")}
	f.Add(AppendBufferEntry(nil, &entry, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := func(what string, err error, encode func() []byte) {
			t.Helper()
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s: the error does not say that bytes are corrupt: %v", what, err)
				}
				return
			}
			if got := encode(); !bytes.Equal(got, b) {
				t.Fatalf("%s: %x became %x", what, b, got)
			}
		}
		key, start, err := TimeWindow(b)
		whole("time window", err, func() []byte { return AppendTimeWindow(nil, key, start) })
		key, start, end, err := Session(b)
		whole("session", err, func() []byte { return AppendSession(nil, key, start, end) })
		key, start, seq, err := Window(b)
		whole("window", err, func() []byte { return AppendWindow(nil, key, start, seq) })
		key, start, seq, err = TimeFirst(b)
		whole("time first", err, func() []byte { return AppendTimeFirst(nil, key, start, seq) })
		at, side, key, err := OuterKey(b)
		whole("outer key", err, func() []byte { return AppendOuterKey(nil, at, side, key) })
		side, value, err := OuterValue(b)
		whole("outer value", err, func() []byte { return AppendOuterValue(nil, side, value) })
		at, value, err = Stamped(b)
		whole("stamped", err, func() []byte { return AppendStamped(nil, at, value) })
		foreign, primary, err := ForeignKey(b)
		whole("foreign key", err, func() []byte { return AppendForeignKey(nil, foreign, primary) })
		sub, err := ParseSubscription(b)
		whole("subscription", err, func() []byte { return AppendSubscription(nil, &sub) })
		response, err := ParseResponse(b)
		whole("response", err, func() []byte { return AppendResponse(nil, &response) })

		if c, err := ParseChange(b); err == nil {
			if c.New == nil && c.Old == nil {
				t.Fatalf("change %x has no value", b)
			}
			again, err := ParseChange(AppendChange(nil, c.New, c.Old))
			if err != nil || !bytes.Equal(again.New, c.New) || !bytes.Equal(again.Old, c.Old) {
				t.Fatalf("change %x came back as %v, %v", b, again, err)
			}
		}
		if headers, rest, err := CutHeaders[testHeader](nil, b); err == nil {
			again, left, err := CutHeaders[testHeader](nil, append(AppendHeaders(nil, headers), rest...))
			if err != nil || !bytes.Equal(left, rest) || len(again) != len(headers) {
				t.Fatalf("headers %x came back as %v, %v", b, again, err)
			}
		}
		if v, at, err := BufferEntry[testHeader](b); err == nil {
			out := AppendBufferEntry(nil, &v, at)
			if _, _, err := BufferEntry[testHeader](out); err != nil {
				t.Fatalf("buffer entry %x became %x: %v", b, out, err)
			}
		}
		for _, fixed := range []int{0, 4} {
			fuzzList(t, b, fixed)
		}
		if m, err := ParseOffsetMetadata(string(b)); err == nil {
			if _, err := ParseOffsetMetadata(string(AppendOffsetMetadata(nil, &m))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func fuzzList(t *testing.T, b []byte, fixed int) {
	t.Helper()
	r, err := ReadList(b, fixed)
	if err != nil {
		return
	}
	n := 0
	for r.More() {
		r.Element()
		n++
	}
	if r.Err() == nil && (n != r.Count || n > len(b)) {
		t.Fatalf("%x: %d elements, %d were promised", b, n, r.Count)
	}
}
