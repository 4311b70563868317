package plan

import "slices"

// causeOf finds the change of key that a repartition is due to, if no change of values is in between.
func (p *Plan) causeOf(n *Node) *keyChange {
	changes := func(x *Node) bool { return x.KeyChanging || x.ValueChanging }
	nearest := n.above(changes)
	if nearest == nil || nearest != n.above(func(x *Node) bool { return x.KeyChanging }) {
		return nil
	}
	return p.changer(nearest)
}

func (p *Plan) changer(n *Node) *keyChange {
	for _, c := range p.changers {
		if c.node == n {
			return c
		}
	}
	return nil
}

// mergeRepartitions puts one repartition right behind each change of key in the place of all that it causes.
// It goes through the topic of the first of them. Where streams are merged below changes of key, and all
// their repartitions are below the merge, it stands behind the merge instead.
func (p *Plan) mergeRepartitions() {
	p.moveBelowMerges()
	for _, c := range p.changers {
		c.repartitions = slices.DeleteFunc(c.repartitions, func(r *Node) bool { return !p.onlyBelow(r, c.node) })
		if len(c.repartitions) == 0 {
			continue
		}
		first := c.repartitions[0]
		one := first.Repartition.New(first.Repartition.Topic)
		one.priority = c.node.priority // before all that is below
		one.KeepNullKeys = c.hasOtherResults()
		for _, r := range c.repartitions {
			p.replace(r, c.node, one)
		}
		link(c.node, one)
	}
}

// onlyBelow tells whether all records of a repartition come from a node, with the key they have there. Kafka
// looks at one way up only: where streams are merged it may leave the records of the others in wrong
// partitions. Here such a repartition stays where it is.
func (p *Plan) onlyBelow(r, change *Node) bool {
	seen := map[*Node]bool{}
	var fits func(n *Node) bool
	fits = func(n *Node) bool {
		if n == change || seen[n] {
			return true
		}
		seen[n] = true
		if n == p.root || n.KeyChanging || n.ValueChanging || n.Repartition != nil && n != r {
			return false
		}
		for _, parent := range n.parents {
			if !fits(parent) {
				return false
			}
		}
		return len(n.parents) > 0
	}
	return fits(r)
}

// hasOtherResults tells whether something that will stand behind the one repartition did not stand behind any
// of those it replaces. Records without a key must still get there: aggregates drop them by themselves.
func (c *keyChange) hasOtherResults() bool {
	seen := map[*Node]bool{}
	var other func(n *Node) bool
	other = func(n *Node) bool {
		if seen[n] || slices.Contains(c.repartitions, n) {
			return false
		}
		seen[n] = true
		return len(n.children) == 0 || slices.ContainsFunc(n.children, other)
	}
	for _, child := range c.node.children {
		moves := slices.ContainsFunc(c.repartitions, func(r *Node) bool {
			return r.above(func(x *Node) bool { return x == child }) != nil
		})
		if moves && other(child) {
			return true
		}
	}
	return false
}

// replace takes a repartition out: what led from the change of key to it goes through the new one.
func (p *Plan) replace(r, change, one *Node) {
	// There may be several ways, or none any more if another repartition on the same way was replaced before;
	// Kafka moves one way, and in the second case gives up with an error.
	for top := r.below(change); top != nil; top = r.below(change) {
		link(one, top)
		unlink(change, top)
	}
	for _, child := range slices.Clone(r.children) {
		for _, parent := range r.parents {
			link(parent, child)
		}
	}
	for _, parent := range slices.Clone(r.parents) {
		unlink(parent, r)
	}
	for _, child := range slices.Clone(r.children) {
		unlink(r, child)
	}
	p.b.RenameCopartition(r.Name, one.Name)
}

// moveBelowMerges gives the repartitions of several changes of key to the merge that all of them are below.
func (p *Plan) moveBelowMerges() {
	var moved []*keyChange
	var atMerges []*keyChange
	for _, m := range p.merges {
		at := &keyChange{node: m}
		for _, c := range p.changers {
			all := !slices.ContainsFunc(c.repartitions, func(r *Node) bool { return r.below(m) == nil })
			if all && m.below(c.node) != nil {
				for _, r := range c.repartitions {
					if !slices.Contains(at.repartitions, r) {
						at.repartitions = append(at.repartitions, r)
					}
				}
				moved = append(moved, c)
			}
		}
		atMerges = append(atMerges, at)
	}
	p.changers = slices.DeleteFunc(p.changers, func(c *keyChange) bool { return slices.Contains(moved, c) })
	p.changers = append(p.changers, atMerges...)
}

// joinSelves marks the joins whose two sides are one stream, and drops the second store of theirs.
func (p *Plan) joinSelves() {
	for _, n := range p.nodes {
		j := n.StreamJoin
		if j == nil || len(n.parents) != 1 || j.ThisWindow == nil || j.OtherWindow == nil {
			continue
		}
		parent := n.parents[0]
		if slices.Contains(parent.children, j.ThisWindow) && slices.Contains(parent.children, j.OtherWindow) {
			unlink(parent, j.OtherWindow)
			n.SelfJoin = true
		}
	}
}

// markNullKeys lets records without a key through the repartitions above a left or outer join (KIP-962).
func (p *Plan) markNullKeys() {
	needed := map[*Node]bool{}
	seen := map[*Node]bool{}
	var visit func(n *Node)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, c := range n.children {
			visit(c)
			needed[n] = needed[n] || c.NeedsNullKeys || needed[c]
		}
		n.KeepNullKeys = n.KeepNullKeys || n.Repartition != nil && needed[n]
	}
	visit(p.root)
}

// markVersioned tells each node which of its parents put out a versioned table: one that says so, or one
// that says nothing and whose parents all do.
func (p *Plan) markVersioned() {
	known := map[*Node]bool{p.root: false}
	var versioned func(n *Node) bool
	versioned = func(n *Node) bool {
		if v, ok := known[n]; ok {
			return v
		}
		v := n.Versioning == Versioned
		if n.Versioning == Inherit {
			v = len(n.parents) > 0
			for _, parent := range n.parents {
				v = versioned(parent) && v
			}
		}
		known[n] = v
		return v
	}
	for _, n := range p.nodes {
		n.ParentVersioned = make([]bool, len(n.parents))
		for i, parent := range n.parents {
			n.ParentVersioned[i] = versioned(parent)
		}
	}
}
