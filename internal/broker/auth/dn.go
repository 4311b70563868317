package auth

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The attribute types that have a name in RFC 2253; others are written as numbers.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET",
	"2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// attribute is one part of a distinguished name, with its value as it was encoded.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type attributeSET []attribute // the suffix tells encoding/asn1 that it is a SET

// DistinguishedName writes a certificate's subject as Java does (RFC 2253), which is what mapping rules are written
// for: the last part first, "CN=alice,OU=ops,O=Example".
func DistinguishedName(c *x509.Certificate) (string, error) {
	var name []attributeSET
	if rest, err := asn1.Unmarshal(c.RawSubject, &name); err != nil || len(rest) > 0 {
		return "", errors.New("the subject of the certificate cannot be read")
	}
	var b strings.Builder
	for i := len(name) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		for j := range name[i] {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(name[i][j].text())
		}
	}
	return b.String(), nil
}

func (a *attribute) text() string {
	oid := a.Type.String()
	name, known := attributeNames[oid]
	if !known {
		return oid + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	s, ok := asn1String(&a.Value)
	if !ok {
		return name + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	return name + "=" + escapeValue(s)
}

// asn1String decodes the string types that occur in names.
func asn1String(v *asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal {
		return "", false
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		return string(v.Bytes), utf8.Valid(v.Bytes)
	case asn1.TagT61String:
		runes := make([]rune, len(v.Bytes)) // taken for Latin-1, as everybody does
		for i, c := range v.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}

func escapeValue(s string) string {
	var b strings.Builder
	lead := len(s) - len(strings.TrimLeft(s, " "))
	trail := len(strings.TrimRight(s, " "))
	for i, r := range s {
		switch {
		case r == 0:
			b.WriteString(`\00`)
			continue
		case strings.ContainsRune(",=+<>#;\\\"", r), r == ' ' && (i < lead || i >= trail):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// MappingRules make a user's name of a distinguished name (ssl.principal.mapping.rules).
type MappingRules []mappingRule

type mappingRule struct {
	pattern *regexp.Regexp // nil for DEFAULT
	replace string
	fold    byte // 'L', 'U' or 0
}

// ParseMappingRules reads DEFAULT and RULE:pattern/replacement/[L|U], separated by commas.
func ParseMappingRules(text string) (MappingRules, error) {
	var rules MappingRules
	rest := strings.TrimSpace(text)
	for rest != "" {
		var r mappingRule
		if after, ok := strings.CutPrefix(rest, "DEFAULT"); ok {
			rest = after
		} else if after, ok := strings.CutPrefix(rest, "RULE:"); ok {
			pattern, after, ok := untilSlash(after)
			replace, after, ok2 := untilSlash(after)
			if !ok || !ok2 {
				return nil, fmt.Errorf("ssl.principal.mapping.rules: %q is not RULE:pattern/replacement/[L or U]", rest)
			}
			re, err := regexp.Compile("^(?:" + pattern + ")$")
			if err != nil {
				return nil, fmt.Errorf("ssl.principal.mapping.rules: %q: %w", pattern, err)
			}
			r.pattern, r.replace = re, goReplacement(replace, re.NumSubexp())
			if after != "" && (after[0] == 'L' || after[0] == 'U') {
				r.fold, after = after[0], after[1:]
			}
			rest = after
		} else {
			return nil, fmt.Errorf("ssl.principal.mapping.rules: %q is neither DEFAULT nor RULE:pattern/replacement/[L or U]", rest)
		}
		rules = append(rules, r)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("ssl.principal.mapping.rules: expected a comma before %q", rest)
		}
		rest = strings.TrimSpace(rest[1:])
	}
	return rules, nil
}

// untilSlash takes what stands before the next slash that has no backslash before it.
func untilSlash(s string) (part, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '/':
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// goReplacement turns Java's $1 into Go's ${1}; a number beyond the groups is literal.
func goReplacement(s string, groups int) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] == '$' {
				b.WriteString("$$")
			} else {
				b.WriteByte(s[i])
			}
		case s[i] == '$' && i+1 < len(s) && s[i+1] >= '0' && int(s[i+1]-'0') <= groups && s[i+1] <= '9':
			i++
			b.WriteString("${" + s[i:i+1] + "}")
		case s[i] == '$':
			b.WriteString("$$")
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Apply returns the name that the first rule that fits makes; false if none fits.
func (m MappingRules) Apply(dn string) (string, bool) {
	for _, r := range m {
		if r.pattern == nil {
			return dn, true
		}
		if !r.pattern.MatchString(dn) {
			continue
		}
		name := r.pattern.ReplaceAllString(dn, r.replace)
		switch r.fold {
		case 'L':
			name = strings.ToLower(name)
		case 'U':
			name = strings.ToUpper(name)
		}
		return name, true
	}
	return "", false
}

// CertificatePrincipal is the principal of a client that showed this certificate.
func (m MappingRules) CertificatePrincipal(c *x509.Certificate) (string, error) {
	dn, err := DistinguishedName(c)
	if err != nil {
		return "", err
	}
	name, ok := m.Apply(dn)
	if !ok {
		return "", fmt.Errorf("%w: no rule of ssl.principal.mapping.rules fits the subject %q", ErrDenied, dn)
	}
	return userPrefix + name, nil
}
