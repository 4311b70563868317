package codec

import "encoding/binary"

// ListForm is the first byte of a list as Kafka's ListSerde writes it.
type ListForm byte

// The forms. Elements of a fixed size (numbers and UUIDs) stand without lengths, behind the indexes of those that are null,
// which take no bytes. Other elements stand behind their length each, −1 for null.
const (
	ListFixed    ListForm = 0
	ListVariable ListForm = 1
)

// listFrame is the size of an empty list of variable form: form and count.
const listFrame = 1 + 4

// AppendListHead begins a list of variable form; AppendListElement follows count times.
func AppendListHead(dst []byte, count int) []byte {
	return put32(append(dst, byte(ListVariable)), size(count))
}

// AppendListElement appends one element of a list of variable form; nil is null.
func AppendListElement(dst, element []byte) []byte { return putSized(dst, element) }

// BeginListElement leaves room for the length of an element that is appended next, and EndListElement fills it in: mark is
// the length of dst before BeginListElement.
func BeginListElement(dst []byte) []byte { return put32(dst, 0) }

// EndListElement sets the length of the element that begins at mark.
func EndListElement(dst []byte, mark int) []byte {
	binary.BigEndian.PutUint32(dst[mark:], uint32(size(len(dst)-mark-4))) //nolint:gosec // not negative
	return dst
}

// AppendFixedListHead begins a list of fixed form with the indexes of its null elements, in rising order; the bytes of the
// other elements follow.
func AppendFixedListHead(dst []byte, count int, nulls []int32) []byte {
	dst = put32(append(dst, byte(ListFixed)), size(len(nulls)))
	for _, i := range nulls {
		dst = put32(dst, i)
	}
	return put32(dst, size(count))
}

// AppendListItem appends to dst a list with one item more than list, which is null (nil) or of variable form: what the
// store of left and outer joins does with records of the same key, side and timestamp.
func AppendListItem(dst, list, item []byte) ([]byte, error) {
	if list == nil {
		return AppendListElement(AppendListHead(dst, 1), item), nil
	}
	r, err := ReadList(list, 0)
	if err != nil {
		return dst, err
	}
	c := cursor{what: "list"}
	if r.Form != ListVariable {
		c.fail("form %d", r.Form)
		return dst, c.err
	}
	dst = append(AppendListHead(dst, r.Count+1), list[listFrame:]...)
	return AppendListElement(dst, item), nil
}

// ListReader goes through the elements of a list.
type ListReader struct {
	Form  ListForm
	Count int // elements, nulls included

	c     cursor
	nulls []byte // indexes of null elements that are still to come, fixed form
	size  int    // of an element, fixed form
	next  int
}

// ReadList begins to read a list. Fixed is the size of an element without a length, 0 if elements have no fixed size: a
// list of fixed form is then refused. The reader shares the memory of b.
func ReadList(b []byte, fixed int) (r ListReader, err error) {
	r.c = cursor{b: b, what: "list"}
	r.size = fixed
	r.Form = ListForm(r.c.int8("form"))
	switch {
	case r.c.err != nil:
	case r.Form == ListFixed && fixed == 0:
		r.c.fail("its elements have no lengths, but are not of a fixed size")
	case r.Form == ListFixed:
		r.nulls = r.c.take(4*r.c.count(4, "indexes of null elements"), "indexes of null elements")
		nulls := len(r.nulls) / 4
		if r.Count = int(r.c.int32("count")); r.Count < 0 || r.Count > nulls+len(r.c.b)/fixed {
			r.c.fail("%d elements in %d bytes", r.Count, len(r.c.b))
		}
	case r.Form == ListVariable:
		r.Count = r.c.count(4, "elements")
	default:
		r.c.fail("form %d", r.Form)
	}
	return r, r.c.err
}

// More reports whether there are elements left. Once it says no, Err says whether the list ended as it should.
func (r *ListReader) More() bool { return r.c.err == nil && r.next < r.Count }

// Element gives the next element; nil is null.
func (r *ListReader) Element() []byte {
	i := r.next
	r.next++
	if r.Form == ListVariable {
		return r.c.sized("element")
	}
	if len(r.nulls) >= 4 && int(get32(r.nulls)) == i {
		r.nulls = r.nulls[4:]
		return nil
	}
	return r.c.take(r.size, "element")
}

// Err gives the error that ended the list early, or that something was left behind its last element.
func (r *ListReader) Err() error {
	if r.c.err == nil && r.next == r.Count && len(r.nulls) > 0 {
		r.c.fail("%d indexes of null elements that it does not have", len(r.nulls)/4)
	}
	return r.c.end()
}

// Good reports whether nothing was wrong so far: whether the last element was one.
func (r *ListReader) Good() bool { return r.c.err == nil }
