package differ

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// scope gives the names in a script's strings their values.
type scope struct {
	version int16
	n       int // of the variant
	saved   map[string]any
	topicID func(name string) [16]byte
	lenient bool // what was not saved is "1"
}

var reference = regexp.MustCompile(`\$([a-z][A-Za-z0-9]*)(?:\(([^()]*)\))?`)

// value expands a string of a script. A string that is one reference only keeps the reference's type.
func (s *scope) value(text string) (any, error) {
	if m := reference.FindStringSubmatchIndex(text); m != nil && m[0] == 0 && m[1] == len(text) {
		return s.lookup(text)
	}
	var err error
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		v, e := s.lookup(ref)
		if e != nil {
			err = e
		}
		return fmt.Sprint(v)
	})
	return out, err
}

func (s *scope) lookup(ref string) (any, error) {
	m := reference.FindStringSubmatch(ref)
	name, isCall := m[1], strings.HasSuffix(ref, ")")
	args, err := s.arguments(m[2])
	if err != nil {
		return nil, err
	}
	switch {
	case !isCall && name == "v":
		return strconv.Itoa(int(s.version)), nil
	case !isCall && name == "n":
		return strconv.Itoa(s.n), nil
	case !isCall:
		v, ok := s.saved[name]
		if !ok && s.lenient {
			return "1", nil
		}
		if !ok {
			return nil, fmt.Errorf("$%s was not saved", name)
		}
		return v, nil
	}
	f, ok := functions[name]
	if !ok {
		return nil, fmt.Errorf("no function $%s", name)
	}
	return f(s, args)
}

// arguments expands what stands in parentheses.
func (s *scope) arguments(text string) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	v, err := s.value(text)
	return fmt.Sprint(v), err
}

// The functions of scripts. Arguments are one text; within it $names are expanded already.
var functions = map[string]func(s *scope, args string) (any, error){
	// $id(topic) is a topic's id; zero when there is no such topic.
	"id": func(s *scope, args string) (any, error) { return s.topicID(args), nil },
	// $uuid(7) is an id that nothing has.
	"uuid": func(_ *scope, args string) (any, error) {
		n, err := strconv.Atoi(args)
		return [16]byte{madeUp, byte(n)}, err
	},
	// $long(300) is a text of that length.
	"long": func(_ *scope, args string) (any, error) {
		n, err := strconv.Atoi(args)
		return strings.Repeat("x", n), err
	},
	"hex": func(_ *scope, args string) (any, error) {
		b, err := hex.DecodeString(args)
		return b, err
	},
	// $batch(a b c; pid=7 epoch=0 seq=3 txn codec=zstd time=1600000000000 key=k cut=10 at=16:03) is a batch of those values.
	"batch": func(_ *scope, args string) (any, error) { return makeBatch(args) },
	// $subscription(t u) is what a consumer sends to join for those topics, version 0 of its format.
	"subscription": func(_ *scope, args string) (any, error) {
		m := kmsg.NewConsumerMemberMetadata()
		m.Topics = strings.Fields(args)
		return m.AppendTo(nil), nil
	},
	// $assignment(t 0 1) is what a leader sends for one topic.
	"assignment": func(_ *scope, args string) (any, error) {
		f := strings.Fields(args)
		m := kmsg.NewConsumerMemberAssignment()
		topic := kmsg.NewConsumerMemberAssignmentTopic()
		topic.Topic = f[0]
		for _, p := range f[1:] {
			n, err := strconv.ParseInt(p, 10, 32)
			if err != nil {
				return nil, err
			}
			topic.Partitions = append(topic.Partitions, int32(n))
		}
		m.Topics = append(m.Topics, topic)
		return m.AppendTo(nil), nil
	},
}

// madeUp begins ids that scripts invent, so that they stay readable in answers.
const madeUp = 0xEE

// A time long ago: it stays in the answers, where times of now do not.
const batchTime = 1_600_000_000_000

