package streams

import (
	"fmt"
	"io"
	"iter"
	"sync"

	"leat.dev/streams/internal/plan"
)

// The forms of callbacks become one shape each: what a node calls with its record. Making them needs the node once, for
// its Ctx.

// test decides on a record.
type test[K, V any] func(n *node) func(r *Record[K, V]) (bool, error)

func valueTest[K, V any](f func(V) bool) test[K, V] {
	nulls := newNilTest[V]()
	return func(*node) func(r *Record[K, V]) (bool, error) {
		return func(r *Record[K, V]) (bool, error) {
			if !nulls.seen(r.NullValue) {
				return true, nil
			}
			return call1(f, r.Value)
		}
	}
}

func pairTest[K, V any](f func(K, V) bool) test[K, V] {
	nulls := newNilTest[V]()
	return func(*node) func(r *Record[K, V]) (bool, error) {
		return func(r *Record[K, V]) (bool, error) {
			if !nulls.seen(r.NullValue) {
				return true, nil
			}
			return call2(f, r.Key, r.Value)
		}
	}
}

func recordTest[K, V any](f func(Ctx, Record[K, V]) (bool, error)) test[K, V] {
	return func(n *node) func(r *Record[K, V]) (bool, error) {
		c := Ctx(n.ctx())
		return func(r *Record[K, V]) (bool, error) { return callTry2(f, c, *r) }
	}
}

// filter keeps the records of which the test is not what drop says.
func filter[K, V any](p port[K, V], operator string, f test[K, V], drop bool, o []Option) port[K, V] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-FILTER-")}
	step(p, n, func(x *opening, next sink[K, V]) (sink[K, V], error) {
		passes := f(x.node)
		return func(r *Record[K, V]) error {
			ok, err := passes(r)
			if err != nil {
				return x.failed(err)
			}
			if ok == drop {
				return nil
			}
			return next(r)
		}, nil
	})
	return p.at(n)
}

// valueMapper makes a value of a record; ok=false says null.
type valueMapper[K, V, W any] func(n *node) func(r *Record[K, V]) (w W, ok bool, err error)

func valueMap[K, V, W any](f func(V) W) valueMapper[K, V, W] {
	nulls := newNilTest[V]()
	return func(*node) func(r *Record[K, V]) (W, bool, error) {
		return func(r *Record[K, V]) (w W, ok bool, err error) {
			if !nulls.seen(r.NullValue) {
				return w, false, nil
			}
			w, err = call1(f, r.Value)
			return w, true, err
		}
	}
}

func pairMap[K, V, W any](f func(K, V) W) valueMapper[K, V, W] {
	nulls := newNilTest[V]()
	return func(*node) func(r *Record[K, V]) (W, bool, error) {
		return func(r *Record[K, V]) (w W, ok bool, err error) {
			if !nulls.seen(r.NullValue) {
				return w, false, nil
			}
			w, err = call2(f, r.Key, r.Value)
			return w, true, err
		}
	}
}

func recordMap[K, V, W any](f func(Ctx, Record[K, V]) (W, error)) valueMapper[K, V, W] {
	return func(n *node) func(r *Record[K, V]) (W, bool, error) {
		c := Ctx(n.ctx())
		return func(r *Record[K, V]) (W, bool, error) {
			w, err := callTry2(f, c, *r)
			return w, true, err
		}
	}
}

func mapValues[K, V, W any](p port[K, V], operator string, f valueMapper[K, V, W], o []Option) port[K, W] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-MAPVALUES-"), ValueChanging: true}
	nulls := newNilTest[W]()
	step(p, n, func(x *opening, next sink[K, W]) (sink[K, V], error) {
		value := f(x.node)
		var out Record[K, W]
		return func(r *Record[K, V]) error {
			w, ok, err := value(r)
			if err != nil {
				return x.failed(err)
			}
			carry(r, &out)
			out.Value, out.NullValue = w, !ok || nulls.null(&w)
			return next(&out)
		}, nil
	})
	return port[K, W]{b: p.b, n: n, ks: p.ks, vs: serdeFor[W](p.b, p.vs), rekeyed: p.rekeyed, sources: p.sources}
}

