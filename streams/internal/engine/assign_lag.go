package engine

import (
	"cmp"
	"math"
	"slices"
)

// standing is how near a task is to running at a member, the nearest first.
type standing int

const (
	runsThere standing = iota
	caughtUp
	ownedThere    // it is being restored there, and misses much
	mostThere     // nobody else but the owner has more of its state
	somethingHere // of its state
	nothingThere
)

// standing tells it of a task and a member. Stateless tasks run where they are and can run anywhere.
func (a *assigner) standing(i, m int) standing {
	owner := a.owner[i] == m
	if !a.tasks[i].stateful {
		if owner {
			return runsThere
		}
		return nothingThere
	}
	lag := a.lag(i, m)
	_, state := a.members[m].sums[a.tasks[i].id]
	switch {
	case owner && lag <= a.rules.acceptableLag:
		return runsThere
	case owner:
		return ownedThere
	case state && lag <= a.rules.acceptableLag:
		return caughtUp
	case !state && !slices.Contains(a.holders[i], m):
		return nothingThere
	case lag == a.best[i]:
		return mostThere
	}
	return somethingHere
}

// lag is how many changelog records of a task a member misses, about: offsets that compaction or transactions took count
// too. Of an unknown end only the order of lags is known, and nobody is caught up but who runs it.
func (a *assigner) lag(i, m int) int64 {
	sum := a.members[m].sums[a.tasks[i].id]
	end := a.tasks[i].end
	switch {
	case !a.tasks[i].stateful || sum == runningSum, end < 0 && a.owner[i] == m:
		return 0
	case end < 0:
		return math.MaxInt64 - sum
	case sum > end: // of another changelog than there is now
		return end
	}
	return end - sum
}

func (a *assigner) isCaughtUp(i, m int) bool { return a.lag(i, m) <= a.rules.acceptableLag }

// catchUp finds where tasks run now: at their targets, or, while those miss too much of their state, with who has it. Then the
// target, or the member that is to get a copy, is given a warm-up: a copy that is over the number of standbys, at most
// maxWarmups at a time. Those under way go first.
func (a *assigner) catchUp() {
	copy(a.place, a.target)
	load := make([]int, len(a.members))
	var late []int
	for i, m := range a.target {
		if !a.tasks[i].stateful || a.isCaughtUp(i, m) {
			load[m]++
		} else {
			late = append(late, i)
		}
	}
	for _, i := range late {
		a.place[i] = a.nearest(i, load)
		load[a.place[i]]++
	}
	warmups := a.rules.maxWarmups
	slices.SortStableFunc(late, func(i, j int) int { return cmp.Compare(a.distance(i, a.target[i]), a.distance(j, a.target[j])) })
	for _, i := range late {
		if a.place[i] == a.target[i] {
			continue
		}
		a.pending = true
		swap := slices.IndexFunc(a.copies[i], func(m int) bool { return a.sameProcess(m, a.place[i]) })
		switch {
		case swap >= 0: // the two change their parts later
			a.copies[i][swap] = a.target[i]
		case warmups > 0:
			a.warmups[i] = append(a.warmups[i], a.target[i])
			warmups--
		}
	}
	for i := range a.tasks {
		warmups -= a.keepCopies(i, warmups)
	}
}

// distance orders warm-ups: those that have come farther are first.
func (a *assigner) distance(i, m int) standing {
	if slices.Contains(a.holders[i], m) {
		return 0
	}
	return a.standing(i, m)
}

// nearest is the member that can run a task soonest while its target cannot: the one that runs it, else the one with the
// fewest tasks of those that are caught up, else the most caught up.
func (a *assigner) nearest(i int, load []int) int {
	best := a.target[i]
	if o := a.owner[i]; o >= 0 && a.isCaughtUp(i, o) {
		return o
	}
	for m := range a.members {
		switch here, there := a.isCaughtUp(i, m), a.isCaughtUp(i, best); {
		case here && there:
			if load[m]*a.members[best].weight < load[best]*a.members[m].weight {
				best = m
			}
		case here, !there && a.lag(i, m) < a.lag(i, best):
			best = m
		}
	}
	return best
}

// keepCopies lets copies that are caught up stay, in the place of new ones that are not: those become warm-ups, of which there
// may be so many. It returns how many it made.
func (a *assigner) keepCopies(i, warmups int) (made int) {
	for c := 0; c < len(a.copies[i]); c++ {
		fresh := a.copies[i][c]
		if a.isCaughtUp(i, fresh) || fresh == a.target[i] {
			continue
		}
		old := slices.IndexFunc(a.holders[i], func(m int) bool {
			return a.isCaughtUp(i, m) && !a.sameProcess(m, a.place[i]) && !a.sameProcess(m, a.target[i]) && !a.hasCopy(i, m)
		})
		if old < 0 {
			continue
		}
		a.copies[i][c] = a.holders[i][old]
		a.pending = true
		if made < warmups {
			a.warmups[i] = append(a.warmups[i], fresh)
			made++
		}
	}
	return made
}

// hasCopy tells whether a process keeps a copy of a task in this assignment.
func (a *assigner) hasCopy(i, m int) bool {
	return slices.ContainsFunc(a.copies[i], func(o int) bool { return a.sameProcess(m, o) })
}
