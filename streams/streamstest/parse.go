package streamstest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"leat.dev/streams"
)

// line is a record as it stands in a text: fields not yet read as types.
type line struct {
	key, value string
	time       streams.Time
	timed      bool
	headers    streams.Headers
	hasHeaders bool
}

// lines gives the lines of a text that hold records: not the empty ones and those that begin with #.
func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

var timeAndHeaders = regexp.MustCompile(`^ @(-?[0-9]+)(?:\s+(\{.*\}))?\s*$`)

// parseLine reads "key | value @time {header=value, …}".
func parseLine(s string) (l line, err error) {
	rest := s
	// The last " @number" is the time, with the headers behind it.
	for at := strings.LastIndex(s, " @"); at >= 0; at = strings.LastIndex(s[:at], " @") {
		m := timeAndHeaders.FindStringSubmatch(s[at:])
		if m == nil {
			continue
		}
		ms, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return l, fmt.Errorf("time: %w", err)
		}
		l.time, l.timed = streams.Time(ms), true
		if l.hasHeaders = m[2] != ""; l.hasHeaders {
			if l.headers, err = parseHeaders(m[2][1 : len(m[2])-1]); err != nil {
				return l, err
			}
		}
		rest = s[:at]
		break
	}
	if l.key, rest, err = field(rest); err != nil {
		return l, err
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(rest), "|")
	if !ok {
		return l, fmt.Errorf(`a record is written as "key | value @time"`)
	}
	l.value = strings.TrimSpace(rest)
	return l, nil
}

// field cuts the key from a line. One that begins with a quote or a bracket is a JSON value, in which a bar means nothing.
func field(s string) (key, rest string, err error) {
	s = strings.TrimSpace(s)
	if s != "" && strings.ContainsRune("\"{[", rune(s[0])) {
		d := json.NewDecoder(strings.NewReader(s))
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return "", "", fmt.Errorf("key: %w", err)
		}
		at := int(d.InputOffset())
		if bar := strings.IndexByte(s[at:], '|'); bar >= 0 { // a window may stand behind the key
			return strings.TrimSpace(s[:at+bar]), s[at+bar:], nil
		}
		return s[:at], s[at:], nil
	}
	bar := strings.IndexByte(s, '|')
	if bar < 0 {
		return s, "", nil
	}
	return strings.TrimSpace(s[:bar]), s[bar:], nil
}

// parseHeaders reads "name=value, name=value"; names and values may be in quotes.
func parseHeaders(s string) (streams.Headers, error) {
	h := streams.Headers{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(strings.TrimPrefix(s, ",")) {
		name, rest, err := word(s, "=")
		if err != nil || !strings.HasPrefix(rest, "=") {
			return nil, fmt.Errorf("a header is written as name=value, not %q", s)
		}
		value, rest, err := word(rest[1:], ",")
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		key, err := textOf(name)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		v, err := bytesOf(value)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		h, s = append(h, streams.Header{Key: key, Value: v}), strings.TrimSpace(rest)
	}
	return h, nil
}

// word cuts what stands before a separator; in quotes the separator means nothing.
func word(s, sep string) (w, rest string, err error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, `"`) {
		if w, err = strconv.QuotedPrefix(s); err != nil {
			return "", "", err
		}
		return w, strings.TrimSpace(s[len(w):]), nil
	}
	at := strings.Index(s, sep)
	if at < 0 {
		at = len(s)
	}
	return strings.TrimSpace(s[:at]), s[at:], nil
}

// typed reads the fields of a line as types.
func typed[K, V any](l line) (r streams.Record[K, V], err error) {
	r.Time, r.Headers = l.time, l.headers
	if r.NullKey = l.key == null; !r.NullKey {
		if err = readField(l.key, reflect.ValueOf(&r.Key).Elem()); err != nil {
			return r, fmt.Errorf("key: %w", err)
		}
	}
	if r.NullValue = l.value == null; !r.NullValue {
		if err = readField(l.value, reflect.ValueOf(&r.Value).Elem()); err != nil {
			return r, fmt.Errorf("value: %w", err)
		}
	}
	return r, nil
}

// readField reads one key or value.
func readField(s string, into reflect.Value) error {
	t := into.Type()
	switch {
	case isWindowed(t):
		return readWindowed(s, into)
	case t == reflect.TypeFor[[]byte]():
		b, err := bytesOf(s)
		into.SetBytes(b)
		return err
	case t == reflect.TypeFor[[16]byte]():
		b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
		if err != nil || len(b) != into.Len() {
			return fmt.Errorf("%q is no UUID", s)
		}
		reflect.Copy(into, reflect.ValueOf(b))
		return nil
	}
	if _, own := into.Addr().Interface().(json.Unmarshaler); !own {
		switch t.Kind() {
		case reflect.String:
			text, err := textOf(s)
			into.SetString(text)
			return err
		case reflect.Pointer:
			into.Set(reflect.New(t.Elem()))
			return readField(s, into.Elem())
		default:
		}
	}
	if err := json.Unmarshal([]byte(s), into.Addr().Interface()); err != nil {
		return fmt.Errorf("%q is no %s: %w", s, t, err)
	}
	return nil
}

func readWindowed(s string, into reflect.Value) error {
	key, window, ok := cutLast(s, "@")
	start, end, _ := strings.Cut(window, "/")
	from, err := strconv.ParseInt(start, 10, 64)
	if !ok || err != nil {
		return fmt.Errorf("%q is no windowed key: it is written as key@start/end", s)
	}
	to := from
	if end != "" {
		if to, err = strconv.ParseInt(end, 10, 64); err != nil {
			return fmt.Errorf("%q: end of the window: %w", s, err)
		}
	}
	into.FieldByName("Start").SetInt(from)
	into.FieldByName("End").SetInt(to)
	return readField(key, into.FieldByName("Key"))
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func textOf(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	text, err := strconv.Unquote(s)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s, err)
	}
	return text, nil
}

func bytesOf(s string) ([]byte, error) {
	if s == null {
		return nil, nil
	}
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		return b, nil
	}
	text, err := textOf(s)
	return []byte(text), err
}

// Parse reads one line "key | value @time {header=value}" as a record of a topic, its key and value being the bytes of their
// texts. Without a time it is 0.
func Parse(topic, text string) (Record, error) {
	l, err := parseLine(text)
	if err != nil {
		return Record{}, err
	}
	r, err := typed[[]byte, []byte](l)
	if r.NullKey {
		r.Key = nil
	}
	if r.NullValue {
		r.Value = nil
	}
	return Record{Topic: topic, Partition: -1, Key: r.Key, Value: r.Value, Time: r.Time, Headers: r.Headers}, err
}