// recordMapper makes one record of another, in out.
type recordMapper[K, V, K2, V2 any] func(n *node) func(r *Record[K, V], out *Record[K2, V2]) error

func pairsMap[K, V, K2, V2 any](f func(K, V) (K2, V2)) recordMapper[K, V, K2, V2] {
	nulls, nullKeys, nullValues := newNilTest[V](), newNilTest[K2](), newNilTest[V2]()
	type pair struct {
		k K2
		v V2
	}
	both := func(k K, v V) pair {
		k2, v2 := f(k, v)
		return pair{k2, v2}
	}
	return func(*node) func(*Record[K, V], *Record[K2, V2]) error {
		return func(r *Record[K, V], out *Record[K2, V2]) error {
			if !nulls.seen(r.NullValue) {
				// The new key may depend on the value alone, so it is asked for with the zero value; the value stays null.
				kv, err := call2(both, r.Key, r.Value)
				var none V2
				out.Key, out.NullKey, out.Value, out.NullValue = kv.k, nullKeys.null(&kv.k), none, true
				return err
			}
			kv, err := call2(both, r.Key, r.Value)
			out.Key, out.NullKey, out.Value, out.NullValue = kv.k, nullKeys.null(&kv.k), kv.v, nullValues.null(&kv.v)
			return err
		}
	}
}

func recordsMap[K, V, K2, V2 any](f func(Ctx, Record[K, V]) (Record[K2, V2], error)) recordMapper[K, V, K2, V2] {
	nullKeys, nullValues := newNilTest[K2](), newNilTest[V2]()
	return func(n *node) func(*Record[K, V], *Record[K2, V2]) error {
		c := Ctx(n.ctx())
		return func(r *Record[K, V], out *Record[K2, V2]) (err error) {
			*out, err = callTry2(f, c, *r)
			out.NullKey = out.NullKey || nullKeys.null(&out.Key)
			out.NullValue = out.NullValue || nullValues.null(&out.Value)
			return err
		}
	}
}

func keyOfValue[K, V, K2 any](f func(V) K2) recordMapper[K, V, K2, V] {
	return keyOf(func(r *Record[K, V]) (K2, error) { return call1(f, r.Value) })
}

func keyOfPair[K, V, K2 any](f func(K, V) K2) recordMapper[K, V, K2, V] {
	return keyOf(func(r *Record[K, V]) (K2, error) { return call2(f, r.Key, r.Value) })
}

// keyOf selects a key. There is none to be found in a null value that the callback cannot see: the new key is null.
func keyOf[K, V, K2 any](f func(r *Record[K, V]) (K2, error)) recordMapper[K, V, K2, V] {
	nulls, nullKeys := newNilTest[V](), newNilTest[K2]()
	return func(*node) func(*Record[K, V], *Record[K2, V]) error {
		return func(r *Record[K, V], out *Record[K2, V]) error {
			out.Value, out.NullValue = r.Value, r.NullValue
			if !nulls.seen(r.NullValue) {
				var none K2
				out.Key, out.NullKey = none, true
				return nil
			}
			k, err := f(r)
			out.Key, out.NullKey = k, nullKeys.null(&k)
			return err
		}
	}
}

// mapPairs is Map and SelectKey: what changes keys one by one.
func mapPairs[K, V, K2, V2 any](p port[K, V], operator string, ks Serde[K2], f recordMapper[K, V, K2, V2], prefix string, o []Option) port[K2, V2] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, prefix), KeyChanging: true, ValueChanging: prefix == "KSTREAM-MAP-"}
	step(p, n, func(x *opening, next sink[K2, V2]) (sink[K, V], error) {
		mapRecord := f(x.node)
		var out Record[K2, V2]
		return func(r *Record[K, V]) error {
			out.Time, out.Headers = r.Time, r.Headers
			if err := mapRecord(r, &out); err != nil {
				return x.failed(err)
			}
			return forward(x.task, next, &out)
		}, nil
	})
	return port[K2, V2]{b: p.b, n: n, ks: ks, vs: serdeFor[V2](p.b, p.vs), rekeyed: true, sources: p.sources}
}

