package engine

import "slices"

// balance finds the member that each task is to be active at. It is a flow from tasks to members: every member takes of each
// sub-topology, of all stateful tasks, of all stateless ones, and of all tasks together its weight's share, rounded up or
// down. Such a flow always exists, because each of these sets contains the one before or has nothing in common with it. Of
// all there are it is the cheapest: tasks stay, or go where their state is, or where their partitions are near.
func (a *assigner) balance() {
	f := &activeFlow{a: a, racks: a.distinctRacks()}
	f.build()
	f.net.run(f.source, f.sink, int32(len(a.tasks))) //nolint:gosec // bounded by tasksMax
	f.read()
}

// activeFlow is the network: source, tasks, pools, shares of sub-topologies by member, shares of kinds by member, members,
// sink. A pool stands for all members of one rack to which a task costs the same, so that arcs are few.
type activeFlow struct {
	a     *assigner
	net   flowNet
	racks []string

	source, sink int32
	subs         []int         // numbers of sub-topologies
	shares       [][]int32     // nodes, by sub-topology and member
	pools        [][]int32     // nodes, by sub-topology and rack
	direct       [][]directArc // by task
	pooled       [][]int32     // arcs by task and rack
	fromPool     [][]int32     // arcs by sub-topology and member
}

type directArc struct {
	member int
	arc    int32
}

// floorGain makes filling a share up to its rounded-down size worth more than any way through the network costs.
const floorGain = 1 << 40

func (f *activeFlow) build() {
	a, n := f.a, &f.net
	f.source, f.sink = n.node(), n.node()
	count := map[int]int{} // tasks by sub-topology
	stateful := map[int]bool{}
	kinds := map[bool]int{}
	for i := range a.tasks {
		sub := a.tasks[i].id.Subtopology
		if count[sub] == 0 {
			f.subs = append(f.subs, sub)
		}
		count[sub]++
		stateful[sub] = a.tasks[i].stateful
		kinds[a.tasks[i].stateful]++
	}
	kindNodes := make([]map[bool]int32, len(a.members))
	for m := range a.members {
		member := n.node()
		f.share(member, f.sink, len(a.tasks), m)
		kindNodes[m] = map[bool]int32{false: n.node(), true: n.node()}
		for _, kind := range []bool{false, true} {
			f.share(kindNodes[m][kind], member, kinds[kind], m)
		}
	}
	for _, sub := range f.subs {
		shares, pools, from := make([]int32, len(a.members)), make([]int32, len(f.racks)), make([]int32, len(a.members))
		for r := range f.racks {
			pools[r] = n.node()
		}
		for m := range a.members {
			shares[m] = n.node()
			f.share(shares[m], kindNodes[m][stateful[sub]], count[sub], m)
			from[m] = n.arc(pools[f.rackOf(m)], shares[m], int32(count[sub]), 0) //nolint:gosec // bounded by tasksMax
		}
		f.shares, f.pools, f.fromPool = append(f.shares, shares), append(f.pools, pools), append(f.fromPool, from)
	}
	for i := range a.tasks {
		f.task(i)
	}
}

// share adds arcs for a member's share of tasks.
func (f *activeFlow) share(from, to int32, tasks, m int) {
	floor := tasks * f.a.members[m].weight / f.a.total
	f.net.arc(from, to, int32(floor), -floorGain) //nolint:gosec // bounded by tasksMax
	if tasks*f.a.members[m].weight%f.a.total != 0 {
		f.net.arc(from, to, 1, 0)
	}
}

func (f *activeFlow) task(i int) {
	a, n := f.a, &f.net
	node := n.node()
	n.arc(f.source, node, 1, 0)
	sub := slices.Index(f.subs, a.tasks[i].id.Subtopology)
	var direct []directArc
	for m := range a.members {
		if s := a.standing(i, m); s < nothingThere {
			cost := a.activeCost(i, a.members[m].rack, m == a.owner[i], s)
			direct = append(direct, directArc{m, n.arc(node, f.shares[sub][m], 1, cost)})
		}
	}
	pooled := make([]int32, len(f.racks))
	for r, rack := range f.racks {
		pooled[r] = n.arc(node, f.pools[sub][r], 1, a.activeCost(i, rack, false, nothingThere))
	}
	f.direct, f.pooled = append(f.direct, direct), append(f.pooled, pooled)
}

// read takes the targets out of the flow. Which of the tasks in a pool goes to which of its members is all the same.
func (f *activeFlow) read() {
	a := f.a
	for i := range a.tasks {
		sub := slices.Index(f.subs, a.tasks[i].id.Subtopology)
		a.target[i] = f.targetOf(i, sub)
	}
}

func (f *activeFlow) targetOf(i, sub int) int {
	for _, d := range f.direct[i] {
		if f.net.sent(d.arc) > 0 {
			return d.member
		}
	}
	for r := range f.racks {
		if f.net.sent(f.pooled[i][r]) == 0 {
			continue
		}
		for m, arc := range f.fromPool[sub] {
			if f.rackOf(m) == r && f.net.sent(arc) > 0 {
				f.net.arcs[arc^1].room-- // used
				return m
			}
		}
	}
	panic("engine: a task without a way through the network of the assignment")
}

func (f *activeFlow) rackOf(m int) int {
	return max(0, slices.Index(f.racks, f.a.members[m].rack))
}

// distinctRacks are those of the members; one for all when racks do not count.
func (a *assigner) distinctRacks() []string {
	var racks []string
	for i := range a.members {
		racks = append(racks, a.members[i].rack)
	}
	slices.Sort(racks)
	racks = slices.Compact(racks)
	if !a.rules.rackAware {
		return racks[:1]
	}
	return racks
}

// activeCost is what it costs that a task is active at a member of a rack. Without racks only the standing counts; with them it
// decides between equals.
func (a *assigner) activeCost(i int, rack string, owner bool, s standing) int64 {
	cost := int64(s)
	if !a.rules.rackAware {
		return cost
	}
	far := a.farFrom(a.tasks[i].inputRacks, rack) + a.farFrom(a.tasks[i].logRacks, rack)
	cost += a.rules.traffic * far * int64(nothingThere+1)
	if !owner {
		cost += a.rules.nonOverlap * int64(nothingThere+1)
	}
	return cost
}

// farFrom counts the partitions of which no replica is in the rack.
func (a *assigner) farFrom(partitions [][]string, rack string) (n int64) {
	for _, racks := range partitions {
		if !slices.Contains(racks, rack) {
			n++
		}
	}
	return n
}
