package source

import (
	"slices"
	"strings"
)

// A Path is a place in a schema as the steps that lead to it; nil is the root. Paths share their beginnings,
// and only the ones that are shown become texts.
type Path struct {
	up   *Path
	step string
}

// Down is the path one step further.
func (p *Path) Down(step string) *Path { return &Path{p, step} }

// String is every step after a slash, "" for the root.
func (p *Path) String() string {
	var steps []string
	for ; p != nil; p = p.up {
		steps = append(steps, p.step, "/")
	}
	slices.Reverse(steps)
	return strings.Join(steps, "")
}