func makeBatch(args string) ([]byte, error) {
	values, options, _ := strings.Cut(args, ";")
	o := batch.BuilderOptions{}
	var p batch.Producer
	at, key, cut := int64(batchTime), []byte(nil), 0
	patch := map[int64]byte{}
	for f := range strings.FieldsSeq(options) {
		name, v, _ := strings.Cut(f, "=")
		n, _ := strconv.ParseInt(v, 10, 64)
		switch name {
		case "pid":
			p.ID = n
			o.Producer = &p
		case "epoch":
			p.Epoch = int16(n)
		case "seq":
			p.BaseSequence = int32(n)
		case "txn":
			o.Transactional = true
		case "control":
			o.Control = true
		case "time":
			at = n
		case "key":
			key = []byte(v)
		case "cut":
			cut = int(n)
		case "codec":
			codecs := map[string]compress.Codec{"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
			o.Codec = codecs[v]
		case "at":
			where, what, _ := strings.Cut(v, ":")
			i, err := strconv.ParseInt(where, 10, 64)
			if err != nil {
				return nil, err
			}
			b, err := strconv.ParseUint(what, 16, 8)
			if err != nil {
				return nil, err
			}
			patch[i] = byte(b)
		default:
			return nil, fmt.Errorf("$batch knows no option %q", name)
		}
	}
	b := batch.NewBuilder(o)
	for i, v := range strings.Fields(values) {
		if len(v) > 0 && v[0] == '*' { // *3000 is a value of that size
			n, _ := strconv.Atoi(v[1:])
			v = strings.Repeat("x", n)
		}
		b.Append(at+int64(i), key, []byte(v), nil)
	}
	out, err := b.Finish()
	if err != nil {
		return nil, err
	}
	for i, v := range patch {
		out[i] = v
	}
	return out[:len(out)-cut], nil
}

// fill puts a JSON value of a script into a field of a message.
func (s *scope) fill(dst reflect.Value, src any) error {
	if text, ok := src.(string); ok {
		v, err := s.value(text)
		if err != nil {
			return err
		}
		src = v
	}
	if src == nil {
		dst.SetZero()
		return nil
	}
	if v := reflect.ValueOf(src); v.Type() == dst.Type() {
		dst.Set(v)
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(newDefault(dst.Type().Elem()))
		return s.fill(dst.Elem(), src)
	case reflect.Struct:
		fields, ok := src.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no object for %s", src, dst.Type())
		}
		for name, v := range fields {
			f := dst.FieldByName(name)
			if !f.IsValid() {
				return fmt.Errorf("%s has no field %s", dst.Type(), name)
			}
			if err := s.fill(f, v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case reflect.Slice:
		if dst.Type().Elem().Kind() == reflect.Uint8 {
			dst.SetBytes([]byte(fmt.Sprint(src)))
			return nil
		}
		elems, ok := src.([]any)
		if !ok {
			return fmt.Errorf("%v is no array for %s", src, dst.Type())
		}
		dst.Set(reflect.MakeSlice(dst.Type(), 0, len(elems)))
		for _, e := range elems {
			v := newDefault(dst.Type().Elem()).Elem()
			if err := s.fill(v, e); err != nil {
				return err
			}
			dst.Set(reflect.Append(dst, v))
		}
		return nil
	case reflect.String:
		dst.SetString(fmt.Sprint(src))
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(fmt.Sprint(src))
		dst.SetBool(b)
		return err
	case reflect.Float64:
		f, err := strconv.ParseFloat(fmt.Sprint(src), 64)
		dst.SetFloat(f)
		return err
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		text := fmt.Sprint(src)
		if n, ok := src.(json.Number); ok {
			text = n.String()
		}
		n, err := strconv.ParseInt(text, 10, dst.Type().Bits())
		dst.SetInt(n)
		return err
	case reflect.Uint16, reflect.Uint32:
		n, err := strconv.ParseUint(fmt.Sprint(src), 10, dst.Type().Bits())
		dst.SetUint(n)
		return err
	}
	return fmt.Errorf("no way to put %v into %s", src, dst.Type())
}

// newDefault is a pointer to a new value with the protocol's defaults.
func newDefault(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	if d, ok := p.Interface().(interface{ Default() }); ok {
		d.Default()
	}
	return p
}

// at finds a field of a message: Topics[0].Partitions[1].
func at(root reflect.Value, path string) (reflect.Value, error) {
	v := root
	for part := range strings.SplitSeq(path, ".") {
		name, index, indexed := strings.Cut(part, "[")
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, fmt.Errorf("%s: null on the way", path)
			}
			v = v.Elem()
		}
		if v = v.FieldByName(name); !v.IsValid() {
			return v, fmt.Errorf("%s: no field %s", path, name)
		}
		for indexed {
			var n string
			n, index, _ = strings.Cut(index, "]")
			i, err := strconv.Atoi(n)
			if err != nil {
				return v, err
			}
			if i >= v.Len() {
				return v, fmt.Errorf("%s: %d elements only", path, v.Len())
			}
			v = v.Index(i)
			_, index, indexed = strings.Cut(index, "[")
		}
	}
	return v, nil
}
