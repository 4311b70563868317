package engine

import (
	"maps"
	"slices"
)

// standbys are the tasks that this process keeps for others, and what is on its way out. They belong to the manager.
type standbys struct {
	wanted  map[TaskID]bool // as told last
	tasks   map[TaskID]*runningTask
	leaving map[TaskID]*runningTask // of all tasks: their state is not free yet
}

func newStandbys() standbys {
	return standbys{wanted: map[TaskID]bool{}, tasks: map[TaskID]*runningTask{}, leaving: map[TaskID]*runningTask{}}
}

// keep says what the group wants this process to keep up to date, and what it is to run: a standby that is to run
// waits for manager.assign with its state open, and an active task that is to be a standby for manager.leave. It is called before
// those, with each assignment, and does not wait.
func (m *manager) keep(wanted, active []TaskID) {
	m.do(func() {
		m.standbys.wanted = map[TaskID]bool{}
		for _, id := range wanted {
			m.standbys.wanted[id] = true
		}
		for _, id := range slices.SortedFunc(maps.Keys(m.standbys.tasks), compareTasks) {
			if !m.standbys.wanted[id] && !slices.Contains(active, id) {
				m.dropStandby(id)
			}
		}
		for _, id := range sortedTasks(wanted) {
			m.keepOne(id, nil)
		}
	})
}

// keepOne makes a standby, on what an active task left here, if there is something. While its state is not free it waits.
func (m *manager) keepOne(id TaskID, old *runningTask) {
	s := &m.standbys
	if !s.wanted[id] || m.tasks[id] != nil || s.tasks[id] != nil || s.leaving[id] != nil || len(m.p.storesOf(id)) == 0 {
		if old != nil {
			m.closeKept(old)
		}
		return
	}
	t := &runningTask{
		id: id, ctx: m.p.ctx, standby: true, place: inRestorer, inputs: map[TopicPartition]*feed{},
		closed: make(chan struct{}), committed: map[TopicPartition]Committed{},
	}
	if old != nil {
		t.st, old.st = old.st, nil
	}
	s.tasks[id] = t
	m.p.app.met.tasks.WithLabelValues("standby").Inc()
	m.p.restorer.add(t)
}

func (m *manager) closeKept(t *runningTask) {
	if t.st == nil {
		return
	}
	if err := t.release(true); err != nil {
		m.p.app.log.Warn("closing the state of a task failed", "task", t.id.String(), "error", err)
	}
}

func (m *manager) dropStandby(id TaskID) {
	t := m.standbys.tasks[id]
	m.forgetStandby(id)
	t.gone = true
	m.standbys.leaving[id] = t
	m.p.restorer.remove(t)
}

func (m *manager) forgetStandby(id TaskID) {
	delete(m.standbys.tasks, id)
	m.p.app.met.tasks.WithLabelValues("standby").Dec()
}

// takeStandby gives the standby of a task that is to run here; nil when there is none.
func (m *manager) takeStandby(id TaskID) *runningTask {
	t := m.standbys.tasks[id]
	if t != nil {
		m.forgetStandby(id)
		t.standby = false
	}
	return t
}

// freed hears that a task has ended here, and makes a standby of it if it is to be one.
func (m *manager) freed(t *runningTask) {
	s := &m.standbys
	if s.tasks[t.id] == t { // it failed: the next assignment may try it again
		m.forgetStandby(t.id)
		return
	}
	if s.leaving[t.id] == t {
		delete(s.leaving, t.id)
	}
	m.keepOne(t.id, t)
}

// park ends an active task that stays here as a standby: its state stays open. All it did is committed.
func (t *runningTask) park() error {
	if t.task == nil {
		return nil
	}
	err := t.task.Close(true)
	t.task, t.ready = nil, false
	return err
}

// leavingOf are the tasks on their way out that partitions belong to.
func (m *manager) leavingOf(partitions map[TopicPartition]Committed) []*runningTask {
	found := map[*runningTask]bool{}
	for tp := range partitions {
		if id, ok := m.p.app.taskOf(tp); ok && m.standbys.leaving[id] != nil {
			found[m.standbys.leaving[id]] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}
