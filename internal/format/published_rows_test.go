package format_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/row"
)

// declaration is a source with its columns, declared or to be inferred; sinks (AS SELECT) are none.
var declaration = regexp.MustCompile(`(?is)^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:SOURCE\s+)?(?:STREAM|TABLE)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w` + "`" + `"-]+)\s*(\(.*\))?\s*WITH\s*\((.*)\)\s*;?\s*$`)

// live are cases of our own with what a real ksqlDB gave for them.
const live = "/work/shared/conformance/ksql-live/aggregates.jsonl"

// TestPublishedRows takes every input record of every published case whose topic has a source with known columns: it must be
// read, unless the case is about records that cannot be, and what is written of it must read and write the same again.
func TestPublishedRows(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(published, "*.json"))
	if len(files) == 0 {
		t.Skipf("no published cases in %s", published)
	}
	files = append(files, live)
	comment := regexp.MustCompile(`(?m)^\s*//.*$`)
	cases, records, left := 0, 0, map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var all struct{ Tests []publishedCase }
		if file == live { // a case a line
			text = fmt.Appendf(nil, `{"Tests":[%s]}`, bytes.ReplaceAll(bytes.TrimSpace(text), []byte("\n"), []byte(",")))
		}
		if err := json.Unmarshal(comment.ReplaceAll(text, nil), &all); err != nil {
			t.Fatal(file, err)
		}
		for _, c := range all.Tests {
			if len(c.Inputs) == 0 {
				left["cases without input"]++
				continue
			}
			formats := c.Format
			if len(formats) == 0 {
				formats = []string{""}
			}
			for _, f := range formats {
				name := strings.TrimSuffix(filepath.Base(file), ".json") + " - " + c.Name + " " + f
				p := passing{t: t, c: c, name: name, file: filepath.Base(file)}
				n := p.rows(f, left)
				if records += n; n > 0 {
					cases++
				}
			}
		}
	}
	t.Logf("%d published cases, %d records; left out:", cases, records)
	for _, reason := range slices.Sorted(maps.Keys(left)) {
		t.Logf("%6d %s", left[reason], reason)
	}
}

// source is a topic's side as a statement gives it.
type source struct {
	format format.Format
	side   format.Side
	props  format.Properties
}

// sources finds what the statements say of a topic; the last one counts, as the engine's own runner has it.
func (p *passing) sources(topic, f string) (found [2]*source, why string) {
	why = "records of topics without a source"
	for _, statement := range p.c.Statements {
		m := declaration.FindStringSubmatch(strings.ReplaceAll(strings.TrimSpace(statement), "{FORMAT}", f))
		if m == nil || strings.Contains(strings.ToUpper(m[0]), " AS SELECT") {
			continue
		}
		w := with(m[3])
		if !strings.EqualFold(w["kafka_topic"], topic) {
			continue
		}
		if w["key_schema_id"]+w["value_schema_id"] != "" {
			why = "records by a schema id"
			continue
		}
		declared, ok := columnsOf(m[2])
		if !ok {
			why = "records of types by a name of their own, or with headers"
			continue
		}
		for i, side := range []string{"key", "value"} {
			name := first(w[side+"_format"], w["format"], map[string]string{"key": "KAFKA", "value": fmt.Sprint(p.c.Properties["ksql.persistence.default.format.value"])}[side])
			s, err := p.source(topic, i, name, w, declared[i])
			if err != nil {
				why = "sides whose schema cannot be inferred or opened: " + err.Error()
				continue
			}
			found[i] = s
		}
	}
	return found, why
}

var errNoSide = errors.New("no columns")

func (p *passing) source(topic string, i int, name string, w map[string]string, columns []row.Column) (*source, error) {
	side := []string{"key", "value"}[i]
	f, err := format.Parse(name)
	if err != nil {
		return nil, err
	}
	s := &source{format: f, props: propertiesOf(w, side)}
	if src := p.schemaOf(topic, i); len(columns) == 0 && src.Text != "" && f.Registered() {
		src.Type = f.SchemaType()
		o := format.Inference{Key: i == 0, Unwrap: strings.EqualFold(w["wrap_single_value"], "false"), FullName: s.props.FullName, Nullable: s.props.Nullable}
		if columns, err = f.Infer(src, o); err != nil {
			return nil, err
		}
	}
	if len(columns) == 0 {
		return nil, errNoSide
	}
	wrapped, bare := f.Shapes()
	unwrap := len(columns) == 1 && bare && (!wrapped || (i == 0 && f != format.ProtoPlain) || strings.EqualFold(w["wrap_single_value"], "false") || p.c.Properties["ksql.persistence.wrap.single.values"] == false)
	s.side = format.Side{Topic: topic, Key: i == 0, Columns: columns, Unwrap: unwrap}
	return s, nil
}

