package assign

import (
	"cmp"
	"slices"
)

// Uniform spreads all partitions evenly over the members and moves as few as that
// allows. If all members subscribe to the same topics no two differ by more than
// one partition, and a member loses only what it holds above its share.
func Uniform(topics map[TopicID]int32, members []Member) map[string]Partitions {
	if len(members) == 0 {
		return map[string]Partitions{}
	}
	sorted := byID(members)
	if sameTopics(sorted) {
		return uniformSame(topics, sorted)
	}
	return uniformMixed(topics, sorted)
}

func sameTopics(members []Member) bool {
	first := sortedCopy(members[0].Topics)
	for i := range members[1:] {
		if !slices.Equal(first, sortedCopy(members[i+1].Topics)) {
			return false
		}
	}
	return true
}

func sortedCopy(topics []TopicID) []TopicID {
	s := slices.Clone(topics)
	slices.SortFunc(s, CompareTopics)
	return s
}

// uniformSame is Uniform for members that all subscribe to the same topics.
func uniformSame(topics map[TopicID]int32, members []Member) map[string]Partitions {
	b := newBuild(topics, members)
	total := 0
	for _, t := range members[0].Topics {
		total += int(topics[t])
	}
	least, extra := total/len(members), total%len(members)
	// Shares above the least go to those who hold that much: nobody has to give up
	// a partition so that another may take one.
	shares := make([]int, len(members))
	for i := range members {
		shares[i] = least
		if extra > 0 && b.heldBefore(i) > least {
			shares[i]++
			extra--
		}
	}
	for i := range members {
		if extra > 0 && shares[i] == least {
			shares[i]++
			extra--
		}
	}
	for i := range members {
		b.keep(i, shares[i])
	}
	free := b.free(sortedCopy(members[0].Topics))
	for i := range members {
		for b.load[i] < shares[i] {
			b.give(i, free[0])
			free = free[1:]
		}
	}
	return b.result()
}

// uniformMixed is Uniform for members with different subscriptions.
func uniformMixed(topics map[TopicID]int32, members []Member) map[string]Partitions {
	b := newBuild(topics, members)
	for i := range members {
		b.keep(i, 1<<31-1)
	}
	// First those topics that leave least choice: many partitions, few takers.
	order := SortedTopics(b.subscribers)
	slices.SortStableFunc(order, func(x, y TopicID) int {
		nx, ny := len(b.subscribers[x]), len(b.subscribers[y])
		return cmp.Or(
			cmp.Compare(int(topics[y])*nx, int(topics[x])*ny), // partitions per subscriber, descending
			cmp.Compare(nx, ny))
	})
	for _, p := range b.free(order) {
		b.give(b.leastLoaded(p.topic), p)
	}
	b.balance(order)
	return b.result()
}

type topicPartition struct {
	topic     TopicID
	partition int32
}

// build is an assignment in the making. Members go by their index.
type build struct {
	topics      map[TopicID]int32
	members     []Member
	subscribers map[TopicID][]int
	load        []int
	owner       map[TopicID][]int // per partition; -1 = nobody
}

func newBuild(topics map[TopicID]int32, members []Member) *build {
	b := &build{topics: topics, members: members, subscribers: map[TopicID][]int{},
		load: make([]int, len(members)), owner: map[TopicID][]int{}}
	for i := range members {
		for _, t := range members[i].Topics {
			b.subscribers[t] = append(b.subscribers[t], i)
			if b.owner[t] == nil {
				b.owner[t] = make([]int, topics[t])
				for p := range b.owner[t] {
					b.owner[t][p] = -1
				}
			}
		}
	}
	return b
}

// heldBefore counts what a member may keep of its current partitions.
func (b *build) heldBefore(i int) int {
	n := 0
	for t, ps := range b.members[i].Current {
		if !slices.Contains(b.members[i].Topics, t) {
			continue
		}
		for _, p := range ps {
			if p >= 0 && p < b.topics[t] {
				n++
			}
		}
	}
	return n
}

// keep lets a member keep its current partitions, up to a limit.
func (b *build) keep(i, limit int) {
	for _, t := range b.members[i].Current.Topics() {
		if !slices.Contains(b.members[i].Topics, t) {
			continue
		}
		for _, p := range b.members[i].Current[t] {
			if b.load[i] < limit && p >= 0 && p < b.topics[t] && b.owner[t][p] < 0 {
				b.give(i, topicPartition{t, p})
			}
		}
	}
}

func (b *build) give(i int, p topicPartition) {
	if old := b.owner[p.topic][p.partition]; old >= 0 {
		b.load[old]--
	}
	b.owner[p.topic][p.partition] = i
	b.load[i]++
}

// free lists the partitions that nobody has.
func (b *build) free(order []TopicID) []topicPartition {
	var all []topicPartition
	for _, t := range order {
		for p, owner := range b.owner[t] {
			if owner < 0 {
				all = append(all, topicPartition{t, int32(p)})
			}
		}
	}
	return all
}

func (b *build) leastLoaded(t TopicID) int {
	best := b.subscribers[t][0]
	for _, i := range b.subscribers[t][1:] {
		if b.load[i] < b.load[best] {
			best = i
		}
	}
	return best
}

// balance moves partitions, one at a time, from a member to a subscriber of the
// topic that has at least two fewer, until none is left to move. Each move brings
// two loads closer, so it ends; the bound keeps a large group's step short.
func (b *build) balance(order []TopicID) {
	const rounds = 16
	for range rounds {
		moved := false
		for _, t := range order {
			moved = b.balanceTopic(t) || moved
		}
		if !moved {
			return
		}
	}
}

func (b *build) balanceTopic(t TopicID) bool {
	moved := false
	for p := range b.owner[t] {
		from, to := b.owner[t][p], b.leastLoaded(t)
		if b.load[from] > b.load[to]+1 {
			b.give(to, topicPartition{t, int32(p)})
			moved = true
		}
	}
	return moved
}

func (b *build) result() map[string]Partitions {
	result := make(map[string]Partitions, len(b.members))
	for i := range b.members {
		result[b.members[i].ID] = Partitions{}
	}
	for t, owners := range b.owner {
		for p, i := range owners {
			id := b.members[i].ID
			result[id][t] = append(result[id][t], int32(p))
		}
	}
	return result
}
