package format

import (
	"unicode/utf8"

	"leat.dev/internal/row"
)

// javaText is b as Java's new String(b, UTF_8): shared if it is well-formed, else with a U+FFFD for each piece that is not.
// A piece is the longest beginning of a character that was cut off, a whole encoded surrogate, or one byte.
func javaText(a *row.Arena, b []byte) string { return unsafeString(javaUTF8(a, b)) }

// javaUTF8 is the same as bytes.
func javaUTF8(a *row.Arena, b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	out := a.Bytes(3 * len(b))[:0]
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = malformed(b)
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// malformed is the length of the piece at the start of b that becomes one U+FFFD.
func malformed(b []byte) int {
	follows := func(i int) bool { return i < len(b) && b[i]&0xC0 == 0x80 }
	switch c := b[0]; {
	case c >= 0xE0 && c <= 0xEF:
		if !follows(1) || (c == 0xE0 && b[1] < 0xA0) {
			return 1
		}
		if c == 0xED && b[1] >= 0xA0 && follows(2) { // a surrogate
			return 3
		}
		return 2
	case c >= 0xF0 && c <= 0xF4:
		switch {
		case !follows(1) || (c == 0xF0 && b[1] < 0x90) || (c == 0xF4 && b[1] >= 0x90):
			return 1
		case !follows(2):
			return 2
		}
		return 3
	}
	return 1
}
