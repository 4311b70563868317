package delivery

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leat.dev/internal/coord/share"
)

// record is what the model knows of one offset.
type record struct {
	state  state
	count  int16
	member string
	until  time.Time
	op     uint64
	next   share.DeliveryState
}

// model is a share-partition kept offset by offset.
type model struct {
	start, end int64
	at         map[int64]record
	ops        uint64
}

func (m *model) advance() {
	for m.start < m.end && m.at[m.start].state == done {
		delete(m.at, m.start)
		m.start++
	}
}

func (m *model) next() int64 {
	for o := m.start; o < m.end; o++ {
		if m.at[o].state == available {
			return o
		}
	}
	return m.end
}

type delivered struct {
	offset int64
	count  int16
}

func (m *model) acquire(q Request, l Limits) (got []delivered) {
	if len(q.Batches) == 0 || q.MaxRecords <= 0 {
		return nil
	}
	bound := q.Batches[len(q.Batches)-1].Last
	if bound < m.start || q.Offset < m.start {
		return nil
	}
	most := min(int64(q.MaxRecords), int64(l.Locks)-(m.end-m.start))
	if most <= 0 {
		if q.Offset >= m.end {
			return nil
		}
		bound = min(bound, m.end-1)
		most = min(int64(q.MaxRecords), m.end-q.Offset)
	}
	base := q.Batches[0].First
	for o := q.Offset; o < base; o++ {
		if o >= m.end || m.at[o].state == available {
			m.at[o] = record{state: done}
			m.end = max(m.end, o+1)
		}
	}
	m.advance()
	endOfBatch := func(o int64) int64 {
		for _, b := range q.Batches {
			if o >= b.First && o <= b.Last {
				return b.Last
			}
		}
		return o
	}
	throttle := int16(max(2, (l.Deliveries+1)/2))
	known := m.end
	alone := int64(0)
	for o := max(m.start, base); o <= bound; o++ {
		r := m.at[o]
		if r.state != available {
			continue
		}
		if alone == 0 && o < known && r.count >= throttle {
			if len(got) > 0 {
				break
			}
			size := int64(0)
			for e := o; e < known && e <= bound && m.at[e].state == available && m.at[e].count == r.count; e++ {
				size++
			}
			alone = max(1, size>>(r.count-throttle+1))
			if l.Deliveries > 2 && int(r.count) >= l.Deliveries-1 {
				alone = 1
			}
			alone = min(alone, most)
		}
		m.at[o] = record{state: acquired, count: r.count + 1, member: q.Member, until: q.Now.Add(l.Lock)}
		m.end = max(m.end, o+1)
		got = append(got, delivered{o, r.count + 1})
		if alone > 0 && int64(len(got)) == alone {
			break
		}
		if alone == 0 && int64(len(got)) == most {
			if q.Exact {
				break
			}
			bound = min(bound, endOfBatch(o))
		}
	}
	got = slices.DeleteFunc(got, func(d delivered) bool {
		for _, s := range q.Aborted {
			if d.offset >= s.First && d.offset <= s.Last {
				m.at[d.offset] = record{state: done}
				return true
			}
		}
		return false
	})
	m.advance()
	return got
}

func (m *model) acknowledge(member string, list []Ack, now time.Time, l Limits) (op uint64, ok bool) {
	m.ops++
	changed := map[int64]record{}
	for _, a := range list {
		for o := a.First; o <= a.Last; o++ {
			if o < m.start {
				continue
			}
			r := m.at[o]
			if o >= m.end || r.state != acquired || r.op != 0 || r.member != member {
				m.ops--
				return 0, false
			}
			if t := a.typeOf(o); t == Renew {
				r.until = now.Add(l.Lock)
			} else {
				op = m.ops
				r.op, r.next = op, outcome(t, r.count, l)
			}
			changed[o] = r
		}
	}
	maps.Copy(m.at, changed)
	return op, true
}

func (m *model) become(o int64, next share.DeliveryState) {
	r := record{state: available, count: m.at[o].count}
	if next != share.Available {
		r = record{state: done}
	}
	m.at[o] = r
}

func (m *model) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d to %d:", m.start, m.end)
	for o := m.start; o < m.end; o++ {
		r := m.at[o]
		if r.state == done {
			r = record{state: done}
		}
		fmt.Fprintf(&b, " %d:%d/%d/%s/%d/%d/%d", o, r.state, r.count, r.member, r.until.Unix(), r.op, r.next)
	}
	return b.String()
}

