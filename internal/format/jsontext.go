package format

import (
	"leat.dev/internal/row"
)

// jsonAsText is an array or an object as a STRING column shows it: objects compact, in the order of the input, and at the
// top arrays with blanks and bare texts: [1, x, null, {"q":1.50}, [2]]. The input is known to be well-formed.
func jsonAsText(data []byte) (string, error) {
	s := scanner{data: data, arena: new(row.Arena)}
	n, err := s.node()
	if err != nil {
		return "", err
	}
	out := make([]byte, 0, len(data)+len(data)/8)
	if n.open == '[' {
		out = n.list(out)
	} else {
		out = n.compact(out)
	}
	return string(out), nil
}

// jsonNode is a value on its way from one text to the other. A duplicate key can only be dropped once its object has been
// read; printing a whole tree afterwards keeps the work linear however deep objects stand in each other.
type jsonNode struct {
	open  byte       // '{', '[', '"', or 0 for a literal
	text  []byte     // of a string: its characters; of a literal: as it is printed
	keys  [][]byte   // of an object, each once, where it stood first
	elems []jsonNode // of an array or object
}

func (s *scanner) node() (jsonNode, error) {
	switch c := s.peek(); {
	case c == '"':
		text, err := s.str()
		return jsonNode{open: c, text: text}, err
	case c == '-' || c-'0' <= 9:
		n, err := s.num()
		if err != nil {
			return jsonNode{}, err
		}
		d, err := n.decimal()
		if err != nil {
			return jsonNode{}, err
		}
		return jsonNode{text: d.Append(nil)}, nil
	case c == '{':
		return s.objectNode()
	case c == '[':
		out := jsonNode{open: c}
		more, err := s.open(']')
		for more && err == nil {
			var e jsonNode
			if e, err = s.node(); err == nil {
				out.elems = append(out.elems, e)
				more, err = s.next(']')
			}
		}
		return out, err
	}
	start := s.pos
	err := s.skip()
	return jsonNode{text: s.data[start:s.pos]}, err
}

// objectNode keeps the place of a key's first appearance and its last value.
func (s *scanner) objectNode() (jsonNode, error) {
	out := jsonNode{open: '{'}
	at := map[string]int{}
	more, err := s.open('}')
	for more && err == nil {
		var key []byte
		if key, err = s.key(); err != nil {
			return out, err
		}
		var e jsonNode
		if e, err = s.node(); err != nil {
			return out, err
		}
		if i, ok := at[string(key)]; ok {
			out.elems[i] = e
		} else {
			at[string(key)] = len(out.keys)
			out.keys, out.elems = append(out.keys, key), append(out.elems, e)
		}
		more, err = s.next('}')
	}
	return out, err
}

// list prints an array as Java prints lists: blanks between the elements, texts bare, arrays inside likewise.
func (n jsonNode) list(out []byte) []byte {
	out = append(out, '[')
	for i, e := range n.elems {
		if i > 0 {
			out = append(out, ", "...)
		}
		switch e.open {
		case '[':
			out = e.list(out)
		case '"':
			out = append(out, e.text...)
		default:
			out = e.compact(out)
		}
	}
	return append(out, ']')
}

// compact prints any value as JSON without blanks, numbers as BigDecimal prints them.
func (n jsonNode) compact(out []byte) []byte {
	switch n.open {
	case '"':
		return appendJSONString(out, unsafeString(n.text))
	case 0:
		return append(out, n.text...)
	}
	out = append(out, n.open)
	for i, e := range n.elems {
		if i > 0 {
			out = append(out, ',')
		}
		if n.keys != nil {
			out = append(appendJSONString(out, unsafeString(n.keys[i])), ':')
		}
		out = e.compact(out)
	}
	return append(out, n.open+2) // ']' and '}' are two behind '[' and '{'
}
