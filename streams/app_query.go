package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"leat.dev/streams/internal/engine"
)

// Errors of queries, to be asked for by errors.Is.
var (
	// ErrNotHere is for what this instance does not have now: the app does not run, the task is at another instance, or its
	// store is being restored. Asking again later, or the owner, helps.
	ErrNotHere = engine.ErrNotHere
	// ErrBehind is for what is here, but not as new as AtLeast or MaxLag ask. It wraps ErrNotHere.
	ErrBehind = engine.ErrBehind
	// ErrNoStore is for a store that the topology does not have.
	ErrNoStore = engine.ErrNoStore
)

// QueryOption adjusts a query.
type QueryOption struct{ apply func(*queryOptions) }

type queryOptions struct {
	ctx       context.Context //nolint:containedctx // of the reads to come: the facades' methods take none
	partition int32           // -1: all
	stale     bool
	lagMax    int64 // -1: any
	atLeast   Position
	wait      time.Duration
	within    time.Duration
	into      *Answer
}

func newQueryOptions(o []QueryOption) *queryOptions {
	q := &queryOptions{ctx: context.Background(), partition: -1, lagMax: -1, within: queryTime}
	for _, opt := range o {
		if opt.apply != nil {
			opt.apply(q)
		}
	}
	return q
}

// queryTime is how long one read of one task may take, without ReadTimeout.
const queryTime = 30 * time.Second

func queryOption(set func(*queryOptions)) QueryOption { return QueryOption{set} }

// AllowStale lets copies answer where a task does not run here: standbys (option [Standbys]), and tasks that are being
// restored. They lag behind; Into tells by how much. Stores without a changelog have no copies.
func AllowStale() QueryOption { return queryOption(func(q *queryOptions) { q.stale = true }) }

// MaxLag is AllowStale for copies that miss at most n records of the task's changelogs; others fail with ErrBehind.
func MaxLag(n int64) QueryOption {
	return queryOption(func(q *queryOptions) { q.stale, q.lagMax = true, max(n, 0) })
}

// OnPartition asks the task of one partition only.
func OnPartition(p int32) QueryOption { return queryOption(func(q *queryOptions) { q.partition = p }) }

// AtLeast asks for answers that have seen the input records up to a position (KIP-796): one that an earlier answer had, or
// offsets that a producer was told. Reads wait for as long as wait until the task has processed them, and then fail with
// ErrBehind; 0 does not wait. Partitions that are not the asked task's do not count; topics that the store is not made of
// are an error.
func AtLeast(p Position, wait time.Duration) QueryOption {
	return queryOption(func(q *queryOptions) { q.atLeast, q.wait = p, wait })
}

// ReadTimeout bounds the time that the read of one task may take. Default 30 s.
func ReadTimeout(d time.Duration) QueryOption {
	return queryOption(func(q *queryOptions) { q.within = d })
}

// QueryContext ends reads early when ctx is done.
func QueryContext(ctx context.Context) QueryOption {
	return queryOption(func(q *queryOptions) { q.ctx = ctx })
}

// Into writes to a, after each read, how new its answer was.
func Into(a *Answer) QueryOption { return queryOption(func(q *queryOptions) { q.into = a }) }

// Answer is how new the answer of a read was: of the call that came last, or of the loop as far as it went.
type Answer struct {
	Position Position // of the input partitions that belong to the tasks that answered
	Stale    bool     // a copy answered, at least for a part
	Lag      int64    // the most changelog records that a copy which answered had not got
}

// Position is how far input was processed (KIP-796): by topic and partition the offset of the last record whose effects are
// in an answer; -1 for none. What asynchronous steps have not finished yet is not in it.
type Position map[string]map[int32]int64

// At is p with an offset. It raises what p has, never lowers it, and changes p unless that is nil.
func (p Position) At(topic string, partition int32, offset int64) Position {
	if p == nil {
		p = Position{}
	}
	if p[topic] == nil {
		p[topic] = map[int32]int64{}
	}
	if old, ok := p[topic][partition]; !ok || old < offset {
		p[topic][partition] = offset
	}
	return p
}

// Merge is p with the offsets of another position where those are greater. It changes p unless that is nil.
func (p Position) Merge(o Position) Position {
	for topic, partitions := range o {
		for partition, offset := range partitions {
			p = p.At(topic, partition, offset)
		}
	}
	return p
}

func (p Position) inputs() map[engine.TopicPartition]int64 {
	out := make(map[engine.TopicPartition]int64, len(p))
	for topic, partitions := range p {
		for partition, offset := range partitions {
			out[engine.TopicPartition{Topic: topic, Partition: partition}] = offset
		}
	}
	return out
}

