package format

import (
	"leat.dev/internal/row"
)

// jsonAsText is an array or an object as a STRING column shows it: objects compact, in the order of the input, and at the
// top arrays with blanks and bare texts: [1, x, null, {"q":1.50}, [2]]. The input is known to be well-formed.
func jsonAsText(data []byte) (string, error) {
	w := textWriter{scan: scanner{data: data, arena: new(row.Arena)}}
	var err error
	if w.scan.peek() == '[' {
		err = w.list()
	} else {
		err = w.compact()
	}
	return string(w.out), err
}

type textWriter struct {
	scan scanner
	out  []byte
}

func (w *textWriter) list() error {
	return w.elements(", ", func() error {
		switch w.scan.peek() {
		case '[':
			return w.list()
		case '"':
			text, err := w.scan.str()
			w.out = append(w.out, text...)
			return err
		}
		return w.compact()
	})
}

// elements writes an array, each element by what is given.
func (w *textWriter) elements(separator string, each func() error) error {
	w.out = append(w.out, '[')
	more, err := w.scan.open(']')
	for more && err == nil {
		if err = each(); err == nil {
			more, err = w.scan.next(']')
		}
		if more {
			w.out = append(w.out, separator...)
		}
	}
	w.out = append(w.out, ']')
	return err
}

// compact writes any value as JSON without blanks, numbers as BigDecimal prints them.
func (w *textWriter) compact() error {
	s := &w.scan
	switch c := s.peek(); {
	case c == '"':
		text, err := s.str()
		w.out = appendJSONString(w.out, unsafeString(text))
		return err
	case c == '-' || c-'0' <= 9:
		n, err := s.num()
		if err != nil {
			return err
		}
		d, err := n.decimal()
		w.out = d.Append(w.out)
		return err
	case c == '{':
		return w.compactObject()
	case c == '[':
		return w.elements(",", w.compact)
	}
	s.peek()
	start := s.pos
	err := s.skip()
	w.out = append(w.out, s.data[start:s.pos]...)
	return err
}

// compactObject keeps the place of a key's first appearance and its last value.
func (w *textWriter) compactObject() error {
	type member struct{ key, value []byte }
	var members []member
	at := map[string]int{}
	outer := w.out
	more, err := w.scan.open('}')
	for more && err == nil {
		var key []byte
		if key, err = w.scan.key(); err != nil {
			return err
		}
		w.out = nil
		if err = w.compact(); err != nil {
			return err
		}
		if i, ok := at[string(key)]; ok {
			members[i].value = w.out
		} else {
			at[string(key)] = len(members)
			members = append(members, member{append([]byte(nil), key...), w.out})
		}
		more, err = w.scan.next('}')
	}
	w.out = append(outer, '{')
	for i, m := range members {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.out = append(appendJSONString(w.out, unsafeString(m.key)), ':')
		w.out = append(w.out, m.value...)
	}
	w.out = append(w.out, '}')
	return err
}
