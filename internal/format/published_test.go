package format_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// published are ksqlDB's own cases; the folder is not part of the project.
const published = "/work/shared/conformance/ksql"

type publishedRecord struct {
	Topic  string
	Key    json.RawMessage
	Value  json.RawMessage
	Window json.RawMessage
}

type publishedTopic struct {
	Name                   string
	KeySchema, ValueSchema json.RawMessage
	ValueSchemaReferences  []struct {
		Name   string
		Schema json.RawMessage
	}
}

type publishedCase struct {
	Name              string
	Format            []string
	Statements        []string
	Properties        map[string]any
	Topics            []publishedTopic
	Inputs, Outputs   []publishedRecord
	ExpectedException json.RawMessage
}

// passThrough is a source and a sink that takes all of it: what goes in comes out, in another format perhaps. SQL itself is
// not needed for these.
var passThrough = regexp.MustCompile(`(?is)^\s*CREATE (?:STREAM|TABLE) (\w+)\s*(\(.*\))?\s*WITH\s*\(([^;]*)\);\s*CREATE (?:STREAM|TABLE) (\w+)\s*(?:WITH\s*\(([^;]*)\))?\s*AS SELECT \* FROM (\w+)\s*(?:EMIT CHANGES)?\s*;?\s*$`)

var property = regexp.MustCompile(`(?is)(\w+)\s*=\s*('(?:[^']|'')*'|\w+)`)

func with(text string) map[string]string {
	p := map[string]string{}
	for _, m := range property.FindAllStringSubmatch(text, -1) {
		p[strings.ToLower(m[1])] = strings.Trim(m[2], "'")
	}
	return p
}

// TestPublishedCases takes the inputs of every published case that only moves rows from one format to another, and expects
// its outputs.
func TestPublishedCases(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(published, "*.json"))
	if len(files) == 0 {
		t.Skipf("no published cases in %s", published)
	}
	comment := regexp.MustCompile(`(?m)^\s*//.*$`)
	ran, records := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all struct{ Tests []publishedCase }
		d := json.NewDecoder(bytes.NewReader(comment.ReplaceAll(text, nil)))
		if err := d.Decode(&all); err != nil {
			t.Fatal(file, err)
		}
		for _, c := range all.Tests {
			m := passThrough.FindStringSubmatch(strings.Join(c.Statements, " "))
			if m == nil || c.ExpectedException != nil || m[1] != m[6] {
				continue
			}
			formats := c.Format
			if len(formats) == 0 {
				formats = []string{""}
			}
			for _, f := range formats {
				name := strings.TrimSuffix(filepath.Base(file), ".json") + " - " + c.Name + " " + f
				p := passing{t: t, c: c, name: name, file: filepath.Base(file)}
				if p.run(m, f) {
					ran++
					records += len(c.Outputs)
				}
			}
		}
	}
	t.Logf("%d published cases, %d records", ran, records)
}

// passing is one case on its way.
type passing struct {
	t          *testing.T
	c          publishedCase
	name, file string
	known      schemas
}