func positionOf(inputs map[engine.TopicPartition]int64) (p Position) {
	for tp, offset := range inputs {
		p = p.At(tp.Topic, tp.Partition, offset)
	}
	return p
}

// Query gives read access to a store, by its definition or the View of its table. It sees what this instance's tasks have
// processed, what is cached and not committed too; entries of other instances are not there, as in Kafka Streams (see Owner).
// A key whose partition, by the default partitioner, is not here is ErrNotHere, unless a task that is here has it.
//
// What it gives may be used from any goroutine, by one at a time, as long as the app runs. Reads run in the task's worker between two
// records, and leave its caches as they are. Loops over key-value stores copy 1000 entries at a time, over one task after the
// other: each entry is shown as it was at some time of the loop. Loops over windows and sessions copy what one task has before
// they go on. Writes fail. When tasks move, reads go on with those that are here then, and fail with ErrNotHere when there
// are none.
func (a *App) Query[S any](d StoreDef[S], o ...QueryOption) (S, error) {
	q := newQueryOptions(o)
	var none S
	if d.query == nil {
		return none, errors.New("streams: Query of an empty definition: make definitions by the functions of this package, or by View")
	}
	r := &remote[S]{app: a, def: d, q: q, ask: q.ask()}
	if _, _, err := r.tasks(); err != nil {
		return none, err
	}
	return d.query(r), nil
}

func (q *queryOptions) ask() *engine.Ask {
	return &engine.Ask{Copies: q.stale, LagMax: q.lagMax, AtLeast: q.atLeast.inputs(), Wait: q.wait, Position: q.into != nil}
}

// remote is a store of all tasks of this instance, read through their workers.
type remote[S any] struct {
	app *App
	def StoreDef[S]
	q   *queryOptions
	ask *engine.Ask
}

// begin forgets the answer before.
func (r *remote[S]) begin() {
	if r.q.into != nil {
		*r.q.into = Answer{}
	}
}

func (r *remote[S]) saw(s engine.Seen) {
	if a := r.q.into; a != nil {
		a.Position = a.Position.Merge(positionOf(s.Position))
		a.Stale, a.Lag = a.Stale || s.Copy, max(a.Lag, s.Lag)
	}
}

