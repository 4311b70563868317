package protobuf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"leat.dev/internal/registry/schema/source"
)

// A position is a place in the text, from 1, counted in characters.
type position struct{ line, column int }

func (p position) String() string { return fmt.Sprintf(":%d:%d", p.line, p.column) }

// A scanner reads words and characters. Its first error leaves the parser by a panic that parse catches, so that
// the grammar below reads as a grammar.
type scanner struct {
	text string
	at   int
}

// stop is the panic that leaves the recursive parser at its first error; parse turns it into that error.
type stop struct{ err error }

// where counts lines and columns up to an offset; only errors ask for it.
func (s *scanner) where(at int) position {
	before := s.text[:at]
	return position{1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])}
}

// fail gives up with an error at the reading position.
func (s *scanner) fail(format string, args ...any) { s.failAt(s.at, format, args...) }

func (s *scanner) failAt(at int, format string, args ...any) {
	s.stop(source.Errorf("Could not parse Protobuf - Syntax error in %s: %s", s.where(at), fmt.Sprintf(format, args...)))
}

func (s *scanner) stop(err error) { panic(stop{err}) }

// blanks passes white space and comments.
func (s *scanner) blanks() {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			s.at++
		case strings.HasPrefix(s.text[s.at:], "//"):
			end := strings.IndexByte(s.text[s.at:], '\n')
			if end < 0 {
				end = len(s.text) - s.at
			}
			s.at += end
		case strings.HasPrefix(s.text[s.at:], "/*"):
			end := strings.Index(s.text[s.at+2:], "*/")
			if end < 0 {
				s.at = len(s.text) - 1
				s.fail("unterminated comment")
			}
			s.at += end + 4
		case c == '/':
			s.at = min(s.at+2, len(s.text))
			s.fail("unexpected '/'")
		default:
			return
		}
	}
}

// ended passes blanks and says whether nothing is left.
func (s *scanner) ended() bool {
	s.blanks()
	return s.at >= len(s.text)
}

// peek is the next character after blanks.
func (s *scanner) peek() byte {
	if s.ended() {
		s.fail("unexpected end of file")
	}
	return s.text[s.at]
}

// take passes the character if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// next reads one character after blanks.
func (s *scanner) next() byte {
	c := s.peek()
	s.at++
	return c
}

func (s *scanner) require(c byte) {
	s.peek()
	if s.take(c) {
		return
	}
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	s.at += size
	s.fail("expected '%c' but was '%c'", c, r)
}

// word reads letters, digits, '_', '-' and '.'.
func (s *scanner) word() string {
	s.blanks()
	start := s.at
	for s.at < len(s.text) && isWord(s.text[s.at]) {
		s.at++
	}
	if s.at == start {
		s.fail("expected a word")
	}
	w := s.text[start:s.at]
	if strings.Count(w, ".") > depthMax {
		s.fail("name has more than %d parts", depthMax)
	}
	return w
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// name reads a word that may stand in parentheses or brackets.
func (s *scanner) name() string {
	switch s.peek() {
	case '(':
		s.at++
		w := s.word()
		if s.next() != ')' {
			s.fail("expected ')'")
		}
		return w
	case '[':
		s.at++
		w := s.word()
		if s.next() != ']' {
			s.fail("expected ']'")
		}
		return w
	}
	return s.word()
}

// number reads an integer of 32 bits, decimal or 0x.
func (s *scanner) number() int {
	w := s.word()
	digits, base := w, 10
	if strings.HasPrefix(w, "0x") || strings.HasPrefix(w, "0X") {
		digits, base = w[2:], 16
	}
	v, err := strconv.ParseInt(digits, base, 32)
	if err != nil {
		s.fail("expected an integer but was %s", w)
	}
	return int(v)
}

// quoted reads a string literal, and the ones that follow it at once. Escaped bytes become characters of the
// same number, as upstream reads them.
func (s *scanner) quoted() string {
	quote := s.next()
	if quote != '"' && quote != '\'' {
		s.stop(source.Errorf("Could not parse Protobuf - Check failed.")) // upstream says no more
	}
	var b strings.Builder
	for s.at < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.text[s.at:])
		s.at += size
		switch {
		case r == rune(quote):
			if s.ended() {
				return b.String()
			}
			if c := s.text[s.at]; c != '"' && c != '\'' {
				return b.String()
			}
			quote = s.text[s.at]
			s.at++
		case r == '\\':
			b.WriteRune(s.escape())
		default:
			b.WriteRune(r)
		}
	}
	s.fail("unterminated string")
	return ""
}

func (s *scanner) escape() rune {
	if s.at >= len(s.text) {
		s.fail("unexpected end of file")
	}
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	s.at += size
	switch {
	case r < utf8.RuneSelf && strings.IndexByte("abfnrtv", byte(r)) >= 0:
		return rune("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", byte(r))])
	case r == 'x' || r == 'X':
		return s.numericEscape(16, 2)
	case r >= '0' && r <= '7':
		s.at--
		return s.numericEscape(8, 3)
	}
	return r
}

func (s *scanner) numericEscape(base, lengthMax int) rune {
	start := s.at
	for s.at < len(s.text) && s.at < start+lengthMax && digit(s.text[s.at]) < base {
		s.at++
	}
	v, err := strconv.ParseUint(s.text[start:s.at], base, 16)
	if err != nil {
		s.fail("expected a digit after \\x or \\X")
	}
	return rune(v)
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}
