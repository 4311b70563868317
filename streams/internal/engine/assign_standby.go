package engine

import (
	"cmp"
	"slices"
)

// activeLoad is how many copies weigh as much as a task that runs.
const activeLoad = 2

// replicate finds who keeps copies of the stateful tasks. Copies stay where they are; new ones go to processes whose tags
// differ from those of the task and its other copies, then to who has the state, then to who has the least to do. Then
// single copies move, as long as that separates tags or makes the most loaded of two members less loaded, and pairs of copies
// change places when they come nearer to their partitions.
func (a *assigner) replicate() {
	if a.rules.standbys <= 0 {
		return
	}
	load := make([]int, len(a.members))
	for _, m := range a.target {
		load[m] += activeLoad
	}
	for i := range a.tasks {
		if a.tasks[i].stateful {
			a.keep(i, load)
		}
	}
	for i := range a.tasks {
		for a.tasks[i].stateful && len(a.copies[i]) < a.rules.standbys {
			m := a.bestFor(i, load)
			if m < 0 {
				break // there are not as many processes
			}
			a.copies[i] = append(a.copies[i], m)
			load[m]++
		}
	}
	for range improvementsMax {
		// First to who has the state already.
		if !a.improve(load, true) && !a.improve(load, false) && !a.exchange() {
			return
		}
	}
}

// improvementsMax bounds how often all copies are looked at. Each time moves at least one to a better place.
const improvementsMax = 50

// keep lets the copies of a task be where they are, those first that miss the least.
func (a *assigner) keep(i int, load []int) {
	holders := slices.Clone(a.holders[i])
	slices.SortStableFunc(holders, func(x, y int) int { return cmp.Compare(a.copyDistance(i, x), a.copyDistance(i, y)) })
	for _, m := range holders {
		if len(a.copies[i]) < a.rules.standbys && a.mayCopy(i, m, -1) {
			a.copies[i] = append(a.copies[i], m)
			load[m]++
		}
	}
}

// copyDistance is what a copy misses, 0 when it is caught up.
func (a *assigner) copyDistance(i, m int) int64 {
	if a.isCaughtUp(i, m) {
		return 0
	}
	return a.lag(i, m)
}

// mayCopy tells whether a member may keep a copy of a task, instead of another's.
func (a *assigner) mayCopy(i, m, instead int) bool {
	if a.sameProcess(m, a.target[i]) {
		return false
	}
	for c, o := range a.copies[i] {
		if c != instead && a.sameProcess(m, o) {
			return false
		}
	}
	return true
}

// clashes counts the tags that a member shares with the task and its other copies.
func (a *assigner) clashes(i, m, instead int) (n int) {
	for _, key := range a.rules.spread {
		tag := a.members[m].tags[key]
		if tag == a.members[a.target[i]].tags[key] {
			n++
		}
		for c, o := range a.copies[i] {
			if c != instead && tag == a.members[o].tags[key] {
				n++
			}
		}
	}
	return n
}

// bestFor is the member for one more copy, -1 when there is none.
func (a *assigner) bestFor(i int, load []int) int {
	best := -1
	for m := range a.members {
		if !a.mayCopy(i, m, -1) {
			continue
		}
		if best < 0 || cmp.Or(
			cmp.Compare(a.clashes(i, m, -1), a.clashes(i, best, -1)),
			cmp.Compare(a.standing(i, m), a.standing(i, best)),
			cmp.Compare(load[m]*a.members[best].weight, load[best]*a.members[m].weight),
			cmp.Compare(a.copyTraffic(i, m), a.copyTraffic(i, best)),
		) < 0 {
			best = m
		}
	}
	return best
}

// improve moves each copy to where it does better, if there is such a place: to members only that have some of its state, or
// to any.
func (a *assigner) improve(load []int, withState bool) (moved bool) {
	for i := range a.copies {
		for c, from := range a.copies[i] {
			to, clashes := from, a.clashes(i, from, c)
			for m := range a.members {
				if !a.mayCopy(i, m, c) || withState && a.standing(i, m) == nothingThere {
					continue
				}
				n := a.clashes(i, m, c)
				after := load[to] // of to, with the copy
				if to != from {
					after++
				}
				lighter := (load[m]+1)*a.members[to].weight < after*a.members[m].weight
				if n < clashes || n == clashes && m != from && lighter {
					to, clashes = m, n
				}
			}
			if to != from {
				a.copies[i][c] = to
				load[from]--
				load[to]++
				moved = true
			}
		}
	}
	return moved
}

// copyTraffic is what it costs that a copy is at a member: its changelogs' way, and that it is new there.
func (a *assigner) copyTraffic(i, m int) int64 {
	if !a.rules.rackAware {
		return 0
	}
	cost := a.rules.traffic * a.farFrom(a.tasks[i].logRacks, a.members[m].rack)
	if !slices.Contains(a.holders[i], m) {
		cost += a.rules.nonOverlap
	}
	return cost
}

// exchange lets pairs of copies change places where that costs less and separates tags as well as before. Loads stay.
func (a *assigner) exchange() (moved bool) {
	if !a.rules.rackAware {
		return false
	}
	for i := range a.copies {
		for c := range a.copies[i] {
			if a.farFrom(a.tasks[i].logRacks, a.members[a.copies[i][c]].rack) > 0 {
				moved = a.exchangeOne(i, c) || moved
			}
		}
	}
	return moved
}

func (a *assigner) exchangeOne(i, c int) bool {
	m := a.copies[i][c]
	for j := range a.copies {
		for d, o := range a.copies[j] {
			if j == i || m == o || !a.mayCopy(i, o, c) || !a.mayCopy(j, m, d) {
				continue
			}
			saves := a.copyTraffic(i, m) + a.copyTraffic(j, o) - a.copyTraffic(i, o) - a.copyTraffic(j, m)
			if saves > 0 && a.clashes(i, o, c)+a.clashes(j, m, d) <= a.clashes(i, m, c)+a.clashes(j, o, d) {
				a.copies[i][c], a.copies[j][d] = o, m
				return true
			}
		}
	}
	return false
}
