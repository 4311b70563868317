package engine

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// world is a group over rebalances: members and the state they have. Changelogs are long and do not grow, what is copied takes
// as many rounds as the test says.
type world struct {
	rules   assignRules
	tasks   []groupTask
	members map[string]*instance
	next    int
}

type instance struct {
	candidate
}

const longLog = 1_000_000

func newWorld(t *rapid.T) *world {
	w := &world{members: map[string]*instance{}, rules: assignRules{
		standbys: rapid.IntRange(0, 2).Draw(t, "standbys"), maxWarmups: rapid.IntRange(1, 3).Draw(t, "warmups"), acceptableLag: 10_000,
	}}
	if rapid.Bool().Draw(t, "tags") {
		w.rules.spread = []string{"zone"}
	}
	if rapid.Bool().Draw(t, "racks") {
		w.rules.rackAware, w.rules.traffic, w.rules.nonOverlap = true, 10, 1
	}
	for sub := range rapid.IntRange(1, 3).Draw(t, "subtopologies") {
		stateful := rapid.Bool().Draw(t, "stateful")
		for p := range rapid.IntRange(1, 12).Draw(t, "partitions") {
			task := groupTask{id: TaskID{sub, int32(p)}, stateful: stateful}
			racks := [][]string{{fmt.Sprint("r", p%3)}}
			task.inputRacks = racks
			if stateful {
				task.end, task.logRacks = longLog, racks
			}
			w.tasks = append(w.tasks, task)
		}
	}
	return w
}

func (w *world) join(t *rapid.T) {
	id := fmt.Sprint("m", w.next)
	zone := fmt.Sprint("z", w.next%2)
	w.members[id] = &instance{candidate: candidate{
		id: id, process: "p" + id, weight: rapid.IntRange(1, 3).Draw(t, "weight"), sums: taskSums{},
		tags: map[string]string{"zone": zone}, rack: fmt.Sprint("r", w.next%3),
	}}
	w.next++
}

func (w *world) ids() []string { return slices.Sorted(maps.Keys(w.members)) }

// round assigns, checks what always holds, and does as assigned: each warm-up and each standby copies up to so many records,
// a task that is active copies all.
func (w *world) round(t *rapid.T, copied int64) groupPlan {
	var now []candidate
	for _, m := range w.members { // in any order
		now = append(now, m.candidate)
	}
	plan := assign(now, w.tasks, w.rules)
	w.check(t, &plan)
	for _, id := range w.ids() {
		m := w.members[id]
		for _, old := range m.owned {
			if _, stateful := m.sums[old]; stateful {
				m.sums[old] = longLog // given up: on disk
			}
		}
		m.owned = plan.active[id]
		m.standby = slices.Concat(plan.standby[id], plan.warmup[id])
		for _, task := range w.tasks {
			switch {
			case !task.stateful:
			case slices.Contains(m.owned, task.id):
				m.sums[task.id] = runningSum
			case slices.Contains(m.standby, task.id):
				m.sums[task.id] = min(longLog, m.sums[task.id]+copied)
			}
		}
	}
	return plan
}

// check holds a plan to what is so in every round.
func (w *world) check(t *rapid.T, plan *groupPlan) {
	owner, seen := map[TaskID]string{}, map[TaskID]string{}
	for id, m := range w.members {
		for _, task := range m.owned {
			owner[task] = id
		}
	}
	for id, list := range plan.active {
		for _, task := range list {
			if seen[task] != "" {
				t.Fatalf("%s is active twice", task)
			}
			if was := owner[task]; was != "" && was != id {
				t.Fatalf("%s is given to %s while %s has it", task, id, was)
			}
			seen[task] = id
		}
	}
	if len(seen)+len(plan.moving) != len(w.tasks) {
		t.Fatalf("%d tasks are active and %d move, of %d", len(seen), len(plan.moving), len(w.tasks))
	}
	moving, warm, copies := map[TaskID]bool{}, 0, map[TaskID]map[string]bool{}
	for _, task := range plan.moving {
		moving[task] = true
		if seen[task] != "" {
			t.Fatalf("%s is active and moves", task)
		}
	}
	for _, lists := range []map[string][]TaskID{plan.standby, plan.warmup} {
		for id, list := range lists {
			for _, task := range list {
				if copies[task] == nil {
					copies[task] = map[string]bool{}
				}
				if seen[task] == id || copies[task][id] {
					t.Fatalf("%s has more than one copy at %s", task, id)
				}
				copies[task][id] = true
			}
		}
	}
	for _, list := range plan.warmup {
		warm += len(list)
	}
	if warm > w.rules.maxWarmups {
		t.Fatalf("%d warm-ups, %d are allowed", warm, w.rules.maxWarmups)
	}
	n := map[TaskID]int{}
	for _, list := range plan.standby {
		for _, task := range list {
			n[task]++
		}
	}
	for _, task := range w.tasks {
		want := min(w.rules.standbys, len(w.members)-1)
		if moving[task.id] {
			want++ // at who gets it
		}
		if !task.stateful {
			want = 0
		}
		if n[task.id] > want || n[task.id] < want && !moving[task.id] {
			t.Fatalf("%s has %d copies, %d are wanted", task.id, n[task.id], want)
		}
	}
	if len(w.members) > 1 {
		w.checkNoLoss(t, plan, owner)
	}
}

