package oracle

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// Generate is the input of a seed for a program. Keys and values come from few, so that they meet; times go forward, back
// and stand still, and jump beyond what is kept; keys and values may be null.
func Generate(p *Program, seed uint64) Case {
	h := fnv.New64a()
	h.Write([]byte(p.Name))
	g := &generator{Program: p, r: rand.New(rand.NewPCG(seed, h.Sum64())), used: map[int64]bool{}}
	return g.generate()
}

type generator struct {
	*Program
	r    *rand.Rand
	now  int64
	sent int
	used map[int64]bool // times of records
	// jumpy inputs have steps beyond retention; tame ones no nulls.
	jumpy, tame, headers bool
}

func (g *generator) generate() Case {
	c := Case{Program: g.Name, Options: []string{pick(g.r, "cache=on", "cache=on", "cache=off", "cache=zero")}}
	if g.Optimize && g.r.IntN(2) == 0 {
		c.Options = append(c.Options, "optimize")
	}
	if g.Memory {
		c.Options = append(c.Options, "memory")
	}
	g.jumpy, g.tame, g.headers = g.r.IntN(4) == 0, g.r.IntN(3) == 0, g.r.IntN(6) == 0
	g.now = int64(g.r.IntN(3)) * g.scale() * 10
	n := 3 + g.r.IntN(28)
	for range n {
		if g.Clock && g.r.IntN(4) == 0 {
			c.Steps = append(c.Steps, Step{Clock: pick[int64](g.r, 1, 5, 10, 20, 25, 70)})
			continue
		}
		c.Steps = append(c.Steps, g.record())
	}
	return c
}

func (g *generator) scale() int64 { return max(1, g.Scale) }

func (g *generator) record() Step {
	s := Step{Topic: pick(g.r, g.Topics...), Time: g.time()}
	for g.versioned() && g.used[s.Time] {
		s.Time++ // see known.go
	}
	g.used[s.Time] = true
	s.Key = []byte(g.key(s.Topic))
	g.sent++
	s.Value = fmt.Appendf(nil, "%s%d", pick(g.r, "a", "b", "c", "d"), g.r.IntN(10))
	if !g.tame {
		if g.r.IntN(25) == 0 && !g.NoNullKey {
			s.Key = nil
		}
		if g.r.IntN(7) == 0 && !g.NoNullValue {
			s.Value = nil
		}
	}
	if g.headers && g.r.IntN(2) == 0 {
		s.Headers = append(s.Headers, Header{pick(g.r, "h", "x"), fmt.Appendf(nil, "%d", g.sent)})
		if g.r.IntN(3) == 0 {
			s.Headers = append(s.Headers, Header{"n", nil})
		}
	}
	return s
}

// versioned tells whether the program keeps versions of rows.
func (g *generator) versioned() bool {
	return strings.Contains(g.Name, "versioned") || strings.Contains(g.Name, "-grace")
}

// key is one of the letters where rows are found by foreign keys.
func (g *generator) key(topic string) string {
	for _, t := range g.Letters {
		if t == topic {
			return pick(g.r, "a", "b", "c", "z", "d")
		}
	}
	if g.r.IntN(2) == 0 {
		return "k1"
	}
	return pick(g.r, "k1", "k2", "k3")
}

func (g *generator) time() int64 {
	unit := g.scale()
	switch x := g.r.IntN(20); {
	case x < 3: // a tie
	case x < 12:
		g.now += unit * int64(g.r.IntN(8))
	case x < 15:
		g.now += unit * int64(5+g.r.IntN(30))
	case x < 17 && g.jumpy:
		g.now += pick[int64](g.r, 100*unit, 1000*unit, 61_000, 130_000, 400_000)
	default: // late, the clock goes on from where it was
		back := pick[int64](g.r, 1, 3, 5, 10, 11, 20, 21, 35, 60)
		return max(0, g.now-unit*back)
	}
	return g.now
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
