package streams

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestRecentRows: what is found is what was added, in order of time and arrival, whether values are held as they are or
// serialized; or nothing is known.
func TestRecentRows(t *testing.T) {
	if !newRecentRows[string](-1).shared || newRecentRows[[]byte](-1).shared {
		t.Fatal("strings are shared, bytes are not")
	}
	rapid.Check(t, func(rt *rapid.T) {
		type added struct {
			key, value string
			at         Time
		}
		var all []added
		shared, plain := newRecentRows[string](-1), newRecentRows[[]byte](-1)
		span := Time(rapid.IntRange(1, 100).Draw(rt, "span"))
		stream, known := Time(0), 0
		for i := range rapid.IntRange(1, 100).Draw(rt, "records") {
			at := max(0, stream+Time(rapid.IntRange(-30, 20).Draw(rt, "time")))
			stream = max(stream, at)
			a := added{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key"), fmt.Sprint("v", i), at}
			if oldest := max(0, stream-span+1); at >= oldest {
				all = append(all, a)
				shared.add([]byte(a.key), a.value, []byte(a.value), at, oldest)
				plain.add([]byte(a.key), nil, []byte(a.value), at, oldest)
			}
			from := max(0, stream-Time(rapid.IntRange(0, 120).Draw(rt, "back")))
			to := from + Time(rapid.IntRange(0, 60).Draw(rt, "long"))
			var s recentSource[string]
			var p recentSource[[]byte]
			ok := shared.find(&s, []byte(a.key), from, to)
			if ok != plain.find(&p, []byte(a.key), from, to) {
				rt.Fatal("one knows, the other does not")
			}
			if !ok {
				continue
			}
			known++
			var want, got, bytes string
			for at := from; at <= to; at++ {
				for _, x := range all {
					if x.key == a.key && x.at == at {
						want += fmt.Sprint(x.at, x.value, " ")
					}
				}
			}
			for s.Next() {
				row := s.rows[s.i]
				got += fmt.Sprint(row.at, row.v, " ")
			}
			for p.Next() {
				bytes += fmt.Sprint(timeAtEnd(p.Key()), string(p.Value()), " ")
			}
			if got != want || bytes != want {
				rt.Fatalf("found %s and %s, not %s", got, bytes, want)
			}
		}
	})
}

// TestSavedRecords: puts of one record share what is kept of it, until the last of them is flushed.
func TestSavedRecords(t *testing.T) {
	k := &task{}
	k.rc = recordContext{topic: "in", offset: 1, key: []byte{}, value: nil, time: 7}
	a, b := k.saveRecord(), k.saveRecord()
	if a != b || a.key == nil || a.value != nil {
		t.Errorf("%+v and %+v", a, b)
	}
	k.rc = recordContext{topic: "in", offset: 2, key: []byte("k"), value: []byte("v")}
	c := k.saveRecord()
	k.releaseRecord(a)
	if k.savedFree != nil {
		t.Error("it was given away too early")
	}
	copy(k.rc.key, "x")
	if rc := c.context(3, nil); string(rc.key) != "k" || string(rc.value) != "v" || rc.offset != 2 || rc.time != 3 {
		t.Errorf("%+v", rc)
	}
	k.releaseRecord(b)
	if k.savedFree != a {
		t.Error("it is not free")
	}
	if d := k.saveRecord(); d != a || string(d.key) != "x" || string(c.key) != "k" {
		t.Errorf("%+v, %+v", d, c)
	}
}
