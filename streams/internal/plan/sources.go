package plan

import (
	"fmt"
	"slices"
)

// mergeSources makes one of the sources that read exactly the same: the first keeps its name and gets the
// children of all. Sources that share some of their topics cannot be merged, and a topic is read once.
func (p *Plan) mergeSources() {
	patterns, topics := map[string]*Node{}, map[string]*Node{}
	for _, n := range slices.Clone(p.root.children) {
		if n.Source == nil || n.Table != nil {
			continue
		}
		if n.Source.Pattern != "" {
			if first := patterns[n.Source.Pattern]; first != nil {
				p.mergeSource(first, n)
			} else {
				patterns[n.Source.Pattern] = n
			}
			continue
		}
		merged := false
		for _, topic := range n.Source.Topics {
			first := topics[topic]
			switch {
			case first == nil:
				topics[topic] = n
			case first == n || merged:
			case !sameTopics(first.Source.Topics, n.Source.Topics):
				p.Fail(fmt.Errorf("sources %q of %q and %q of %q overlap, but are not equal, and a topic can be read once only: read the topics one by one and merge the streams", first.Name, first.Source.Topics, n.Name, n.Source.Topics))
				unlink(p.root, n)
				merged = true
			default:
				p.mergeSource(first, n)
				merged = true
			}
		}
	}
}

func (p *Plan) mergeSource(first, second *Node) {
	if first.Source.Reset != second.Source.Reset {
		p.Fail(fmt.Errorf("sources %q and %q read the same but begin differently (%s and %s): give both the same reset policy",
			first.Name, second.Name, orDefault(first.Source.Reset.String()), orDefault(second.Source.Reset.String())))
	}
	for _, c := range slices.Clone(second.children) {
		unlink(second, c)
		link(first, c)
	}
	unlink(p.root, second)
	p.b.RenameCopartition(second.Name, first.Name)
}

func orDefault(reset string) string {
	if reset == "" {
		return "the application's default"
	}
	return reset
}

func sameTopics(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
