package assign

import (
	"cmp"
	"container/heap"
	"slices"
)

// Sticky gives every task to one member as an active task and, if it has state, to
// as many processes as there shall be standbys (KIP-1071; Kafka's assignor
// "sticky"). What a member had it keeps as long as that is not more than its share;
// next an active task goes to where its state is; the rest goes to the process
// with the least load, and there to the member with the fewest tasks. A process has
// a task at most once, so standbys for which there is no process are left out. No
// warm-up tasks are assigned. A member that gets nothing has an empty entry.
func Sticky(subtopologies []Subtopology, members []StreamsMember, standbys int) map[string]TaskSet {
	s := newSticky(subtopologies, members, standbys)
	if len(members) == 0 {
		return s.result
	}
	var active, stateful []TaskID
	for _, sub := range subtopologies {
		for p := range sub.Tasks {
			id := TaskID{sub.ID, p}
			active = append(active, id)
			if sub.Stateful {
				stateful = append(stateful, id)
			}
		}
	}
	s.assignActive(active)
	if standbys > 0 {
		s.assignStandby(stateful, standbys)
	}
	return s.result
}

// sticky is the state of one assignment.
type sticky struct {
	processes     loadHeap
	activeBefore  map[TaskID]*stickyMember
	standbyBefore map[TaskID][]*stickyMember
	result        map[string]TaskSet
	active, all   quota
}

// quota is a member's share of the tasks. Members that reach it leave the rest to
// be shared among the others, so that it can shrink.
type quota struct{ tasks, members, share int }

func newQuota(tasks, members int) quota {
	q := quota{tasks: tasks, members: members}
	q.compute()
	return q
}

func (q *quota) compute() {
	q.share = 0
	if q.members > 0 {
		q.share = (q.tasks + q.members - 1) / q.members
	}
}

// has tells that a member now has so many tasks.
func (q *quota) has(tasks int) {
	if tasks == q.share {
		q.members--
		q.tasks -= tasks
		q.compute()
	}
}

type stickyMember struct {
	id      string
	process *process
	tasks   int
	index   int // in the process's heap
}

// process is a machine with its threads, which are members.
type process struct {
	order   int // of ties
	members memberHeap
	tasks   map[TaskID]struct{}
	count   int
	index   int // in the heap of processes, -1 while it is out
}

func (p *process) load() float64 { return float64(p.count) / float64(len(p.members)) }

func (p *process) has(t TaskID) bool {
	_, ok := p.tasks[t]
	return ok
}

func newSticky(subtopologies []Subtopology, members []StreamsMember, standbys int) *sticky {
	s := &sticky{
		activeBefore:  map[TaskID]*stickyMember{},
		standbyBefore: map[TaskID][]*stickyMember{},
		result:        make(map[string]TaskSet, len(members)),
	}
	active, all := 0, 0
	for _, sub := range subtopologies {
		active += int(sub.Tasks)
		all += int(sub.Tasks)
		if sub.Stateful {
			all += int(sub.Tasks) * standbys
		}
	}
	s.active, s.all = newQuota(active, len(members)), newQuota(all, len(members))

	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b StreamsMember) int { return cmp.Compare(a.ID, b.ID) })
	processes := map[string]*process{}
	for _, m := range sorted {
		p := processes[m.Process]
		if p == nil {
			p = &process{order: len(processes), tasks: map[TaskID]struct{}{}, index: len(s.processes)}
			processes[m.Process] = p
			s.processes = append(s.processes, p)
		}
		sm := &stickyMember{id: m.ID, process: p, index: len(p.members)}
		p.members = append(p.members, sm)
		s.result[m.ID] = TaskSet{Active: Tasks{}, Standby: Tasks{}, Warmup: Tasks{}}
		for sub, ps := range m.Current.Active {
			for _, n := range ps {
				s.activeBefore[TaskID{sub, n}] = sm
			}
		}
		for sub, ps := range m.Current.Standby {
			for _, n := range ps {
				id := TaskID{sub, n}
				s.standbyBefore[id] = append(s.standbyBefore[id], sm)
			}
		}
	}
	return s
}

