package topology

import (
	"errors"
	"slices"
)

// Build checks the whole and returns it, or all mistakes joined, in the order they were made. The builder
// cannot be used afterwards.
func (b *Builder) Build() (*Topology, error) {
	if b.built {
		return nil, errors.New("the topology was already built")
	}
	b.built = true
	b.markInternal()
	groups := b.copartitioned()
	if len(b.order) == 0 && len(b.problems) == 0 {
		b.failf("the topology reads no topic: add a source or a global table")
	}
	if len(b.problems) > 0 {
		return nil, errors.Join(b.problems...)
	}
	t := &Topology{nodes: b.nodes, order: b.order, stores: map[string]*Store{}, copart: groups}
	for _, it := range b.internIn {
		t.internal = append(t.internal, *it)
	}
	for _, u := range b.storeIn {
		t.stores[u.Name] = &u.Store
		t.storeList = append(t.storeList, &u.Store)
	}
	b.number(t)
	return t, nil
}

// markInternal tells sources and sinks of internal topics from others. A source that says of itself that it
// is internal declares its topics.
func (b *Builder) markInternal() {
	for _, n := range b.order {
		if n.Kind == KindSource && n.Internal {
			for _, topic := range n.Topics {
				b.AddInternalTopic(InternalTopic{Name: topic})
			}
		}
	}
	for _, n := range b.order {
		switch n.Kind {
		case KindSource:
			n.Internal = slices.ContainsFunc(n.Topics, func(topic string) bool { return b.internal[topic] != nil })
		case KindSink:
			n.Internal = b.internal[n.Topic] != nil
		case KindProcessor:
		}
	}
}

// copartitioned joins the groups that have a source in common, and finds those that can never have the same
// number of partitions: all topics internal, their numbers given and different.
func (b *Builder) copartitioned() [][]string {
	u := unionFind{}
	var names []string
	for _, g := range b.copart {
		for _, name := range g {
			n, ok := b.nodes[name]
			if !ok || n.Kind != KindSource {
				b.failf("co-partitioned sources %q: there is no source %q: add it before", g, name)
				continue
			}
			if _, known := u[name]; !known {
				names = append(names, name)
			}
			u.add(name)
			if first := g[0]; u[first] != "" {
				u.unite(name, first)
			}
		}
	}
	var groups [][]string
	at := map[string]int{}
	for _, name := range names {
		root := u.root(name)
		i, ok := at[root]
		if !ok {
			i = len(groups)
			at[root] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], name)
	}
	for _, g := range groups {
		b.checkFixed(g)
	}
	return groups
}

func (b *Builder) checkFixed(group []string) {
	counts := map[string]int{}
	for _, name := range group {
		n := b.nodes[name]
		if n.Pattern != "" {
			return
		}
		for _, topic := range n.Topics {
			it := b.internal[topic]
			if it == nil || it.Partitions == 0 {
				return
			}
			counts[topic] = it.Partitions
		}
	}
	if differ(counts) {
		b.Fail(&CopartitionError{Partitions: counts})
	}
}

// number gives each group of connected nodes the next number, in the order their first nodes were added.
func (b *Builder) number(t *Topology) {
	global := map[string]*Global{} // by source
	for _, g := range b.globals {
		global[g.Source.Name] = g
	}
	ids := map[string]int{} // of roots
	var subs []*Subtopology
	for _, n := range b.order {
		root := b.groups.root(n.Name)
		id, seen := ids[root]
		if !seen {
			id = len(subs)
			ids[root] = id
			subs = append(subs, &Subtopology{ID: id})
		}
		n.Subtopology = id
		subs[id].Nodes = append(subs[id].Nodes, n)
	}
	for _, u := range b.storeIn {
		if len(u.users) > 0 {
			s := subs[b.nodes[u.users[0]].Subtopology]
			s.Stores = append(s.Stores, &u.Store)
		}
	}
	for _, s := range subs {
		if g := global[s.Nodes[0].Name]; g != nil {
			g.ID = s.ID
			t.Globals = append(t.Globals, g)
			continue
		}
		t.Subtopologies = append(t.Subtopologies, s)
	}
}
