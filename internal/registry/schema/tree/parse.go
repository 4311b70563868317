package tree

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"leat.dev/internal/registry/schema/source"
)

// A SyntaxError says where a text stops being JSON, in the words of the Java parser whose messages clients of
// the registry know.
type SyntaxError struct {
	Message string
	AtEnd   bool // the text ended too early
	Line    int  // from 1
	Column  int  // from 1, in characters
}

// place is how Jackson names a position without showing the text.
const place = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]"

// Error is the message with its position.
func (e *SyntaxError) Error() string {
	return e.Message + "\n at " + fmt.Sprintf(place, e.Line, e.Column)
}

// Parse reads one JSON document of at most source.TextBytesMax bytes, source.DepthMax levels and
// source.NodesMax values. Rest is where in text the document ended; what follows is the caller's to judge.
// A text of blanks alone gives a nil node.
//
// Errors are *SyntaxError, or *source.Error for a limit.
func Parse(text string) (n *Node, rest int, err error) { return parse(text, false) }

// ParseCommented is Parse for texts that may hold comments like C's where JSON takes blanks, as Avro has it.
func ParseCommented(text string) (n *Node, rest int, err error) { return parse(text, true) }

func parse(text string, comments bool) (n *Node, rest int, err error) {
	if err := source.CheckSize(text); err != nil {
		return nil, 0, err
	}
	p := parser{text: text, comments: comments}
	p.blanks()
	if p.at == len(text) {
		return nil, p.at, nil
	}
	n, err = p.value(0)
	return n, p.at, err
}

type parser struct {
	text     string
	at       int
	nodes    int
	comments bool
	key      bool // the string being read is the key of a member
}

func (p *parser) blanks() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		case '/':
			if !p.comments || !p.comment() {
				return
			}
		default:
			return
		}
	}
}

// comment passes a comment; false leaves a slash that begins none, or one that does not end.
func (p *parser) comment() bool {
	rest := p.text[p.at:]
	if strings.HasPrefix(rest, "//") {
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			p.at += end
		} else {
			p.at = len(p.text)
		}
		return true
	}
	if strings.HasPrefix(rest, "/*") {
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			p.at += 2 + end + 2
			return true
		}
	}
	return false
}

// where counts lines and columns up to a byte offset.
func (p *parser) where(at int) (line, column int) {
	before := p.text[:at]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

func (p *parser) fail(at int, format string, args ...any) error {
	line, column := p.where(at)
	return &SyntaxError{Message: fmt.Sprintf(format, args...), Line: line, Column: column}
}

func (p *parser) unexpected(expected string) error {
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	shown := string(r)
	if r < 0x20 {
		return p.fail(p.at, "Illegal character ((CTRL-CHAR, code %d)): only regular white space (\\r, \\n, \\t) is allowed between tokens", r)
	}
	return p.fail(p.at, "Unexpected character ('%s' (code %d)): %s", shown, r, expected)
}

func (p *parser) ended(what string, opened int) error {
	line, column := p.where(opened)
	startLine, startColumn := line, column
	line, column = p.where(len(p.text))
	return &SyntaxError{AtEnd: true, Line: line, Column: column, Message: fmt.Sprintf(
		"Unexpected end-of-input: expected close marker for %s (start marker at "+place+")", what, startLine, startColumn)}
}

func (p *parser) value(depth int) (*Node, error) {
	if p.nodes++; p.nodes > source.NodesMax {
		return nil, source.Errorf("schema holds more than %d values", source.NodesMax)
	}
	if depth > source.DepthMax {
		return nil, source.Errorf("schema is nested deeper than %d levels", source.DepthMax)
	}
	n := &Node{Offset: p.at}
	var err error
	switch c := p.text[p.at]; {
	case c == '{':
		err = p.object(n, depth)
	case c == '[':
		err = p.array(n, depth)
	case c == '"':
		n.Kind = String
		n.Text, err = p.quoted()
	case c == '-' || c >= '0' && c <= '9':
		err = p.number(n)
	case c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		err = p.word(n)
	default:
		err = p.unexpected("expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
	}
	n.End = p.at
	return n, err
}

func (p *parser) word(n *Node) error {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c != '_' && c != '$' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c < 0x80 {
			break
		}
		p.at++
	}
	switch word := p.text[start:p.at]; word {
	case "null":
	case "true":
		n.Kind, n.Bool = Bool, true
	case "false":
		n.Kind = Bool
	default:
		return p.fail(p.at, "Unrecognized token '%s': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", word)
	}
	return nil
}

func (p *parser) number(n *Node) error {
	start := p.at
	digits := func() bool {
		from := p.at
		for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
			p.at++
		}
		return p.at > from
	}
	if p.text[p.at] == '-' {
		p.at++
	}
	first := p.at
	if !digits() {
		return p.fail(p.at, "Unexpected character in a number: expected a digit (0-9) to follow minus sign, for valid numeric value")
	}
	if p.text[first] == '0' && p.at > first+1 {
		return p.fail(first+1, "Invalid numeric value: Leading zeroes not allowed")
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if !digits() {
			return p.fail(p.at, "Decimal point not followed by a digit")
		}
	}
	if p.at < len(p.text) && (p.text[p.at] == 'e' || p.text[p.at] == 'E') {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if !digits() {
			return p.fail(p.at, "Exponent indicator not followed by a digit")
		}
	}
	n.Kind, n.Text = Number, p.text[start:p.at]
	return nil
}

