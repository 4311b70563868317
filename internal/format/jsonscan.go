package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"leat.dev/internal/row"
)

// maxJSONDepth is how deep arrays and objects may be nested, as in encoding/json.
const maxJSONDepth = 10_000

// scanner walks over one JSON text. It accepts what encoding/json accepts for the first value of a stream, no more.
type scanner struct {
	data  []byte
	pos   int
	depth int
	arena *row.Arena
}

var errJSONEnd = errors.New("unexpected end of JSON input")

func (s *scanner) syntax(what string) error {
	if s.pos >= len(s.data) {
		return errJSONEnd
	}
	return fmt.Errorf("invalid character %s %s at offset %d", quoteChar(s.data[s.pos]), what, s.pos)
}

func quoteChar(c byte) string {
	if c == '\'' {
		return `'\''`
	}
	return "'" + string(strconv.AppendQuoteRune(nil, rune(c)))[1:]
}

// peek gives the next byte that is no blank, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c > ' ' || (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
			return c
		}
		s.pos++
	}
	return 0
}

// word consumes a literal that is expected here.
func (s *scanner) word(w string) error {
	if rest := s.data[s.pos:]; len(rest) >= len(w) && string(rest[:len(w)]) == w {
		s.pos += len(w)
		return nil
	}
	for i := range len(w) {
		if s.pos >= len(s.data) || s.data[s.pos] != w[i] {
			return s.syntax("in literal " + w)
		}
		s.pos++
	}
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str consumes a string; the next byte is its quote. The result shares the input unless there was an escape or a
// byte that is no UTF-8, which becomes U+FFFD.
func (s *scanner) str() ([]byte, error) {
	start := s.pos + 1
	i := start
	data := s.data
	ascii := uint64(0)
	for {
		// Eight bytes at once while none is a quote, a backslash or a control character.
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			q, b := w^(ones*'"'), w^(ones*'\\')
			stop := ((q-ones)&^q | (b-ones)&^b | (w-ones*0x20)&^w) & highs
			if stop != 0 {
				n := bits.TrailingZeros64(stop) / 8
				ascii |= w & (1<<(8*n) - 1)
				return s.strStop(start, i+n, ascii)
			}
			ascii |= w
			i += 8
		}
		if i >= len(data) || data[i] == '"' || data[i] == '\\' || data[i] < ' ' {
			return s.strStop(start, i, ascii)
		}
		ascii |= uint64(data[i])
		i++
	}
}

// strStop ends a string, or goes on, at what stopped the search for its end.
func (s *scanner) strStop(start, i int, ascii uint64) ([]byte, error) {
	s.pos = i
	if i >= len(s.data) {
		return nil, errJSONEnd
	}
	switch s.data[i] {
	case '"':
		s.pos = i + 1
		text := s.data[start:i:i]
		if ascii&highs != 0 && !utf8.Valid(text) {
			return s.repair(text), nil
		}
		return text, nil
	case '\\':
		return s.escaped(start, i)
	}
	return nil, s.syntax("in string literal")
}

// repair replaces what is no UTF-8, byte by byte.
func (s *scanner) repair(text []byte) []byte {
	out := s.arena.Bytes(3 * len(text))[:0]
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		out = utf8.AppendRune(out, r)
		text = text[n:]
	}
	return out
}

// escaped reads the rest of a string that has an escape at position i.
func (s *scanner) escaped(start, i int) ([]byte, error) {
	end := i
	for end < len(s.data) && s.data[end] != '"' {
		if s.data[end] == '\\' {
			end++
		}
		end++
	}
	out := s.arena.Bytes(3 * (min(end, len(s.data)) - start))[:0] // an escape never becomes longer, a bad byte three
	out = append(out, s.data[start:i]...)
	for i < len(s.data) {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			if !utf8.Valid(out) {
				return s.repair(out), nil
			}
			return out, nil
		case c < ' ':
			s.pos = i
			return nil, s.syntax("in string literal")
		case c != '\\':
			out = append(out, c)
			i++
		default:
			var err error
			if out, i, err = s.escape(out, i); err != nil {
				return nil, err
			}
		}
	}
	s.pos = i
	return nil, errJSONEnd
}