// checkNoLoss: a task whose state somebody has is not given to who misses much of it.
func (w *world) checkNoLoss(t *rapid.T, plan *groupPlan, owner map[TaskID]string) {
	for _, task := range w.tasks {
		if !task.stateful {
			continue
		}
		caughtUp := func(m *instance) bool {
			sum := m.sums[task.id]
			return sum == runningSum || longLog-sum <= w.rules.acceptableLag
		}
		somebody := false
		for _, m := range w.members {
			somebody = somebody || caughtUp(m)
		}
		for id, m := range w.members {
			if somebody && slices.Contains(plan.active[id], task.id) && !caughtUp(m) {
				t.Fatalf("%s goes to %s, which does not have its state; its owner is %q", task.id, id, owner[task.id])
			}
		}
	}
}

// settle rebalances until nothing is pending, checks that the outcome is balanced and that nothing moves any more.
func (w *world) settle(t *rapid.T) {
	// Each round brings a warm-up half of its way; two more are the hand-over. All tasks may have to move, and their copies too.
	most := 4*(1+w.rules.standbys)*len(w.tasks)/w.rules.maxWarmups + 8
	for round := 0; ; round++ {
		plan := w.round(t, longLog/2)
		if !plan.pending && len(plan.moving) == 0 {
			break
		}
		if round > most {
			t.Fatalf("not settled after %d rounds", round)
		}
	}
	w.checkBalance(t)
	before := map[string]candidate{}
	for range 3 {
		for id, m := range w.members {
			before[id] = m.candidate
		}
		plan := w.round(t, longLog)
		for id, m := range w.members {
			if !reflect.DeepEqual(before[id].owned, m.owned) || len(plan.warmup) > 0 {
				t.Fatalf("%s: %v became %v", id, before[id].owned, m.owned)
			}
			if !sameTasks(before[id].standby, m.standby) {
				t.Fatalf("%s: copies %v became %v", id, before[id].standby, m.standby)
			}
		}
	}
}

func sameTasks(a, b []TaskID) bool { return slices.Equal(sortedTasks(a), sortedTasks(b)) }

func (w *world) checkBalance(t *rapid.T) {
	total := 0
	for _, m := range w.members {
		total += m.weight
	}
	check := func(what string, counts func(TaskID, bool) bool) {
		n := 0
		for _, task := range w.tasks {
			if counts(task.id, task.stateful) {
				n++
			}
		}
		for id, m := range w.members {
			has := 0
			for _, task := range w.tasks {
				if counts(task.id, task.stateful) && slices.Contains(m.owned, task.id) {
					has++
				}
			}
			if floor := n * m.weight / total; has < floor || has > (n*m.weight+total-1)/total {
				t.Fatalf("%s of weight %d/%d has %d of %d tasks %s", id, m.weight, total, has, n, what)
			}
		}
	}
	check("at all", func(TaskID, bool) bool { return true })
	check("with state", func(_ TaskID, s bool) bool { return s })
	for sub := range 3 {
		check(fmt.Sprint("of sub-topology ", sub), func(id TaskID, _ bool) bool { return id.Subtopology == sub })
	}
	w.checkZones(t)
}

