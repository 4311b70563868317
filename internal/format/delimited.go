package format

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"leat.dev/internal/row"
)

// delimited is the DELIMITED format: one line of tokens, as Apache Commons CSV reads and writes them with minimal quotes.
type delimited struct {
	side      Side
	delimiter string // one character, as UTF-8
	token     []byte // what a quoted token that is being read holds
	ends      []int
	row       []byte // all tokens of a row, one behind the other
	null      []bool
}

// NewDelimited opens the DELIMITED format for columns of scalar types; delimiter is one character, ',' where it is 0.
func NewDelimited(side Side, delimiter rune) (Decoder, Encoder, error) {
	for _, c := range side.Columns {
		switch c.Type.Kind() {
		case row.Array, row.Map, row.Struct:
			return nil, nil, unsupported("DELIMITED", c, true)
		default:
		}
	}
	if delimiter == 0 {
		delimiter = ','
	}
	if delimiter == '"' || delimiter == '\r' || delimiter == '\n' || !utf8.ValidRune(delimiter) {
		return nil, nil, fmt.Errorf("Invalid delimiter value: '%c'", delimiter) //nolint:staticcheck // ksqlDB's text
	}
	// Each goroutine needs a decoder of its own, but an encoder holds nothing: two values all the same.
	return &delimited{side: side, delimiter: string(delimiter)}, &delimited{side: side, delimiter: string(delimiter)}, nil
}

func (d *delimited) Decode(a *row.Arena, data []byte) (row.Row, error) {
	if data == nil {
		return nil, nil
	}
	r, err := d.decode(a, data)
	if err != nil {
		return nil, fmt.Errorf("Error deserializing delimited: %w", err)
	}
	return r, nil
}

var errNoLine = errors.New("No fields in record") //nolint:staticcheck // ksqlDB's text

func (d *delimited) decode(a *row.Arena, data []byte) (row.Row, error) {
	data = bytes.TrimLeft(data, "\r\n")
	if len(data) == 0 {
		return nil, errNoLine
	}
	if err := d.split(javaUTF8(a, data)); err != nil {
		return nil, err
	}
	if len(d.ends) != len(d.side.Columns) {
		return nil, fmt.Errorf("Column count mismatch on deserialization. topic: %s, expected: %d, got: %d", d.side.Topic, len(d.side.Columns), len(d.ends)) //nolint:staticcheck // ksqlDB's text
	}
	tokens := a.Bytes(len(d.row))
	copy(tokens, d.row)
	r := a.Row(len(d.side.Columns))
	start := 0
	for i, end := range d.ends {
		if !d.null[i] {
			v, err := fromToken(a, d.side.Columns[i].Type, tokens[start:end:end])
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", d.side.Columns[i].Name, err)
			}
			r[i] = v
		}
		start = end
	}
	return r, nil
}

// split cuts the first line into d.row, d.ends and d.null. An empty token is NULL, quoted or not.
func (d *delimited) split(data []byte) error {
	d.row, d.ends, d.null = d.row[:0], d.ends[:0], d.null[:0]
	for {
		from := len(d.row)
		if len(data) > 0 && data[0] == '"' {
			var err error
			if data, err = d.quoted(data[1:]); err != nil {
				return err
			}
		} else {
			end := bytes.IndexAny(data, "\r\n"+d.delimiter)
			if end < 0 {
				end = len(data)
			}
			d.row = append(d.row, data[:end]...)
			data = data[end:]
		}
		d.ends = append(d.ends, len(d.row))
		d.null = append(d.null, len(d.row) == from)
		if !bytes.HasPrefix(data, []byte(d.delimiter)) {
			return nil // the end of the line, or of all
		}
		data = data[len(d.delimiter):]
	}
}

// quoted appends a token to d.row whose opening quote has been read, and gives what follows its closing quote.
func (d *delimited) quoted(data []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(data, '"')
		if i < 0 {
			return nil, errors.New("(startline 1) EOF reached before encapsulated token finished")
		}
		d.row = append(d.row, data[:i]...)
		data = data[i+1:]
		if len(data) > 0 && data[0] == '"' {
			d.row = append(d.row, '"')
			data = data[1:]
			continue
		}
		rest := bytes.TrimLeft(data, " \t")
		if d.delimiter == " " || d.delimiter == "\t" {
			rest = data
		}
		if len(rest) > 0 && rest[0] != '\r' && rest[0] != '\n' && !bytes.HasPrefix(rest, []byte(d.delimiter)) {
			return nil, errors.New("(line 1) invalid char between encapsulated token and delimiter")
		}
		return rest, nil
	}
}

func fromToken(a *row.Arena, t *row.Type, token []byte) (row.Value, error) {
	text := unsafeString(token)
	switch t.Kind() {
	case row.Boolean:
		return row.OfBool(strings.EqualFold(text, "true")), nil
	case row.Bytes:
		if !bytes.HasSuffix(token, []byte("=")) && len(token)%4 != 0 {
			token = append(slices.Clone(token), "=="[:(4-len(token)%4)%4%3]...)
		}
		b, ok := decodeBase64(a, token)
		if !ok {
			return row.Value{}, fmt.Errorf("Value is not a valid Base64 encoded string: %s", text) //nolint:staticcheck // ksqlDB's text
		}
		return row.OfBytes(b), nil
	}
	v, err := fromText(a, t, token)
	var u *unsuitable
	if errors.As(err, &u) {
		err = fmt.Errorf("%q: %w", text, u.reason)
	}
	return v, err
}

func (d *delimited) Encode(dst []byte, r row.Row) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if err := d.side.checkCount("serialization", len(r)); err != nil {
		return nil, err
	}
	for i, v := range r {
		if i > 0 {
			dst = append(dst, d.delimiter...)
		}
		if v.IsNull() {
			continue
		}
		d.token = appendToken(d.token[:0], d.side.Columns[i].Type, v)
		dst = d.append(dst, d.token, i == 0)
	}
	if dst == nil {
		dst = []byte{}
	}
	return dst, nil
}

// appendToken is the text of a value: numbers in full, times as numbers, BYTES in base64.
func appendToken(dst []byte, t *row.Type, v row.Value) []byte {
	switch t.Kind() {
	case row.Date, row.Time, row.Timestamp:
		return strconv.AppendInt(dst, v.Long(), 10)
	case row.Bytes:
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	default:
		return row.AppendText(dst, t, v)
	}
}

// append writes a token, in quotes if it could be misread: Commons CSV's rule of minimal quotes.
func (d *delimited) append(dst, token []byte, first bool) []byte {
	if !d.needsQuotes(token, first) {
		return append(dst, token...)
	}
	dst = append(dst, '"')
	for _, c := range token {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func (d *delimited) needsQuotes(token []byte, first bool) bool {
	if len(token) == 0 {
		return first
	}
	c := token[0]
	alphanumeric := (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
	return (first && !alphanumeric) || c <= '#' || token[len(token)-1] <= ' ' ||
		bytes.ContainsAny(token, "\"\r\n") || bytes.Contains(token, []byte(d.delimiter))
}
