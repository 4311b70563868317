package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plainOrdered is a naive TimeOrdered: entries by time and key, as "time:key".
type plainOrdered struct {
	byKey   bool
	seq     uint32
	entries map[string]string // 8 bytes of time and the key -> value
}

func at8(ts int64, key []byte) string {
	return string(append(binary.BigEndian.AppendUint64(nil, uint64(ts)), key...))
}

func (p *plainOrdered) place(key []byte) (int64, bool) {
	for k := range p.entries {
		if k[8:] == string(key) {
			return int64(binary.BigEndian.Uint64([]byte(k))), true
		}
	}
	return 0, false
}

// list gives the entries of a range of times; pop removes them, at most max.
func (p *plainOrdered) list(from, to int64, back, pop bool, most int) string {
	var out []string
	keys := slices.Sorted(maps.Keys(p.entries))
	if back {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		ts := int64(binary.BigEndian.Uint64([]byte(k)))
		if ts < from || ts > to || len(out) == most {
			continue
		}
		out = append(out, fmt.Sprintf("%d:%s=%s", ts, hexed([]byte(k[8:]), true), hexed([]byte(p.entries[k]), true)))
		if pop {
			delete(p.entries, k)
		}
	}
	return "[" + strings.Join(out, " ") + "]"
}

func (p *plainOrdered) run(t rapid.TB, op string) string {
	a := args{t, strings.Fields(op)}
	switch a.a[0] {
	case "put":
		ts := a.n(1)
		if old, ok := p.place(unhex(t, a.a[2])); ok && p.byKey {
			ts = old
		}
		p.entries[at8(ts, unhex(t, a.a[2]))] = a.key(3)
		return fmt.Sprint("at ", ts)
	case "append":
		p.seq++
		p.entries[at8(a.n(1), binary.BigEndian.AppendUint32(unhex(t, a.a[2]), p.seq))] = a.key(3)
		return fmt.Sprint("seq ", p.seq)
	case "get":
		v, ok := p.entries[at8(a.n(1), unhex(t, a.a[2]))]
		return hexed([]byte(v), ok)
	case "place":
		if ts, ok := p.place(unhex(t, a.a[1])); ok {
			return fmt.Sprint(ts)
		}
		return "-"
	case "delete":
		k := at8(a.n(1), unhex(t, a.a[2]))
		_, ok := p.entries[k]
		delete(p.entries, k)
		return fmt.Sprint(ok)
	case "min":
		least, bytes := int64(-1), 0
		for k, v := range p.entries {
			if ts := int64(binary.BigEndian.Uint64([]byte(k))); least < 0 || ts < least {
				least = ts
			}
			bytes += len(k) - 8 + len(v)
		}
		return fmt.Sprintf("%d len %d bytes %d", least, len(p.entries), bytes)
	case "pop":
		return p.list(0, a.n(1), false, true, 1<<30)
	case "popfirst":
		return p.list(0, Forever, false, true, 1)
	}
	return p.list(a.n(1), a.n(2), a.back(), false, 1<<30)
}

func randomOrdered(t *rapid.T, byKey bool) string {
	ts := func() int64 { return rapid.Int64Range(0, 20).Draw(t, "time") }
	key := rapid.SampledFrom([]string{"61", "62", "6100", "."}).Draw(t, "key")
	value := rapid.SampledFrom([]string{"01", "0203", "."}).Draw(t, "value")
	ops := []string{
		fmt.Sprintf("put %d %s %s", ts(), key, value), fmt.Sprintf("put %d %s %s", ts(), key, value),
		fmt.Sprintf("get %d %s", ts(), key), fmt.Sprintf("delete %d %s", ts(), key), "min",
		fmt.Sprintf("pop %d", ts()), "popfirst", fmt.Sprintf("scan %d %d fwd", ts(), ts()), fmt.Sprintf("scan %d %d back", ts(), ts()),
	}
	if byKey {
		ops = append(ops, "place "+key)
	} else {
		ops = append(ops, fmt.Sprintf("append %d %s %s", ts(), key, value))
	}
	return rapid.SampledFrom(ops).Draw(t, "operation")
}

