package streams_test

import (
	"testing"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// A table whose values a processor makes is kept in a store, processed once for each change, and joined from there.
func TestProcessValuesInto(t *testing.T) {
	calls := 0
	text := streams.Optional(streams.String)
	in := streams.NewTopic("in", streams.String, text)
	other := streams.NewTopic("other", streams.String, text)
	out := streams.NewTopic("out", streams.String, text)
	seen := streams.KeyValueStore("seen", streams.String, streams.Int64)
	d := streamstest.New(t, func(b *streams.Builder) {
		open := func(ctx *streams.Context[string, *string]) func(string, *string) (*string, error) {
			kept := seen.In(ctx)
			return func(k string, v *string) (*string, error) {
				calls++
				n, _, err := kept.Get(k)
				if err != nil || v == nil {
					return nil, err
				}
				made := *v + "!"
				return &made, kept.Put(k, n+1)
			}
		}
		table := in.Table(b, "rows").ProcessValuesInto("shout", "shouts", text, open, seen)
		other.Stream(b).JoinTable(table, func(v, row *string) *string { both := *v + *row; return &both }).To(out)
		table.ToStream().To(out)
	})
	value := func(s string) *string { return &s }
	d.In(in).Send("a", value("x"), 1)
	d.In(other).Send("a", value("y"), 2)
	d.In(other).Send("a", value("z"), 3)
	d.In(in).Delete("a", 4)
	d.In(other).Send("a", value("w"), 5)
	d.Out(out).Want(t, `
		a | x! @1
		a | yx! @2
		a | zx! @3
		a | null @4`)
	if calls != 2 {
		t.Errorf("the processor was called %d times for 2 changes", calls)
	}
	d.WantStore("seen", "a | 1")
}
