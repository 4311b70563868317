package state

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// cell is one entry of a naive layout: everything that was ever put, never
// expired, sorted and filtered when it is read.
type cell struct {
	key    string
	a, b   int64 // window: start, sequence number; session: end, start; version: time; ordered: time, sequence number
	delete bool
}

// plain is a naive layout of any kind, which answers the operations of layouts.
type plain struct {
	kind     string
	dups     bool
	keep     int64
	interval int64
	observed int64
	seq      int64
	dropped  int
	cells    map[cell]string
}

func newPlain(kind string) *plain {
	a := strings.Fields(kind)
	p := &plain{kind: a[0], observed: -1, cells: map[cell]string{}}
	if len(a) > 1 && a[1] != "bykey" {
		fmt.Sscan(a[1], &p.keep)
	}
	p.dups = len(a) > 2 && a[2] == "dups"
	p.interval = SegmentInterval(p.keep)
	if p.kind == "versioned" {
		p.interval = VersionedSegmentInterval(p.keep)
	}
	return p
}

func (p *plain) clone() *plain {
	c := *p
	c.cells = maps.Clone(p.cells)
	return &c
}

// refuse counts what has expired: its segment, or in memory itself.
func (p *plain) refuse(ts int64) bool {
	p.observed = max(p.observed, ts)
	gone := ts/p.interval < (p.observed-p.keep)/p.interval
	if strings.HasSuffix(p.kind, "-mem") {
		gone = ts <= p.observed-p.keep
	}
	if gone {
		p.dropped++
	}
	return gone
}

// list gives the live cells that the test wants in the order of the kind.
func (p *plain) list(byTime, back bool, show func(cell, string) string, want func(cell) bool) string {
	var live []cell
	for c := range p.cells {
		if (c.a > p.observed-p.keep || p.kind == "window-time" && c.a == p.observed-p.keep) && want(c) {
			live = append(live, c)
		}
	}
	slices.SortFunc(live, func(x, y cell) int {
		if byTime && strings.HasPrefix(p.kind, "session") {
			return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b), cmp.Compare(x.key, y.key))
		}
		if byTime {
			dup := func(c cell) string { return fmt.Sprintf("%s%08x", hex.EncodeToString([]byte(c.key)), c.b) }
			return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(dup(x), dup(y)))
		}
		width := map[bool]int{true: 8, false: 16}[strings.HasPrefix(p.kind, "window")]
		raw := func(c cell) string {
			return fmt.Sprintf("%s%016x%0*x", hex.EncodeToString([]byte(c.key)), c.a, width, c.b)
		}
		return cmp.Or(cmp.Compare(x.a/p.interval, y.a/p.interval), cmp.Compare(raw(x), raw(y)))
	})
	if back {
		slices.Reverse(live)
	}
	var out []string
	for _, c := range live {
		out = append(out, show(c, p.cells[c]))
	}
	return "[" + strings.Join(out, " ") + "]"
}

// args reads the operands of an operation.
type args struct {
	t rapid.TB
	a []string
}

func (a args) n(i int) int64 { return number(a.t, a.a[i]) }
func (a args) key(i int) string {
	return string(unhex(a.t, a.a[i]))
}
func (a args) open(i int) bool { return a.a[i] == "-" }
func (a args) back() bool      { return a.a[len(a.a)-1] == "back" }
func (a args) within(key string, from, to int) bool {
	return (a.open(from) || key >= a.key(from)) && (a.open(to) || key <= a.key(to))
}

func (p *plain) run(t rapid.TB, op string) string {
	a := args{t, strings.Fields(op)}
	if a.a[0] == "observed" {
		return fmt.Sprint(p.observed)
	}
	switch strings.Split(p.kind, "-")[0] {
	case "window":
		return p.window(a)
	case "session":
		return p.session(a)
	}
	return p.versioned(a)
}

func (p *plain) window(a args) string {
	mem := p.kind == "window-mem"
	full := func(c cell, v string) string { return fmt.Sprintf("%s@%d=%s", hexed([]byte(c.key), true), c.a, v) }
	switch a.a[0] {
	case "put":
		if p.dups && a.open(2) { // a null takes a number too
			p.seq++
		}
		if p.dups && a.open(2) && !mem {
			return fmt.Sprintf("dropped %d", p.dropped)
		}
		c := cell{key: a.key(1), a: a.n(3)}
		if p.dups && !a.open(2) {
			p.seq++
			c.b = p.seq
		}
		if !p.refuse(c.a) {
			delete(p.cells, c)
			if !a.open(2) {
				p.cells[c] = a.a[2]
			}
		}
		return fmt.Sprintf("dropped %d", p.dropped)
	case "get":
		v, ok := p.cells[cell{key: a.key(1), a: a.n(2)}]
		if !ok || a.n(2) <= p.observed-p.keep {
			return "-"
		}
		return v
	case "fetch":
		return p.list(true, a.back(), func(c cell, v string) string { return fmt.Sprintf("%d=%s", c.a, v) }, func(c cell) bool {
			return c.key == a.key(1) && c.a >= a.n(2) && c.a <= a.n(3)
		})
	case "range":
		return p.list(mem, a.back(), full, func(c cell) bool {
			return a.within(c.key, 1, 2) && c.a >= a.n(3) && c.a <= a.n(4)
		})
	case "fetchall":
		return p.list(p.kind != "window", a.back(), full, func(c cell) bool { return c.a >= a.n(1) && c.a <= a.n(2) })
	}
	return p.list(p.kind != "window", a.back(), full, func(cell) bool { return true })
}

