package oracle

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// probe stands in for a test's testing.TB, so that a failure is part of the answer.
type probe struct {
	testing.TB
	failure string
	clean   []func()
}

// probeFailed is what a fatal failure of the probe panics with.
type probeFailed struct{}

func (p *probe) Helper()          {}
func (p *probe) Cleanup(f func()) { p.clean = append(p.clean, f) }
func (p *probe) Error(a ...any)   { p.fail(fmt.Sprint(a...)) }
func (p *probe) Fatal(a ...any)   { p.fail(fmt.Sprint(a...)); panic(probeFailed{}) }
func (p *probe) Errorf(f string, a ...any) {
	p.fail(fmt.Sprintf(f, a...))
}

func (p *probe) Fatalf(f string, a ...any) {
	p.fail(fmt.Sprintf(f, a...))
	panic(probeFailed{})
}

func (p *probe) fail(s string) {
	if p.failure == "" {
		p.failure = s
	}
}

// try runs f and gives what failed in it, a panic too.
func (p *probe) try(f func()) (failed string) {
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(probeFailed); !ok {
				p.fail(fmt.Sprintf("panic: %v", e))
			}
		}
		failed = p.failure
	}()
	f()
	return p.failure
}

// runner is one case on streamstest.
type runner struct {
	Case
	p    *P
	tb   *probe
	d    *driver
	seen int // of the driver's records
}

func newRunner(c Case) *runner {
	p := &P{cache: "on", versions: map[string]bool{"st": c.Program == "p-versioned"}}
	for _, name := range []string{"off", "zero"} {
		if c.Has("cache=" + name) {
			p.cache = name
		}
	}
	return &runner{Case: c, p: p, tb: &probe{}}
}

// Run runs a case on streamstest.
func Run(c Case, o ...streams.AppOption) Answer {
	a := Answer{Failed: noFailure}
	r := newRunner(c)
	fail := func(step int, reason string) Answer {
		a.Failed, a.Reason = step, reason
		a.settle()
		return a
	}
	defer func() {
		for _, f := range slices.Backward(r.tb.clean) {
			r.tb.try(f)
		}
	}()
	if err := r.start(o...); err != nil {
		return fail(-1, err.Error())
	}
	a.Out = append(a.Out, r.collect(-1)...)
	for i, s := range c.Steps {
		failed := r.tb.try(func() {
			if err := r.d.Try(func() { r.step(s) }); err != nil {
				r.tb.fail(err.Error())
			}
		})
		if failed != "" {
			return fail(i, failed)
		}
		a.Out = append(a.Out, r.collect(i)...)
	}
	failed := r.tb.try(func() {
		a.Kept, a.Rows = r.rows()
		a.Drops = int64(r.d.Dropped())
	})
	if failed != "" {
		return fail(len(c.Steps), failed)
	}
	a.settle()
	return a
}

func (r *runner) start(o ...streams.AppOption) (err error) {
	program := Find(r.Program)
	if program == nil {
		return fmt.Errorf("there is no program %s", r.Program)
	}
	o = append(o, streams.GeneratedNames(), streamstest.StartingAt(wallStart))
	if r.p.cache == "zero" {
		o = append(o, streams.CacheBytes(0))
	}
	if r.Has("optimize") {
		o = append(o, streams.Optimize())
	}
	failed := r.tb.try(func() {
		r.d, err = streamstest.TryNew(r.tb, func(b *streams.Builder) {
			r.p.b = b
			program.Build(r.p)
		}, o...)
	})
	if err == nil && failed != "" {
		err = errors.New(failed)
	}
	return err
}

func (r *runner) step(s Step) {
	if s.Topic == "" {
		r.d.AdvanceWallClock(ms(s.Clock))
		return
	}
	rec := streamstest.Record{Topic: s.Topic, Key: s.Key, Value: s.Value, Time: streams.Time(s.Time)}
	for _, h := range s.Headers {
		rec.Headers = append(rec.Headers, streams.Header{Key: h.Key, Value: h.Value})
	}
	r.d.Pipe(rec)
}

// collect reads what was written since the last step.
func (r *runner) collect(step int) (all []Output) {
	records := r.d.Records()
	for _, rec := range records[r.seen:] {
		if strings.HasPrefix(rec.Topic, "app-") && !r.Has("internal") {
			continue
		}
		time := "null"
		if rec.Time >= 0 {
			time = strconv.FormatInt(int64(rec.Time), 10)
		}
		text := encode(rec.Key) + " " + encode(rec.Value) + " " + time
		for _, h := range rec.Headers {
			text += " " + h.Key + "=" + encode(h.Value)
		}
		all = append(all, Output{step, rec.Topic, text})
	}
	r.seen = len(records)
	return all
}

// rows are what all stores hold; of versioned ones the latest.
func (r *runner) rows() (kept []string, all []Row) {
	for _, store := range slices.Sorted(maps.Keys(r.stores())) {
		latest := map[string]int64{}
		var rows []Row
		text, ok := r.storeText(store)
		if !ok {
			continue
		}
		for line := range strings.Lines(text) {
			key, rest, _ := strings.Cut(strings.TrimSpace(line), " | ")
			value, at, timed := strings.Cut(rest, " @")
			if !timed {
				at = "-1"
			}
			row := Row{store, encode(unquoted(key)) + " " + encode(unquoted(value)) + " " + at}
			if time, _ := strconv.ParseInt(at, 10, 64); r.p.versions[store] {
				if last, ok := latest[key]; ok && last >= time {
					continue
				}
				latest[key] = time
				rows = slices.DeleteFunc(rows, func(other Row) bool { return strings.HasPrefix(other.Text, encode(unquoted(key))+" ") })
				if value == "null" {
					continue
				}
			}
			rows = append(rows, row)
		}
		kept, all = append(kept, store), append(all, rows...)
	}
	return kept, all
}

// unquoted is text as the driver shows it: quoted where it would be mistaken.
func unquoted(text string) []byte {
	if strings.HasPrefix(text, `"`) {
		if plain, err := strconv.Unquote(text); err == nil {
			return []byte(plain)
		}
	}
	return []byte(text)
}

func (r *runner) stores() map[string]bool {
	all := map[string]bool{"gs": true} // of programs with global tables; the driver's tasks list their own
	for _, task := range r.d.Tasks() {
		for _, s := range task.Stores {
			all[s] = true
		}
	}
	return all
}

// storeText is what a store holds; some cannot list it, which fails the probe.
func (r *runner) storeText(store string) (text string, ok bool) {
	failed := r.tb.try(func() { text = r.d.StoreText(store) })
	r.tb.failure = ""
	return text, failed == ""
}

// Describe is our drawing of a case's topology.
func Describe(c Case) (string, error) {
	r := newRunner(c)
	defer func() {
		for _, f := range slices.Backward(r.tb.clean) {
			r.tb.try(f)
		}
	}()
	if err := r.start(); err != nil {
		return "", err
	}
	return r.d.Describe(), nil
}
