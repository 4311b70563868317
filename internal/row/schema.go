package row

import "strings"

// Column is a named, typed place in a row.
type Column struct {
	Name string
	Type *Type
}

// Row is one row: a Value for each column, in the columns' order. A nil Row is a row that is NULL as a whole: a
// tombstone, where a record's value is meant.
type Row []Value

// Schema is the shape of a record: the columns its key carries and those its value carries.
type Schema struct {
	Key   []Column
	Value []Column
}

// String renders the schema as ksqlDB does: "`K` INTEGER KEY, `V` STRING".
func (s Schema) String() string {
	var b strings.Builder
	for i, c := range s.Key {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.String())
		b.WriteString(" KEY")
	}
	for i, c := range s.Value {
		if i > 0 || len(s.Key) > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.String())
	}
	return b.String()
}

// String renders the column: "`V` STRING".
func (c Column) String() string { return QuoteName(c.Name) + " " + c.Type.String() }
