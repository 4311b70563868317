package config

import (
	"errors"
	"fmt"
	"strings"
)

// Login is a login module of a JAAS configuration with its options.
type Login struct {
	Module  string // the class without its package
	Options map[string]string
}

// JAASOptions are the options of a login module.
func JAASOptions(text string) (map[string]string, error) {
	l, err := ParseJAAS(text)
	return l.Options, err
}

var errJAAS = errors.New("not a login module: expected CLASS required name=\"value\" ... ;")

// ParseJAAS reads the value of sasl.jaas.config: one login module. Errors hold nothing of the value.
func ParseJAAS(text string) (Login, error) {
	words, err := jaasWords(text)
	if err != nil {
		return Login{}, err
	}
	if len(words) < 3 || words[len(words)-1] != ";" {
		return Login{}, errJAAS
	}
	switch strings.ToLower(words[1]) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return Login{}, errJAAS
	}
	l := Login{Module: words[0][strings.LastIndexByte(words[0], '.')+1:], Options: map[string]string{}}
	rest := words[2 : len(words)-1]
	for len(rest) > 0 {
		if len(rest) < 3 || rest[1] != "=" {
			return Login{}, errJAAS
		}
		if _, twice := l.Options[rest[0]]; twice {
			return Login{}, fmt.Errorf("option %q stands twice", rest[0])
		}
		l.Options[rest[0]] = rest[2]
		rest = rest[3:]
	}
	return l, nil
}

// jaasWords cuts the text into words, the signs = and ;, and quoted values.
func jaasWords(text string) (words []string, err error) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '=' || c == ';':
			words = append(words, string(c))
			i++
		case c == '"' || c == '\'':
			value, n, ok := jaasQuoted(text[i:])
			if !ok {
				return nil, errors.New("a quoted value does not end")
			}
			words = append(words, value)
			i += n
		default:
			n := strings.IndexAny(text[i:], " \t\r\n=;\"'")
			if n < 0 {
				n = len(text) - i
			}
			words = append(words, text[i:i+n])
			i += n
		}
	}
	return words, nil
}

// jaasQuoted reads a quoted value at the start of text and tells how long it is there.
func jaasQuoted(text string) (value string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == text[0]:
			return b.String(), i + 1, true
		case text[i] == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(text[i])
		}
	}
	return "", 0, false
}
