package streamstest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"leat.dev/streams"
)

// recordLine is a record as text.
func recordLine[K, V any](r streams.Record[K, V]) string {
	key, value := null, null
	if !r.NullKey {
		key = show(r.Key)
	}
	if !r.NullValue {
		value = show(r.Value)
	}
	line := key + " | " + value
	if r.Time >= 0 {
		line += " @" + strconv.FormatInt(int64(r.Time), 10)
	}
	return line + showHeaders(r.Headers)
}

const null = "null"

func showHeaders(h streams.Headers) string {
	if len(h) == 0 {
		return ""
	}
	parts := make([]string, len(h))
	for i, one := range h {
		parts[i] = showName(one.Key) + "=" + null
		if one.Value != nil {
			parts[i] = showName(one.Key) + "=" + showHeader(one.Value)
		}
	}
	return " {" + strings.Join(parts, ", ") + "}"
}

// showName is a header's name.
func showName(s string) string {
	if plain(s) && !strings.ContainsAny(s, " ,=@{}") {
		return s
	}
	return strconv.Quote(s)
}

// showHeader is a header's value.
func showHeader(b []byte) string {
	s := showBytes(b)
	if strings.ContainsAny(s, " ,=@{}") && !strings.HasPrefix(s, `"`) {
		return strconv.Quote(s)
	}
	return s
}

// show is a key or value as text.
func show(v any) string {
	if isNil(v) {
		return null
	}
	switch v := v.(type) {
	case string:
		return showText(v)
	case []byte:
		return showBytes(v)
	case [16]byte:
		return showUUID(v)
	case json.Number:
		return v.String()
	case error:
		return showText(v.Error())
	}
	r := reflect.ValueOf(v)
	switch {
	case isWindowed(r.Type()):
		return fmt.Sprintf("%s@%d/%d", show(r.FieldByName("Key").Interface()), r.FieldByName("Start").Int(), r.FieldByName("End").Int())
	case isStamped(r.Type()):
		return fmt.Sprintf("%s @%d", show(r.FieldByName("Value").Interface()), r.FieldByName("Time").Int())
	}
	if _, own := v.(json.Marshaler); !own {
		switch r.Kind() {
		case reflect.Pointer:
			return show(r.Elem().Interface())
		case reflect.String:
			return showText(r.String())
		default:
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return showText(fmt.Sprintf("%+v", v))
	}
	return canonical(b)
}

// canonical is JSON without blanks, and with the keys of objects in their order.
func canonical(b []byte) string {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(b)
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return string(b)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func isWindowed(t reflect.Type) bool { return isOurs(t, "Windowed[") }

func isStamped(t reflect.Type) bool { return isOurs(t, "Stamped[") }

func isOurs(t reflect.Type, name string) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), name) && t.PkgPath() == reflect.TypeFor[streams.Header]().PkgPath()
}

func isComparable(v any) bool { return v == nil || reflect.ValueOf(v).Comparable() }

// windowBytes is how much longer than its key a windowed key is, at least.
const windowBytes = 8

// showText is a string, in quotes where it would be taken for something else.
func showText(s string) string {
	if plain(s) {
		return s
	}
	return strconv.Quote(s)
}

func plain(s string) bool {
	if s == "" || s == null || !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsAny(s, "|\"") ||
		strings.Contains(s, " @") || strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "#") {
		return false
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

func showBytes(b []byte) string {
	for _, c := range string(b) {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return "0x" + hex.EncodeToString(b)
		}
	}
	return showText(string(b))
}

func showUUID(v [16]byte) string {
	s := hex.EncodeToString(v[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Show is a record of bytes as the text of one line; it needs the types' serdes.
func Show[K, V any](r Record, ks streams.Serde[K], vs streams.Serde[V]) (string, error) {
	typed, err := decode(r, ks, vs)
	if err != nil {
		return "", err
	}
	return recordLine(typed), nil
}