// checkZones: with two zones of which each has a member, a task and its first copy are in both.
func (w *world) checkZones(t *rapid.T) {
	zones := map[string]bool{}
	for _, m := range w.members {
		zones[m.tags["zone"]] = true
	}
	if len(zones) < 2 || len(w.rules.spread) == 0 || w.rules.standbys == 0 {
		return
	}
	for _, task := range w.tasks {
		if !task.stateful {
			continue
		}
		in := map[string]bool{}
		for _, m := range w.members {
			if slices.Contains(m.owned, task.id) || slices.Contains(m.standby, task.id) {
				in[m.tags["zone"]] = true
			}
		}
		if len(in) < 2 {
			t.Fatalf("%s and its copies are all in %v", task.id, in)
		}
	}
}

// TestAssignProperties runs rebalances of a group whose members join, leave, crash in the middle of movements and come back with
// their state.
func TestAssignProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.join(t)
		var away []*instance
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			switch kind := rapid.IntRange(0, 4).Draw(t, "change"); {
			case kind == 0 && len(w.members) > 1:
				id := rapid.SampledFrom(w.ids()).Draw(t, "leaves")
				m := w.members[id]
				for _, task := range m.owned {
					if m.sums[task] == runningSum {
						m.sums[task] = longLog
					}
				}
				m.owned, m.standby = nil, nil
				away = append(away, m)
				delete(w.members, id)
			case kind == 1 && len(away) > 0:
				m := away[0]
				away = away[1:]
				w.members[m.id] = m
			case kind == 2:
				w.round(t, longLog/2) // and the next change comes before it is done
				continue
			default:
				w.join(t)
			}
			if rapid.Bool().Draw(t, "settles") {
				w.settle(t)
			}
		}
		w.settle(t)
	})
}

func stateful(n int, end int64) (tasks []groupTask) {
	for p := range n {
		tasks = append(tasks, groupTask{id: TaskID{0, int32(p)}, stateful: true, end: end})
	}
	return tasks
}

func TestAssignDisputedTaskIsFree(t *testing.T) {
	tasks := []groupTask{{id: TaskID{0, 0}}}
	id := tasks[0].id
	two := func(ga, gb int32) []candidate {
		return []candidate{{id: "a", weight: 1, owned: []TaskID{id}, generation: ga}, {id: "b", weight: 1, owned: []TaskID{id}, generation: gb}}
	}
	plan := assign(two(3, 3), tasks, assignRules{})
	if len(plan.moving) != 0 || len(plan.active["a"])+len(plan.active["b"]) != 1 {
		t.Fatal(plan)
	}
	// A claim from an older generation is void.
	plan = assign(two(2, 3), tasks, assignRules{})
	if len(plan.moving) != 0 || len(plan.active["b"]) != 1 {
		t.Fatal(plan)
	}
}

// A crashed member's tasks go to who has their standbys, at once.
func TestAssignStandbyTakesOver(t *testing.T) {
	tasks := stateful(2, longLog)
	rules := assignRules{standbys: 1, maxWarmups: 2, acceptableLag: 10_000}
	plan := assign([]candidate{
		{id: "b", weight: 1, sums: taskSums{tasks[0].id: longLog - 5, tasks[1].id: runningSum}, owned: []TaskID{tasks[1].id}, standby: []TaskID{tasks[0].id}},
		{id: "c", weight: 1},
	}, tasks, rules)
	if !slices.Equal(plan.active["b"], []TaskID{tasks[0].id, tasks[1].id}) || len(plan.moving) != 0 {
		t.Fatal(plan)
	}
	if len(plan.active["c"]) != 0 || len(plan.standby["c"]) != 2 || !plan.pending {
		t.Fatal(plan) // c is to have one of them, and gets copies first
	}
}

// A member that was away gets the tasks back whose state it still has.
func TestAssignReturningMember(t *testing.T) {
	tasks := stateful(6, longLog)
	a := candidate{id: "a", weight: 1, sums: taskSums{}}
	b := candidate{id: "b", weight: 1, sums: taskSums{}}
	for i, task := range tasks {
		a.owned, a.sums[task.id] = append(a.owned, task.id), runningSum
		if i%2 == 1 {
			b.sums[task.id] = longLog - 100
		}
	}
	plan := assign([]candidate{a, b}, tasks, assignRules{maxWarmups: 2, acceptableLag: 10_000})
	if want := []TaskID{tasks[1].id, tasks[3].id, tasks[5].id}; !slices.Equal(plan.moving, want) || plan.pending {
		t.Fatalf("%+v", plan)
	}
}

