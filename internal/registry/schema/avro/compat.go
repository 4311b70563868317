package avro

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema/source"
)

// A Difference is one reason why a reader's schema cannot read what a writer's wrote.
type Difference struct {
	Type    string // TYPE_MISMATCH, NAME_MISMATCH, ...: Java's SchemaIncompatibilityType
	Message string // what was met there
	path    *source.Path
}

// Path is the place in the reader's schema, or a writer's union branch: "/", "/fields/0/type", ...
func (d Difference) Path() string {
	if d.path == nil {
		return "/"
	}
	return d.path.String()
}

// The types of a Difference.
const (
	TypeMismatch         = "TYPE_MISMATCH"
	NameMismatch         = "NAME_MISMATCH"
	FixedSizeMismatch    = "FIXED_SIZE_MISMATCH"
	MissingEnumSymbols   = "MISSING_ENUM_SYMBOLS"
	FieldMissingDefault  = "READER_FIELD_MISSING_DEFAULT_VALUE"
	MissingUnionBranch   = "MISSING_UNION_BRANCH"
	comparisonTooLarge   = "COMPARISON_TOO_LARGE"
	fieldMatchesMultiple = "READER_FIELD_MATCHES_MULTIPLE_FIELDS"
)

// Describe is the difference as the API lists it; reader and writer are "new" and "old" or the other way round.
func (d Difference) Describe(reader, writer string) string {
	var text string
	switch d.Type {
	case TypeMismatch:
		text = fmt.Sprintf("The type (path '%s') of a field in the %s schema does not match with the %s schema", d.Path(), reader, writer)
	case NameMismatch:
		text = fmt.Sprintf("The name of the schema has changed (path '%s')", d.Path())
	case FixedSizeMismatch:
		text = fmt.Sprintf("The size of FIXED type field at path '%s' in the %s schema does not match with the %s schema", d.Path(), reader, writer)
	case MissingEnumSymbols:
		text = fmt.Sprintf("The %s schema is missing enum symbols '%s' at path '%s' in the %s schema", reader, d.Message, d.Path(), writer)
	case FieldMissingDefault:
		text = fmt.Sprintf("The field '%s' at path '%s' in the %s schema has no default value and is missing in the %s schema", d.Message, d.Path(), reader, writer)
	case MissingUnionBranch:
		text = fmt.Sprintf("The %s schema is missing a type inside a union field at path '%s' in the %s schema", reader, d.Path(), writer)
	case comparisonTooLarge:
		return source.TooLarge
	default:
		text = fmt.Sprintf("The field at path '%s' in the %s schema has more than one counterpart in the %s schema", d.Path(), reader, writer)
	}
	return "{errorType:'" + d.Type + "', description:'" + text + "', additionalInfo:'" + d.Message + "'}"
}

// Compare lists why reader cannot read what writer wrote; none means it can. The rules are those of schema
// resolution in the Avro specification as Java applies them: named types match by their short names or an
// alias, and each fault of a record is listed.
func Compare(reader, writer *Schema) []Difference {
	c := &comparison{done: map[[2]*Type]*result{}}
	r := c.types(reader.Root, writer.Root, nil)
	if c.over {
		return []Difference{{Type: comparisonTooLarge}}
	}
	return r.list
}

// A result is what the comparison of one pair has found. The same named pair met again gives the same
// differences with the path of the first time, as upstream lists them.
type result struct {
	list []Difference
	open bool // being compared further up: counts as compatible
}

type comparison struct {
	done  map[[2]*Type]*result
	steps int
	depth int
	over  bool // a limit was met: the result is worthless
}

func (c *comparison) types(reader, writer *Type, at *source.Path) *result {
	pair := [2]*Type{reader, writer}
	if r := c.done[pair]; r != nil {
		if r.open {
			return &result{}
		}
		return r
	}
	c.steps++
	if c.over = c.over || c.steps > source.CompareMax || c.depth > source.CompareDepthMax; c.over {
		return &result{}
	}
	c.depth++
	defer func() { c.depth-- }()
	r := &result{open: true}
	c.done[pair] = r
	r.list = c.pair(reader, writer, at)
	r.open = false
	return r
}

