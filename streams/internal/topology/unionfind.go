package topology

// unionFind keeps disjoint sets of names: the parent of a root is itself.
type unionFind map[string]string

func (u unionFind) add(name string) {
	if _, ok := u[name]; !ok {
		u[name] = name
	}
}

// root gives the set's representative, halving the path to it.
func (u unionFind) root(name string) string {
	for u[name] != name {
		u[name] = u[u[name]]
		name = u[name]
	}
	return name
}

func (u unionFind) unite(a, b string) {
	if ra, rb := u.root(a), u.root(b); ra != rb {
		u[ra] = rb
	}
}