func (s *scanner) escape(out []byte, i int) ([]byte, int, error) {
	s.pos = i + 1
	if s.pos >= len(s.data) {
		return nil, 0, errJSONEnd
	}
	switch c := s.data[i+1]; c {
	case '"', '\\', '/':
		return append(out, c), i + 2, nil
	case 'b':
		return append(out, '\b'), i + 2, nil
	case 'f':
		return append(out, '\f'), i + 2, nil
	case 'n':
		return append(out, '\n'), i + 2, nil
	case 'r':
		return append(out, '\r'), i + 2, nil
	case 't':
		return append(out, '\t'), i + 2, nil
	case 'u':
	default:
		return nil, 0, s.syntax("in string escape code")
	}
	r, err := s.hex4(i + 2)
	if err != nil {
		return nil, 0, err
	}
	i += 6
	if utf16.IsSurrogate(r) {
		second := rune(-1)
		if i+1 < len(s.data) && s.data[i] == '\\' && s.data[i+1] == 'u' {
			if second, err = s.hex4(i + 2); err != nil {
				return nil, 0, err
			}
		}
		if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), i + 6, nil
		}
		r = utf8.RuneError
	}
	return utf8.AppendRune(out, r), i, nil
}

func (s *scanner) hex4(i int) (rune, error) {
	var r rune
	for end := i + 4; i < end; i++ {
		if i >= len(s.data) {
			s.pos = i
			return 0, errJSONEnd
		}
		c := s.data[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			s.pos = i
			return 0, s.syntax("in \\u hexadecimal character escape")
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

// number is a JSON number as it stands in the text.
type number struct {
	text     []byte
	mantissa uint64 // its digits, if they are at most 19 and fit
	exponent int    // of ten, for the mantissa; counts fraction digits only when there is an E in the text
	negative bool
	simple   bool // mantissa and exponent hold the whole number
	whole    bool // neither point nor exponent
}

// num consumes a number; the next byte is a digit or a minus.
func (s *scanner) num() (number, error) {
	var n number
	err := s.read(&n)
	return n, err
}

// read is num into *n, which spares the hot path a copy.
func (s *scanner) read(n *number) error {
	*n = number{}
	data, i := s.data, s.pos
	start := i
	if data[i] == '-' {
		n.negative = true
		i++
	}
	first, mantissa := i, uint64(0)
	for i < len(data) && data[i]-'0' <= 9 {
		mantissa = mantissa*10 + uint64(data[i]-'0')
		i++
	}
	digits := i - first
	if digits == 0 || (digits > 1 && data[first] == '0') {
		s.pos = first + min(digits, 1)
		return s.syntax("in numeric literal")
	}
	n.whole = true
	if i < len(data) && data[i] == '.' {
		i++
		point := i
		for i < len(data) && data[i]-'0' <= 9 {
			mantissa = mantissa*10 + uint64(data[i]-'0')
			i++
		}
		if i == point {
			s.pos = i
			return s.syntax("after decimal point in numeric literal")
		}
		n.exponent = point - i
		digits += i - point
		n.whole = false
	}
	n.mantissa, n.simple = mantissa, digits <= 19
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		exponent := i
		for i < len(data) && data[i]-'0' <= 9 {
			i++
		}
		if i == exponent {
			s.pos = i
			return s.syntax("in exponent of numeric literal")
		}
		n.whole, n.simple = false, false
	}
	s.pos = i
	n.text = data[start:i:i]
	return nil
}

// unsafeString shares b as a string: for calls that keep nothing.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// skip consumes any value, checking its syntax.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '"':
		_, err := s.str()
		return err
	case c == '{':
		more, err := s.open('}')
		for more && err == nil {
			if _, err = s.key(); err != nil {
				return err
			}
			if err = s.skip(); err == nil {
				more, err = s.next('}')
			}
		}
		return err
	case c == '[':
		more, err := s.open(']')
		for more && err == nil {
			if err = s.skip(); err == nil {
				more, err = s.next(']')
			}
		}
		return err
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '-' || c-'0' <= 9:
		_, err := s.num()
		return err
	}
	return s.syntax("looking for beginning of value")
}

// open enters an array or object; the next byte is its bracket. It reports whether there is anything inside.
func (s *scanner) open(closing byte) (more bool, err error) {
	s.depth++
	if s.depth > maxJSONDepth {
		return false, fmt.Errorf("more than %d arrays and objects inside each other", maxJSONDepth)
	}
	s.pos++
	if s.peek() == closing {
		s.pos++
		s.depth--
		return false, nil
	}
	return true, nil
}

// next stands behind an element and reports whether there is another one.
func (s *scanner) next(closing byte) (more bool, err error) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case closing:
		s.pos++
		s.depth--
		return false, nil
	}
	if closing == ']' {
		return false, s.syntax("after array element")
	}
	return false, s.syntax("after object key:value pair")
}

// key consumes an object's key with its colon.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.syntax("looking for beginning of object key string")
	}
	key, err := s.str()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.syntax("after object key")
	}
	s.pos++
	return key, nil
}
