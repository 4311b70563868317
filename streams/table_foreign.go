package streams

import (
	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// JoinBy joins each row with the row of r that it refers to: key takes the other table's key from the value, ok=false refers
// to nothing. The result has the keys of l, and changes with either table. The tables need not be partitioned alike: rows
// subscribe to the other table through internal topics named by name (KIP-213). Options: Materialize and, with it, those
// of stores.
func (l *Table[K, L]) JoinBy[FK, R, O any](name string, r *Table[FK, R], key func(L) (fk FK, ok bool), f func(L, R) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinForeign("JoinBy", name, l.table, r.table, foreignOfValue[K](key), innerLookup(f), false, o)}
}

// LeftJoinBy is JoinBy for rows without a partner too: ok tells f whether there is one.
func (l *Table[K, L]) LeftJoinBy[FK, R, O any](name string, r *Table[FK, R], key func(L) (fk FK, ok bool), f func(l L, r R, ok bool) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinForeign("LeftJoinBy", name, l.table, r.table, foreignOfValue[K](key), f, true, o)}
}

// JoinByKV is JoinBy with a reference made of key and value (KIP-1104).
func (l *Table[K, L]) JoinByKV[FK, R, O any](name string, r *Table[FK, R], key func(K, L) (fk FK, ok bool), f func(L, R) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinForeign("JoinByKV", name, l.table, r.table, foreignOf(key), innerLookup(f), false, o)}
}

// LeftJoinByKV is LeftJoinBy with a reference made of key and value.
func (l *Table[K, L]) LeftJoinByKV[FK, R, O any](name string, r *Table[FK, R], key func(K, L) (fk FK, ok bool), f func(l L, r R, ok bool) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinForeign("LeftJoinByKV", name, l.table, r.table, foreignOf(key), f, true, o)}
}

// reference is a foreign key, or none.
type reference[FK any] struct {
	key FK
	ok  bool
}

func foreignOf[K, L, FK any](key func(K, L) (FK, bool)) func(K, L) reference[FK] {
	return func(k K, l L) reference[FK] {
		fk, ok := key(k, l)
		return reference[FK]{fk, ok}
	}
}

func foreignOfValue[K, L, FK any](key func(L) (FK, bool)) func(K, L) reference[FK] {
	return foreignOf(func(_ K, l L) (FK, bool) { return key(l) })
}

// foreignJoin joins by reference. A row of the left table sends a subscription, keyed by its foreign key, to where the right
// row is; there it is kept, and answered with the right row, at once and whenever that changes. Answers go to the
// partition of the left row, which drops those that were meant for an older value of it (by the value's hash).
type foreignJoin[K, L, FK, R, O any] struct {
	left    table[K, L]
	right   table[FK, R]
	key     func(K, L) reference[FK]
	f       func(L, R, bool) O
	isLeft  bool
	keys    nilTest[FK]
	results nilTest[O]
	names   foreignNames
	ks      Serde[K]
	ls      Serde[L]
	fs      Serde[FK]
	rs      Serde[R]
	n       struct{ send, foreign *plan.Node } // nodes that drop what is not the latest of a versioned table
}

// foreignNames are those of nodes, topics and the store, as Kafka numbers or derives them.
type foreignNames struct {
	registration, send, sink, source, store, receive, join, foreign string
	response, responseSink, responseSource, resolver, result        string
	primaryTopic, foreignTopic, hashTopic, responseSerdes           string // what serdes see as topics
}

func (b *Builder) foreignNames(given string) (n foreignNames) {
	const prefix = "KTABLE-FK-JOIN-"
	name := func(suffix, generated string) string { return b.nodeName(suffixed(given, suffix), generated) }
	n.registration = name("-subscription-registration", prefix+"SUBSCRIPTION-REGISTRATION-") + "-topic"
	n.send = name("-subscription-registration-processor", prefix+"SUBSCRIPTION-REGISTRATION-")
	n.sink = name("-subscription-registration-sink", "KTABLE-SINK-")
	n.source = name("-subscription-registration-source", "KTABLE-SOURCE-")
	n.store = name("-subscription-store", prefix+"SUBSCRIPTION-STATE-STORE-")
	n.receive = name("-subscription-receive", prefix+"SUBSCRIPTION-PROCESSOR-")
	n.join = name("-subscription-join-foreign", prefix+"SUBSCRIPTION-PROCESSOR-")
	n.foreign = name("-foreign-join-subscription", prefix+"SUBSCRIPTION-PROCESSOR-")
	n.response = name("-subscription-response", prefix+"SUBSCRIPTION-RESPONSE-") + "-topic"
	n.responseSink = name("-subscription-response-sink", "KTABLE-SINK-")
	n.responseSource = name("-subscription-response-source", "KTABLE-SOURCE-")
	n.resolver = name("-subscription-response-resolver", prefix+"SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-")
	n.result = name("-result", prefix+"OUTPUT-")
	n.primaryTopic, n.foreignTopic, n.hashTopic = n.registration+"-pk", n.registration+"-fk", n.registration+"-vh"
	n.responseSerdes = n.response
	return n
}