func show(w *Window) string {
	m := model{start: w.start, end: w.end, at: map[int64]record{}}
	for _, r := range w.runs {
		for o := r.first; o <= r.last; o++ {
			m.at[o] = record{r.state, r.count, r.member, r.until, r.op, r.next}
		}
	}
	return m.String()
}

func checkInvariants(t rapid.TB, w *Window) {
	next := w.start
	for i, r := range w.runs {
		if r.first != next || r.last < r.first || i > 0 && w.runs[i-1].same(&r) {
			t.Fatalf("run %d of %+v", i, w.runs)
		}
		next = r.last + 1
	}
	if next != w.end || len(w.runs) > 0 && w.runs[0].state == done {
		t.Fatalf("runs %+v of %d to %d", w.runs, w.start, w.end)
	}
}

// storage is what the coordinator has.
type storage struct {
	start   int64
	batches []share.StateBatch
}

func (s *storage) write(out Write) {
	s.start = out.Start
	s.batches = share.Merge(s.batches, out.Batches, s.start)
}

func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// The log: batches of records, some of them aborted, with gaps as compaction leaves them.
		var log, aborted []Span
		at := int64(rapid.IntRange(0, 3).Draw(t, "first"))
		for range 40 {
			b := Span{at, at + int64(rapid.IntRange(0, 6).Draw(t, "size"))}
			log = append(log, b)
			if rapid.IntRange(0, 7).Draw(t, "aborted") == 0 {
				aborted = append(aborted, b)
			}
			at = b.Last + 1 + int64(max(0, rapid.IntRange(-6, 3).Draw(t, "gap")))
		}
		limits := Limits{
			Lock: time.Duration(rapid.IntRange(1, 5).Draw(t, "lock")) * time.Second, Deliveries: rapid.IntRange(2, 5).Draw(t, "deliveries"),
			Locks: rapid.IntRange(5, 40).Draw(t, "locks"), Renew: true,
		}
		w, err := NewWindow(0, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{at: map[int64]record{}}
		var stored storage
		finished := map[int64]bool{} // promised to be done
		now := time.Unix(1000, 0)
		logStart := int64(0)
		var write *Write
		doubtful := false
		member := rapid.SampledFrom([]string{"a", "b", "c"})

		t.Repeat(map[string]func(*rapid.T){
			"acquire": func(t *rapid.T) {
				offset := w.Next()
				if offset != m.next() {
					t.Fatalf("next is %d, not %d", offset, m.next())
				}
				var read []Span
				for _, b := range log {
					if b.Last >= offset && b.Last >= logStart && len(read) < 6 {
						read = append(read, b)
					}
				}
				if len(read) == 0 {
					return
				}
				read = read[:rapid.IntRange(1, len(read)).Draw(t, "read")]
				q := Request{
					Member: member.Draw(t, "member"), Now: now, Offset: offset, Batches: read, Aborted: aborted,
					MaxRecords: rapid.IntRange(1, 15).Draw(t, "max"), Exact: rapid.Bool().Draw(t, "exact"), BatchSize: rapid.IntRange(1, 8).Draw(t, "batch size"),
				}
				want := m.acquire(q, limits)
				var got []delivered
				for _, a := range w.Acquire(q, limits) {
					for o := a.First; o <= a.Last; o++ {
						got = append(got, delivered{o, a.Count})
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("acquired %v, not %v", got, want)
				}
				for _, d := range got {
					if finished[d.offset] || int(d.count) > limits.Deliveries {
						t.Fatalf("offset %d is delivered for the %dth time", d.offset, d.count)
					}
				}
			},
			"acknowledge": func(t *rapid.T) {
				var list []Ack
				at := max(0, w.start-2)
				for range rapid.IntRange(1, 3).Draw(t, "batches") {
					first := at + int64(rapid.IntRange(0, 4).Draw(t, "skip"))
					a := Ack{First: first, Last: first + int64(rapid.IntRange(0, 5).Draw(t, "size"))}
					n := 1
					if rapid.Bool().Draw(t, "each") {
						n = int(a.Last - a.First + 1)
					}
					for range n {
						a.Types = append(a.Types, int8(rapid.IntRange(0, 4).Draw(t, "type")))
					}
					list = append(list, a)
					at = a.Last + 1
				}
				who := member.Draw(t, "member")
				if err := CheckAcks(list, true); err != nil {
					t.Fatal(err)
				}
				wantOp, ok := m.acknowledge(who, list, now, limits)
				op, err := w.Acknowledge(who, list, now, limits)
				if (err == nil) != ok || (op != 0) != (wantOp != 0) {
					t.Fatalf("op %d %v, not %d %v", op, err, wantOp, ok)
				}
				m.ops = w.lastOp
			},
			"release": func(t *rapid.T) {
				who := member.Draw(t, "member")
				op := w.Release(who, limits)
				m.ops = w.lastOp
				for o, r := range m.at {
					if r.state == acquired && r.op == 0 && r.member == who {
						r.op, r.next = op, outcome(Release, r.count, limits)
						m.at[o] = r
					}
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
				var due time.Time
				for _, r := range m.at {
					if r.state == acquired && r.op == 0 && (due.IsZero() || r.until.Before(due)) {
						due = r.until
					}
				}
				if !w.Due().Equal(due) {
					t.Fatalf("due %v, not %v", w.Due(), due)
				}
				n := int64(0)
				for o := m.start; o < m.end; o++ {
					if r := m.at[o]; r.state == acquired && r.op == 0 && !r.until.After(now) {
						n++
						m.become(o, outcome(Release, r.count, limits))
					}
				}
				m.advance()
				if got := w.Expire(now, limits); got != n {
					t.Fatalf("%d expired, not %d", got, n)
				}
			},
			"log start": func(t *rapid.T) {
				logStart = max(logStart, w.start+int64(rapid.IntRange(-3, 6).Draw(t, "by")))
				w.LogStart(logStart)
				for m.start < logStart {
					delete(m.at, m.start)
					m.start++
				}
				m.end = max(m.end, m.start)
				m.advance()
			},
			"write": func(t *rapid.T) {
				if write != nil || !w.Dirty() {
					return
				}
				out := w.TakeWrite()
				write = &out
			},
			"written": func(t *rapid.T) {
				if write == nil {
					return
				}
				ok := rapid.Bool().Draw(t, "ok")
				if ok || rapid.Bool().Draw(t, "arrived") {
					stored.write(*write)
					// What was acknowledged stays so in storage, although the client was told that it is not.
					doubtful = doubtful || !ok
				}
				for o := m.start; o < m.end; o++ {
					r := m.at[o]
					if r.op == 0 || r.op > write.op {
						continue
					}
					if ok {
						if r.next != share.Available {
							finished[o] = true
						}
						m.become(o, r.next)
					} else {
						r.op, r.next = 0, 0
						m.at[o] = r
					}
				}
				m.advance()
				w.Written(*write, ok)
				write = nil
				if ok && !w.Dirty() && !doubtful {
					checkStored(t, w, &stored)
				}
			},
			"restart": func(t *rapid.T) {
				if rapid.IntRange(0, 5).Draw(t, "really") > 0 {
					return
				}
				write = nil
				if w, err = NewWindow(stored.start, stored.batches, true); err != nil {
					t.Fatal(err)
				}
				w.LogStart(logStart)
				m = &model{start: w.start, end: w.end, at: map[int64]record{}}
				for _, r := range w.runs {
					for o := r.first; o <= r.last; o++ {
						if finished[o] && r.state == available {
							t.Fatalf("offset %d was acknowledged and is available", o)
						}
						m.at[o] = record{state: r.state, count: r.count}
					}
				}
				for o := range finished {
					if o >= w.end {
						t.Fatalf("offset %d was acknowledged and is not known", o)
					}
				}
			},
			"": func(t *rapid.T) {
				checkInvariants(t, w)
				if got, want := show(w), m.String(); got != want {
					t.Fatalf("window:\n%s\nmodel:\n%s", got, want)
				}
			},
		})
	})
}

// checkStored compares what is stored with a window that has nothing to write.
func checkStored(t *rapid.T, w *Window, s *storage) {
	if s.start != w.start {
		t.Fatalf("the stored start is %d, not %d", s.start, w.start)
	}
	again, err := NewWindow(s.start, s.batches, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range again.runs {
		for o := r.first; o <= r.last; o++ {
			now := w.runs[w.find(o)]
			if r.state == done && now.state != done {
				t.Fatalf("offset %d is stored as done but is %d", o, now.state)
			}
		}
	}
}