func (c *comparison) pair(reader, writer *Type, at *source.Path) []Difference {
	if reader.Kind == writer.Kind {
		return c.sameKind(reader, writer, at)
	}
	if writer.Kind == Union {
		var list []Difference
		for i, branch := range writer.Types {
			list = append(list, c.types(reader, branch, at.Down(strconv.Itoa(i))).list...)
		}
		return list
	}
	if reader.Kind == Union {
		for i, branch := range reader.Types {
			if i%branchesPerStep == 0 {
				c.steps++
			}
			if !hopeless(branch, writer) && len(c.types(branch, writer, at).list) == 0 {
				return nil
			}
		}
		return []Difference{missingBranch(writer, at)}
	}
	if promotes(writer.Kind, reader.Kind) {
		return nil
	}
	return []Difference{{TypeMismatch, fmt.Sprintf("reader type: %s not compatible with writer type: %s",
		strings.ToUpper(reader.Kind.String()), strings.ToUpper(writer.Kind.String())), at}}
}

// branchesPerStep is how many branches of a union are passed over for the price of one step.
const branchesPerStep = 16

// hopeless tells at a glance that a branch cannot read a writer's type, as nearly all of a long union cannot.
func hopeless(branch, writer *Type) bool {
	if branch.Kind != writer.Kind {
		return writer.Kind.named() || branch.Kind.named()
	}
	return branch.Kind.named() && branch.Name.Short != writer.Name.Short && len(branch.Aliases) == 0
}

func missingBranch(writer *Type, at *source.Path) Difference {
	return Difference{MissingUnionBranch, "reader union lacking writer type: " + strings.ToUpper(writer.Kind.String()), at}
}

func promotes(from, to Kind) bool {
	switch to {
	case Long:
		return from == Int
	case Float:
		return from == Int || from == Long
	case Double:
		return from == Int || from == Long || from == Float
	case Bytes:
		return from == String
	case String:
		return from == Bytes
	}
	return false
}

func (c *comparison) sameKind(reader, writer *Type, at *source.Path) []Difference {
	switch reader.Kind {
	case Array:
		return c.types(reader.Items, writer.Items, at.Down("items")).list
	case Map:
		return c.types(reader.Items, writer.Items, at.Down("values")).list
	case Union:
		var list []Difference
		for i, branch := range writer.Types {
			down := at.Down(strconv.Itoa(i))
			if len(c.types(reader, branch, down).list) > 0 {
				list = append(list, missingBranch(branch, down))
			}
		}
		return list
	case Fixed:
		list := names(reader, writer, at)
		if reader.Size != writer.Size {
			list = append(list, Difference{FixedSizeMismatch, fmt.Sprintf("expected: %d, found: %d", writer.Size, reader.Size), at.Down("size")})
		}
		return list
	case Enum:
		return append(names(reader, writer, at), symbols(reader, writer, at)...)
	case Record:
		return append(names(reader, writer, at), c.fields(reader, writer, at.Down("fields"))...)
	}
	return nil
}

func names(reader, writer *Type, at *source.Path) []Difference {
	if reader.Name.Short == writer.Name.Short || slices.Contains(reader.Aliases, writer.Name) {
		return nil
	}
	return []Difference{{NameMismatch, "expected: " + writer.Name.Full(), at.Down("name")}}
}

func symbols(reader, writer *Type, at *source.Path) []Difference {
	known := make(map[string]bool, len(reader.Symbols))
	for _, s := range reader.Symbols {
		known[s] = true
	}
	var missing []string
	for _, s := range writer.Symbols {
		if !known[s] {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 || reader.Default != nil {
		return nil
	}
	slices.Sort(missing)
	return []Difference{{MissingEnumSymbols, "[" + strings.Join(missing, ", ") + "]", at.Down("symbols")}}
}

func (c *comparison) fields(reader, writer *Type, at *source.Path) []Difference {
	var list []Difference
	for _, f := range reader.Fields {
		down := at.Down(strconv.Itoa(f.Position))
		from, many := counterpart(f, writer)
		switch {
		case many:
			list = append(list, Difference{fieldMatchesMultiple, f.Name, down})
		case from != nil:
			list = append(list, c.types(f.Type, from.Type, down.Down("type")).list...)
		case f.Default != nil:
		case f.Type.Kind == Enum && f.Type.Default != nil:
			// Upstream compares such a field with the whole writer, which never fits.
			list = append(list, c.types(f.Type, writer, down.Down("type")).list...)
		default:
			list = append(list, Difference{FieldMissingDefault, f.Name, down})
		}
	}
	return list
}

// counterpart finds the writer's field of the reader's name or one of its aliases. Several are an error in
// Java; here they are a difference.
func counterpart(f *Field, writer *Type) (from *Field, many bool) {
	from = writer.field(f.Name)
	for _, alias := range f.Aliases {
		if other := writer.field(alias); other != nil && other != from {
			if from != nil {
				return nil, true
			}
			from = other
		}
	}
	return from, false
}