// tasks are those here that have the store and may answer; global tells that it is a global one.
func (r *remote[S]) tasks() (ids []engine.TaskID, global bool, err error) {
	tasks, global, err := r.app.engine.StoreTasks(r.def.name)
	if err != nil || global {
		return nil, global, err
	}
	for _, t := range tasks {
		if (r.q.partition < 0 || t.ID.Partition == r.q.partition) && (r.q.stale || !t.Standby) {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) == 0 {
		return nil, false, fmt.Errorf("store %s, partition %d: %w", r.def.name, r.q.partition, ErrNotHere)
	}
	return ids, false, nil
}

func (r *remote[S]) read(found any, f func(S) error) error {
	s, ok := r.def.open(found)
	if !ok {
		return fmt.Errorf("store %s is a %T, which this definition does not open", r.def.name, found)
	}
	return f(s)
}

// on runs f with the store of one task.
func (r *remote[S]) on(id engine.TaskID, f func(S) error) error {
	ctx, cancel := context.WithTimeout(r.q.ctx, r.q.within)
	defer cancel()
	seen, err := r.app.readTask(ctx, r.def.name, id, r.ask, func(store any) error { return r.read(store, f) })
	if err == nil {
		r.saw(seen)
	}
	return err
}

// readTask runs f with the store of a task that is here, between two records.
func (a *App) readTask(ctx context.Context, store string, id engine.TaskID, ask *engine.Ask, f func(store any) error) (engine.Seen, error) {
	return a.engine.Read(ctx, store, id, ask, func(et engine.Task) error {
		t, ok := et.(*task)
		if !ok {
			return fmt.Errorf("task %s is a %T", id, et)
		}
		t.reading = true
		defer func() { t.reading = false }()
		return f(t.Store(store))
	})
}

// onGlobal runs f with the global store.
func (r *remote[S]) onGlobal(f func(S) error) error {
	ctx, cancel := context.WithTimeout(r.q.ctx, r.q.within)
	defer cancel()
	seen, err := r.app.engine.ReadGlobal(ctx, r.def.name, r.ask, func(store any) error { return r.read(store, f) })
	if err == nil {
		r.saw(seen)
	}
	return err
}

// keyWriter is a store that knows the bytes of its keys.
type keyWriter[K any] interface{ keyBytes(k K) ([]byte, error) }

// find runs f with the stores in which a key may be, until f has found it.
func find[K, S any](r *remote[S], k K, f func(S) (found bool, err error)) error {
	r.begin()
	ids, global, err := r.tasks()
	if err != nil {
		return err
	}
	if global {
		return r.onGlobal(func(s S) error { _, err := f(s); return err })
	}
	home, n := int32(-1), 0
	if r.q.partition < 0 {
		if home, n, err = homeOf(r, k); err != nil {
			return err
		}
	}
	asked := 0
	for at := range ids { // where the default partitioner puts it first
		if ids[at].Partition == home {
			ids[0], ids[at] = ids[at], ids[0]
		}
	}
	for _, id := range ids {
		found := false
		err := r.on(id, func(s S) (err error) { found, err = f(s); return err })
		switch {
		case found && err == nil:
			return nil
		case err == nil:
			asked++
		case home >= 0 && id.Partition != home && errors.Is(err, ErrNotHere): // it need not know
		default:
			return err
		}
	}
	if home >= 0 && ids[0].Partition != home && asked < n {
		return fmt.Errorf("store %s: the key's partition, %d: %w", r.def.name, home, ErrNotHere)
	}
	return nil
}

// homeOf is the partition of a key by the default partitioner, of n.
func homeOf[K, S any](r *remote[S], k K) (home int32, n int, err error) {
	key, err := keyBytesOf(r, k)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(r.q.ctx, r.q.within)
	defer cancel()
	if _, n, err = r.app.engine.StorePartitions(ctx, r.def.name); err != nil {
		return 0, 0, err
	}
	return engine.DefaultPartition(key, n), n, nil
}

// keyBytesOf gives the bytes of a key of the store.
func keyBytesOf[K, S any](r *remote[S], k K) ([]byte, error) {
	blank, err := r.app.blank(r.def.name)
	if err != nil {
		return nil, err
	}
	w, ok := blank.(keyWriter[K])
	if !ok {
		return nil, fmt.Errorf("store %s is a %T, which has no keys of type %s", r.def.name, blank, typeName[K]())
	}
	return w.keyBytes(k)
}

type pair[A, B any] struct {
	a A
	b B
}

// all gives the entries of all tasks, one task's after the other's.
func all[S interface{ Err() error }, A, B any](r *remote[S], fail *error, rows func(S) iter.Seq2[A, B]) iter.Seq2[A, B] {
	return func(yield func(A, B) bool) {
		r.begin()
		ids, global, err := r.tasks()
		if *fail = err; err != nil {
			return
		}
		for i := 0; i < len(ids) || global && i == 0; i++ {
			if *fail != nil || !copied(r, ids, i, fail, rows, yield) {
				return
			}
		}
	}
}

// copied gives the entries of one task, or of the global store; false when there shall be no more.
func copied[S interface{ Err() error }, A, B any](r *remote[S], ids []engine.TaskID, i int, fail *error, rows func(S) iter.Seq2[A, B], yield func(A, B) bool) bool {
	var out []pair[A, B]
	take := func(s S) error {
		out = out[:0]
		for a, b := range rows(s) {
			out = append(out, pair[A, B]{a, b})
		}
		return s.Err()
	}
	if len(ids) == 0 {
		*fail = r.onGlobal(take)
	} else {
		*fail = r.on(ids[i], take)
	}
	if *fail != nil {
		return false
	}
	for _, p := range out {
		if !yield(p.a, p.b) {
			return false
		}
	}
	return true
}

// one gives the entries of a key: of the first task that has any.
func one[K any, S interface{ Err() error }, A, B any](r *remote[S], fail *error, k K, rows func(S) iter.Seq2[A, B]) iter.Seq2[A, B] {
	return func(yield func(A, B) bool) {
		var out []pair[A, B]
		*fail = find(r, k, func(s S) (bool, error) {
			out = out[:0]
			for a, b := range rows(s) {
				out = append(out, pair[A, B]{a, b})
			}
			return len(out) > 0, s.Err()
		})
		for _, p := range out {
			if *fail != nil || !yield(p.a, p.b) {
				return
			}
		}
	}
}

// only gives the first of pairs.
func only[A any](rows iter.Seq2[A, struct{}]) iter.Seq[A] {
	return func(yield func(A) bool) {
		for a := range rows {
			if !yield(a) {
				return
			}
		}
	}
}

func single[A any](rows iter.Seq[A]) iter.Seq2[A, struct{}] {
	return func(yield func(A, struct{}) bool) {
		for a := range rows {
			if !yield(a, struct{}{}) {
				return
			}
		}
	}
}
