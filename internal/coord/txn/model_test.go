package txn

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"leat.dev/internal/coord"
)

// The model: clients of both protocol versions run transactions over a few
// partitions, through a coordinator that crashes and whose answers get lost, and
// producers of the same transactional id fence each other. Whatever happens,
//
//   - the state after a load is the state before it,
//   - a transaction is visible as a whole or not at all; as a whole if its producer
//     was told that it committed, not at all if nobody asked for that,
//   - a producer that another one has replaced gets nothing done,
//   - in the end no partition is held up.
type model struct {
	t       *rapid.T
	s       *Shard
	now     time.Time
	wakeup  time.Time
	ids     int64
	nextReq coord.RequestID

	log       []coord.LogRecord
	committed int // records that a crash does not take away
	held      []held
	markers   []Markers
	answers   map[coord.RequestID]any

	parts   map[TopicPartition]*modelPartition
	clients []*modelClient
	txns    []*modelTxn
	current map[string]Producer // what InitProducerId last gave, per transactional id
}

// held leaves when the log is committed up to at.
type held struct {
	at    int
	reply *coord.Reply
	send  *Markers
}

// modelTxn is what one producer did between begin and end.
type modelTxn struct {
	id                int
	writes            []modelWrite
	askedCommit, told bool
	toldCommit        bool
}

type modelWrite struct {
	tp    TopicPartition
	entry int
}

// modelPartition follows the rules of a leader's log.
type modelPartition struct {
	entries   []modelEntry
	epochs    map[int64]int16
	open      map[int64]int // producer id -> first entry
	guards    map[int64]int
	lastGuard int
}

type modelEntry struct {
	pid     int64
	txn     int
	marker  bool
	commit  bool
	visible bool
}

type modelClient struct {
	name     string
	version  int16
	producer Producer
	ready    bool
	txn      *modelTxn
	added    map[TopicPartition]bool
	waiting  coord.RequestID // 0 = nothing asked
	ask      func() Event    // what to ask again if the answer is lost
	got      func(any)
	again    func()   // what the coordinator was too busy for
	late     []func() // writes that were verified and are still on their way
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, now: time.UnixMilli(1_700_000_000_000), answers: map[coord.RequestID]any{},
		parts: map[TopicPartition]*modelPartition{}, current: map[string]Producer{}}
	for i := range 3 {
		m.parts[TopicPartition{"t", int32(i)}] = &modelPartition{epochs: map[int64]int16{}, open: map[int64]int{}, guards: map[int64]int{}}
	}
	// Two have their id to themselves, two fight for one.
	for i, name := range []string{"old", "new", "shared", "shared"} {
		m.clients = append(m.clients, &modelClient{name: name, version: int16(i%2) * 2})
	}
	m.ids = 10
	if rapid.Bool().Draw(t, "nearly out of epochs") {
		for i, name := range []string{"new", "old", "shared"} {
			r := Encode(name, Value{Producer: Producer{int64(i), 32760}, State: CompleteCommit, PreviousID: -1, NextID: -1, NextEpoch: -1,
				Partitions: []TopicPartition{}, UpdatedMillis: m.now.UnixMilli(), StartedMillis: -1}, 2)
			m.log = append(m.log, coord.LogRecord{Offset: int64(i), ProducerID: -1, Key: r.Key, Value: r.Value})
		}
		m.committed = len(m.log)
	}
	m.open()
	return m
}

func (m *model) settings() Settings {
	s := DefaultSettings()
	s.Expiration = 1000 * time.Hour
	return s
}

func (m *model) open() {
	m.s = New(m.settings(), func() (int64, bool) { m.ids++; return m.ids, true })
	for _, r := range m.log {
		if err := m.s.Replay(r); err != nil {
			m.t.Fatal(err)
		}
	}
	m.held, m.markers = nil, nil
	m.step(Loaded{})
}

// snapshot is the state that a load has to bring back.
func snapshot(s *Shard) map[string]Value {
	all := map[string]Value{}
	for id, t := range s.byID {
		all[id] = t.value()
	}
	return all
}

