package fetch

import "leat.dev/internal/wire/field"

// Encoder writes a response whose records stay in files. Create one with NewEncoder, write
// the response to it, and take the pieces from Finish.
type Encoder struct {
	field.Writer
	parts    []Part
	given    int // how many parts there were
	firstCut int // where in B the first file range belongs
	lastCut  int // where the last one does; 0 before the first
}

// NewEncoder returns an encoder that appends to out and parts.
func NewEncoder(out []byte, parts []Part, flexible bool) Encoder {
	return Encoder{Writer: field.Writer{B: out, Flexible: flexible}, parts: parts, given: len(parts)}
}

// Records writes a field of record batches; none are empty bytes.
func (e *Encoder) Records(list []Range) {
	total := 0
	for i := range list {
		total += list[i].Len
	}
	e.BytesLen(total)
	for i := range list {
		r := &list[i]
		if r.Len == 0 {
			continue
		}
		part := Part{File: r.File, Pos: r.Pos, Len: r.Len}
		if e.lastCut == 0 {
			e.firstCut = len(e.B)
		} else {
			part.Bytes = e.B[e.lastCut:]
		}
		e.lastCut = len(e.B)
		e.parts = append(e.parts, part)
	}
}

// Finish returns out up to the first file range, and parts with what follows it.
func (e *Encoder) Finish() ([]byte, []Part) {
	if len(e.parts) == e.given {
		return e.B, e.parts
	}
	// Only now is the buffer at its final place; the lengths are right already.
	at := e.firstCut
	for i := e.given + 1; i < len(e.parts); i++ {
		n := len(e.parts[i].Bytes)
		e.parts[i].Bytes = e.B[at : at+n : at+n]
		at += n
	}
	if at < len(e.B) {
		e.parts = append(e.parts, Part{Bytes: e.B[at:]})
	}
	return e.B[:e.firstCut], e.parts
}