func TestTimeOrderedModel(t *testing.T) {
	for _, kind := range []string{"ordered", "ordered bykey"} {
		t.Run(kind, func(t *testing.T) {
			backends(t, func(t *testing.T, disk bool) {
				rapid.Check(t, func(t *rapid.T) { orderedModel(t, kind, disk) })
			})
		})
	}
}

func orderedModel(t *rapid.T, kind string, disk bool) {
	w := newWorld(t, disk)
	defer func() { w.close() }()
	l := &layouts{t: t, world: w, kind: strings.Fields(kind)}
	l.open()
	p := plainOrdered{byKey: kind == "ordered bykey", entries: map[string]string{}}
	clone := func(p plainOrdered) plainOrdered { p.entries = maps.Clone(p.entries); return p }
	commits := []plainOrdered{clone(p)}
	for range rapid.IntRange(1, 60).Draw(t, "operations") {
		switch rapid.IntRange(0, 40).Draw(t, "what") {
		case 0:
			w.must(w.task.Commit(nil, map[string]int64{"n": int64(len(commits))}))
			commits = append(commits, clone(p))
			continue
		case 1:
			w.must(w.task.Discard())
		case 2:
			w.reopen()
			l.open()
		case 3:
			w.crash(rapid.Uint64().Draw(t, "seed"))
			l.open()
			commits = commits[:w.task.Meta()["n"]+1]
		default:
			op := randomOrdered(t, p.byKey)
			if got, want := l.run(op), p.run(t, op); got != want {
				t.Fatalf("%s\n got  %s\n want %s", op, got, want)
			}
			if got, want := l.run("min"), p.run(t, "min"); got != want {
				t.Fatalf("after %s: min\n got  %s\n want %s", op, got, want)
			}
			continue
		}
		p = clone(commits[len(commits)-1])
	}
}

// TestPopFails: what the function refuses ends the Pop; what is behind it stays.
func TestPopFails(t *testing.T) {
	w := newWorld(t, true)
	defer w.close()
	o := NewTimeOrdered(w.task.Store("s", false), TimeOrderedOptions{})
	for ts := range int64(5) {
		_, err := o.Put(ts, []byte("k"), []byte("v"))
		w.must(err)
	}
	no := errors.New("no")
	err := o.Pop(10, func(ts int64, _, _ []byte) error {
		if ts == 2 {
			return no
		}
		return nil
	})
	if !errors.Is(err, no) || o.Len() != 2 {
		t.Fatalf("%v, %d left", err, o.Len())
	}
	if ts, ok, err := o.Min(); ts != 3 || !ok || err != nil {
		t.Fatalf("min %d %v %v", ts, ok, err)
	}
}

// TestPopWrites: what the function puts behind its entry is popped, what it
// deletes is not, and what it puts before stays.
func TestPopWrites(t *testing.T) {
	backends(t, func(t *testing.T, disk bool) {
		w := newWorld(t, disk)
		defer w.close()
		o := NewTimeOrdered(w.task.Store("s", false), TimeOrderedOptions{})
		put := func(ts int64) {
			_, err := o.Put(ts, []byte("k"), fmt.Append(nil, ts))
			w.must(err)
		}
		for ts := int64(10); ts < 200; ts += 10 {
			put(ts)
		}
		var got []int64
		w.must(o.Pop(150, func(ts int64, key, value []byte) error {
			if string(value) != fmt.Sprint(ts) {
				t.Fatalf("%d has %q", ts, value)
			}
			got = append(got, ts)
			switch ts {
			case 50:
				put(55)
				put(45)
				_, err := o.Delete(70, key)
				return err
			}
			return nil
		}))
		if want := []int64{10, 20, 30, 40, 50, 55, 60, 80, 90, 100, 110, 120, 130, 140, 150}; !slices.Equal(got, want) {
			t.Fatalf("popped %v, not %v", got, want)
		}
		if ts, _, err := o.Min(); ts != 45 || o.Len() != 5 || err != nil {
			t.Fatalf("min %d of %d, %v", ts, o.Len(), err)
		}
	})
}
