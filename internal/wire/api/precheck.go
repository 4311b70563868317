package api

import (
	"errors"
	"fmt"

	"leat.dev/internal/wire/field"
)

// ErrMalformed: the request does not have the shape of its API and version.
// Kafka closes the connection then.
var ErrMalformed = errors.New("malformed request")

// Unknown tagged fields are kept by the message decoder in a map for each
// structure, some 340 bytes for the first. A request may have tagsFree of
// them, and one more for each tagBytes it is long; no client comes near.
const (
	tagsFree = 192
	tagBytes = 42
)

// maxElements bounds the array elements of a request, all arrays together: what
// is decoded, and what is answered for each, takes hundreds of bytes an element
// where the request may have spent two. It is far above the partitions that one
// broker serves.
const maxElements = 1 << 18

// layouts holds the compiled shapes: by the table's index, then the version.
var layouts = compileAll()

func compileAll() [][]*layout {
	all := make([][]*layout, len(table))
	for i := range table {
		a := &table[i]
		if a.shape == "" {
			continue
		}
		all[i] = make([]*layout, a.Max+1)
		for v := a.Min; v <= a.Max; v++ {
			l, err := compile(a.shape, v, a.FlexibleRequest(v))
			if err != nil {
				panic(fmt.Sprintf("api: %s: %v", a.Name, err))
			}
			all[i][v] = l
		}
	}
	return all
}

// Precheck walks the body of a request, that is what follows its header, and
// fails if an array, a string or a tagged field claims more than there is, or
// if there are more array elements than any client has reason to send.
// The general decoder believes a count as long as each element could be one
// byte, and allocates whole structures for it; after Precheck it allocates for
// elements that are really there, at most some 32 times the body's size in all.
//
// Bytes after the last field are ignored, as the decoder does. Produce is not
// looked at: its own decoder needs no such care.
func Precheck(key, version int16, body []byte) error {
	a := lookup(key)
	if a == nil || !a.Supports(version) {
		return fmt.Errorf("%w: key %d version %d is not served", ErrMalformed, key, version)
	}
	if a.shape == "" {
		return nil
	}
	w := walker{Reader: field.Reader{B: body, Flexible: a.FlexibleRequest(version)}, tagsLeft: tagsFree + len(body)/tagBytes, elementsLeft: maxElements}
	w.layout(layouts[byKey[key]][version])
	if w.Bad {
		return fmt.Errorf("%w: %s version %d", ErrMalformed, a.Name, version)
	}
	return nil
}

type walker struct {
	field.Reader
	tagsLeft     int
	elementsLeft int
}

func (w *walker) layout(l *layout) {
	for i := range l.fields {
		if w.Bad {
			return
		}
		f := &l.fields[i]
		switch f.kind {
		case '1':
			w.Span(f.size)
		case 's':
			w.String()
		case 'b':
			if w.Bytes() == nil {
				w.Bad = true
			}
		case '[':
			n := w.ArrayLen(f.elem.minBytes)
			if n < 0 && !f.null {
				w.Bad = true
			}
			for range n {
				if w.elementsLeft--; w.elementsLeft < 0 {
					w.Bad = true
				}
				if w.Bad {
					return
				}
				w.layout(f.elem)
			}
		case '?':
			if marker := w.Span(1); !w.Bad && int8(marker[0]) != -1 {
				w.layout(f.elem)
			}
		}
	}
	if l.structure && w.Flexible {
		w.tags(l)
	}
}

func (w *walker) tags(l *layout) {
	for n := w.Uvarint(); n > 0 && !w.Bad; n-- {
		number := w.Uvarint()
		value := w.Span(int(w.Uvarint()))
		if w.tagsLeft--; w.tagsLeft < 0 {
			w.Bad = true
			return
		}
		for _, t := range l.tags {
			if t.number != number {
				continue
			}
			inner := walker{Reader: field.Reader{B: value, Flexible: true}, tagsLeft: w.tagsLeft, elementsLeft: w.elementsLeft}
			inner.layout(t.elem)
			w.tagsLeft, w.elementsLeft = inner.tagsLeft, inner.elementsLeft
			w.Bad = w.Bad || inner.Bad
		}
	}
}
