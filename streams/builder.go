package streams

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// Builder collects a topology. Mistakes found on the way are gathered, and New returns all of them at once, each with the
// operator it is about and what to do.
type Builder struct {
	plan     *plan.Plan
	config   *config
	defaults map[reflect.Type]any
	mistakes []error
	stores   map[string]any            // what was declared under a store's name, to find two of one name
	joined   map[*plan.Node]*plan.Node // the last repartition that a join put behind a node
}

func newBuilder(c *config) *Builder {
	o := plan.Options{GeneratedNames: c.generatedNames}
	if c.optimize {
		o = plan.Optimized()
		o.GeneratedNames = c.generatedNames
	}
	return &Builder{plan: plan.New(o), config: c, defaults: map[reflect.Type]any{}, stores: map[string]any{}, joined: map[*plan.Node]*plan.Node{}}
}

// Mistake is an error in a topology: what is wrong at which operator, and what to do.
type Mistake struct {
	Operator string // the operator, or the name of its node or store
	Problem  string
	Fix      string
}

func (m *Mistake) Error() string { return m.Operator + ": " + m.Problem + "; " + m.Fix }

// mistake notes an error of the topology; building goes on, so that all are found at once.
func (b *Builder) mistake(operator, problem, fix string) {
	m := &Mistake{operator, problem, fix}
	if !slices.ContainsFunc(b.mistakes, func(e error) bool { return e.Error() == m.Error() }) {
		b.mistakes = append(b.mistakes, m)
	}
}

// Default gives the serde for values and keys of type T that no operator names one for.
func Default[T any](b *Builder, s Serde[T]) { b.defaults[reflect.TypeFor[T]()] = s }

// serdeFor finds the serde for T where the program named none: that of the value before, if the type stayed; the
// program's default; the built-in one. It is nil when there is none, which is a mistake only where bytes are needed.
func serdeFor[T, U any](b *Builder, before Serde[U]) Serde[T] {
	if same, ok := any(before).(Serde[T]); ok {
		return same
	}
	if s, ok := b.defaults[reflect.TypeFor[T]()].(Serde[T]); ok {
		return s
	}
	if s, ok := builtinSerde[T](); ok {
		return s
	}
	return nil
}

// need notes that a serde is missing at an operator. What says which: "key" or "value".
func need[T any](b *Builder, s Serde[T], operator, what string) Serde[T] {
	if s != nil {
		if err := serdeMistake(s); err != nil {
			b.mistake(operator, fmt.Sprintf("the serde of the %s cannot work: %v", what, err), "correct what the serde was made with")
		}
		return s
	}
	if found := serdeFor[T, T](b, nil); found != nil {
		return found
	}
	t := reflect.TypeFor[T]()
	fix := fmt.Sprintf("call .%sSerde(...) on the stream before, or streams.Default(b, ...) for %s", strings.ToUpper(what[:1])+what[1:], t)
	b.mistake(operator, fmt.Sprintf("no serde for the %s type %s", what, t), fix)
	return missingSerde[T]{}
}

// missingSerde lets building go on behind a mistake.
type missingSerde[T any] struct{}

var errNoSerde = errors.New("no serde")

func (missingSerde[T]) Append([]byte, string, *Headers, T) ([]byte, error) { return nil, errNoSerde }
func (missingSerde[T]) Decode([]byte, string, Headers) (v T, err error)    { return v, errNoSerde }

// nodeName is the name of an operator's node: the given one or Kafka's number, which is used up in either case.
func (b *Builder) nodeName(given, prefix string) string { return b.plan.NodeName(given, prefix) }

// storeName is the given name of a store, or a number where GeneratedNames allows it.
func (b *Builder) storeName(given, operator, prefix string) string {
	if given == "" {
		b.named(operator, "store")
		return b.plan.StoreName(prefix)
	}
	if err := topology.CheckName(given); err != nil {
		b.mistake(operator, err.Error(), "choose another name for the store")
	}
	return given
}

// named notes the mistake of a missing name for something that outlives the program.
func (b *Builder) named(operator, what string) {
	if !b.config.generatedNames {
		b.mistake(operator, "the "+what+" has no name", "name it, so that changes of the program do not rename what is stored; or allow numbered names by the option GeneratedNames()")
	}
}

// build runs the user's function and gives the topology with everything that is wrong in it.
func (b *Builder) build(f func(*Builder)) (*topology.Topology, error) {
	if err := b.run(f); err != nil {
		return nil, err
	}
	if len(b.mistakes) > 0 {
		return nil, errors.Join(b.mistakes...)
	}
	return b.plan.Build()
}

func (b *Builder) run(f func(*Builder)) (err error) {
	if f == nil {
		return errors.New("streams: the function that builds the topology is nil")
	}
	f(b)
	return nil
}
