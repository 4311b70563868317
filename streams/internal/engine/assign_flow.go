package engine

import (
	"container/heap"
	"math"
)

// A flowNet is a network whose arcs have capacities and costs. It finds the cheapest way to send a flow through it, in
// whole units: assignments with quotas are such flows.
//
// The algorithm is the primal-dual one: shortest distances by costs reduced by potentials (Dijkstra), then as much flow as
// fits on arcs that lie on shortest ways (Dinic), until the sink is cut off or has enough. Costs are small integers, so
// the number of rounds is that of different distances, not of units.
type flowNet struct {
	out  [][]int32 // arcs by the node they leave; arc a's reverse is a^1
	arcs []flowArc

	potential, distance []int64
	level, at           []int32
}

type flowArc struct {
	to   int32
	room int32 // capacity that is left
	cost int64
}

// endless is more than any distance.
const endless = math.MaxInt64 / 4

func (n *flowNet) node() int32 {
	n.out = append(n.out, nil)
	return int32(len(n.out) - 1) //nolint:gosec // nodes are tasks and members
}

func (n *flowNet) arc(from, to, room int32, cost int64) int32 {
	a := int32(len(n.arcs)) //nolint:gosec // as above
	n.arcs = append(n.arcs, flowArc{to, room, cost}, flowArc{from, 0, -cost})
	n.out[from] = append(n.out[from], a)
	n.out[to] = append(n.out[to], a+1)
	return a
}

// sent is how much flows over an arc.
func (n *flowNet) sent(a int32) int32 { return n.arcs[a^1].room }

// run sends want units from one node to another, or as many as there is room for.
func (n *flowNet) run(from, to, want int32) {
	n.potential = make([]int64, len(n.out))
	n.distance = make([]int64, len(n.out))
	n.level, n.at = make([]int32, len(n.out)), make([]int32, len(n.out))
	n.firstPotentials(from)
	for want > 0 && n.shortest(from, to) {
		for want > 0 && n.layers(from, to) {
			clear(n.at)
			want -= n.push(from, to, want)
		}
	}
}

// firstPotentials are the distances themselves, by Bellman and Ford: costs may be negative, cycles of negative cost
// are not there.
func (n *flowNet) firstPotentials(from int32) {
	for v := range n.potential {
		n.potential[v] = endless
	}
	n.potential[from] = 0
	queue, queued := []int32{from}, make([]bool, len(n.out))
	for len(queue) > 0 {
		v := queue[0]
		queue, queued[v] = queue[1:], false
		for _, a := range n.out[v] {
			arc := &n.arcs[a]
			if d := n.potential[v] + arc.cost; arc.room > 0 && d < n.potential[arc.to] {
				n.potential[arc.to] = d
				if !queued[arc.to] {
					queue, queued[arc.to] = append(queue, arc.to), true
				}
			}
		}
	}
}

// reduced is the cost of an arc from v over what the potentials account for: never negative where there is room.
func (n *flowNet) reduced(v int32, arc *flowArc) int64 {
	return arc.cost + n.potential[v] - n.potential[arc.to]
}

// shortest moves the potentials by the distances there are now. false: the sink cannot be reached.
func (n *flowNet) shortest(from, to int32) bool {
	for v := range n.distance {
		n.distance[v] = endless
	}
	n.distance[from] = 0
	todo := &flowHeap{{from, 0}}
	for todo.Len() > 0 {
		e := heap.Pop(todo).(flowEntry) //nolint:forcetypeassert // it holds nothing else
		if e.distance > n.distance[e.node] {
			continue
		}
		for _, a := range n.out[e.node] {
			arc := &n.arcs[a]
			if arc.room == 0 {
				continue
			}
			if d := e.distance + n.reduced(e.node, arc); d < n.distance[arc.to] {
				n.distance[arc.to] = d
				heap.Push(todo, flowEntry{arc.to, d})
			}
		}
	}
	if n.distance[to] == endless {
		return false
	}
	for v := range n.potential {
		n.potential[v] += min(n.distance[v], n.distance[to])
	}
	return true
}

// layers numbers nodes by how many shortest arcs lead to them.
func (n *flowNet) layers(from, to int32) bool {
	for v := range n.level {
		n.level[v] = -1
	}
	n.level[from] = 0
	queue := []int32{from}
	for i := 0; i < len(queue); i++ {
		v := queue[i]
		for _, a := range n.out[v] {
			arc := &n.arcs[a]
			if arc.room > 0 && n.level[arc.to] < 0 && n.reduced(v, arc) == 0 {
				n.level[arc.to] = n.level[v] + 1
				queue = append(queue, arc.to)
			}
		}
	}
	return n.level[to] >= 0
}

// push sends as much as it can over shortest arcs from layer to layer.
func (n *flowNet) push(v, to, want int32) int32 {
	if v == to {
		return want
	}
	var sent int32
	for ; int(n.at[v]) < len(n.out[v]); n.at[v]++ {
		a := n.out[v][n.at[v]]
		arc := &n.arcs[a]
		if arc.room == 0 || n.level[arc.to] != n.level[v]+1 || n.reduced(v, arc) != 0 {
			continue
		}
		got := n.push(arc.to, to, min(want-sent, arc.room))
		arc.room -= got
		n.arcs[a^1].room += got
		if sent += got; sent == want {
			break // the arc may have room for more
		}
	}
	return sent
}

type flowEntry struct {
	node     int32
	distance int64
}

// flowHeap gives the nearest node first, of equal ones the first.
type flowHeap []flowEntry

func (h flowHeap) Len() int { return len(h) }
func (h flowHeap) Less(i, j int) bool {
	return h[i].distance < h[j].distance || h[i].distance == h[j].distance && h[i].node < h[j].node
}
func (h flowHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *flowHeap) Push(x any)   { *h = append(*h, x.(flowEntry)) } //nolint:forcetypeassert // as above
func (h *flowHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
