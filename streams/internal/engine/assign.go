package engine

import (
	"cmp"
	"math"
	"slices"
)

// assign says who of a group runs which task and who keeps whose state, once for each rebalance. It has no state and no
// clock; equal input gives equal output. It takes these steps:
//
//   - balance finds the member that each task is to be active at in the end: balanced, and as far as that allows where the task
//     is now (assign_balance.go);
//   - replicate finds where copies of its state are kept (assign_standby.go);
//   - catchUp leaves tasks whose state is not yet there where it is, and has the state brought on its way, a bounded number at
//     a time (assign_lag.go): KIP-441;
//   - what remains to move is given to nobody while its owner has it (KIP-429). The owner gives it up and joins again, and then
//     it is free.
func assign(members []candidate, tasks []groupTask, rules assignRules) groupPlan {
	plan := groupPlan{active: map[string][]TaskID{}, standby: map[string][]TaskID{}, warmup: map[string][]TaskID{}}
	if len(members) == 0 {
		return plan
	}
	a := newAssigner(members, tasks, rules)
	a.balance()
	a.replicate()
	a.catchUp()
	for i := range a.tasks {
		id, at := a.tasks[i].id, a.members[a.place[i]].id
		if from := a.owner[i]; from >= 0 && from != a.place[i] {
			plan.moving = append(plan.moving, id)
			if a.tasks[i].stateful { // its state is kept up to date until then
				plan.standby[at] = append(plan.standby[at], id)
			}
		} else {
			plan.active[at] = append(plan.active[at], id)
		}
		for _, m := range a.copies[i] {
			plan.standby[a.members[m].id] = append(plan.standby[a.members[m].id], id)
		}
		for _, m := range a.warmups[i] {
			plan.warmup[a.members[m].id] = append(plan.warmup[a.members[m].id], id)
		}
	}
	plan.pending = a.pending
	return plan
}

// A candidate is one member of the group as the assignment sees it: one process.
type candidate struct {
	id      string
	process string // copies of a task's state are at different processes; "": like no other
	weight  int    // its workers
	owned   []TaskID
	// generation is the one in which the member got what it owns: of two claims the older is void.
	generation int32
	sums       taskSums
	standby    []TaskID // of which it keeps the state up to date now
	tags       map[string]string
	rack       string // "": unknown
}

// A groupTask is a task as the assignment sees it. All tasks of a sub-topology are stateful or none is.
type groupTask struct {
	id       TaskID
	stateful bool  // it has changelogs
	end      int64 // the sum of their ends; negative: unknown
	// The racks where replicas are of each partition that is read: of inputs, and of changelogs. Partitions whose racks
	// are unknown are left out.
	inputRacks, logRacks [][]string
}

// assignRules are the settings of an assignment.
type assignRules struct {
	standbys      int      // copies of each stateful task beside the active one
	maxWarmups    int      // how many copies are brought up at a time for tasks that are to move
	acceptableLag int64    // how many changelog records a copy may miss to count as caught up
	spread        []string // tags by whose values copies are spread (KIP-708)
	rackAware     bool     // prefer members in a rack of the partitions' replicas (KIP-925)
	traffic       int64    // what a partition read from another rack costs
	nonOverlap    int64    // what it costs that a task is not where it was
}

// groupPlan is the outcome, by ids of members.
type groupPlan struct {
	active, standby map[string][]TaskID
	warmup          map[string][]TaskID // copies for tasks that are to move
	moving          []TaskID            // active nowhere until their owners have given them up
	pending         bool                // the assignment is not the one it is to become: ask again
}

// assigner is the work on one assignment. Tasks and members are meant by their index.
type assigner struct {
	rules   assignRules
	members []candidate // by id
	tasks   []groupTask // by sub-topology and partition
	total   int         // weight of all members

	owner   []int   // who runs the task now, -1: nobody
	holders [][]int // who keeps its state up to date beside the owner, in order
	best    []int64 // the smallest lag of anybody but the owner

	target  []int   // who is to run it in the end
	place   []int   // who is to run it now
	copies  [][]int // who keeps copies of its state
	warmups [][]int
	pending bool
}

func newAssigner(members []candidate, tasks []groupTask, rules assignRules) *assigner {
	a := &assigner{rules: rules, members: slices.Clone(members), tasks: slices.Clone(tasks)}
	slices.SortFunc(a.members, func(x, y candidate) int { return cmp.Compare(x.id, y.id) })
	slices.SortFunc(a.tasks, func(x, y groupTask) int { return bySubtopology(x.id, y.id) })
	for i := range a.members {
		a.members[i].weight = max(1, a.members[i].weight)
		a.total += a.members[i].weight
	}
	n := len(a.tasks)
	a.target, a.place, a.best = make([]int, n), make([]int, n), make([]int64, n)
	a.holders, a.copies, a.warmups = make([][]int, n), make([][]int, n), make([][]int, n)
	a.findOwners()
	return a
}

// findOwners finds the tasks' current owners, and who else holds their state. Where two claim a task, as after a network was
// cut, the newer claim counts; of equal ones none.
func (a *assigner) findOwners() {
	index := make(map[TaskID]int, len(a.tasks))
	a.owner = make([]int, len(a.tasks))
	for i := range a.tasks {
		index[a.tasks[i].id] = i
		a.owner[i] = -1
	}
	disputed := make([]bool, len(a.tasks))
	for m := range a.members {
		for _, id := range a.members[m].owned {
			i, ok := index[id]
			if !ok {
				continue
			}
			switch was := a.owner[i]; {
			case was < 0 || a.members[m].generation > a.members[was].generation:
				a.owner[i], disputed[i] = m, false
			case a.members[m].generation == a.members[was].generation:
				disputed[i] = true
			}
		}
	}
	for i := range a.tasks {
		if disputed[i] {
			a.owner[i] = -1
		}
	}
	for m := range a.members {
		for _, id := range sortedTasks(a.members[m].standby) {
			if i, ok := index[id]; ok && a.owner[i] != m {
				a.holders[i] = append(a.holders[i], m)
			}
		}
	}
	for i := range a.tasks {
		a.best[i] = math.MaxInt64
		for m := range a.members {
			if m != a.owner[i] {
				a.best[i] = min(a.best[i], a.lag(i, m))
			}
		}
	}
}

// sameProcess tells of two members whether one fate takes both.
func (a *assigner) sameProcess(m, o int) bool {
	return m == o || a.members[m].process != "" && a.members[m].process == a.members[o].process
}

// bySubtopology orders tasks as Kafka does.
func bySubtopology(a, b TaskID) int {
	return cmp.Or(cmp.Compare(a.Subtopology, b.Subtopology), cmp.Compare(a.Partition, b.Partition))
}

// compareTasks orders them by partition first, so that neighbours are of different sub-topologies.
func compareTasks(a, b TaskID) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Subtopology, b.Subtopology))
}
