package format

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leat.dev/internal/row"
)

// jsonDecoder reads rows from JSON by a plan made from the columns' types.
//
// Syntax is checked strictly, up to the end of the first value; what follows is not looked at, as in ksqlDB. A value that
// does not suit its column fails the row, unless a later field of the same name replaces it.
type jsonDecoder struct {
	side    Side
	plan    *jsonPlan
	scan    scanner
	stack   []row.Value // elements of arrays that are being read
	entries []row.Entry // likewise of maps
	cell    row.Value   // the element that is being read; one serves all depths, being written last by the outermost
	number  number      // the one that is being read
	room    int         // values that the row may still hold
	exact   []bool      // of objects that are being read: fields that were found under their exact name
}

// jsonPlan says how one type is read.
type jsonPlan struct {
	typ   *row.Type
	kind  row.Kind
	elem  *jsonPlan      // of arrays and maps
	field []*jsonPlan    // of structs
	index map[string]int // of structs: position by exact name
	guess []jsonGuess    // of structs: what stood at this place of the last object
}

// jsonGuess is a key as it was written and what it meant.
type jsonGuess struct {
	key   string
	field int // -1 for none
	also  int // a field whose name is the key in upper case, beside the one whose name it is exactly; -1 for none
	exact bool
}

// maxJSONGuesses bounds what is remembered of the keys of an object.
const maxJSONGuesses = 512

// NewJSONDecoder reads JSON, without a schema.
//
// Objects' fields are found by their exact name, else by their name in upper case; unknown ones are ignored, missing ones
// NULL. INTEGER, BIGINT take any number, cut, and integer text; DOUBLE also text as Java writes doubles; DECIMAL numbers and
// text that fit without rounding; STRING anything, numbers as they print in Java, collections as JSON; BYTES base64; DATE
// days, TIME and TIMESTAMP milliseconds.
func NewJSONDecoder(side Side) (Decoder, error) {
	d := &jsonDecoder{side: side}
	if side.Unwrap {
		if len(side.Columns) != 1 {
			return nil, fmt.Errorf("a bare value needs exactly one column, not %d", len(side.Columns))
		}
		d.plan = newJSONPlan(side.Columns[0].Type)
		return d, checkJSON(side.Columns)
	}
	d.plan = newJSONPlan(asStruct(side.Columns))
	return d, checkJSON(side.Columns)
}

// checkJSON refuses what JSON cannot hold: maps whose keys are no strings.
func checkJSON(columns []row.Column) error {
	for _, c := range columns {
		if !stringKeys(c.Type) {
			return errors.New("JSON only supports MAP types with STRING keys")
		}
	}
	return nil
}

// stringKeys reports whether all maps inside a type have STRING keys.
func stringKeys(t *row.Type) bool {
	if t.Kind() == row.Map && t.Key().Kind() != row.String {
		return false
	}
	if t.Elem() != nil && !stringKeys(t.Elem()) {
		return false
	}
	return !slices.ContainsFunc(t.Fields(), func(f row.Field) bool { return !stringKeys(f.Type) })
}

func newJSONPlan(t *row.Type) *jsonPlan {
	p := &jsonPlan{typ: t, kind: t.Kind()}
	switch t.Kind() {
	case row.Array, row.Map:
		p.elem = newJSONPlan(t.Elem())
	case row.Struct:
		p.index = map[string]int{}
		for i, f := range t.Fields() {
			p.field = append(p.field, newJSONPlan(f.Type))
			p.index[f.Name] = i
		}
	default:
	}
	return p
}

// unsuitable is a value that does not suit its column: the row fails, but the text around it is well-formed.
type unsuitable struct {
	reason error
	path   string
}

func (u *unsuitable) Error() string { return u.reason.Error() + ", path: $" + u.path }
func (u *unsuitable) Unwrap() error { return u.reason }

// within puts a step in front of the path.
func (u *unsuitable) within(step string) *unsuitable { return &unsuitable{u.reason, step + u.path} }

func (d *jsonDecoder) Decode(a *row.Arena, data []byte) (row.Row, error) {
	if data == nil {
		return nil, nil
	}
	r, err := d.decode(a, data)
	if err != nil {
		return nil, fmt.Errorf("Failed to deserialize %s from topic: %s. %w", d.side.name(), d.side.Topic, err) //nolint:staticcheck // ksqlDB's text
	}
	return r, nil
}

