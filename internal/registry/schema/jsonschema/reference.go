package jsonschema

import (
	"net/url"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema/tree"
)

// reference finds the target of a $ref. It is loaded once, apart from the place where it is defined: the
// comparison of a recursive schema so ends where upstream's does.
func (b *builder) reference(ref string) *node {
	at, in := b.l.find(ref, b.in)
	if at == nil {
		b.fail()
		return nil
	}
	if out := b.l.targets[at]; out != nil {
		return out
	}
	out := &node{kind: kindReference, source: b.n}
	b.l.targets[at] = out
	out.target = b.schemaIn(at, in)
	return out
}

func (b *builder) schemaIn(n *tree.Node, in scope) *node {
	back := b.in
	b.in = in
	defer func() { b.in = back }()
	return b.schema(n)
}

// metaSchemas may be referred to and allow everything here: what a schema document looks like is no matter of
// compatibility, and they are never fetched.
var metaSchemas = []string{"http://json-schema.org/draft-0", "https://json-schema.org/draft/20"}

// find gives the node that a $ref names and the scope it stands in; nil if there is none.
func (l *loader) find(ref string, in scope) (*tree.Node, scope) {
	address, fragment, _ := strings.Cut(ref, "#")
	if address != "" {
		resolved, _, _ := strings.Cut(resolveURI(in.base, address), "#")
		document := l.documents[resolved]
		if document == nil {
			document = l.documents[address]
		}
		if document == nil {
			document = l.documents[ref]
			if document != nil {
				fragment = ""
			}
		}
		if document == nil {
			for _, prefix := range metaSchemas {
				if strings.HasPrefix(address, prefix) {
					return &tree.Node{Kind: tree.Object}, in
				}
			}
			return nil, in
		}
		if document != in.document {
			in = scope{document: document, base: resolved, draft: draftOf(document)}
			if id := identifier(document); id != "" {
				in.base = resolveURI(resolved, id)
			}
		}
	}
	if fragment == "" {
		return in.document, in
	}
	if !strings.HasPrefix(fragment, "/") {
		return anchor(in.document, fragment, 0), in
	}
	return pointer(in.document, fragment), in
}

// pointer follows a JSON pointer (RFC 6901) as it stands in a URI fragment.
func pointer(n *tree.Node, path string) *tree.Node {
	for _, token := range strings.Split(path, "/")[1:] {
		if decoded, err := url.PathUnescape(token); err == nil {
			token = decoded
		}
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch {
		case n == nil:
			return nil
		case n.Kind == tree.Array:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(n.Items) {
				return nil
			}
			n = n.Items[i]
		default:
			n = n.Get(token)
		}
	}
	return n
}

// anchor finds the object with "$anchor" (or, before 2019-09, an "$id" that is only a fragment).
func anchor(n *tree.Node, name string, depth int) *tree.Node {
	for _, item := range n.Items {
		if found := anchor(item, name, depth+1); found != nil {
			return found
		}
	}
	if n.Kind != tree.Object {
		return nil
	}
	for key, text := range map[string]string{"$anchor": name, "$dynamicAnchor": name, "$id": "#" + name, "id": "#" + name} {
		if v := n.Get(key); v.Is(tree.String) && v.Text == text {
			return n
		}
	}
	for _, m := range n.Members {
		if found := anchor(m.Value, name, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// resolveURI makes a reference absolute; a base or reference that is no URI leaves the reference as it is.
func resolveURI(base, ref string) string {
	b, err := url.Parse(base)
	if err != nil || base == "" {
		return ref
	}
	r, err := url.Parse(ref)
	if err != nil {
		return ref
	}
	return b.ResolveReference(r).String()
}

// plausiblePattern refuses what is a fault in Java's expressions as well as in Go's. Go knows less (no
// lookahead, no backreferences), so most of what it refuses must be taken.
func plausiblePattern(pattern string) bool {
	_, err := syntax.Parse(pattern, syntax.Perl)
	fault, ok := err.(*syntax.Error) //nolint:errorlint // syntax returns it bare
	if !ok || strings.Contains(pattern, "(?") {
		return true
	}
	switch fault.Code {
	case syntax.ErrMissingBracket, syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingRepeatArgument,
		syntax.ErrInvalidCharRange, syntax.ErrTrailingBackslash:
		return false
	}
	return true
}

// matcher gives the search for a pattern. One that Go cannot run matches nothing, so that the property counts
// as not covered: the check is then stricter, never laxer.
func matcher(pattern string) func(string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return func(string) bool { return false }
	}
	return re.MatchString
}