func (m *model) checkReplay() {
	again := New(m.settings(), nil)
	for _, r := range m.log {
		if err := again.Replay(r); err != nil {
			m.t.Fatal(err)
		}
	}
	if live, loaded := snapshot(m.s), snapshot(again); !reflect.DeepEqual(live, loaded) {
		m.t.Fatalf("live %+v\nloaded %+v", live, loaded)
	}
	if m.s.Counts() != again.Counts() {
		m.t.Fatalf("live counts %v, loaded %v", m.s.Counts(), again.Counts())
	}
}

func (m *model) step(ev Event) {
	fx := m.s.Step(m.now, ev)
	m.wakeup = fx.Wakeup
	for _, r := range fx.Records {
		m.log = append(m.log, coord.LogRecord{Offset: int64(len(m.log)), ProducerID: -1, Key: r.Key, Value: r.Value})
	}
	for i := range fx.Replies {
		m.held = append(m.held, held{at: len(m.log), reply: &fx.Replies[i]})
	}
	for _, send := range fx.Sends {
		s := send.(Markers)
		m.held = append(m.held, held{at: len(m.log), send: &s})
	}
	m.release()
}

// release lets go what is committed.
func (m *model) release() {
	for len(m.held) > 0 && m.held[0].at <= m.committed {
		h := m.held[0]
		m.held = m.held[1:]
		if h.send != nil {
			m.markers = append(m.markers, *h.send)
			continue
		}
		for _, c := range m.clients {
			if c.waiting == h.reply.ID {
				c.waiting = 0
				c.got(h.reply.Response)
			}
		}
	}
}

// commit makes some of the log durable.
func (m *model) commit() {
	m.committed = len(m.log) - min(len(m.log)-m.committed, rapid.IntRange(0, 3).Draw(m.t, "uncommitted"))
	m.release()
}

// crash loses some of what is not committed, and every answer that has not left.
func (m *model) crash() {
	m.log = m.log[:rapid.IntRange(m.committed, len(m.log)).Draw(m.t, "survived")]
	m.committed = len(m.log)
	m.open()
	for _, c := range m.clients {
		if c.waiting != 0 {
			m.send(c, c.ask, c.got)
		}
	}
}

// request sends a client's request.
func (m *model) send(c *modelClient, ask func() Event, got func(any)) {
	m.nextReq++
	c.waiting, c.ask, c.got = m.nextReq, ask, got
	m.step(ask())
}

func (m *model) request(c *modelClient, make func(coord.RequestID) Event, got func(any)) {
	m.send(c, func() Event { return make(m.nextReq) }, got)
}

// deliver writes markers to partitions, some of which are not there at the moment.
func (m *model) deliver() {
	if len(m.markers) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.markers)-1).Draw(m.t, "markers")
	mk := m.markers[i]
	m.markers = slices.Delete(m.markers, i, i+1)
	done := Marked{TransactionalID: mk.TransactionalID, Round: mk.Round}
	for _, tp := range mk.Partitions {
		if rapid.IntRange(0, 5).Draw(m.t, "offline") == 0 {
			done.Retry = append(done.Retry, tp)
			continue
		}
		m.parts[tp].mark(m.t, mk)
	}
	if rapid.IntRange(0, 5).Draw(m.t, "lost") == 0 {
		done.Retry = mk.Partitions // the partitions have it, but nobody heard
	}
	m.step(done)
}

func (p *modelPartition) mark(t *rapid.T, mk Markers) {
	pid, epoch := mk.Producer.ID, mk.Producer.Epoch
	known, ok := p.epochs[pid]
	_, open := p.open[pid]
	if ok && (epoch < known || mk.End.TxnVersion >= 2 && epoch == known && open && epoch != 32767) {
		t.Fatalf("a marker with epoch %d where %d is known", epoch, known)
	}
	delete(p.guards, pid)
	p.epochs[pid] = epoch
	if first, ok := p.open[pid]; ok {
		for i := first; i < len(p.entries); i++ {
			if p.entries[i].pid == pid && !p.entries[i].marker {
				p.entries[i].visible = mk.End.Commit
			}
		}
		delete(p.open, pid)
	}
	p.entries = append(p.entries, modelEntry{pid: pid, marker: true, commit: mk.End.Commit})
}