func joinForeign[K, L, FK, R, O any](operator, name string, l table[K, L], r table[FK, R], key func(K, L) reference[FK], f func(L, R, bool) O, left bool, o []Option) table[K, O] {
	b := l.b
	s := b.settings(operator+" "+name, o, append([]string{"Materialize"}, tableOptions...)...)
	if name == "" {
		b.named(operator, "join")
	} else {
		operator += " " + name
		if err := topology.CheckName(name); err != nil {
			b.mistake(operator, err.Error(), "choose another name")
		}
	}
	r.sendOld(true)
	l.sendOld(true)
	l.view.need()
	r.view.need()
	j := &foreignJoin[K, L, FK, R, O]{
		left: l, right: r, key: key, f: f, isLeft: left, keys: newNilTest[FK](), results: newNilTest[O](), names: b.foreignNames(name),
		ks: need(b, l.ks, operator, "key"), ls: need(b, l.vs, operator, "value"), fs: need(b, r.ks, operator, "key"), rs: need(b, r.vs, operator, "value"),
	}
	resolver := j.wire(b)

	kept := &keptTable{name: s.store, operator: operator, settings: s, needed: s.store != ""}
	if s.store == "" { // a number is taken even if there is no store in the end
		kept.generated = b.plan.StoreName("KTABLE-FK-JOIN-OUTPUT-")
	}
	n := &plan.Node{Name: j.names.result}
	out := port[K, O]{b: b, n: n, ks: j.ks, vs: serdeFor[O](b, l.vs), sources: merged(l.sources, []string{j.names.responseSource})}
	if kept.needed {
		out.vs = need(b, out.vs, operator, "value")
	}
	made := tableOf(out, kept)
	n.Write = func(tb *topology.Builder, parents []string) error {
		return writeTable(tb, n.Name, parents, made, kept, "")
	}
	b.plan.Add(n, resolver)
	return made
}

// wire adds the nodes in Kafka's order, and gives the last one.
func (j *foreignJoin[K, L, FK, R, O]) wire(b *Builder) *plan.Node {
	n := &j.names
	internal := func(topic string) { b.plan.Builder().AddInternalTopic(topology.InternalTopic{Name: topic}) }
	internal(n.registration)
	send := &plan.Node{Name: n.send}
	j.n.send = send
	tableStep(j.left.port, send, processor(j.openSend), nil, nil)
	sinkNode := &plan.Node{Name: n.sink, Write: func(tb *topology.Builder, parents []string) error {
		t := target[[]byte, []byte]{topic: n.registration, internal: true, ks: Bytes, vs: Bytes}
		tb.AddSink(topology.Sink{Name: n.sink, Topic: n.registration, Open: opener(t.open)}, parents...)
		return nil
	}}
	b.plan.Add(sinkNode, send)
	source := &plan.Node{Name: n.source, Write: func(tb *topology.Builder, _ []string) error {
		tb.AddSource(topology.Source{Name: n.source, Topics: []string{n.registration}, Internal: true, Open: openSource(Bytes, Bytes, nil)})
		return nil
	}}
	b.plan.Add(source, sinkNode)
	b.plan.Builder().Copartition(merged(j.right.sources, []string{n.source})...)

	there := port[[]byte, []byte]{b: b, n: source}
	receive := &plan.Node{Name: n.receive}
	tableStep(there, receive, processor(j.openReceive), func() (*topology.Store, error) {
		st := storeSpec{name: n.store, logsHeaders: true}.table(Bytes, Bytes)
		return &st, nil
	}, nil)
	join := &plan.Node{Name: n.join}
	tableStep(there.at(receive), join, processor(j.openJoin), nil, j.right.view.stores)
	foreign := &plan.Node{Name: n.foreign}
	j.n.foreign = foreign
	tableStep(j.right.port, foreign, processor(j.openForeign), nil, func() []string { return []string{n.store} })

	internal(n.response)
	responseSink := &plan.Node{Name: n.responseSink, Write: func(tb *topology.Builder, parents []string) error {
		t := target[[]byte, foreignResponse]{topic: n.response, internal: true, ks: Bytes, vs: foreignResponseSerde{}}
		t.part.one = func(_ []byte, r foreignResponse, _ int) int { return int(r.partition) }
		tb.AddSink(topology.Sink{Name: n.responseSink, Topic: n.response, Open: opener(t.open)}, parents...)
		return nil
	}}
	b.plan.Add(responseSink, join, foreign)
	responseSource := &plan.Node{Name: n.responseSource, Write: func(tb *topology.Builder, _ []string) error {
		tb.AddSource(topology.Source{Name: n.responseSource, Topics: []string{n.response}, Internal: true, Open: openSource(Bytes, Bytes, nil)})
		return nil
	}}
	b.plan.Add(responseSource, responseSink)
	b.plan.Builder().Copartition(merged(j.left.sources, []string{n.responseSource})...)
	resolver := &plan.Node{Name: n.resolver}
	tableStep(there.at(responseSource), resolver, processor(j.openResolver), nil, j.left.view.stores)
	return resolver
}

// foreignResponse is a value of the response topic, and the partition it goes to.
type foreignResponse struct {
	partition int32
	bytes     []byte
}

type foreignResponseSerde struct{}

func (foreignResponseSerde) Append(dst []byte, _ string, _ *Headers, r foreignResponse) ([]byte, error) {
	return append(dst, r.bytes...), nil
}

func (foreignResponseSerde) Decode(b []byte, _ string, _ Headers) (foreignResponse, error) {
	return foreignResponse{bytes: b}, nil
}

// hashOf is the hash of a left value's bytes.
func hashOf[L any](ls Serde[L], topic string, buf *[]byte, l L) (codec.Hash, error) {
	b, err := ls.Append((*buf)[:0], topic, nil, l)
	if err != nil {
		return codec.Hash{}, err
	}
	*buf = b
	return codec.Murmur3(b), nil
}