// rows gives how many records of the case were read and written.
func (p *passing) rows(f string, left map[string]int) (n int) {
	type opened struct {
		sides [2]*source
		why   string
	}
	topics := map[string]opened{}
	for _, in := range p.c.Inputs {
		o, ok := topics[in.Topic]
		if !ok {
			o.sides, o.why = p.sources(in.Topic, f)
			topics[in.Topic] = o
		}
		if o.sides == [2]*source{} {
			left[o.why]++
			continue
		}
		for i, data := range []json.RawMessage{in.Key, in.Value} {
			s := o.sides[i]
			if s == nil || s.format == format.None {
				continue
			}
			err := p.again(s, i, data)
			switch {
			case err == nil:
			case p.c.ExpectedException != nil:
				left["records that fail, of cases that expect a failure"]++
			default:
				p.t.Errorf("%s: %s %s: %v", p.name, []string{"key", "value"}[i], data, err)
			}
		}
		n++
	}
	return n
}

// again reads a record, writes it, reads and writes that.
func (p *passing) again(s *source, i int, data json.RawMessage) error {
	raw, err := p.bytes(s.format, s.side, s.props, i, data)
	if err != nil {
		return fmt.Errorf("as given: %w", err)
	}
	dec, err := s.format.Decoder(s.side, &p.known, s.props)
	if err != nil {
		return err
	}
	registered := format.Registered{}
	if s.format.Registered() {
		src, err := s.format.Derive(s.side, s.props)
		if err != nil {
			return err
		}
		registered = p.known.add(src)
	}
	enc, err := s.format.Encoder(s.side, registered, s.props)
	if err != nil {
		return err
	}
	var arena row.Arena
	var texts [2][]byte
	var rows [2]row.Row
	for k := range texts {
		if rows[k], err = dec.Decode(&arena, raw); err != nil {
			return err
		}
		if texts[k], err = enc.Encode(nil, rows[k]); err != nil {
			return err
		}
		raw = texts[k]
	}
	shown, err := p.show(s.format, s.side, s.props, texts[0])
	if err != nil {
		return err
	}
	switch {
	case !row.Equal(row.OfStruct(rows[0]), row.OfStruct(rows[1])) || !bytes.Equal(texts[0], texts[1]):
		return fmt.Errorf("it became %q and then %q", texts[0], texts[1])
	case s.format != format.Delimited && !keeps(data, shown, s.format == format.Protobuf || s.format == format.ProtoPlain):
		return fmt.Errorf("it became %s", shown)
	}
	return nil
}

// keeps reports whether what is shown is what was given, as far as there are columns for it.
func keeps(given, shown json.RawMessage, defaults bool) bool {
	if given == nil {
		given = json.RawMessage("null")
	}
	var g, s any
	for raw, into := range map[*json.RawMessage]*any{&given: &g, &shown: &s} {
		d := json.NewDecoder(bytes.NewReader(*raw))
		d.UseNumber()
		if d.Decode(into) != nil {
			return false
		}
	}
	return kept(g, s, defaults)
}

func kept(given, shown any, defaults bool) bool {
	if given == nil {
		return shown == nil || (defaults && slices.Contains([]string{"0", "0.0", "", "false", "[]", "map[]"}, fmt.Sprint(shown)))
	}
	switch s := shown.(type) {
	case map[string]any:
		g, ok := given.(map[string]any)
		for k, v := range s {
			from, exact := g[k]
			for name, v := range g {
				if !exact && strings.ToUpper(name) == k {
					from = v
				}
			}
			ok = ok && kept(from, v, defaults)
		}
		return ok
	case []any:
		g, ok := given.([]any)
		if !ok || len(g) != len(s) {
			return false
		}
		for i := range s {
			if !kept(g[i], s[i], defaults) {
				return false
			}
		}
		return true
	case nil:
		return false
	case string:
		switch given.(type) {
		case map[string]any, []any, bool: // a STRING column takes them as their text
			return true
		}
	}
	a, errA := row.ParseDec(fmt.Sprint(given))
	b, errB := row.ParseDec(fmt.Sprint(shown))
	if errA == nil && errB == nil {
		if b.Scale() == 0 { // an INTEGER takes any number, cut
			a, _ = a.Rescale(0, row.RoundDown)
		}
		return a.Compare(b) == 0 || math.Abs(a.Double()-b.Double()) < 1e-6
	}
	return fmt.Sprint(given) == fmt.Sprint(shown)
}