// run gives false for a case that needs more than the formats.
func (p *passing) run(m []string, f string) bool {
	fill := func(s string) string { return strings.ReplaceAll(s, "{FORMAT}", f) }
	source, sink := with(fill(m[3])), with(fill(m[5]))
	for _, w := range []string{"timestamp", "window_type", "key_schema_id", "value_schema_id"} {
		if source[w] != "" || sink[w] != "" {
			return false
		}
	}
	declared, ok := columnsOf(m[2])
	if !ok {
		return false
	}
	topic := source["kafka_topic"]
	inSides, outSides := [2]format.Side{}, [2]format.Side{}
	var inFormat, outFormat [2]format.Format
	var inProps, outProps [2]format.Properties
	for i, side := range []string{"key", "value"} {
		names := [2]string{first(source[side+"_format"], source["format"], map[string]string{"key": "KAFKA", "value": fmt.Sprint(p.c.Properties["ksql.persistence.default.format.value"])}[side])}
		names[1] = first(sink[side+"_format"], sink["format"], names[0])
		var err error
		if inFormat[i], err = format.Parse(names[0]); err != nil {
			return false
		}
		if outFormat[i], err = format.Parse(names[1]); err != nil {
			return false
		}
		inProps[i], outProps[i] = propertiesOf(source, side), propertiesOf(sink, side)
		if names[0] == names[1] && outProps[i] == (format.Properties{}) {
			outProps[i].Delimiter = inProps[i].Delimiter
			outProps[i].Nullable = inProps[i].Nullable
		}
		bare := func(f format.Format, w map[string]string, columns int) bool {
			wrapped, unwrapped := f.Shapes()
			if columns != 1 {
				return false
			}
			if i == 0 {
				return unwrapped && f != format.ProtoPlain || !wrapped
			}
			return !wrapped || (strings.EqualFold(w["wrap_single_value"], "false") && unwrapped)
		}
		columns := declared[i]
		registered := p.schemaOf(topic, i)
		if len(columns) == 0 && registered.Text != "" && inFormat[i].Registered() {
			registered.Type = inFormat[i].SchemaType()
			o := format.Inference{Key: i == 0, Unwrap: strings.EqualFold(source["wrap_single_value"], "false"), FullName: source[side+"_schema_full_name"], Nullable: inProps[i].Nullable}
			if columns, err = inFormat[i].Infer(registered, o); err != nil {
				p.t.Errorf("%s: infer %s: %v", p.name, side, err)
				return true
			}
		}
		inSides[i] = format.Side{Topic: topic, Key: i == 0, Columns: columns, Unwrap: bare(inFormat[i], source, len(columns))}
		outSides[i] = format.Side{Topic: "OUTPUT", Key: i == 0, Columns: columns, Unwrap: bare(outFormat[i], sink, len(columns))}
	}
	sinkTopic := first(sink["kafka_topic"], m[4])
	at := 0
	for _, in := range p.c.Inputs {
		if in.Topic != topic {
			return false
		}
		if at >= len(p.c.Outputs) {
			break
		}
		out := p.c.Outputs[at]
		if out.Topic != sinkTopic || in.Window != nil {
			return false
		}
		for i, pair := range [2][2]json.RawMessage{{in.Key, out.Key}, {in.Value, out.Value}} {
			if inFormat[i] == format.None || len(inSides[i].Columns) == 0 {
				continue
			}
			got, err := p.move(inFormat[i], inSides[i], inProps[i], i, pair[0], outFormat[i], outSides[i], outProps[i])
			if err != nil {
				p.t.Errorf("%s: %s %s: %v", p.name, []string{"key", "value"}[i], pair[0], err)
				continue
			}
			if want := pair[1]; !alike(want, got) {
				p.t.Errorf("%s: %s %s became %s, want %s", p.name, []string{"key", "value"}[i], pair[0], got, want)
			}
		}
		at++
	}
	return true
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

func propertiesOf(w map[string]string, side string) format.Properties {
	p := format.Properties{FullName: w[side+"_schema_full_name"]}
	switch d := w[side+"_delimiter"]; strings.ToUpper(d) {
	case "":
	case "SPACE":
		p.Delimiter = ' '
	case "TAB":
		p.Delimiter = '\t'
	default:
		p.Delimiter = []rune(d)[0]
	}
	switch strings.ToUpper(w[side+"_protobuf_nullable_representation"]) {
	case "OPTIONAL":
		p.Nullable = format.NullableOptional
	case "WRAPPER":
		p.Nullable = format.NullableWrapper
	}
	return p
}

func (p *passing) schemaOf(topic string, side int) schema.Source {
	for _, t := range p.c.Topics {
		raw := t.ValueSchema
		if side == 0 {
			raw = t.KeySchema
		}
		if t.Name != topic || raw == nil {
			continue
		}
		src := schema.Source{Text: string(raw)}
		var text string
		if json.Unmarshal(raw, &text) == nil && !strings.HasPrefix(strings.TrimSpace(text), "{") {
			src.Text = text
			if strings.TrimSpace(text) == text && regexp.MustCompile(`^\w+$`).MatchString(text) {
				src.Text = strconv.Quote(text)
			}
		}
		for _, r := range t.ValueSchemaReferences {
			var text string
			if json.Unmarshal(r.Schema, &text) != nil {
				text = string(r.Schema)
			}
			src.Dependencies = append(src.Dependencies, schema.Dependency{Name: r.Name, Text: text})
		}
		return src
	}
	return schema.Source{}
}

// move writes what a case gives as the source's bytes, reads them, writes the sink's bytes and shows them as JSON.
func (p *passing) move(inF format.Format, in format.Side, inP format.Properties, side int, data json.RawMessage, outF format.Format, out format.Side, outP format.Properties) (json.RawMessage, error) {
	raw, err := p.bytes(inF, in, inP, side, data)
	if err != nil {
		return nil, fmt.Errorf("as given: %w", err)
	}
	dec, err := inF.Decoder(in, &p.known, inP)
	if err != nil {
		return nil, err
	}
	r, err := dec.Decode(new(row.Arena), raw)
	if err != nil {
		return nil, err
	}
	registered := format.Registered{}
	if outF.Registered() {
		src, err := outF.Derive(out, outP)
		if err != nil {
			return nil, err
		}
		registered = p.known.add(src)
	}
	enc, err := outF.Encoder(out, registered, outP)
	if err != nil {
		return nil, err
	}
	b, err := enc.Encode(nil, r)
	if err != nil {
		return nil, err
	}
	return p.show(outF, out, outP, b)
}

func (s *schemas) add(src schema.Source) format.Registered {
	*s = append(*s, src)
	return format.Registered{ID: int32(len(*s)), Schema: src}
}

// bytes makes the bytes of a format from the JSON of a case.
func (p *passing) bytes(f format.Format, side format.Side, props format.Properties, at int, data json.RawMessage) ([]byte, error) {
	if data == nil || string(data) == "null" {
		return nil, nil
	}
	switch f {
	case format.JSON:
		return data, nil
	case format.Delimited:
		var s string
		if json.Unmarshal(data, &s) != nil {
			s = string(data)
		}
		return []byte(s), nil
	case format.Kafka:
		return kafkaBytes(side, data)
	}
	// By the registered schema of the topic if the case has one, else by the one that the columns give.
	src := p.schemaOf(side.Topic, at)
	src.Type = f.SchemaType()
	columns, unwrap := side.Columns, side.Unwrap
	if src.Text == "" || !f.Registered() {
		var err error
		if src, err = f.Derive(side, props); err != nil {
			return nil, err
		}
	} else {
		o := format.Inference{Key: at == 0, Unwrap: side.Unwrap, KeepCase: f == format.JSONSchema, FullName: props.FullName, Nullable: props.Nullable}
		var err error
		if columns, err = f.Infer(src, o); err != nil {
			return nil, err
		}
	}
	given := format.Side{Topic: side.Topic, Key: side.Key, Columns: columns, Unwrap: unwrap}
	dec, err := format.NewJSONDecoder(given)
	if err != nil {
		return nil, err
	}
	r, err := dec.Decode(new(row.Arena), data)
	if err != nil {
		return nil, err
	}
	enc, err := f.Encoder(given, p.known.add(src), props)
	if err != nil {
		return nil, err
	}
	return enc.Encode(nil, r)
}

func kafkaBytes(side format.Side, data json.RawMessage) ([]byte, error) {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case string:
		return []byte(x), nil
	case float64:
		switch side.Columns[0].Type.Kind() {
		case row.Integer:
			return binary.BigEndian.AppendUint32(nil, uint32(int32(x))), nil
		case row.Bigint:
			n, err := strconv.ParseInt(string(data), 10, 64)
			return binary.BigEndian.AppendUint64(nil, uint64(n)), err
		case row.Double:
			return binary.BigEndian.AppendUint64(nil, math.Float64bits(x)), nil
		}
	}
	return data, nil
}

