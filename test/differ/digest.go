package differ

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// digest gathers differences that are the same in many cases and versions, so that a report can be read.
type digest struct {
	n      int
	order  []string
	groups map[string]*digestGroup
}

type digestGroup struct {
	first    Difference
	n        int
	cases    []string
	versions []int16
}

func (d *digest) add(x Difference) {
	if d.groups == nil {
		d.groups = map[string]*digestGroup{}
	}
	d.n++
	key := fmt.Sprint(x.Key, "\x00", withoutIndexes(x.Path), "\x00", x.Ours, "\x00", x.Theirs)
	g := d.groups[key]
	if g == nil {
		g = &digestGroup{first: x}
		d.groups[key], d.order = g, append(d.order, key)
	}
	g.n++
	if !slices.Contains(g.cases, x.Case) {
		g.cases = append(g.cases, x.Case)
	}
	if !slices.Contains(g.versions, x.Version) {
		g.versions = append(g.versions, x.Version)
	}
}

// lines are one for each kind of difference, with at most four of its cases.
func (d *digest) lines() []string {
	var out []string
	for _, key := range d.order {
		g := d.groups[key]
		slices.Sort(g.versions)
		cases := strings.Join(g.cases[:min(4, len(g.cases))], "; ")
		if more := len(g.cases) - 4; more > 0 {
			cases += fmt.Sprintf("; and %d more", more)
		}
		out = append(out, fmt.Sprintf("%s v%d-%d | %s | %s (%d times)\n  ours   %s\n  Kafka  %s", kmsg.NameForKey(int16(g.first.Key)),
			g.versions[0], g.versions[len(g.versions)-1], g.first.Path, cases, g.n, g.first.Ours, g.first.Theirs))
	}
	return out
}
