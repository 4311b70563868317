package jsonschema

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"leat.dev/internal/registry/schema/tree"
)

// A digest stands for what a JSON value says: equal for values that differ only in the order of their keys.
type digest [sha256.Size]byte

// digest is computed once for each value, from those of its parts.
func (l *loader) digest(n *tree.Node) digest {
	if d, ok := l.digests[n]; ok {
		return d
	}
	h := sha256.New()
	h.Write([]byte{byte(n.Kind)})
	text := func(s string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) //nolint:gosec // texts are bounded
		h.Write([]byte(s))
	}
	switch n.Kind {
	case tree.Null:
	case tree.Bool:
		if n.Bool {
			h.Write([]byte{1})
		}
	case tree.Number:
		text(tree.JavaDecimal(n.Text))
	case tree.String:
		text(n.Text)
	case tree.Array:
		for _, item := range n.Items {
			part := l.digest(item)
			h.Write(part[:])
		}
	case tree.Object:
		members := slices.SortedFunc(slices.Values(n.Members), func(a, b tree.Member) int { return strings.Compare(a.Key, b.Key) })
		for _, m := range members {
			text(m.Key)
			part := l.digest(m.Value)
			h.Write(part[:])
		}
	}
	d := digest(h.Sum(nil))
	l.digests[n] = d
	return d
}
