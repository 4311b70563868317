package oracle

import (
	"fmt"
	"iter"
	"strings"

	"leat.dev/streams"
)

type (
	rec  = streams.Record[S, S]
	pctx = streams.Context[S, S]
	kv   = streams.KV[S, S]
)

// onlyKeyed runs a step for each record with a key; what it says goes out as the record's value.
func onlyKeyed[T any](p *P, name, topic string, def streams.StoreDef[T], f func(st T, r rec, say func(...any)) error) *streams.Stream[S, S] {
	return p.stream(topic).Process(name, text, func(c *pctx) func(rec) error {
		st := def.In(c)
		return func(r rec) error {
			if r.Key == nil {
				return nil
			}
			return f(st, r, func(what ...any) { c.Forward(said(r, what...)) })
		}
	}, def)
}

func said(r rec, what ...any) rec {
	var words []string
	for _, w := range what {
		if v, ok := w.(S); ok {
			w = s(v)
		}
		words = append(words, fmt.Sprint(w))
	}
	r.Value, r.NullValue = str(strings.Join(words, ",")), false
	return r
}

func kvStore(p *P, name string) streams.StoreDef[kv] {
	return streams.KeyValueStore(name, text, text, cached(p)...).Add(p.b)
}

func init() {
	first := len(Programs)
	add("p-dedup", onA, func(p *P) {
		p.out(onlyKeyed(p, "p", "a", kvStore(p, "st"), func(st kv, r rec, say func(...any)) error {
			old, had, err := st.PutIfAbsent(r.Key, r.Value)
			switch {
			case err != nil:
			case r.Value == nil:
				err = st.Delete(r.Key)
				say("del", unless(!had, old))
			case !had:
				say("new", r.Value)
			case num(r.Value) == 5:
				err = st.Put(r.Key, r.Value)
			}
			return err
		}))
	})
	add("p-scan", onA, func(p *P) {
		p.out(onlyKeyed(p, "p", "a", kvStore(p, "st"), func(st kv, r rec, say func(...any)) error {
			if err := st.Put(str(*r.Key+s(letter(r.Value))), r.Value); err != nil {
				return err
			}
			v, ok, err := st.Get(str(*r.Key + "a"))
			say("get", unless(!ok, v))
			say("all", seqText(st.All()))
			say("range", seqText(st.Range(str("k1b"), str("k2c"))))
			say("prefix", seqText(st.Prefix([]byte(*r.Key))))
			return err
		}))
	})
	add("p-timestamped", onA, func(p *P) {
		def := streams.TimestampedStore("st", text, text, cached(p)...).Add(p.b)
		p.out(onlyKeyed(p, "p", "a", def, func(st streams.KV[S, streams.Stamped[S]], r rec, say func(...any)) error {
			old, ok, err := st.Get(r.Key)
			was := unless(!ok, str(stamped(old)))
			if err != nil {
				return err
			}
			if ok && old.Time > r.Time {
				say("late", was)
				return nil
			}
			if r.Value == nil {
				err = st.Delete(r.Key)
			} else {
				err = st.Put(r.Key, streams.Stamped[S]{Value: r.Value, Time: r.Time})
			}
			say("put", was)
			return err
		}))
	})
	timers("p-stream", streams.StreamTime, 0)
	timers("p-wall", streams.WallClock, wallStart)
	add("p-children", onA, func(p *P) {
		t := p.stream("a").Process("p", text, func(c *pctx) func(rec) error {
			return func(r rec) error {
				switch {
				case even(r.Value):
					c.ForwardTo("even", r)
				case num(r.Value) == 1:
					c.Forward(r)
				default:
					r.Value = addTo(r.Value, "o")
					c.ForwardTo("odd", r)
				}
				return nil
			}
		})
		t.MapValues(func(v S) S { return addTo(v, "e") }, streams.Named("even")).To(topic("out-even"))
		t.MapValues(func(v S) S { return str(s(v)) }, streams.Named("odd")).To(topic("out-odd"))
	})
	add("p-then-count", onA, func(p *P) {
		p.outN(see(p, "agg", p.stream("a").Process("p", text, func(c *pctx) func(rec) error {
			return func(r rec) error {
				r.Key = letter(r.Value)
				r.NullKey = r.Key == nil
				c.Forward(r)
				return nil
			}
		}).GroupByKey().Count("agg", p.store()...)))
	})
	add("p-global", onAG, func(p *P) {
		def := streams.GlobalStore(p.b, streams.KeyValueStore("gs", text, text), topic("g"), func(st kv, r rec) error {
			if r.Key == nil {
				return nil
			}
			return st.Put(r.Key, unless(r.Value == nil, addTo(r.Value, "g")))
		})
		p.out(p.stream("a").Process("p", text, func(c *pctx) func(rec) error {
			st := def.In(c)
			return func(r rec) error {
				k := letter(r.Value)
				if k == nil {
					c.Forward(said(r, k, k))
					return nil
				}
				v, ok, err := st.Get(k)
				c.Forward(said(r, k, unless(!ok, v)))
				return err
			}
		}))
	}).Letters = []string{"g"}
	add("p-shared", onAB, func(p *P) {
		def := kvStore(p, "st")
		onlyKeyed(p, "w", "b", def, func(st kv, r rec, _ func(...any)) error { return st.Put(r.Key, r.Value) })
		p.out(p.stream("a").Process("p", text, func(c *pctx) func(rec) error {
			st := def.In(c)
			return func(r rec) error {
				var v S
				var err error
				if r.Key != nil {
					v, _, err = st.Get(r.Key)
				}
				c.Forward(said(r, r.Value, v))
				return err
			}
		}, def))
	})
	add("p-values", onA, func(p *P) {
		def := kvStore(p, "st")
		p.out(p.stream("a").ProcessValues("p", func(c *pctx) func(rec) error {
			st := def.In(c)
			return func(r rec) error {
				k := str(s(r.Key))
				old, _, err := st.Get(k)
				if err != nil {
					return err
				}
				r.Value, r.NullValue = fold(old, r.Value), false
				if err := st.Put(k, r.Value); err != nil {
					return err
				}
				c.Forward(r)
				r.Time++
				c.Forward(r)
				return nil
			}
		}, def))
	})
	for _, p := range Programs[first:] {
		p.Memory = p.Name != "p-scan" // Java's memory store begins its iterators otherwise
	}
	windowStores()
}

