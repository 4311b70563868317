package metadata

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// placer chooses the brokers of new partitions: racks in turn, and inside a
// rack brokers in turn, live ones first. Each partition starts one rack after
// the one before. A leader is always live; brokers do not repeat within a
// partition. Spreading over racks outranks spreading over brokers.
type placer struct {
	racks  []rack
	start  int // the rack of the next partition's leader
	live   int
	total  int
	placed int // partitions since the last shuffle
	random io.Reader
}

// rack holds the brokers of one rack, each list in the order they are handed
// out, with the place where the next partition begins. It moves on by one with
// each partition that the rack takes part in, so that the first broker taken,
// which may become the leader, is a different one each time.
type rack struct {
	live, fenced         []int32
	nextLive, nextFenced int
}

// random returns a number in [0, n). An error of the source leaves 0: a worse
// spread, not a failure.
func random(r io.Reader, n int) int {
	var b [8]byte
	if n <= 1 {
		return 0
	}
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0
	}
	return int(binary.BigEndian.Uint64(b[:]) % uint64(n))
}

func newPlacer(img *Image, source io.Reader) *placer {
	p := &placer{random: source}
	byRack := map[string]*rack{}
	var names []string
	for b := range img.Brokers() {
		name := ""
		if b.Rack != nil {
			name = *b.Rack
		}
		r := byRack[name]
		if r == nil {
			r = &rack{}
			byRack[name] = r
			names = append(names, name)
		}
		p.total++
		if b.Fenced {
			r.fenced = append(r.fenced, b.ID)
		} else {
			r.live = append(r.live, b.ID)
			p.live++
		}
	}
	slices.Sort(names)
	for _, name := range names {
		p.racks = append(p.racks, *byRack[name])
	}
	p.shuffle()
	p.start = random(source, len(p.racks))
	return p
}

func (p *placer) shuffle() {
	p.placed = 0
	for i := range p.racks {
		r := &p.racks[i]
		for _, list := range [][]int32{r.live, r.fenced} {
			for j := len(list) - 1; j > 0; j-- {
				k := random(p.random, j+1)
				list[j], list[k] = list[k], list[j]
			}
		}
		r.nextLive, r.nextFenced = 0, 0
	}
}

// place returns the replicas of one more partition, its leader first.
func (p *placer) place(factor int) ([]int32, *refusal) {
	cannot := func(why string) *refusal {
		return refuse(kerr.InvalidReplicationFactor, fmt.Sprintf("Unable to replicate the partition %d time(s): %s", factor, why))
	}
	switch {
	case p.live == 0:
		return nil, cannot("All brokers are currently fenced.")
	case factor > p.total:
		return nil, cannot(fmt.Sprintf("The target replication factor of %d cannot be reached because only %d broker(s) are registered.", factor, p.total))
	}
	if p.placed == p.live {
		p.shuffle()
	}
	p.placed++
	out := make([]int32, 0, factor)
	used := map[int32]bool{}
	touched := make([]bool, len(p.racks))
	first := p.start
	p.start = (p.start + 1) % len(p.racks)
	// The leader: the first rack from here on with a live broker.
	for i := range p.racks {
		at := (first + i) % len(p.racks)
		if id, ok := pick(p.racks[at].live, p.racks[at].nextLive, used); ok {
			out, touched[at] = append(out, id), true
			first += i + 1
			break
		}
	}
	for len(out) < factor {
		at := first % len(p.racks)
		r := &p.racks[at]
		first++
		id, ok := pick(r.live, r.nextLive, used)
		if !ok {
			id, ok = pick(r.fenced, r.nextFenced, used)
		}
		if ok {
			out, touched[at] = append(out, id), true
		}
	}
	for at, yes := range touched {
		if yes {
			p.racks[at].nextLive++
			p.racks[at].nextFenced++
		}
	}
	return out, nil
}

// pick returns the first broker of the list, from a place on and around, that
// the partition does not use yet.
func pick(list []int32, from int, used map[int32]bool) (int32, bool) {
	for i := range list {
		id := list[(from+i)%len(list)]
		if !used[id] {
			used[id] = true
			return id, true
		}
	}
	return 0, false
}
