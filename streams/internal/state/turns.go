package state

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// turns lets the databases of all tasks together run no more than so many compactions at a time: Pebble's own limit is by
// database, and there may be a hundred. A finished one gives its turn to a database that waits, the next in a round.
//
// Lock order: a database's own mutex, then that of turns; databases are asked without it.
type turns struct {
	mu      sync.Mutex
	limit   int
	running int
	refused bool // somebody was, since the last turn was passed on
	members []*turn
	next    int
}

// turn is the part of one database.
type turn struct {
	all  *turns
	held bool // it gets no turns: a restore is quicker when nothing is compacted meanwhile
	db   pebble.DBForCompaction
	gone bool
	busy sync.WaitGroup // calls into db
}

func (t *turns) member() *turn { return &turn{all: t} }

// hold keeps the database from compacting, or lets it.
func (m *turn) hold(on bool) {
	t := m.all
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.held == on {
		return
	}
	m.held = on
	for !on && t.running < t.limit { // what it asked for meanwhile
		t.running++
		if !t.offer() {
			t.running--
			return
		}
	}
}

func (m *turn) Register(_ int, db pebble.DBForCompaction) {
	t := m.all
	t.mu.Lock()
	defer t.mu.Unlock()
	m.db = db
	t.members = append(t.members, m)
}

func (m *turn) Unregister() {
	t := m.all
	t.mu.Lock()
	m.gone = true
	for i, o := range t.members {
		if o == m {
			t.members = append(t.members[:i:i], t.members[i+1:]...)
			break
		}
	}
	t.mu.Unlock()
	m.busy.Wait()
}

func (m *turn) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	t := m.all
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.gone || m.held {
		return false, nil
	}
	if t.running >= t.limit {
		t.refused = true
		return false, nil
	}
	t.running++
	return true, &grant{t: t}
}

func (m *turn) UpdateGetAllowedWithoutPermission() {}

// grant is one compaction that runs.
type grant struct {
	t    *turns
	once sync.Once
}

func (g *grant) Started() {}

func (g *grant) MeasureCPU(pebble.CompactionGoroutineKind) {}

func (g *grant) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done gives the turn on. Its caller holds no locks.
func (g *grant) Done() { g.once.Do(g.t.pass) }

// pass gives a turn that came free to a database that wants one.
func (t *turns) pass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		t.refused = false
		if t.offer() {
			return
		}
		if !t.refused { // nobody came while all were asked
			t.running--
			return
		}
	}
}

// offer asks the databases one after the other. The caller has mu, which is let go of meanwhile.
func (t *turns) offer() (taken bool) {
	n := len(t.members)
	asked := make([]*turn, 0, n)
	for i := range n {
		if m := t.members[(t.next+i)%n]; !m.held {
			m.busy.Add(1)
			asked = append(asked, m)
		}
	}
	t.next++
	t.mu.Unlock()
	defer t.mu.Lock()
	for _, m := range asked {
		if !taken {
			if waits, _ := m.db.GetWaitingCompaction(); waits {
				taken = m.db.Schedule(&grant{t: t})
			}
		}
		m.busy.Done()
	}
	return taken
}