func (d *jsonDecoder) decode(a *row.Arena, data []byte) (row.Row, error) {
	d.scan, d.room = scanner{data: data, arena: a}, room(data)
	d.stack, d.entries, d.exact = d.stack[:0], d.entries[:0], d.exact[:0]
	if d.scan.peek() == 0 && d.scan.pos >= len(data) {
		return nil, &unsuitable{reason: cannotConvert("MissingNode", d.plan.typ)}
	}
	var v row.Value
	if err := d.value(d.plan, &v); err != nil {
		return nil, err
	}
	if v.IsNull() && !d.side.Unwrap {
		return nil, &unsuitable{reason: cannotConvert("NullNode", d.plan.typ)}
	}
	return d.side.row(a, v), nil
}

// value reads what p expects into *to, which holds NULL. After an *unsuitable error the scanner stands behind the value.
func (d *jsonDecoder) value(p *jsonPlan, to *row.Value) error {
	s := &d.scan
	switch c := s.peek(); {
	case c == '"':
		text, err := s.str()
		if err != nil {
			return err
		}
		if p.kind == row.String {
			*to = row.OfString(unsafeString(text))
			return nil
		}
		*to, err = fromText(s.arena, p.typ, text)
		return err
	case c == '-' || c-'0' <= 9:
		err := s.read(&d.number)
		if err != nil {
			return err
		}
		*to, err = fromNumber(s.arena, p.typ, &d.number)
		return err
	case c == '{' && p.kind == row.Struct:
		return d.object(p, to)
	case c == '[' && p.kind == row.Array:
		return d.array(p, to)
	case c == '{' && p.kind == row.Map:
		return d.entriesOf(p, to)
	case c == 't':
		return d.boolean(p, true, to)
	case c == 'f':
		return d.boolean(p, false, to)
	case c == 'n':
		return s.word("null")
	case c == '{' || c == '[':
		return d.collection(p, c, to)
	}
	return s.syntax("looking for beginning of value")
}

func (d *jsonDecoder) boolean(p *jsonPlan, b bool, to *row.Value) error {
	word := "false"
	if b {
		word = "true"
	}
	if err := d.scan.word(word); err != nil {
		return err
	}
	switch p.kind {
	case row.Boolean:
		*to = row.OfBool(b)
	case row.String:
		*to = row.OfString(word)
	default:
		return &unsuitable{reason: cannotConvert("BooleanNode", p.typ)}
	}
	return nil
}

// collection is an array or an object where p expects something else: text for a STRING, a mistake otherwise.
func (d *jsonDecoder) collection(p *jsonPlan, c byte, to *row.Value) error {
	start := d.scan.pos
	if err := d.scan.skip(); err != nil {
		return err
	}
	switch {
	case p.kind == row.String:
		text, err := jsonAsText(d.scan.data[start:d.scan.pos])
		if err != nil {
			return &unsuitable{reason: err}
		}
		*to = row.OfString(text)
		return nil
	case c == '{':
		return &unsuitable{reason: cannotConvert("ObjectNode", p.typ)}
	}
	return &unsuitable{reason: cannotConvert("ArrayNode", p.typ)}
}

func (d *jsonDecoder) array(p *jsonPlan, to *row.Value) error {
	base, depth := len(d.stack), d.scan.depth
	var first *unsuitable
	more, err := d.scan.open(']')
	for i := 0; more && err == nil; i++ {
		d.cell = row.Value{}
		if err = d.value(p.elem, &d.cell); err != nil {
			var u *unsuitable
			if !errors.As(err, &u) {
				break
			}
			if d.scan.depth = depth + 1; first == nil {
				first = u.within(fmt.Sprintf("[%d]", i))
			}
		}
		d.stack = append(d.stack, d.cell)
		more, err = d.scan.next(']')
	}
	if err == nil && first == nil {
		*to = d.scan.arena.Array(d.stack[base:])
	}
	d.stack = d.stack[:base]
	if err == nil && first != nil {
		return first
	}
	return err
}