func stamped(v streams.Stamped[S]) string { return fmt.Sprintf("%s@%d", s(v.Value), v.Time) }

func seqText(all iter.Seq2[S, S]) string {
	var t strings.Builder
	for k, v := range all {
		t.WriteString(s(k) + "=" + s(v) + ";")
	}
	return t.String()
}

func windowStores() {
	add("p-versioned", onA, func(p *P) {
		def := streams.VersionedStore("st", text, text, ms(100)).Add(p.b)
		p.out(onlyKeyed(p, "p", "a", def, func(st streams.VersionedKV[S, S], r rec, say func(...any)) error {
			var err error
			if num(r.Value) == 6 {
				err = st.Delete(r.Key, r.Time)
			} else {
				err = st.Put(r.Key, r.Value, r.Time)
			}
			if err != nil {
				return err
			}
			what := []any{"get"}
			at := func(v streams.Stamped[S], ok bool, err error) {
				if err != nil {
					v.Value, ok = str(err.Error()), true
				}
				what = append(what, unless(!ok, str(stamped(v))))
			}
			at(st.Get(r.Key))
			for _, d := range []streams.Time{0, -10, -60, -110, 30} {
				at(st.GetAsOf(r.Key, r.Time+d))
			}
			say(what...)
			return nil
		}))
	})
	add("p-window", onA, func(p *P) {
		def := streams.WindowStore("st", text, text, ms(10), ms(60_000), cached(p)...).Add(p.b)
		p.out(onlyKeyed(p, "p", "a", def, func(st streams.WindowKV[S, S], r rec, say func(...any)) error {
			start := r.Time / 10 * 10
			if err := st.Put(r.Key, r.Value, start); err != nil {
				return err
			}
			v, ok, err := st.Fetch(r.Key, start)
			if err != nil {
				return err
			}
			say("at", unless(!ok, v))
			var t strings.Builder
			for at, v := range st.Range(r.Key, max(0, start-20), start+20) {
				fmt.Fprintf(&t, "%d=%s;", at, s(v))
			}
			say("range", t.String())
			t.Reset()
			for w, v := range st.All(max(0, start-30), start+30) {
				fmt.Fprintf(&t, "%s@%d=%s;", s(w.Key), w.Start, s(v))
			}
			say("all", t.String())
			return nil
		}))
	})
	add("p-session", onA, func(p *P) {
		def := streams.SessionStore("st", text, text, ms(60_000), cached(p)...).Add(p.b)
		p.out(onlyKeyed(p, "p", "a", def, func(st streams.SessionKV[S, S], r rec, say func(...any)) error {
			w := streams.Windowed[S]{Key: r.Key, Start: r.Time, End: r.Time + streams.Time(num(r.Value))}
			var err error
			if r.Value == nil {
				err = st.Remove(w)
			} else {
				err = st.Put(w, r.Value)
			}
			if err != nil {
				return err
			}
			var t strings.Builder
			for w, v := range st.Find(r.Key, r.Time-10, r.Time+10) {
				fmt.Fprintf(&t, "%d/%d=%s;", w.Start, w.End, s(v))
			}
			say("find", t.String())
			return nil
		}))
	})
}

