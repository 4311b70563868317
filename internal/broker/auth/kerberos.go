package auth

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// KerberosRules make a user's name of a Kerberos principal (sasl.kerberos.principal.to.local.rules).
type KerberosRules struct {
	realm string // the broker's own, which DEFAULT strips
	rules []kerberosRule
}

// kerberosRule is [n:format](match)s/from/to/g/L; DEFAULT has no format.
type kerberosRule struct {
	isDefault  bool
	components int
	format     string
	match      *regexp.Regexp // nil for any
	from       *regexp.Regexp // nil for no substitution
	to         string
	all        bool
	fold       byte
}

var kerberosRuleForm = regexp.MustCompile(`^RULE:\[(\d{1,2}):([^\]]*)\](?:\((.*?)\))?(?:s/((?:[^\\/]|\\.)*)/((?:[^\\/]|\\.)*)/(g)?)?/?([LU])?$`)

// ParseKerberosRules reads the rules for a broker of the realm.
func ParseKerberosRules(list []string, realm string) (KerberosRules, error) {
	k := KerberosRules{realm: realm}
	for _, text := range list {
		text = strings.TrimSpace(text)
		if text == "DEFAULT" {
			k.rules = append(k.rules, kerberosRule{isDefault: true})
			continue
		}
		m := kerberosRuleForm.FindStringSubmatch(text)
		if m == nil {
			return k, fmt.Errorf("sasl.kerberos.principal.to.local.rules: %q is neither DEFAULT nor RULE:[n:format](match)s/from/to/", text)
		}
		r := kerberosRule{format: m[2], to: goReplacement(m[5], 9), all: m[6] == "g"}
		r.components, _ = strconv.Atoi(m[1])
		if m[7] != "" {
			r.fold = m[7][0]
		}
		var err, err2 error
		if m[3] != "" {
			r.match, err = regexp.Compile("^(?:" + m[3] + ")$")
		}
		if m[4] != "" {
			r.from, err2 = regexp.Compile(m[4])
		}
		if err := errors.Join(err, err2); err != nil {
			return k, fmt.Errorf("sasl.kerberos.principal.to.local.rules: %q: %w", text, err)
		}
		k.rules = append(k.rules, r)
	}
	return k, nil
}

// Apply returns the name of a principal's user; false if no rule fits.
func (k KerberosRules) Apply(components []string, realm string) (string, bool) {
	for _, r := range k.rules {
		if name, ok := r.apply(components, realm, k.realm); ok {
			return name, true
		}
	}
	return "", false
}

func (r *kerberosRule) apply(components []string, realm, own string) (string, bool) {
	if r.isDefault {
		return components[0], realm == own
	}
	if r.components != len(components) {
		return "", false
	}
	base, ok := expandFormat(r.format, append([]string{realm}, components...))
	if !ok || r.match != nil && !r.match.MatchString(base) {
		return "", false
	}
	name := base
	switch {
	case r.from == nil:
	case r.all:
		name = r.from.ReplaceAllString(base, r.to)
	default:
		if at := r.from.FindStringSubmatchIndex(base); at != nil {
			name = base[:at[0]] + string(r.from.ExpandString(nil, r.to, base, at)) + base[at[1]:]
		}
	}
	// What is left of a realm or an instance would be mistaken for another user's name.
	if name == "" || strings.ContainsAny(name, "/@") {
		return "", false
	}
	switch r.fold {
	case 'L':
		name = strings.ToLower(name)
	case 'U':
		name = strings.ToUpper(name)
	}
	return name, true
}

// expandFormat replaces $0 to $9 by the realm and the components.
func expandFormat(format string, params []string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '$' || i+1 == len(format) || format[i+1] < '0' || format[i+1] > '9' {
			b.WriteByte(format[i])
			continue
		}
		i++
		n := int(format[i] - '0')
		if n >= len(params) {
			return "", false
		}
		b.WriteString(params[n])
	}
	return b.String(), true
}