// write appends if the rules allow it.
func (p *modelPartition) write(w Producer, txn, guard int) (entry int, ok bool) {
	if w.Epoch < p.epochs[w.ID] {
		return 0, false
	}
	if _, open := p.open[w.ID]; !open || p.epochs[w.ID] != w.Epoch {
		if guard == 0 || p.guards[w.ID] != guard {
			return 0, false
		}
		p.open[w.ID] = len(p.entries)
	}
	delete(p.guards, w.ID)
	p.epochs[w.ID] = w.Epoch
	p.entries = append(p.entries, modelEntry{pid: w.ID, txn: txn})
	return len(p.entries) - 1, true
}

// act lets a client do its next step.
func (m *model) act() {
	c := rapid.SampledFrom(m.clients).Draw(m.t, "client")
	if len(c.late) > 0 && rapid.Bool().Draw(m.t, "late") {
		c.late[0]()
		c.late = c.late[1:]
		return
	}
	if c.waiting != 0 {
		return
	}
	switch again := c.again; {
	case again != nil:
		c.again = nil
		again()
	case !c.ready && c.name == "shared" && rapid.IntRange(0, 7).Draw(m.t, "wait") > 0:
	case !c.ready || c.txn == nil && rapid.IntRange(0, 15).Draw(m.t, "again") == 0:
		m.init(c)
	case c.txn == nil:
		c.txn = &modelTxn{id: len(m.txns)}
		m.txns = append(m.txns, c.txn)
		c.added = map[TopicPartition]bool{}
	case len(c.added) > 0 && rapid.IntRange(0, 2).Draw(m.t, "end") == 0:
		m.end(c, rapid.Bool().Draw(m.t, "commit"))
	default:
		m.write(c)
	}
}

func (m *model) init(c *modelClient) {
	expected := NoProducer
	m.request(c, func(id coord.RequestID) Event {
		return InitProducer{ID: id, TransactionalID: c.name, TimeoutMillis: 60000, Expected: expected}
	}, func(r any) {
		reply := r.(ProducerReply)
		if reply.Err != nil {
			if reply.Err != kerr.ConcurrentTransactions {
				m.t.Fatalf("init: %v", reply.Err)
			}
			return
		}
		if before := m.current[c.name]; before.ID == reply.Producer.ID && before.Epoch >= reply.Producer.Epoch {
			m.t.Fatalf("%v after %v", reply.Producer, before)
		}
		m.current[c.name] = reply.Producer
		for _, other := range m.clients {
			if other.name == c.name {
				other.ready = other.ready && other == c
			}
		}
		c.ready, c.producer, c.txn = true, reply.Producer, nil
	})
}

// fenced tells that a client was replaced, or the coordinator ended its transaction.
func fenced(err *kerr.Error) bool {
	return err == kerr.ProducerFenced || err == kerr.InvalidProducerIDMapping || err == kerr.InvalidTxnState
}

func (m *model) write(c *modelClient) {
	tp := rapid.SampledFrom(slices.SortedFunc(maps.Keys(m.parts), compareTopicPartitions)).Draw(m.t, "partition")
	p := m.parts[tp]
	txn, producer := c.txn, c.producer
	put := func(guard int) {
		if entry, ok := p.write(producer, txn.id, guard); ok {
			txn.writes = append(txn.writes, modelWrite{tp, entry})
		}
	}
	patience := time.Duration(rapid.IntRange(0, 100).Draw(m.t, "patience")) * time.Millisecond
	add := func(verifyOnly bool, got func(AddReply)) {
		m.request(c, func(id coord.RequestID) Event {
			return AddPartitions{ID: id, TransactionalID: c.name, Producer: producer, Partitions: []TopicPartition{tp},
				VerifyOnly: verifyOnly, Version: c.version, Patience: patience}
		}, func(r any) {
			reply := r.(AddReply)
			if reply.Err != nil && fenced(reply.Err) {
				c.ready = false
			}
			got(reply)
		})
	}
	// What the partition's leader does.
	produce := func() {
		if _, open := p.open[producer.ID]; open && p.epochs[producer.ID] == producer.Epoch {
			put(0)
			return
		}
		if p.guards[producer.ID] == 0 {
			p.lastGuard++
			p.guards[producer.ID] = p.lastGuard
		}
		guard := p.guards[producer.ID]
		add(c.version < 2, func(reply AddReply) {
			if reply.Err != nil || len(reply.Missing) > 0 {
				return
			}
			c.added[tp] = true
			if rapid.Bool().Draw(m.t, "delayed") {
				c.late = append(c.late, func() { put(guard) })
			} else {
				put(guard)
			}
		})
	}
	if c.version >= 2 || c.added[tp] {
		produce()
		return
	}
	add(false, func(reply AddReply) {
		if reply.Err == nil {
			c.added[tp] = true
		}
	})
}