func (p *parser) array(n *Node, depth int) error {
	n.Kind = Array
	opened := p.at
	p.at++
	p.blanks()
	if p.at < len(p.text) && p.text[p.at] == ']' {
		p.at++
		return nil
	}
	for {
		if p.at >= len(p.text) {
			return p.ended("Array", opened)
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
		p.blanks()
		if p.at >= len(p.text) {
			return p.ended("Array", opened)
		}
		switch p.text[p.at] {
		case ',':
			p.at++
			p.blanks()
		case ']':
			p.at++
			return nil
		default:
			return p.unexpected("was expecting comma to separate Array entries")
		}
	}
}

func (p *parser) object(n *Node, depth int) error {
	n.Kind = Object
	opened := p.at
	p.at++
	p.blanks()
	if p.at < len(p.text) && p.text[p.at] == '}' {
		p.at++
		return nil
	}
	places := map[string]int{}
	for {
		if p.at >= len(p.text) {
			return p.ended("Object", opened)
		}
		if p.text[p.at] != '"' {
			return p.unexpected("was expecting double-quote to start field name")
		}
		p.key = true
		key, err := p.quoted()
		p.key = false
		if err != nil {
			return err
		}
		p.blanks()
		if p.at >= len(p.text) {
			return p.ended("Object", opened)
		}
		if p.text[p.at] != ':' {
			return p.unexpected("was expecting a colon to separate field name and value")
		}
		p.at++
		p.blanks()
		if p.at >= len(p.text) {
			return p.ended("Object", opened)
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if i, ok := places[key]; ok {
			n.Members[i].Value = value
		} else {
			places[key] = len(n.Members)
			n.Members = append(n.Members, Member{key, value})
		}
		p.blanks()
		if p.at >= len(p.text) {
			return p.ended("Object", opened)
		}
		switch p.text[p.at] {
		case ',':
			p.at++
			p.blanks()
		case '}':
			p.at++
			if len(n.Members) >= indexMin {
				n.index = places
			}
			return nil
		default:
			return p.unexpected("was expecting comma to separate Object entries")
		}
	}
}

// quoted reads a string. Lone surrogates and bytes that are no UTF-8 become U+FFFD, as encoding/json has it.
func (p *parser) quoted() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			p.at++
			return valid(s), nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.control(c)
		default:
			p.at++
		}
	}
	return "", p.openString()
}

// valid puts U+FFFD for each byte that is no UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func (p *parser) control(c byte) error {
	return p.fail(p.at+1, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
}

func (p *parser) openString() error {
	line, column := p.where(len(p.text))
	message := "Unexpected end-of-input: was expecting closing quote for a string value"
	if p.key {
		message = "Unexpected end-of-input in field name"
	}
	return &SyntaxError{AtEnd: true, Line: line, Column: column, Message: message}
}

func (p *parser) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(valid(p.text[start:p.at]))
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return b.String(), nil
		case c < 0x20:
			return "", p.control(c)
		case c != '\\':
			r, size := utf8.DecodeRuneInString(p.text[p.at:])
			b.WriteRune(r)
			p.at += size
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
	}
	return "", p.openString()
}

func (p *parser) escape() (rune, error) {
	p.at++
	if p.at >= len(p.text) {
		return 0, p.openString()
	}
	c := p.text[p.at]
	p.at++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, p.fail(p.at, "Unrecognized character escape '%c' (code %d)", c, c)
	}
	r, err := p.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(p.text[p.at:], `\u`) {
		back := p.at
		p.at += 2
		low, err := p.unit()
		if err != nil {
			return 0, err
		}
		if joined := utf16.DecodeRune(r, low); joined != utf8.RuneError {
			return joined, nil
		}
		p.at = back
	}
	return utf8.RuneError, nil
}

func (p *parser) unit() (rune, error) {
	if p.at+4 > len(p.text) {
		return 0, p.openString()
	}
	v, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 16)
	if err != nil {
		return 0, p.fail(p.at+1, "Unexpected character in a \\u escape: expected a hex-digit for character escape sequence")
	}
	p.at += 4
	return rune(v), nil
}