func (p *plain) session(a args) string {
	mem := p.kind == "session-mem"
	full := func(c cell, v string) string {
		return fmt.Sprintf("%s@%d/%d=%s", hexed([]byte(c.key), true), c.b, c.a, v)
	}
	switch a.a[0] {
	case "put":
		c := cell{key: a.key(1), a: a.n(4), b: a.n(3)}
		if !p.refuse(c.a) {
			delete(p.cells, c)
			if !a.open(2) {
				p.cells[c] = a.a[2]
			}
		}
		return fmt.Sprintf("dropped %d", p.dropped)
	case "remove":
		if !mem {
			p.observed = max(p.observed, a.n(3))
		}
		delete(p.cells, cell{key: a.key(1), a: a.n(3), b: a.n(2)})
		return fmt.Sprintf("dropped %d", p.dropped)
	case "get":
		v, ok := p.cells[cell{key: a.key(1), a: a.n(3), b: a.n(2)}]
		if !ok || a.n(3) <= p.observed-p.keep {
			return "-"
		}
		return v
	case "find":
		return p.list(true, a.back(), full, func(c cell) bool {
			return c.key == a.key(1) && c.a >= a.n(2) && c.b <= a.n(3)
		})
	case "range":
		return p.list(mem, a.back(), full, func(c cell) bool {
			return a.within(c.key, 1, 2) && c.a >= a.n(3) && c.b <= a.n(4)
		})
	}
	wide := *p // "ends" shows what the segments still have
	if p.kind == "session-time" && p.observed >= p.keep {
		wide.keep = p.observed - (p.observed-p.keep)/p.interval*p.interval + 1
	}
	return wide.list(p.kind != "session", false, full, func(c cell) bool { return c.a >= a.n(1) && c.a <= a.n(2) })
}

// next is the first version of the key after the time.
func (p *plain) next(key string, ts int64) int64 {
	to := Forever
	for c := range p.cells {
		if c.key == key && c.a > ts {
			to = min(to, c.a)
		}
	}
	return to
}

// at is the last version of the key up to the time.
func (p *plain) at(key string, ts int64) (v Version, ok bool) {
	best := cell{a: -1}
	for c := range p.cells {
		if c.key == key && c.a <= ts && c.a > best.a {
			best = c
		}
	}
	if best.a < 0 || best.delete {
		return v, false
	}
	return Version{Value: []byte(p.cells[best]), ValidFrom: best.a, ValidTo: p.next(key, best.a)}, true
}

func (p *plain) show(v Version, ok bool) string {
	switch {
	case !ok:
		return "-"
	case v.ValidTo == Forever:
		return fmt.Sprintf("%s@%d", v.Value, v.ValidFrom)
	}
	return fmt.Sprintf("%s@%d/%d", v.Value, v.ValidFrom, v.ValidTo)
}

func (p *plain) versioned(a args) string {
	switch a.a[0] {
	case "put":
		ts := a.n(3)
		p.observed = max(p.observed, ts)
		if ts < p.observed-p.keep {
			p.dropped++
			return fmt.Sprintf("%d dropped %d", -1<<63, p.dropped)
		}
		to := p.next(a.key(1), ts)
		delete(p.cells, cell{key: a.key(1), a: ts})
		delete(p.cells, cell{key: a.key(1), a: ts, delete: true})
		p.cells[cell{key: a.key(1), a: ts, delete: a.open(2)}] = a.a[2]
		if to == Forever {
			to = -1
		}
		return fmt.Sprintf("%d dropped %d", to, p.dropped)
	case "get":
		return p.show(p.at(a.key(1), Forever))
	case "asof":
		v, ok := p.at(a.key(1), a.n(2))
		return p.show(v, ok && (a.n(2) >= p.observed-p.keep || v.ValidTo == Forever))
	}
	from, to := max(a.n(2), p.observed-p.keep), a.n(3) // what is older may be there or not
	var out []string
	for _, c := range slices.SortedFunc(maps.Keys(p.cells), func(x, y cell) int { return cmp.Compare(x.a, y.a) }) {
		if c.key == a.key(1) && !c.delete && c.a <= to && p.next(c.key, c.a) > from {
			out = append(out, p.show(Version{Value: []byte(p.cells[c]), ValidFrom: c.a, ValidTo: p.next(c.key, c.a)}, true))
		}
	}
	if a.back() {
		slices.Reverse(out)
	}
	return "[" + strings.Join(out, " ") + "]"
}

