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
	target := b.l.targets[at]
	if target == nil {
		target = &node{}
		b.l.targets[at] = target
		if loaded := b.schemaIn(at, in); loaded != nil {
			*target = *loaded
		}
	}
	return &node{kind: kindReference, target: target}
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
		return l.anchor(in.document, fragment), in
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
func (l *loader) anchor(document *tree.Node, name string) *tree.Node {
	index := l.anchors[document]
	if index == nil {
		index = map[string]*tree.Node{}
		l.anchors[document] = index
		collectAnchors(document, index)
	}
	return index[name]
}

func collectAnchors(n *tree.Node, index map[string]*tree.Node) {
	for _, item := range n.Items {
		collectAnchors(item, index)
	}
	for _, m := range n.Members {
		collectAnchors(m.Value, index)
		if m.Value.Kind != tree.String {
			continue
		}
		switch m.Key {
		case "$anchor", "$dynamicAnchor":
			index[m.Value.Text] = n
		case "$id", "id":
			if fragment, ok := strings.CutPrefix(m.Value.Text, "#"); ok {
				index[fragment] = n
			}
		}
	}
}

// uriBytesMax is how long a base address may be to count: it is joined with every reference.
const uriBytesMax = 2_048

// resolveURI makes a reference absolute; a base or reference that is no URI leaves the reference as it is.
func resolveURI(base, ref string) string {
	if base == "" || len(base) > uriBytesMax {
		return ref
	}
	b, err := url.Parse(base)
	if err != nil {
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
	case syntax.ErrInvalidRepeatOp:
		return !strings.HasSuffix(fault.Expr, "*") // a++ is possessive in Java, a** nothing
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
