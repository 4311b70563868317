package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Flatten turns a decoded YAML or JSON document into settings: nested keys are
// joined by dots, lists by commas. So "log: {flush: os}" and "log.flush: os"
// say the same.
func Flatten(document any) (map[string]string, error) {
	out := map[string]string{}
	if document == nil {
		return out, nil
	}
	if _, ok := document.(map[string]any); !ok {
		return nil, fmt.Errorf("settings must be a map of names to values, not %T", document)
	}
	return out, flatten(out, "", document)
}

func flatten(out map[string]string, name string, v any) error {
	if m, ok := v.(map[string]any); ok {
		for _, key := range sortedKeys(m) {
			full := key
			if name != "" {
				full = name + "." + key
			}
			if err := flatten(out, full, m[key]); err != nil {
				return err
			}
		}
		return nil
	}
	if _, twice := out[name]; twice {
		return fmt.Errorf("%s is set twice", name)
	}
	if list, ok := v.([]any); ok {
		elements := make([]string, 0, len(list))
		for _, e := range list {
			s, err := scalar(name, e)
			if err != nil {
				return err
			}
			elements = append(elements, s)
		}
		out[name] = strings.Join(elements, ",")
		return nil
	}
	s, err := scalar(name, v)
	out[name] = s
	return err
}

func scalar(name string, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool, int, int64, uint64:
		return fmt.Sprint(v), nil
	}
	return "", fmt.Errorf("%s: a setting is a single value or a list, not %T", name, v)
}

// ParseProperties reads a file of Kafka's kind: name=value lines with Java's
// comments, continuation lines and escapes. The last of several lines with the
// same name counts.
func ParseProperties(data []byte) (map[string]string, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("not a text file in UTF-8")
	}
	out := map[string]string{}
	text := strings.ReplaceAll(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\r\n", "\n")
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continued(line) {
			line = line[:len(line)-1]
			if i++; i < len(lines) {
				line += strings.TrimLeft(lines[i], " \t\f")
			}
		}
		name, value, err := property(line)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

// continued tells whether a line ends in an odd number of backslashes.
func continued(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// property splits a logical line at the first separator that is not escaped.
func property(line string) (name, value string, err error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	if name, err = unescape(line[:end]); err != nil {
		return "", "", err
	}
	if value, err = unescape(rest); err != nil {
		return "", "", err
	}
	return name, value, nil
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if len(s) < i+5 {
				return "", fmt.Errorf(`malformed \u escape in %q`, s)
			}
			r, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`malformed \u escape in %q`, s)
			}
			b.WriteRune(rune(r))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// ParseSet reads the argument of --set: name=value.
func ParseSet(arg string) (name, value string, err error) {
	name, value, ok := strings.Cut(arg, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return "", "", fmt.Errorf("%q is not of the form name=value", arg)
	}
	return name, value, nil
}