// multiMapper gives any number of values for a record to emit.
type multiMapper[K, V, W any] func(r *Record[K, V], emit func(W) error) (user, final error)

// guarded runs user code that emits as it goes. An error of what is downstream ends it and is final; anything else that goes
// wrong is the user's.
func guarded(run func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return run()
}

func sliceMap[K, V, W any](f func(V) []W) multiMapper[K, V, W] {
	return func(r *Record[K, V], emit func(W) error) (user, final error) {
		all, err := call1(f, r.Value)
		if err != nil {
			return err, nil
		}
		for _, w := range all {
			if err := emit(w); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

func seqMap[K, V, W any](f func(V) iter.Seq[W]) multiMapper[K, V, W] {
	return func(r *Record[K, V], emit func(W) error) (user, final error) {
		user = guarded(func() error {
			seq := f(r.Value)
			if seq == nil {
				return fmt.Errorf("the callback returned no sequence")
			}
			for w := range seq {
				if final = emit(w); final != nil {
					return nil
				}
			}
			return nil
		})
		return user, final
	}
}

func flatMapValues[K, V, W any](p port[K, V], operator string, f multiMapper[K, V, W], o []Option) port[K, W] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-FLATMAPVALUES-"), ValueChanging: true}
	nulls, newNulls := newNilTest[V](), newNilTest[W]()
	step(p, n, func(x *opening, next sink[K, W]) (sink[K, V], error) {
		var out Record[K, W]
		emit := func(w W) error {
			out.Value, out.NullValue = w, newNulls.null(&w)
			return next(&out)
		}
		return func(r *Record[K, V]) error {
			carry(r, &out)
			if !nulls.seen(r.NullValue) {
				var none W
				out.Value, out.NullValue = none, true
				return next(&out)
			}
			user, final := f(r, emit)
			if final != nil {
				return final
			}
			if user != nil {
				return x.failed(user)
			}
			return nil
		}, nil
	})
	return port[K, W]{b: p.b, n: n, ks: p.ks, vs: serdeFor[W](p.b, p.vs), rekeyed: p.rekeyed, sources: p.sources}
}

// pairsMapper gives any number of records for one; emit's record has the time and headers of r already.
type pairsMapper[K, V, K2, V2 any] func(n *node) func(r *Record[K, V], out *Record[K2, V2], next sink[K2, V2]) (user, final error)

func seqPairs[K, V, K2, V2 any](f func(K, V) iter.Seq2[K2, V2]) pairsMapper[K, V, K2, V2] {
	nulls, nullKeys, nullValues := newNilTest[V](), newNilTest[K2](), newNilTest[V2]()
	return func(*node) func(*Record[K, V], *Record[K2, V2], sink[K2, V2]) (user, final error) {
		return func(r *Record[K, V], out *Record[K2, V2], next sink[K2, V2]) (user, final error) {
			if !nulls.seen(r.NullValue) {
				return nil, nil
			}
			user = guarded(func() error {
				seq := f(r.Key, r.Value)
				if seq == nil {
					return fmt.Errorf("the callback returned no sequence")
				}
				for k, v := range seq {
					out.Key, out.NullKey, out.Value, out.NullValue = k, nullKeys.null(&k), v, nullValues.null(&v)
					if final = next(out); final != nil {
						return nil
					}
				}
				return nil
			})
			return user, final
		}
	}
}

func emitPairs[K, V, K2, V2 any](f func(Ctx, Record[K, V], func(Record[K2, V2])) error) pairsMapper[K, V, K2, V2] {
	nullKeys, nullValues := newNilTest[K2](), newNilTest[V2]()
	return func(n *node) func(*Record[K, V], *Record[K2, V2], sink[K2, V2]) (user, final error) {
		c := Ctx(n.ctx())
		return func(r *Record[K, V], out *Record[K2, V2], next sink[K2, V2]) (user, final error) {
			user = guarded(func() error {
				return f(c, *r, func(made Record[K2, V2]) {
					if final != nil {
						return
					}
					*out = made
					out.NullKey = out.NullKey || nullKeys.null(&out.Key)
					out.NullValue = out.NullValue || nullValues.null(&out.Value)
					final = next(out)
				})
			})
			return user, final
		}
	}
}

func flatMap[K, V, K2, V2 any](p port[K, V], operator string, ks Serde[K2], f pairsMapper[K, V, K2, V2], o []Option) port[K2, V2] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-FLATMAP-"), KeyChanging: true, ValueChanging: true}
	step(p, n, func(x *opening, children sink[K2, V2]) (sink[K, V], error) {
		each := f(x.node)
		next := func(r *Record[K2, V2]) error { return forward(x.task, children, r) }
		var out Record[K2, V2]
		return func(r *Record[K, V]) error {
			out.Time, out.Headers = r.Time, r.Headers
			user, final := each(r, &out, next)
			if final != nil {
				return final
			}
			if user != nil {
				return x.failed(user)
			}
			return nil
		}, nil
	})
	return port[K2, V2]{b: p.b, n: n, ks: ks, vs: serdeFor[V2](p.b, p.vs), rekeyed: true, sources: p.sources}
}

// pairVisit is the short form of a callback that only looks.
func pairVisit[K, V any](f func(K, V)) func(Ctx, Record[K, V]) error {
	nulls := newNilTest[V]()
	return func(_ Ctx, r Record[K, V]) error {
		if nulls.seen(r.NullValue) {
			f(r.Key, r.Value)
		}
		return nil
	}
}

func visit[K, V any](n *node, f func(Ctx, Record[K, V]) error) func(r *Record[K, V]) error {
	c := Ctx(n.ctx())
	return func(r *Record[K, V]) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = caught(p)
			}
		}()
		return f(c, *r)
	}
}

