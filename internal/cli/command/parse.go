package command

import (
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/cli/fault"
)

// partitionsMax bounds how many partitions a list like 0-99999999 may name.
const partitionsMax = 1 << 20

// ParsePartitions reads a list of partitions such as 0,2,5-7. The result is sorted and holds no number twice.
func ParsePartitions(s string) ([]int32, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	bad := func(part string) error {
		return fault.Usage("%q is not a list of partitions", s).WithDetail("cannot read %q", part).
			WithHint("for example 0,2,5-7")
	}
	var out []int32
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		lo, hi, isRange := strings.Cut(part, "-")
		if !isRange {
			hi = lo
		}
		from, err1 := strconv.ParseInt(strings.TrimSpace(lo), 10, 32)
		to, err2 := strconv.ParseInt(strings.TrimSpace(hi), 10, 32)
		if err1 != nil || err2 != nil || from < 0 || to < from || to-from >= partitionsMax {
			return nil, bad(part)
		}
		for p := from; p <= to; p++ {
			out = append(out, int32(p))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ParseSettings reads name=value pairs, as --config and --set take them. The order is kept; a later pair wins.
func ParseSettings(flag string, pairs []string) (names []string, values map[string]string, err error) {
	values = map[string]string{}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, nil, fault.Usage("%s %q is not of the form name=value", flag, p).
				WithHint("for example %s retention.ms=86400000", flag)
		}
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = value
	}
	return names, values, nil
}

// Unescape interprets \t, \n, \r, \0, \\ and \xNN in a separator given on the command line.
func Unescape(flag, s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fault.Usage("%s %q ends in a lone backslash", flag, s).WithHint(`write \\ for a backslash`)
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case '0':
			b.WriteByte(0)
		case '\\':
			b.WriteByte('\\')
		case 'x':
			if i+2 >= len(s) {
				return "", fault.Usage(`%s %q: \x needs two hex digits`, flag, s)
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", fault.Usage(`%s %q: \x needs two hex digits`, flag, s)
			}
			b.WriteByte(byte(v))
			i += 2
		default:
			return "", fault.Usage(`%s %q: \%c is not known`, flag, s, s[i]).WithHint(`the escapes are \t \n \r \0 \\ and \xNN`)
		}
	}
	return b.String(), nil
}

// Choices checks a flag that takes several of the values it may have, in any case of letters, and returns them as they are
// written among the choices.
func Choices(flag string, values []string, choices ...string) ([]string, error) {
	var out []string
	for _, v := range values {
		i := slices.IndexFunc(choices, func(known string) bool { return strings.EqualFold(known, v) })
		if i < 0 {
			return nil, Choice(flag, v, choices...)
		}
		out = append(out, choices[i])
	}
	return out, nil
}

// Choice checks that a flag has one of the values it may have.
func Choice(flag, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fault.Usage("%s %q is not known", flag, value).
		WithHint("%s", fault.DidYouMean(value, choices, "the choices are "+strings.Join(choices, ", ")))
}