// show gives bytes of a format as the JSON that a case expects.
func (p *passing) show(f format.Format, side format.Side, props format.Properties, b []byte) (json.RawMessage, error) {
	if b == nil {
		return json.RawMessage("null"), nil
	}
	switch f {
	case format.JSON:
		return b, nil
	case format.Delimited:
		return json.Marshal(string(b))
	}
	dec, err := f.Decoder(side, &p.known, props)
	if err != nil {
		return nil, err
	}
	r, err := dec.Decode(new(row.Arena), b)
	if err != nil {
		return nil, err
	}
	side.Unwrap = side.Unwrap && len(side.Columns) == 1
	enc, err := format.NewJSONEncoder(side)
	if err != nil {
		return nil, err
	}
	out, err := enc.Encode(nil, r)
	if out == nil {
		out = []byte("null")
	}
	return out, err
}

// alike compares as the suite's own comparer does: names in any case, doubles within 1e-6.
func alike(want, got json.RawMessage) bool {
	if want == nil {
		want = json.RawMessage("null")
	}
	var w, g any
	for raw, into := range map[*json.RawMessage]*any{&want: &w, &got: &g} {
		d := json.NewDecoder(bytes.NewReader(*raw))
		d.UseNumber()
		if d.Decode(into) != nil {
			return false
		}
	}
	return same2(w, g)
}

