package assign

import "slices"

// Simple is the assignor of share groups (KIP-932), Kafka's "simple". A partition may
// have many members: as many as it takes for each member to have some. Where all
// subscribe to the same topics the partitions of all of them are dealt out together,
// else those of each topic for themselves.
//
// With P partitions and M members each partition has ceil(M/P) members, so that no two
// members differ by more than one partition; what a member has it keeps as far as that
// allows. assignable are the partitions that may be given out: others of a topic wait.
// A member that gets nothing has an empty entry.
//
// Kafka deals in the order of a Java hash table; here members and partitions go by
// their ids, which gives the same numbers.
func Simple(assignable Partitions, members []Member) map[string]Partitions {
	result := make(map[string]Partitions, len(members))
	if len(members) == 0 {
		return result
	}
	sorted := byID(members)
	for i := range sorted {
		result[sorted[i].ID] = Partitions{}
	}
	for _, topics := range simpleDeals(sorted) {
		d := deal{members: sorted}
		for _, t := range topics {
			for _, p := range assignable[t] {
				d.partitions = append(d.partitions, topicPartition{t, p})
			}
		}
		for i := range sorted {
			if slices.Contains(sorted[i].Topics, topics[0]) {
				d.takers = append(d.takers, i)
			}
		}
		for i, has := range d.run() {
			for _, p := range has {
				r := result[sorted[i].ID]
				r[p.topic] = append(r[p.topic], p.partition)
			}
		}
	}
	for _, r := range result {
		for _, ps := range r {
			slices.Sort(ps)
		}
	}
	return result
}

// simpleDeals lists the sets of topics that are dealt out together.
func simpleDeals(members []Member) [][]TopicID {
	if sameTopics(members) {
		if len(members[0].Topics) == 0 {
			return nil
		}
		return [][]TopicID{sortedCopy(members[0].Topics)}
	}
	all := map[TopicID]bool{}
	for i := range members {
		for _, t := range members[i].Topics {
			all[t] = true
		}
	}
	var deals [][]TopicID
	for _, t := range SortedTopics(all) {
		deals = append(deals, []TopicID{t})
	}
	return deals
}

// deal is the assignment of some partitions to some members, which go by their index.
type deal struct {
	members    []Member
	takers     []int
	partitions []topicPartition // sorted
	sharing    int              // how many members a partition shall have

	shares map[int]int              // how many partitions a member shall have
	has    map[int][]topicPartition // so far
	owners map[topicPartition][]int
}

func (d *deal) run() map[int][]topicPartition {
	d.shares, d.has, d.owners = map[int]int{}, map[int][]topicPartition{}, map[topicPartition][]int{}
	if len(d.partitions) == 0 {
		return nil
	}
	n := len(d.takers)
	d.sharing = (n + len(d.partitions) - 1) / len(d.partitions)
	total := d.sharing * len(d.partitions)
	ceil := func(i int) int { return (total*i + n - 1) / n }
	for k, i := range d.takers {
		d.shares[i] = ceil(k+1) - ceil(k)
	}
	// Those that have little keep it before others choose.
	held := map[int][]topicPartition{}
	for _, p := range d.partitions {
		for _, i := range d.takers {
			if _, ok := slices.BinarySearch(d.members[i].Current[p.topic], p.partition); ok {
				held[i] = append(held[i], p)
			}
		}
	}
	byHeld := slices.Clone(d.takers)
	slices.SortStableFunc(byHeld, func(a, b int) int { return len(held[a]) - len(held[b]) })
	for _, i := range byHeld {
		d.keep(i, held[i])
	}
	d.give()
	return d.has
}

// keep lets a member keep what it holds, up to its share and as long as a partition is
// not shared enough already; first what fewest others have.
func (d *deal) keep(i int, held []topicPartition) {
	slices.SortStableFunc(held, func(a, b topicPartition) int { return len(d.owners[a]) - len(d.owners[b]) })
	for _, p := range held {
		if len(d.has[i]) < d.shares[i] && len(d.owners[p]) < d.sharing {
			d.add(i, p)
		}
	}
}

func (d *deal) add(i int, p topicPartition) {
	d.has[i] = append(d.has[i], p)
	d.owners[p] = append(d.owners[p], i)
}

// give deals the rest round and round to those that have less than their share. A
// partition that each of them has already stays with fewer members.
func (d *deal) give() {
	var poor []int
	for _, i := range d.takers {
		if len(d.has[i]) < d.shares[i] {
			poor = append(poor, i)
		}
	}
	next := 0
	for _, p := range d.partitions {
		for seen := 0; len(d.owners[p]) < d.sharing && seen < len(poor); {
			next %= len(poor)
			i := poor[next]
			if slices.Contains(d.owners[p], i) {
				next, seen = next+1, seen+1
				continue
			}
			d.add(i, p)
			if len(d.has[i]) >= d.shares[i] {
				poor = slices.Delete(poor, next, next+1)
			} else {
				next++
			}
			seen = 0
		}
	}
}