// Where the ends of changelogs are unknown, nothing moves that runs, and what nobody runs goes to who has most of it.
func TestAssignUnknownEnds(t *testing.T) {
	tasks := stateful(4, -1)
	a := candidate{id: "a", weight: 1, sums: taskSums{tasks[3].id: 10}}
	for _, task := range tasks[:3] {
		a.owned = append(a.owned, task.id)
	}
	b := candidate{id: "b", weight: 1, sums: taskSums{tasks[3].id: 20}}
	plan := assign([]candidate{a, b}, tasks, assignRules{maxWarmups: 2, acceptableLag: 10_000})
	if len(plan.active["a"]) != 3 || !slices.Equal(plan.active["b"], []TaskID{tasks[3].id}) || !plan.pending {
		t.Fatalf("%+v", plan)
	}
}

// Standbys weigh less than active tasks: who has an active task more gets fewer of them.
func TestAssignStandbyLoad(t *testing.T) {
	tasks := stateful(4, 0)
	plan := assign([]candidate{{id: "a", weight: 1}, {id: "b", weight: 1}, {id: "c", weight: 1}}, tasks, assignRules{standbys: 1})
	for id := range plan.active {
		if load := activeLoad*len(plan.active[id]) + len(plan.standby[id]); load != 4 {
			t.Fatalf("%s has %v and copies of %v", id, plan.active[id], plan.standby[id])
		}
	}
}

// Tasks go to the rack of their partitions as far as balance allows, and not away from it.
func TestAssignRacks(t *testing.T) {
	var tasks []groupTask
	for p := range 9 {
		racks := [][]string{{fmt.Sprint("r", p/3)}}
		tasks = append(tasks, groupTask{id: TaskID{0, int32(p)}, stateful: true, inputRacks: racks, logRacks: racks})
	}
	members := []candidate{{id: "a", weight: 1, rack: "r2"}, {id: "b", weight: 1, rack: "r0"}, {id: "c", weight: 1, rack: "r1"}}
	plan := assign(members, tasks, assignRules{rackAware: true, traffic: 10, nonOverlap: 1, standbys: 1})
	for id, first := range map[string]int32{"a": 6, "b": 0, "c": 3} {
		if want := []TaskID{{0, first}, {0, first + 1}, {0, first + 2}}; !slices.Equal(plan.active[id], want) {
			t.Fatalf("%s has %v", id, plan.active[id])
		}
	}
}

// Copies change places to be near their partitions, where loads allow it.
func TestAssignRacksOfCopies(t *testing.T) {
	var tasks []groupTask
	for p := range 8 {
		racks := [][]string{{fmt.Sprint("r", p%2)}}
		tasks = append(tasks, groupTask{id: TaskID{0, int32(p)}, stateful: true, inputRacks: racks, logRacks: racks})
	}
	var members []candidate
	for m := range 4 {
		members = append(members, candidate{id: fmt.Sprint("m", m), weight: 1, rack: fmt.Sprint("r", m/2)})
	}
	plan := assign(members, tasks, assignRules{rackAware: true, traffic: 10, nonOverlap: 1, standbys: 1})
	for m, member := range members {
		for _, id := range slices.Concat(plan.active[member.id], plan.standby[member.id]) {
			if int(id.Partition)%2 != m/2 {
				t.Errorf("%s, in %s, has %s", member.id, member.rack, id)
			}
		}
		if len(plan.active[member.id]) != 2 || len(plan.standby[member.id]) != 2 {
			t.Errorf("%s has %v and copies of %v", member.id, plan.active[member.id], plan.standby[member.id])
		}
	}
}

// Many tasks and members: an assignment takes little time.
func BenchmarkAssign(b *testing.B) {
	var tasks []groupTask
	for sub := range 5 {
		for p := range 1000 {
			tasks = append(tasks, groupTask{id: TaskID{sub, int32(p)}, stateful: sub > 0, end: longLog})
		}
	}
	members := make([]candidate, 50)
	for m := range members {
		members[m] = candidate{id: fmt.Sprintf("m%02d", m), process: fmt.Sprint(m), weight: 1 + m%2, sums: taskSums{}}
	}
	rules := assignRules{standbys: 1, maxWarmups: 2, acceptableLag: 10_000}
	plan := assign(members, tasks, rules)
	for m := range members[:49] {
		members[m].owned, members[m].standby = plan.active[members[m].id], plan.standby[members[m].id]
		for _, id := range members[m].owned {
			members[m].sums[id] = runningSum
		}
		for _, id := range members[m].standby {
			members[m].sums[id] = longLog
		}
	}
	for b.Loop() {
		assign(members, tasks, rules)
	}
}