func same2(w, g any) bool {
	switch x := w.(type) {
	case map[string]any:
		y, ok := g.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range x {
			u, ok := y[k]
			if !ok {
				u, ok = y[strings.ToUpper(k)]
			}
			if !ok && v != nil || !same2(v, u) {
				return false
			}
		}
		return true
	case []any:
		y, ok := g.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same2(x[i], y[i]) {
				return false
			}
		}
		return true
	case json.Number:
		y, ok := g.(json.Number)
		if !ok {
			return false
		}
		a, _ := x.Float64()
		b, _ := y.Float64()
		return x == y || math.Abs(a-b) < 1e-6
	case string:
		if y, ok := g.(json.Number); ok {
			return x == y.String() // decimals may be given as texts
		}
	}
	return w == g
}

// columnsOf reads the elements of a CREATE statement: key columns and value columns.
func columnsOf(text string) (out [2][]row.Column, ok bool) {
	if text == "" {
		return out, true
	}
	p := &typeParser{text: strings.TrimSpace(text)}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	p.expect("(")
	for {
		name := p.name()
		t := p.typ()
		side := 1
		switch word := strings.ToUpper(p.peekWord()); word {
		case "PRIMARY":
			p.word()
			p.word()
			side = 0
		case "KEY":
			p.word()
			side = 0
		case "HEADERS", "HEADER":
			return out, false
		}
		out[side] = append(out[side], row.Column{Name: name, Type: t})
		if !p.accept(",") {
			break
		}
	}
	return out, true
}

// typeParser reads SQL types; it panics on what it does not know.
type typeParser struct {
	text string
	pos  int
}

func (p *typeParser) space() {
	for p.pos < len(p.text) && strings.ContainsRune(" \t\r\n", rune(p.text[p.pos])) {
		p.pos++
	}
}

func (p *typeParser) accept(s string) bool {
	p.space()
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *typeParser) expect(s string) {
	if !p.accept(s) {
		panic("expected " + s)
	}
}

func (p *typeParser) peekWord() string {
	p.space()
	end := p.pos
	for end < len(p.text) && (p.text[end] == '_' || p.text[end] >= '0' && p.text[end] <= '9' || p.text[end]|0x20 >= 'a' && p.text[end]|0x20 <= 'z') {
		end++
	}
	return p.text[p.pos:end]
}

func (p *typeParser) word() string {
	w := p.peekWord()
	p.pos += len(w)
	return w
}

func (p *typeParser) name() string {
	p.space()
	for _, q := range []string{"`", `"`} {
		if p.accept(q) {
			end := strings.Index(p.text[p.pos:], q)
			name := p.text[p.pos : p.pos+end]
			p.pos += end + 1
			return name
		}
	}
	return strings.ToUpper(p.word())
}

func (p *typeParser) typ() *row.Type {
	switch w := strings.ToUpper(p.word()); w {
	case "BOOLEAN":
		return row.BooleanType
	case "INT", "INTEGER":
		return row.IntegerType
	case "BIGINT":
		return row.BigintType
	case "DOUBLE":
		return row.DoubleType
	case "STRING", "VARCHAR":
		return row.StringType
	case "BYTES":
		return row.BytesType
	case "DATE":
		return row.DateType
	case "TIME":
		return row.TimeType
	case "TIMESTAMP":
		return row.TimestampType
	case "DECIMAL":
		p.expect("(")
		a, _ := strconv.Atoi(p.word())
		p.expect(",")
		b, _ := strconv.Atoi(p.word())
		p.expect(")")
		return row.DecimalType(int32(a), int32(b))
	case "ARRAY":
		p.expect("<")
		t := row.ArrayType(p.typ())
		p.expect(">")
		return t
	case "MAP":
		p.expect("<")
		k := p.typ()
		p.expect(",")
		t := row.MapType(k, p.typ())
		p.expect(">")
		return t
	case "STRUCT":
		p.expect("<")
		var fields []row.Field
		for {
			name := p.name()
			p.accept(":")
			fields = append(fields, row.Field{Name: name, Type: p.typ()})
			if !p.accept(",") {
				break
			}
		}
		p.expect(">")
		return row.StructType(fields...)
	default:
		panic("type " + w)
	}
}
