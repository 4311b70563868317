package streams_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
)

var rewriteMistakes = flag.Bool("rewrite-mistakes", false, "write the texts of testdata/mistakes and testdata/compile anew")

type account struct{ Balance int64 }

var accounts = streams.NewTopic("accounts", streams.String, streams.JSON[account]())

// mistaken are topologies that New refuses. What it says stands in testdata/mistakes.
var mistaken = map[string]func(b drawn){
	"serde-of-value": func(b drawn) {
		b.in("in").MapValues(func(v str) account { return account{int64(len(v))} }).GroupByKey().
			Reduce("last", func(_, v account) account { return v })
	},
	"serde-of-key": func(b drawn) {
		b.in("in").Map(nil, func(_, v str) (account, str) { return account{}, v }).Repartition("by-account")
	},
	"serde-of-topic": func(b drawn) { streams.NewTopic[str, account]("in", streams.String, nil).Stream(b.Builder) },
	"store-without-definition": func(b drawn) {
		b.in("in").Process("work", streams.String, step, streams.StoreDef[streams.KV[str, str]]{})
	},
	"store-of-two-definitions": func(b drawn) {
		b.in("a").Process("one", streams.String, step, store("seen"))
		b.in("b").Process("two", streams.String, step, store("seen"))
	},
	"store-of-two-operators": func(b drawn) {
		b.counts("a", "counts")
		b.counts("b", "counts")
	},
	"node-of-one-name": func(b drawn) {
		b.in("in").Filter(always, streams.Named("good")).Filter(always, streams.Named("good"))
	},
	"name-with-a-slash":       func(b drawn) { b.in("in").Filter(always, streams.Named("a/b")) },
	"name-that-is-too-long":   func(b drawn) { b.in("in").Repartition(strings.Repeat("x", 250)) },
	"no-name-of-an-aggregate": func(b drawn) { b.counts("in", "") },
	"no-name-of-a-join":       func(b drawn) { b.in("a").Join("", b.in("b"), joinWindow, both) },
	"no-name-of-a-repartition": func(b drawn) {
		rekey(b.in("in")).JoinTable(b.table("t", "users"), both)
	},
	"no-name-of-a-table":     func(b drawn) { b.in("in").JoinTable(b.table("t", ""), both, streams.Named("enrich")) },
	"no-name-of-a-processor": func(b drawn) { b.in("in").Process("", streams.String, step) },
	"no-name-of-a-buffer":    func(b drawn) { b.table("t", "users").Suppress(aMinute, streams.Unbounded()) },
	"no-name-of-a-foreign-join": func(b drawn) {
		b.table("l", "left").JoinBy("", b.table("r", "right"), refers, both)
	},
	"option-that-does-not-fit": func(b drawn) { b.in("in").Filter(always, streams.Versioned(time.Hour)) },
	"option-given-twice": func(b drawn) {
		b.in("in").Filter(always, streams.Named("a"), streams.Named("b"))
	},
	"option-that-is-empty":   func(b drawn) { b.in("in").Filter(always, streams.Option{}) },
	"option-without-a-store": func(b drawn) { b.table("t", "users").Filter(always, streams.InMemory()) },
	"option-of-another-type": func(b drawn) {
		b.in("in").To(on("out"), streams.PartitionBy(func(k, v account, n int) int { return 0 }))
	},
	"grace-without-history": func(b drawn) {
		b.in("in").JoinTable(b.table("t", "users"), both, streams.Named("enrich"), streams.TableGrace(aMinute))
	},
	"grace-of-more-than-the-history": func(b drawn) {
		t := b.table("t", "users", streams.Versioned(time.Second))
		b.in("in").JoinTable(t, both, streams.Named("enrich"), streams.TableGrace(aMinute))
	},
	"grace-below-zero": func(b drawn) {
		b.in("a").Join("pair", b.in("b"), streams.Within(aMinute).Grace(-1), both)
	},
	"window-that-ends-first": func(b drawn) {
		b.in("a").Join("pair", b.in("b"), streams.Between(aMinute, -2*aMinute).NoGrace(), both)
	},
	"suppressed-history": func(b drawn) {
		b.table("t", "users", streams.Versioned(time.Hour)).MapValues(same).Suppress(aMinute, streams.Unbounded(), streams.Named("calm"))
	},
	"final-results-early": func(b drawn) {
		b.in("in").GroupByKey().Windowed(timeWindow).Count("counts").SuppressUntilClose(streams.MaxRecords(5).EmitEarly(), streams.Named("final"))
	},
	"table-read-twice": func(b drawn) {
		b.table("t", "one")
		b.table("t", "two")
	},
	"stream-and-table-of-a-topic": func(b drawn) {
		b.in("t")
		b.table("t", "users")
	},
	"topics-that-overlap": func(b drawn) {
		streams.FromTopics(b.Builder, on(""), []string{"x", "y"})
		b.in("x")
	},
	"pattern-that-is-none": func(b drawn) { streams.FromPattern(b.Builder, on(""), "in-(") },
	"no-topics":            func(b drawn) { streams.FromTopics(b.Builder, on(""), nil) },
	"split-goes-on-after-the-rest": func(b drawn) {
		s := b.in("in").Split("by-size-")
		s.Default("rest")
		s.Branch("large", always)
	},
	"async-with-none": func(b drawn) {
		b.in("in").MapAsync(0, func(context.Context, str) (str, error) { return "", nil })
	},
	"several": func(b drawn) {
		b.in("in").Filter(always, streams.Named("a/b")).GroupByKey().Count("")
		accounts.Stream(b.Builder).JoinTable(b.typed("t"), func(a account, _ str) account { return a }, streams.TableGrace(aMinute))
	},
}

func (b drawn) typed(topic string) table { return b.table(topic, topic+"-store") }

// TestMistakes wants every mistake to name its operator and what to do.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, build := range mistaken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := streams.New("app", func(b *streams.Builder) { build(drawn{b}) })
			if err == nil {
				t.Fatal("no mistake was found")
			}
			wantText(t, filepath.Join("testdata", "mistakes", name+".txt"), strings.ReplaceAll(err.Error(), strings.Repeat("x", 250), "x...x")+"\n")
		})
	}
}

func wantText(t *testing.T, file, got string) {
	t.Helper()
	if *rewriteMistakes {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(got), 0o600)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it says\n%sand not\n%s", got, want)
	}
}