// give assigns a task to a member.
func (s *sticky) give(m *stickyMember, t TaskID, active bool) {
	if active {
		s.result[m.id].Active.add(t)
	} else {
		s.result[m.id].Standby.add(t)
	}
	p := m.process
	p.tasks[t] = struct{}{}
	p.count++
	m.tasks++
	heap.Fix(&p.members, m.index)
	if p.index >= 0 {
		heap.Fix(&s.processes, p.index)
	}
	if active {
		s.active.has(m.tasks)
	}
	s.all.has(m.tasks)
}

func (s *sticky) assignActive(tasks []TaskID) {
	// What there was before went by ranges of partitions: so the lowest keep theirs.
	slices.SortFunc(tasks, TaskID.compareByPartition)
	tasks = slices.DeleteFunc(tasks, func(t TaskID) bool {
		m := s.activeBefore[t]
		if m == nil || m.tasks >= s.active.share {
			return false
		}
		s.give(m, t, true)
		return true
	})
	tasks = slices.DeleteFunc(tasks, func(t TaskID) bool {
		m := leastLoaded(s.standbyBefore[t], nil)
		if m == nil || m.tasks >= s.active.share {
			return false
		}
		s.give(m, t, true)
		return true
	})
	slices.SortFunc(tasks, TaskID.compareBySubtopology)
	for _, t := range tasks {
		s.give(s.processes[0].members[0], t, true)
	}
}

// leastLoaded picks, of members that had a standby task, one with little to do.
// Its process may not have the task already, if one is named.
func leastLoaded(had []*stickyMember, t *TaskID) *stickyMember {
	if len(had) == 0 {
		return nil
	}
	best := had[0]
	for _, m := range had[1:] {
		if m.process.load() < best.process.load() && m.tasks < best.tasks && (t == nil || !m.process.has(*t)) {
			best = m
		}
	}
	if t != nil && had[0].process.has(*t) {
		return nil
	}
	return best
}

func (s *sticky) assignStandby(tasks []TaskID, standbys int) {
	type missing struct {
		task  TaskID
		count int
	}
	var left []missing
	slices.SortFunc(tasks, func(a, b TaskID) int { return b.compareByPartition(a) })
	for _, t := range tasks {
		for i := range standbys {
			m := s.standbyKeeper(t)
			if m == nil {
				left = append(left, missing{t, standbys - i})
				break
			}
			s.give(m, t, false)
		}
	}
	slices.SortFunc(left, func(a, b missing) int { return b.task.compareBySubtopology(a.task) })
	for _, l := range left {
		for range l.count {
			if !s.giveStandby(l.task) {
				break
			}
		}
	}
}

// standbyKeeper finds a member that has the task's state from before, nil if there
// is none with room.
func (s *sticky) standbyKeeper(t TaskID) *stickyMember {
	if m := s.activeBefore[t]; m != nil && !m.process.has(t) && m.tasks < s.all.share {
		return m
	}
	if m := leastLoaded(s.standbyBefore[t], &t); m != nil && m.tasks < s.all.share {
		return m
	}
	return nil
}

// giveStandby gives the task to the process with the least load that does not have
// it.
func (s *sticky) giveStandby(t TaskID) bool {
	var passed []*process
	for len(s.processes) > 0 && s.processes[0].has(t) {
		passed = append(passed, heap.Pop(&s.processes).(*process))
	}
	found := len(s.processes) > 0
	if found {
		s.give(s.processes[0].members[0], t, false)
	}
	for _, p := range passed {
		heap.Push(&s.processes, p)
	}
	return found
}

// loadHeap has the process with the least load first.
type loadHeap []*process

func (h loadHeap) Len() int { return len(h) }

func (h loadHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].load(), h[j].load()), cmp.Compare(h[i].order, h[j].order)) < 0
}

func (h loadHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *loadHeap) Push(x any) {
	p := x.(*process)
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop implements heap.Interface.
func (h *loadHeap) Pop() any {
	p := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	p.index = -1
	return p
}

// memberHeap has the member with the fewest tasks first.
type memberHeap []*stickyMember

func (h memberHeap) Len() int { return len(h) }

func (h memberHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].tasks, h[j].tasks), cmp.Compare(h[i].id, h[j].id)) < 0
}

func (h memberHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface. Members neither come nor go.
func (h *memberHeap) Push(any) { panic("assign: the members of a process are fixed") }

// Pop implements heap.Interface.
func (h *memberHeap) Pop() any { panic("assign: the members of a process are fixed") }
