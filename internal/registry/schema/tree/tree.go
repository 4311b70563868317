// Package tree holds JSON documents the way schema texts need them: members in their written order, numbers as
// written, doubled keys as Jackson takes them (the last value at the first one's place).
//
// encoding/json loses order and spelling, and both decide the identity of a schema. The package prints compact
// texts with the escapes that Jackson writes. It owns no goroutines and does no I/O.
package tree

import (
	"slices"
	"strings"

	"leat.dev/internal/row"
)

// Kind says what a Node is.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// A Node is one JSON value. Nodes are shared freely and must not be changed once parsed.
type Node struct {
	Kind    Kind
	Bool    bool     // the value of a Bool
	Text    string   // a String's characters, or a Number as written
	Items   []*Node  // the elements of an Array
	Members []Member // the members of an Object, each key once
	Offset  int      // where the value begins, in bytes of the text it was parsed from
	End     int      // where it ends
	index   map[string]int
}

// A Member is one key and its value.
type Member struct {
	Key   string
	Value *Node
}

// indexMin is how many members make an index worth its memory.
const indexMin = 12

// Get gives the value of a member, nil if there is none or n is no object. It is safe on a nil node.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Object {
		return nil
	}
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return n.Members[i].Value
		}
		return nil
	}
	for i := range n.Members {
		if n.Members[i].Key == key {
			return n.Members[i].Value
		}
	}
	return nil
}

// Has reports whether an object has the member.
func (n *Node) Has(key string) bool { return n.Get(key) != nil }

// Is reports whether n is there and of the kind.
func (n *Node) Is(k Kind) bool { return n != nil && n.Kind == k }

// Keys are the keys of an object in their order.
func (n *Node) Keys() []string {
	keys := make([]string, len(n.Members))
	for i, m := range n.Members {
		keys[i] = m.Key
	}
	return keys
}

// NewString makes a String node.
func NewString(s string) *Node { return &Node{Kind: String, Text: s} }

// NewObject makes an Object node of members whose keys differ.
func NewObject(members ...Member) *Node {
	n := &Node{Kind: Object, Members: members}
	n.reindex()
	return n
}

func (n *Node) reindex() {
	if len(n.Members) < indexMin {
		return
	}
	n.index = make(map[string]int, len(n.Members))
	for i, m := range n.Members {
		n.index[m.Key] = i
	}
}

// Sorted gives n with the members of every object in it ordered by key, by UTF-16 units as Java compares.
func (n *Node) Sorted() *Node {
	switch n.Kind {
	case Array:
		c := &Node{Kind: Array, Items: make([]*Node, len(n.Items))}
		for i, item := range n.Items {
			c.Items[i] = item.Sorted()
		}
		return c
	case Object:
		members := make([]Member, len(n.Members))
		for i, m := range n.Members {
			members[i] = Member{m.Key, m.Value.Sorted()}
		}
		slices.SortStableFunc(members, func(a, b Member) int { return CompareJava(a.Key, b.Key) })
		return NewObject(members...)
	}
	return n
}

// CompareJava orders texts as Java's String.compareTo does: by UTF-16 units, so that characters beyond U+FFFF
// come before U+E000..U+FFFF.
func CompareJava(a, b string) int { return row.CompareStrings(a, b) }

// Equal reports whether two values are the same: objects by key whatever their order, numbers by equal.
func Equal(a, b *Node, equal func(x, y string) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case Bool:
		return a.Bool == b.Bool
	case Number:
		return equal(a.Text, b.Text)
	case String:
		return a.Text == b.Text
	case Array:
		return slices.EqualFunc(a.Items, b.Items, func(x, y *Node) bool { return Equal(x, y, equal) })
	case Object:
		if len(a.Members) != len(b.Members) {
			return false
		}
		for _, m := range a.Members {
			if other := b.Get(m.Key); other == nil || !Equal(m.Value, other, equal) {
				return false
			}
		}
	}
	return true
}

// String is the compact text with numbers as written.
func (n *Node) String() string {
	var b strings.Builder
	n.Print(&b, func(text string) string { return text })
	return b.String()
}

// Print writes the compact text, with each number's text passed through number.
func (n *Node) Print(b *strings.Builder, number func(text string) string) {
	switch n.Kind {
	case Null:
		b.WriteString("null")
	case Bool:
		if n.Bool {
			b.WriteString("true")
		} else {
			b.WriteString("false")
		}
	case Number:
		b.WriteString(number(n.Text))
	case String:
		Quote(b, n.Text)
	case Array:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.Print(b, number)
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i, m := range n.Members {
			if i > 0 {
				b.WriteByte(',')
			}
			Quote(b, m.Key)
			b.WriteByte(':')
			m.Value.Print(b, number)
		}
		b.WriteByte('}')
	}
}

// Quote writes a JSON string with the escapes Jackson uses: the short ones, and \u00XX in upper case for other
// control characters. Everything else stays as it is.
func Quote(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	b.WriteByte('"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(s[from:i])
		from = i + 1
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\b':
			b.WriteString(`\b`)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\f':
			b.WriteString(`\f`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteString(`\u00`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	b.WriteString(s[from:])
	b.WriteByte('"')
}