func (d *jsonDecoder) object(p *jsonPlan, to *row.Value) error {
	if d.room -= len(p.field); d.room < 0 {
		return errRoom
	}
	fields := d.scan.arena.Row(len(p.field))
	base := len(d.exact)
	d.exact = slices.Grow(d.exact, len(p.field))[:base+len(p.field)]
	clear(d.exact[base:])
	var bad map[int]*unsuitable
	more, err := d.scan.open('}')
	for place := 0; more && err == nil; place++ {
		var key []byte
		if key, err = d.scan.key(); err != nil {
			break
		}
		g := p.find(key, place)
		start := d.scan.pos
		if g.field < 0 || (!g.exact && d.exact[base+g.field]) {
			err = d.scan.skip()
		} else {
			d.exact[base+g.field] = g.exact
			bad, err = d.member(p, g.field, fields, bad)
		}
		if g.also >= 0 && err == nil && !d.exact[base+g.also] {
			d.scan.pos = start
			bad, err = d.member(p, g.also, fields, bad)
		}
		if err == nil {
			more, err = d.scan.next('}')
		}
	}
	d.exact = d.exact[:base]
	if err == nil && len(bad) > 0 {
		return bad[slices.Min(slices.Collect(maps.Keys(bad)))]
	}
	*to = row.OfStruct(fields)
	return err
}

// member reads what stands here into a field of an object.
func (d *jsonDecoder) member(p *jsonPlan, field int, fields []row.Value, bad map[int]*unsuitable) (map[int]*unsuitable, error) {
	fields[field] = row.Value{}
	err := d.value(p.field[field], &fields[field])
	if err != nil || bad != nil {
		return remember(bad, field, err, "."+p.typ.Fields()[field].Name)
	}
	return nil, nil
}

// remember keeps that a member of an object does not suit, or no longer: it may yet be replaced by a later one. Other errors
// are given back.
func remember[K comparable](bad map[K]*unsuitable, member K, err error, step string) (map[K]*unsuitable, error) {
	var u *unsuitable
	switch {
	case err == nil:
		delete(bad, member)
	case !errors.As(err, &u):
		return bad, err
	default:
		if bad == nil {
			bad = map[K]*unsuitable{}
		}
		bad[member] = u.within(step)
	}
	return bad, nil
}

// smallMap is how many entries of a map are looked through one by one for a key that came before.
const smallMap = 32

func (d *jsonDecoder) entriesOf(p *jsonPlan, to *row.Value) error {
	base := len(d.entries)
	var bad map[string]*unsuitable
	var index map[string]int // of keys, once there are many
	more, err := d.scan.open('}')
	for more && err == nil {
		var key []byte
		if key, err = d.scan.key(); err != nil {
			break
		}
		d.cell = row.Value{}
		err = d.value(p.elem, &d.cell)
		if err != nil || bad != nil {
			if bad, err = remember(bad, string(key), err, "."+string(key)+".value"); err != nil {
				break
			}
		}
		index = d.put(base, index, key, d.cell)
		more, err = d.scan.next('}')
	}
	if err == nil {
		for _, e := range d.entries[base:] {
			if u := bad[e.Key.Str()]; u != nil {
				err = u
				break
			}
		}
	}
	if err == nil {
		*to = d.scan.arena.Map(d.entries[base:])
	}
	d.entries = d.entries[:base]
	return err
}

// put adds an entry to the map whose entries begin at base, or replaces the one with the same key.
func (d *jsonDecoder) put(base int, index map[string]int, key []byte, v row.Value) map[string]int {
	mine := d.entries[base:]
	at := -1
	if index == nil {
		at = slices.IndexFunc(mine, func(e row.Entry) bool { return e.Key.Str() == string(key) })
	} else if i, ok := index[string(key)]; ok {
		at = i
	}
	if at >= 0 {
		mine[at].Value = v
		return index
	}
	d.entries = append(d.entries, row.Entry{Key: row.OfString(unsafeString(key)), Value: v})
	switch n := len(mine); {
	case index != nil:
		index[string(key)] = n
	case n == smallMap:
		index = map[string]int{}
		for i, e := range d.entries[base:] {
			index[e.Key.Str()] = i
		}
	}
	return index
}

// find gives the field that a key means. Objects of one topic look alike: most often the key is the one that stood at this
// place last time.
func (p *jsonPlan) find(key []byte, place int) *jsonGuess {
	if place < len(p.guess) {
		if g := &p.guess[place]; g.key == string(key) {
			return g
		}
	}
	g := p.look(string(key))
	if place < maxJSONGuesses && len(key) <= 256 {
		for len(p.guess) <= place {
			p.guess = append(p.guess, jsonGuess{field: -1, also: -1})
		}
		p.guess[place] = *g
	}
	return g
}

func (p *jsonPlan) look(key string) *jsonGuess {
	g := &jsonGuess{key: key, field: -1, also: -1}
	upper, folded := p.index[strings.ToUpper(key)]
	if field, ok := p.index[key]; ok {
		if g.field, g.exact = field, true; folded && upper != field {
			g.also = upper
		}
	} else if folded {
		g.field = upper
	}
	return g
}
