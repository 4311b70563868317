package oracle

import (
	"slices"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// Program is a topology of the catalogue and what its inputs look like.
type Program struct {
	Name    string
	Topics  []string
	Letters []string // of these topics the keys are what foreign keys of values are
	Build   func(p *P)

	Scale                  int64 // ms of one unit of time in generated inputs; 0: 1
	Clock                  bool  // generated inputs advance the wall clock
	Optimize               bool  // runs with and without optimisations
	Memory                 bool  // Java may keep its state in memory: no stores that forget
	NoNullKey, NoNullValue bool
}

// Programs are all of the catalogue, in its order.
var Programs []*Program

// Find gives a program by its name, nil if there is none.
func Find(name string) *Program {
	i := slices.IndexFunc(Programs, func(p *Program) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return Programs[i]
}

func add(name string, topics []string, build func(p *P)) *Program {
	p := &Program{Name: name, Topics: topics, Build: build}
	Programs = append(Programs, p)
	return p
}

// S is a string that may be null.
type S = *string

var text = streams.Optional(streams.String)

func topic(name string) streams.Topic[S, S] { return streams.NewTopic(name, text, text) }

type driver = streamstest.Driver

// wallStart is where the wall clock begins on both sides, ms.
const wallStart = 1_000_000

// cached is what stores of processors are declared with: in Java too they have a cache unless the case says no.
func cached(p *P) []streams.Option {
	if p.cache == "off" {
		return nil
	}
	return []streams.Option{streams.Cached()}
}

// P is what a program is built with.
type P struct {
	b        *streams.Builder
	cache    string
	versions map[string]bool // the versioned stores
}

// store options as the case says.
func (p *P) store(o ...streams.Option) []streams.Option {
	if p.cache == "off" {
		o = append(o, streams.NoCache())
	}
	return o
}

func (p *P) stream(name string) *streams.Stream[S, S] { return topic(name).Stream(p.b) }

// table is a table of a topic; without a store name it is materialised only if somebody needs it.
func (p *P) table(name, store string) *streams.Table[S, S] {
	t := topic(name).Table(p.b, store, p.store()...)
	if store != "" {
		see(p, store, t)
	}
	return t
}

func (p *P) versioned(name, store string, history int64) *streams.Table[S, S] {
	p.versions[store] = true
	return topic(name).Table(p.b, store, streams.Versioned(ms(history)))
}

func (p *P) global(name, store string) *streams.GlobalTable[S, S] {
	return topic(name).GlobalTable(p.b, store, p.store()...)
}

func (p *P) out(s *streams.Stream[S, S]) { s.To(topic("out")) }

func (p *P) outT(t *streams.Table[S, S]) { t.ToStream().To(topic("out")) }

func (p *P) outN(t *streams.Table[S, int64]) {
	t.ToStream().To(streams.NewTopic("out-n", text, streams.Int64))
}

func (p *P) outW(t *streams.WTable[S, S]) {
	t.ToStream().To(streams.NewWindowedTopic("out-w", text, text, ms(10)))
}

func (p *P) outWN(t *streams.WTable[S, int64]) {
	t.ToStream().To(streams.NewWindowedTopic("out-wn", text, streams.Int64, ms(10)))
}

func (p *P) outS(t *streams.WTable[S, S]) {
	t.ToStream().To(streams.NewWindowedTopic("out-s", text, text, 0))
}

func (p *P) outSN(t *streams.WTable[S, int64]) {
	t.ToStream().To(streams.NewWindowedTopic("out-sn", text, streams.Int64, 0))
}

// see checks that a table can be looked at by a store of that name.
func see[V any](_ *P, store string, t *streams.Table[S, V]) *streams.Table[S, V] {
	if t.View(); store == "" {
		panic("a table without a store")
	}
	return t
}

func seeW[V any](_ *P, store string, t *streams.WTable[S, V]) *streams.WTable[S, V] {
	if t.View(); store == "" {
		panic("a table without a store")
	}
	return t
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// Functions on values like "c7": the letter is a foreign key, the digit a measure. Java's compute the same.

func str(v string) S { return &v }

// s writes null as ~.
func s(v S) string {
	if v == nil {
		return "~"
	}
	return *v
}

func num(v S) int {
	if v == nil || *v == "" {
		return 0
	}
	if c := (*v)[len(*v)-1]; c >= '0' && c <= '9' {
		return int(c - '0')
	}
	return len(*v) % 10
}

func even(v S) bool { return num(v)%2 == 0 }

// letter is the first of a to e in the value; null for null, and for a value whose digit is 9.
func letter(v S) S {
	if v == nil || num(v) == 9 {
		return nil
	}
	for _, c := range *v {
		if c >= 'a' && c <= 'e' {
			return str(string(c))
		}
	}
	return str("z")
}

func letterKV(_, v S) S { return letter(v) }

func fold(a, v S) S { return str(s(a) + "." + s(v)) }

func undo(a, v S) S { return str(s(a) + "-" + s(v)) }

func mergeS(a, b S) S { return str("[" + s(a) + "+" + s(b) + "]") }

func pair(l, r S) S { return str("(" + s(l) + "," + s(r) + ")") }

func pairLeft(l, r S, ok bool) S {
	if !ok {
		r = nil
	}
	return pair(l, r)
}

func pairOuter(e streams.Either[S, S]) S {
	if !e.HasLeft {
		e.Left = nil
	}
	if !e.HasRight {
		e.Right = nil
	}
	return pair(e.Left, e.Right)
}

// foldOrNull deletes on 0.
func foldOrNull(a, v S) S {
	if num(v) == 0 {
		return nil
	}
	return fold(a, v)
}

func initial() streams.Option { return streams.Init(func() S { return str("i") }) }

func addTo(v S, x string) S { return str(s(v) + x) }

// mark is null for 3.
func mark(v S) S {
	if num(v) == 3 {
		return nil
	}
	return addTo(v, "!")
}