// timers hold what comes and send it all when the clock says so.
func timers(name string, clock streams.Clock, start int64) {
	first := len(Programs)
	add(name, onA, func(p *P) {
		p.out(timed(p, func(c *pctx, f func(streams.Time) error) { c.Every(ms(20), clock, f) }))
	})
	add(name+"-anchored", onA, func(p *P) {
		p.out(timed(p, func(c *pctx, f func(streams.Time) error) { c.EveryFrom(streams.Time(start+7), ms(20), clock, f) }))
	})
	add(name+"-past", onA, func(p *P) {
		p.out(timed(p, func(c *pctx, f func(streams.Time) error) {
			c.EveryFrom(streams.Time(max(0, start-33)), ms(20), clock, f)
		}))
	})
	add(name+"-two", onA, func(p *P) {
		p.out(timed(p, func(c *pctx, f func(streams.Time) error) {
			c.Every(ms(15), clock, f)
			c.Every(ms(10), clock, func(now streams.Time) error { return f(-now) })
		}))
	})
	add(name+"-once", onA, func(p *P) {
		p.out(timed(p, func(c *pctx, f func(streams.Time) error) {
			var cancel func()
			cancel = c.Every(ms(10), clock, func(now streams.Time) error {
				defer func() { cancel() }()
				return f(now)
			})
		}))
	})
	add(name+"-count", onA, func(p *P) {
		p.outN(see(p, "agg", timed(p, func(c *pctx, f func(streams.Time) error) { c.Every(ms(20), clock, f) }).
			GroupByKey().Count("agg", p.store()...)))
	})
	for _, p := range Programs[first:] {
		p.Clock, p.NoNullValue = true, true
	}
}

func timed(p *P, schedule func(c *pctx, f func(now streams.Time) error)) *streams.Stream[S, S] {
	def := kvStore(p, "st")
	return p.stream("a").Process("p", text, func(c *pctx) func(rec) error {
		st := def.In(c)
		schedule(c, func(now streams.Time) error {
			at := max(now, -now)
			for k, v := range st.All() {
				c.Forward(rec{Key: k, Value: str(fmt.Sprintf("%s@%d/%d", s(v), now, c.StreamTime())), Time: at})
				if even(v) {
					if err := st.Delete(k); err != nil {
						return err
					}
				}
			}
			c.Forward(rec{Key: str("tick"), Value: str(fmt.Sprintf("%d/%d", now, c.Now())), Time: at})
			return st.Err()
		})
		return func(r rec) error { return st.Put(str(s(r.Key)), r.Value) }
	}, def)
}
