package streams

import (
	"fmt"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// passThrough makes a node that sends what it takes.
func passThrough[K, V any](n *plan.Node, _ port[K, V]) {
	o := processor(pass[K, V])
	n.Write = func(b *topology.Builder, parents []string) error {
		b.AddProcessor(n.Name, o, parents...)
		return nil
	}
}

// pass opens a node that sends what it takes.
func pass[K, V any](_ *opening, next sink[K, V]) (sink[K, V], error) { return next, nil }

// splitter sends each record to the branch whose test holds first.
type splitter[K, V any] struct {
	p     port[K, V] // of the node that splits
	name  string
	tests []test[K, V]
	names []string // of the branches' nodes
	last  string   // the default branch's node
}

func newSplit[K, V any](p port[K, V], name string) *splitter[K, V] {
	s := &splitter[K, V]{name: name}
	n := &plan.Node{Name: p.b.nodeName(name, "KSTREAM-BRANCH-")}
	if name == "" {
		s.name = n.Name
	}
	step(p, n, s.open)
	s.p = p.at(n)
	return s
}

func (s *splitter[K, V]) open(x *opening, _ sink[K, V]) (sink[K, V], error) {
	type way struct {
		passes func(*Record[K, V]) (bool, error)
		take   sink[K, V]
	}
	ways := make([]way, len(s.tests))
	for i, t := range s.tests {
		ways[i] = way{t(x.node), childNamed[K, V](x, s.names[i])}
	}
	rest := childNamed[K, V](x, s.last)
	return func(r *Record[K, V]) error {
		for _, w := range ways {
			ok, err := w.passes(r)
			if err != nil {
				return x.failed(err)
			}
			if ok {
				return w.take(r)
			}
		}
		return rest(r)
	}, nil
}

// childNamed sends to one child only; to none when there is no child of that name.
func childNamed[K, V any](x *opening, name string) sink[K, V] {
	for _, c := range x.children {
		if c.name == name {
			return c.take.(sink[K, V])
		}
	}
	return func(*Record[K, V]) error { return nil }
}

func (s *splitter[K, V]) branch(name string, f test[K, V]) port[K, V] {
	if s.last != "" {
		s.p.b.mistake("Split "+s.name, "Branch follows Default", "Default takes what is left: call it last")
	}
	if name == "" {
		name = fmt.Sprint(len(s.tests) + 1)
	}
	s.tests, s.names = append(s.tests, f), append(s.names, s.name+name)
	return s.child(name)
}

func (s *splitter[K, V]) rest(name string) port[K, V] {
	if name == "" {
		name = "0"
	}
	if s.last != "" {
		s.p.b.mistake("Split "+s.name, "Default is called twice", "call it once")
	}
	s.last = s.name + name
	return s.child(name)
}

func (s *splitter[K, V]) child(name string) port[K, V] {
	s.p.b.plan.Name("KSTREAM-BRANCHCHILD-") // its number is used up
	n := &plan.Node{Name: s.name + name}
	passThrough(n, s.p)
	s.p.b.plan.Add(n, s.p.n)
	return s.p.at(n)
}