// randomOp draws an operation of the kind. Times move forward, with leaps.
func randomOp(t *rapid.T, kind string, now *int64) string {
	step := rapid.SampledFrom([]int64{0, 1, 7, 500, 30_000, 61_000, 400_000}).Draw(t, "step")
	if rapid.IntRange(0, 3).Draw(t, "moves") == 0 {
		*now += step
	}
	key := func() string { return rapid.SampledFrom(javaKeys).Draw(t, "key") }
	end := func() string { // of a range
		if rapid.Bool().Draw(t, "open") {
			return "-"
		}
		return key()
	}
	at := func() int64 {
		return max(0, *now-rapid.SampledFrom([]int64{0, 1, 2, 499, 500, 29_999, 30_000, 30_001, 99_999, 100_000, 100_001}).Draw(t, "ago"))
	}
	value := func() string { return rapid.SampledFrom([]string{"-", "01", "02", "."}).Draw(t, "value") }
	dir := func() string { return rapid.SampledFrom([]string{"fwd", "back"}).Draw(t, "dir") }
	which := rapid.IntRange(0, 9).Draw(t, "operation")
	switch strings.Split(strings.Fields(kind)[0], "-")[0] {
	case "window":
		switch which {
		case 0:
			return fmt.Sprintf("get %s %d", key(), at())
		case 1:
			return fmt.Sprintf("fetch %s %d %d %s", key(), at(), at(), dir())
		case 2:
			return fmt.Sprintf("range %s %s %d %d %s", end(), end(), at(), *now, dir())
		case 3:
			return fmt.Sprintf("fetchall %d %d %s", at(), at(), dir())
		case 4:
			return "all " + dir()
		}
		return fmt.Sprintf("put %s %s %d", key(), value(), at())
	case "session":
		switch which {
		case 0:
			e := at()
			return fmt.Sprintf("get %s %d %d", key(), max(0, e-step%3), e)
		case 1:
			return fmt.Sprintf("find %s %d %d %s", key(), at(), at(), dir())
		case 2:
			return fmt.Sprintf("range %s %s %d %d %s", end(), end(), at(), at(), dir())
		case 3:
			return fmt.Sprintf("ends %d %d", at(), at())
		case 4:
			e := at()
			return fmt.Sprintf("remove %s %d %d", key(), max(0, e-step%3), e)
		}
		e := at()
		return fmt.Sprintf("put %s %s %d %d", key(), value(), max(0, e-step%3), e)
	}
	switch which {
	case 0:
		return "get " + key()
	case 1, 2:
		return fmt.Sprintf("asof %s %d", key(), at())
	}
	return fmt.Sprintf("put %s %s %d", key(), value(), at())
}

// TestLayoutModel holds each layout against a naive one, in memory and on
// Pebble, through commits, discards, reopening and crashes at random points.
func TestLayoutModel(t *testing.T) {
	for _, kind := range []string{
		"window 100000 no", "window 100000 dups", "window-time 100000 no", "window-mem 100000 dups",
		"session 100000", "session-time 100000", "session-mem 100000", "versioned 30000", "versioned 100000",
	} {
		t.Run(strings.ReplaceAll(kind, " ", "-"), func(t *testing.T) {
			backends(t, func(t *testing.T, disk bool) {
				rapid.Check(t, func(t *rapid.T) { layoutModel(t, kind, disk) })
			})
		})
	}
}

func layoutModel(t *rapid.T, kind string, disk bool) {
	w := newWorld(t, disk)
	defer func() { w.close() }()
	l := &layouts{t: t, world: w, kind: strings.Fields(kind)}
	l.open()
	p := newPlain(kind)
	commits := []*plain{p.clone()}
	var now int64 = 200_000
	for range rapid.IntRange(1, 60).Draw(t, "operations") {
		switch rapid.IntRange(0, 40).Draw(t, "what") {
		case 0:
			w.must(w.task.Commit(nil, map[string]int64{"n": int64(len(commits))}))
			commits = append(commits, p.clone())
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
			op := randomOp(t, kind, &now)
			if got, want := l.run(op), p.run(t, op); got != want {
				t.Fatalf("%s\n got  %s\n want %s", op, got, want)
			}
			continue
		}
		p = commits[len(commits)-1].clone()
		l.dropped = p.dropped
		if got, want := l.run("observed"), p.run(t, "observed"); got != want {
			t.Fatalf("observed %s, not %s", got, want)
		}
	}
}