func (m *model) end(c *modelClient, commit bool) {
	txn, producer := c.txn, c.producer
	c.late = nil // a producer waits for its writes before it ends
	txn.askedCommit = txn.askedCommit || commit
	m.request(c, func(id coord.RequestID) Event {
		return EndTransaction{ID: id, TransactionalID: c.name, Producer: producer, Commit: commit, Version: c.version}
	}, func(r any) {
		switch reply := r.(ProducerReply); {
		case reply.Err == nil:
			txn.told, txn.toldCommit = true, commit
			if c.version >= 2 {
				c.producer = reply.Producer
			}
			c.txn = nil
		case fenced(reply.Err):
			c.ready, c.txn = false, nil
		case reply.Err != kerr.ConcurrentTransactions:
			m.t.Fatalf("end: %v", reply.Err)
		default:
			// Asked again as it was: a producer does not change its mind.
			c.again = func() { m.end(c, commit) }
		}
	})
}

func (m *model) tick() {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(m.t, "ms")) * time.Millisecond)
	if !m.wakeup.IsZero() && !m.wakeup.After(m.now) {
		m.step(Tick{})
	}
}

// settle lets everything come to its end.
func (m *model) settle() {
	for _, c := range m.clients {
		c.late = nil
	}
	for range 200 {
		m.committed = len(m.log)
		m.release()
		for len(m.markers) > 0 {
			mk := m.markers[0]
			m.markers = m.markers[1:]
			for _, tp := range mk.Partitions {
				m.parts[tp].mark(m.t, mk)
			}
			m.step(Marked{TransactionalID: mk.TransactionalID, Round: mk.Round})
			m.committed = len(m.log)
			m.release()
		}
		m.now = m.now.Add(time.Second)
		m.step(Tick{})
	}
	for tp, p := range m.parts {
		if len(p.open) > 0 {
			m.t.Fatalf("%v is held up by %v", tp, p.open)
		}
	}
}

func (m *model) checkWhole() {
	for _, x := range m.txns {
		visible := 0
		for _, w := range x.writes {
			if m.parts[w.tp].entries[w.entry].visible {
				visible++
			}
		}
		switch {
		case visible != 0 && visible != len(x.writes):
			m.t.Fatalf("transaction %d: %d of %d writes are visible", x.id, visible, len(x.writes))
		case visible == 0 && len(x.writes) > 0 && x.told && x.toldCommit:
			m.t.Fatalf("transaction %d committed, and nothing of it is visible", x.id)
		case visible > 0 && !x.askedCommit:
			m.t.Fatalf("transaction %d is visible, and nobody asked to commit it", x.id)
		case visible > 0 && x.told && !x.toldCommit:
			m.t.Fatalf("transaction %d aborted, and is visible", x.id)
		}
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(10, 600).Draw(t, "steps") {
			switch n := rapid.IntRange(0, 63).Draw(t, "what"); {
			case n == 0:
				m.crash()
			case n == 1:
				m.checkReplay()
			case n < 5:
				m.tick()
			case n < 20:
				m.commit()
			case n < 30:
				m.deliver()
			default:
				m.act()
			}
		}
		m.checkReplay()
		m.settle()
		m.checkReplay()
		m.checkWhole()
	})
}
