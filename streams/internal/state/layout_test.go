package state

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// layouts runs the operations of testdata's scripts and of testdata/java on our
// layouts. Bytes are hexadecimal, "-" is null, "." is empty.
type layouts struct {
	t       rapid.TB
	world   *world
	kind    []string
	dropped int

	window    *Window
	session   *Session
	versioned *Versioned
	ordered   *TimeOrdered
}

func unhex(t rapid.TB, s string) []byte {
	switch s {
	case "-":
		return nil
	case ".":
		return []byte{}
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hexed(b []byte, ok bool) string {
	switch {
	case !ok:
		return "-"
	case len(b) == 0:
		return "."
	}
	return hex.EncodeToString(b)
}

func number(t rapid.TB, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// open puts the layout that the last "new" asked for over the task's store.
func (l *layouts) open() {
	s := l.world.task.Store("s", false)
	keep := int64(0)
	if len(l.kind) > 1 && l.kind[0] != "ordered" {
		keep = number(l.t, l.kind[1])
	}
	l.window, l.session, l.versioned, l.ordered = nil, nil, nil, nil
	option := ""
	if len(l.kind) > 2 {
		option = l.kind[2]
	}
	switch l.kind[0] {
	case "window":
		l.window = NewWindow(s, WindowOptions{Retention: keep, RetainDuplicates: option == "dups"})
	case "window-time":
		l.window = NewWindow(s, WindowOptions{Retention: keep, RetainDuplicates: option == "dups", Kind: TimeFirst})
	case "window-mem":
		l.window = NewWindow(s, WindowOptions{Retention: keep, RetainDuplicates: option == "dups", Kind: InMemory})
	case "session":
		l.session = NewSession(s, SessionOptions{Retention: keep})
	case "session-time":
		l.session = NewSession(s, SessionOptions{Retention: keep, Kind: TimeFirst})
	case "session-mem":
		l.session = NewSession(s, SessionOptions{Retention: keep, Kind: InMemory})
	case "versioned":
		l.versioned = NewVersioned(s, VersionedOptions{History: keep})
	case "ordered":
		l.ordered = NewTimeOrdered(s, TimeOrderedOptions{ByKey: len(l.kind) > 1 && l.kind[1] == "bykey"})
	default:
		l.t.Fatalf("unknown layout %q", l.kind)
	}
}

// run executes one operation and says what it gave.
func (l *layouts) run(line string) string {
	a := strings.Fields(line)
	w := l.world
	switch a[0] {
	case "new":
		w.must(w.task.Close())
		w.must(w.db.WipeTask("0_0"))
		task, err := w.db.Task("0_0")
		w.must(err)
		w.task, l.kind, l.dropped = task, a[1:], 0
		l.open()
		return "ok"
	case "commit":
		w.must(w.task.Commit(nil, nil))
		return "ok"
	case "discard":
		w.must(w.task.Discard())
		return "ok"
	case "reopen":
		w.reopen()
		l.open()
		return "ok"
	case "crash":
		w.crash(uint64(number(l.t, a[1])))
		l.open()
		return "ok"
	case "observed":
		return fmt.Sprint(w.task.Store("s", false).time())
	}
	switch {
	case l.window != nil:
		return l.onWindow(a)
	case l.session != nil:
		return l.onSession(a)
	case l.versioned != nil:
		return l.onVersioned(a)
	}
	return l.onOrdered(a)
}

func (l *layouts) refused(accepted bool) string {
	if !accepted {
		l.dropped++
	}
	return fmt.Sprintf("dropped %d", l.dropped)
}

func (l *layouts) onWindow(a []string) string {
	w, b := l.window, func(i int) []byte { return unhex(l.t, a[i]) }
	n := func(i int) int64 { return number(l.t, a[i]) }
	back := a[len(a)-1] == "back"
	switch a[0] {
	case "put":
		_, ok, err := w.Put(b(1), b(2), n(3))
		l.world.must(err)
		return l.refused(ok)
	case "get":
		v, ok, err := w.Get(b(1), n(2))
		l.world.must(err)
		return hexed(v, ok)
	case "fetch":
		return l.windows(w.Fetch(b(1), n(2), n(3), back), false)
	case "range":
		return l.windows(w.FetchRange(b(1), b(2), n(3), n(4), back), true)
	case "fetchall":
		return l.windows(w.FetchAll(n(1), n(2), back), true)
	case "all":
		return l.windows(w.All(back), true)
	}
	l.t.Fatalf("unknown operation %q", a)
	return ""
}

func (l *layouts) windows(it *WindowIterator, keys bool) string {
	var out []string
	for it.Next() {
		s := fmt.Sprintf("%d=%s", it.Start(), hexed(it.Value(), true))
		if keys {
			s = hexed(it.Key(), true) + "@" + s
		}
		out = append(out, s)
	}
	l.world.must(it.Close())
	return "[" + strings.Join(out, " ") + "]"
}

func (l *layouts) onSession(a []string) string {
	s, b := l.session, func(i int) []byte { return unhex(l.t, a[i]) }
	n := func(i int) int64 { return number(l.t, a[i]) }
	back := a[len(a)-1] == "back"
	switch a[0] {
	case "put":
		ok, err := s.Put(b(1), b(2), n(3), n(4))
		l.world.must(err)
		return l.refused(ok)
	case "remove":
		l.world.must(s.Remove(b(1), n(2), n(3)))
		return l.refused(true)
	case "get":
		v, ok, err := s.Get(b(1), n(2), n(3))
		l.world.must(err)
		return hexed(v, ok)
	case "find":
		return l.sessions(s.Find(b(1), n(2), n(3), back))
	case "range":
		return l.sessions(s.FindRange(b(1), b(2), n(3), n(4), back))
	case "ends":
		return l.sessions(s.FindByEnd(n(1), n(2), back))
	}
	l.t.Fatalf("unknown operation %q", a)
	return ""
}

func (l *layouts) sessions(it *SessionIterator) string {
	var out []string
	for it.Next() {
		out = append(out, fmt.Sprintf("%s@%d/%d=%s", hexed(it.Key(), true), it.Start(), it.End(), hexed(it.Value(), true)))
	}
	l.world.must(it.Close())
	return "[" + strings.Join(out, " ") + "]"
}

func (l *layouts) onVersioned(a []string) string {
	v, b := l.versioned, func(i int) []byte { return unhex(l.t, a[i]) }
	n := func(i int) int64 { return number(l.t, a[i]) }
	switch a[0] {
	case "put":
		to, ok, err := v.Put(b(1), b(2), n(3))
		l.world.must(err)
		switch {
		case !ok:
			to = -1 << 63
		case to == Forever:
			to = -1
		}
		return fmt.Sprint(to, " ", l.refused(ok))
	case "get":
		x, ok, err := v.Get(b(1))
		l.world.must(err)
		return version(x, ok)
	case "asof":
		x, ok, err := v.GetAsOf(b(1), n(2))
		l.world.must(err)
		return version(x, ok)
	case "range":
		var out []string
		it := v.Range(b(1), n(2), n(3), a[4] == "back")
		for it.Next() {
			out = append(out, version(it.Version(), true))
		}
		l.world.must(it.Close())
		return "[" + strings.Join(out, " ") + "]"
	}
	l.t.Fatalf("unknown operation %q", a)
	return ""
}

func version(v Version, ok bool) string {
	switch {
	case !ok:
		return "-"
	case v.ValidTo == Forever:
		return fmt.Sprintf("%s@%d", hexed(v.Value, true), v.ValidFrom)
	}
	return fmt.Sprintf("%s@%d/%d", hexed(v.Value, true), v.ValidFrom, v.ValidTo)
}

func (l *layouts) onOrdered(a []string) string {
	o, b := l.ordered, func(i int) []byte { return unhex(l.t, a[i]) }
	n := func(i int) int64 { return number(l.t, a[i]) }
	var out []string
	show := func(ts int64, key, value []byte) error {
		out = append(out, fmt.Sprintf("%d:%s=%s", ts, hexed(key, true), hexed(value, true)))
		return nil
	}
	switch a[0] {
	case "put":
		at, err := o.Put(n(1), b(2), b(3))
		l.world.must(err)
		return fmt.Sprint("at ", at)
	case "append":
		seq, err := o.Append(n(1), b(2), b(3))
		l.world.must(err)
		return fmt.Sprint("seq ", seq)
	case "observe":
		o.Observe(n(1))
		return "ok"
	case "get":
		v, ok, err := o.Get(n(1), b(2))
		l.world.must(err)
		return hexed(v, ok)
	case "place":
		ts, ok, err := o.Place(b(1))
		l.world.must(err)
		if !ok {
			return "-"
		}
		return fmt.Sprint(ts)
	case "delete":
		ok, err := o.Delete(n(1), b(2))
		l.world.must(err)
		return fmt.Sprint(ok)
	case "min":
		ts, ok, err := o.Min()
		l.world.must(err)
		if !ok {
			ts = -1
		}
		return fmt.Sprintf("%d len %d bytes %d", ts, o.Len(), o.Bytes())
	case "pop":
		l.world.must(o.Pop(n(1), show))
	case "popfirst":
		_, err := o.PopFirst(show)
		l.world.must(err)
	case "scan":
		it := o.Scan(n(1), n(2), a[3] == "back")
		for it.Next() {
			_ = show(it.Time(), it.Key(), it.Value())
		}
		l.world.must(it.Close())
	default:
		l.t.Fatalf("unknown operation %q", a)
	}
	return "[" + strings.Join(out, " ") + "]"
}
