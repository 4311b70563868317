package streams_test

import (
	"fmt"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

var (
	keyedLeft   = streams.NewTopic("left", streams.String, streams.String)
	keyedRight  = streams.NewTopic("right", streams.String, streams.String)
	keyedRows   = streams.NewTopic("rows", streams.String, streams.String)
	keyedGlobal = streams.NewTopic("global", streams.String, streams.String)
	keyedOut    = streams.NewTopic("out", streams.String, streams.String)
)

func withKey(k, l, r string) string { return k + ":" + l + "+" + r }

func withKeyOr(k, l, r string, ok bool) string {
	if !ok {
		r = "-"
	}
	return withKey(k, l, r)
}

func withKeyEither(k string, e streams.Either[string, string]) string {
	return fmt.Sprintf("%s:%s/%s", k, e.Left, e.Right)
}

func firstOf(_, v string) string { return v[:1] }

// Callbacks of joins that see the key get the stream's.
func TestJoinsWithKeys(t *testing.T) {
	window := streams.Within(time.Second).NoGrace()
	for name, c := range map[string]struct {
		join func(b *streams.Builder) *streams.Stream[string, string]
		want string
	}{
		"JoinKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			return keyedLeft.Stream(b).JoinKV("j", keyedRight.Stream(b), window, withKey)
		}, `k | k:a1+b @10`},
		"LeftJoinKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			return keyedLeft.Stream(b).LeftJoinKV("j", keyedRight.Stream(b), window, withKeyOr)
		}, "k | k:a1+b @10\nz | z:c9+- @20"},
		"OuterJoinKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			return keyedLeft.Stream(b).OuterJoinKV("j", keyedRight.Stream(b), window, withKeyEither)
		}, "k | k:a1/b @10\nz | z:c9/ @20"},
		"JoinTableKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			keyedRight.Stream(b)
			return keyedLeft.Stream(b).JoinTableKV(keyedRows.Table(b, "rows"), withKey)
		}, `k | k:a1+row @0`},
		"LeftJoinTableKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			keyedRight.Stream(b)
			return keyedLeft.Stream(b).LeftJoinTableKV(keyedRows.Table(b, "rows"), withKeyOr)
		}, "k | k:a1+row @0\nz | z:c9+- @20\nq | q:d+- @5000"},
		"JoinGlobalKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			keyedRight.Stream(b)
			return keyedLeft.Stream(b).JoinGlobalKV(keyedGlobal.GlobalTable(b, "all"), firstOf, withKey)
		}, `k | k:a1+everywhere @0`},
		"LeftJoinGlobalKV": {func(b *streams.Builder) *streams.Stream[string, string] {
			keyedRight.Stream(b)
			return keyedLeft.Stream(b).LeftJoinGlobalKV(keyedGlobal.GlobalTable(b, "all"), firstOf, withKeyOr)
		}, "k | k:a1+everywhere @0\nz | z:c9+- @20\nq | q:d+- @5000"},
	} {
		t.Run(name, func(t *testing.T) {
			d := streamstest.New(t, func(b *streams.Builder) { c.join(b).To(keyedOut) })
			for _, topic := range []streams.Topic[string, string]{keyedRows, keyedGlobal} {
				switch {
				case topic.Name == "rows" && (name == "JoinTableKV" || name == "LeftJoinTableKV"):
					d.In(topic).Send("k", "row", 0)
				case topic.Name == "global" && (name == "JoinGlobalKV" || name == "LeftJoinGlobalKV"):
					d.In(topic).Send("a", "everywhere", 0)
				}
			}
			d.In(keyedLeft).Send("k", "a1", 0)
			d.In(keyedRight).Send("k", "b", 10)
			d.In(keyedLeft).Send("z", "c9", 20)
			d.In(keyedLeft).Send("q", "d", 5000)
			d.Out(keyedOut).Want(t, c.want)
		})
	}
}
