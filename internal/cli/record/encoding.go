// Package record turns records into text and back: encodings of keys and values that are safe for any bytes, the
// JSON form that "leat consume --json" writes and "leat produce --json" reads, and lines with separators. What
// one side writes the other reads back to the same bytes. The package does no I/O besides reading lines.
package record

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"leat.dev/internal/cli/command"
)

// Encoding is how the bytes of a key or value are written as text.
type Encoding string

// The encodings. Text is the bytes as they are; JSON is text that must be one JSON value.
const (
	Text   Encoding = "text"
	Base64 Encoding = "base64"
	Hex    Encoding = "hex"
	JSON   Encoding = "json"
)

// Encodings lists the names of all encodings.
var Encodings = []string{string(Text), string(Base64), string(Hex), string(JSON)}

// ParseEncoding checks the value of a flag.
func ParseEncoding(flag, s string) (Encoding, error) {
	return Encoding(s), command.Choice(flag, s, Encodings...)
}

// Decode turns text into the bytes it stands for.
func (e Encoding) Decode(text []byte) ([]byte, error) {
	switch e {
	case Base64:
		text = bytes.TrimSpace(text)
		enc := base64.StdEncoding
		if bytes.ContainsAny(text, "-_") {
			enc = base64.URLEncoding
		}
		if len(text)%4 != 0 {
			enc = enc.WithPadding(base64.NoPadding)
		}
		out := make([]byte, enc.DecodedLen(len(text)))
		n, err := enc.Decode(out, text)
		if err != nil {
			return nil, fmt.Errorf("not valid base64: %w", err)
		}
		return out[:n], nil
	case Hex:
		text = bytes.TrimSpace(text)
		out := make([]byte, hex.DecodedLen(len(text)))
		n, err := hex.Decode(out, text)
		if err != nil {
			return nil, fmt.Errorf("not valid hex: %s", strings.TrimPrefix(err.Error(), "encoding/hex: "))
		}
		return out[:n], nil
	case JSON:
		if !json.Valid(text) {
			return nil, fmt.Errorf("not valid JSON")
		}
		return text, nil
	}
	return text, nil
}

// Append writes bytes as text.
func (e Encoding) Append(dst, v []byte) []byte {
	switch e {
	case Base64:
		return base64.StdEncoding.AppendEncode(dst, v)
	case Hex:
		return hex.AppendEncode(dst, v)
	}
	return append(dst, v...)
}

// appendString writes a JSON string.
func appendString(dst []byte, s []byte) []byte {
	plain := true
	for _, c := range s {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string(s)) // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