func peek[K, V any](p port[K, V], operator string, f func(Ctx, Record[K, V]) error, o []Option) port[K, V] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-PEEK-")}
	step(p, n, func(x *opening, next sink[K, V]) (sink[K, V], error) {
		look := visit(x.node, f)
		return func(r *Record[K, V]) error {
			if err := look(r); err != nil {
				return x.failed(err)
			}
			return next(r)
		}, nil
	})
	return p.at(n)
}

func forEach[K, V any](p port[K, V], operator string, f func(Ctx, Record[K, V]) error, prefix string, o []Option) {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, prefix)}
	step(p, n, func(x *opening, _ sink[K, V]) (sink[K, V], error) {
		look := visit(x.node, f)
		return func(r *Record[K, V]) error {
			if err := look(r); err != nil {
				return x.failed(err)
			}
			return nil
		}, nil
	})
}

// printer writes records for people. Tasks may print at the same time: one record is one write.
func printer[K, V any](w io.Writer, label, upstream string) func(Ctx, Record[K, V]) error {
	if label == "" {
		label = upstream
	}
	var mu sync.Mutex
	return func(_ Ctx, r Record[K, V]) error {
		key, value := "null", "null"
		if !r.NullKey {
			key = printed(r.Key)
		}
		if !r.NullValue {
			value = printed(r.Value)
		}
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintf(w, "[%s]: %s, %s\n", label, key, value)
		return err
	}
}

// printed is a value for people: what a pointer points to, not where.
func printed[T any](v T) string {
	switch p := any(v).(type) {
	case fmt.Stringer:
		return p.String()
	case *string:
		return *p
	case []byte:
		return fmt.Sprintf("%x", p)
	}
	return fmt.Sprint(v)
}

func merge[K, V any](a, b port[K, V], o []Option) port[K, V] {
	if a.b != b.b {
		a.b.mistake("Merge", "the streams are of two builders", "merge streams of one topology")
		return a
	}
	s := a.b.settings("Merge", o, "Named")
	n := &plan.Node{Name: a.b.nodeName(s.name, "KSTREAM-MERGE-"), Merge: true}
	both := port[K, V]{b: a.b, n: n, ks: a.ks, vs: a.vs, rekeyed: a.rekeyed || b.rekeyed, sources: merged(a.sources, b.sources)}
	passThrough(n, both)
	a.b.plan.Add(n, a.n, b.n)
	return both
}
