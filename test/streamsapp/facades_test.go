package streamsapp

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// names is a global table beside the numbers.
var names = streams.TimestampedStore("names", streams.String, streams.String)

func numbersAndNames(b *streams.Builder) {
	keepNumbers(b)
	streams.NewTopic("name-changes", streams.String, streams.String).GlobalTable(b, "names")
}

// TestFacades asks in the process, against a model: more keys than a loop copies at a time, in four partitions.
func TestFacades(t *testing.T) {
	c := start(t, "leat")
	c.create(4, "numbers")
	c.create(2, "name-changes")
	model := map[string]int64{}
	var records []*kgo.Record
	put := func(k string, v, at int64) {
		model[k] = v
		records = append(records, &kgo.Record{Topic: "numbers", Key: []byte(k), Value: fmt.Append(nil, v), Timestamp: time.UnixMilli(at)})
	}
	for i := range int64(6000) {
		put(fmt.Sprintf("k%04d", i), i, i)
	}
	for _, at := range []int64{7000, 7010, 7025} {
		put("deep", at, at)
	}
	r := c.run("facades", numbersAndNames, streams.Workers(2))
	if err := c.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.send("name-changes", "a=Ada", "b=Bob")
	r.await(streams.Running)
	var sent streams.Position
	for _, rec := range records {
		sent = sent.At("numbers", rec.Partition, rec.Offset)
	}
	var how streams.Answer
	all := slices.Sorted(maps.Keys(model))

	kv, err := r.app.Query(plain, streams.AtLeast(sent, patience), streams.Into(&how))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"k0000", "k2345", "k5999", "deep"} {
		if v, ok, err := kv.Get(k); !ok || err != nil || v.Value != model[k] || how.Stale || len(how.Position["numbers"]) != 1 {
			t.Fatal(k, v, ok, err, how)
		}
	}
	if _, ok, err := kv.Get("nobody"); ok || err != nil {
		t.Fatal(ok, err)
	}
	rowsOf := func(what string, rows iter.Seq2[string, streams.Stamped[int64]], want []string, descending bool) {
		t.Helper()
		var got []string
		parts := map[string]bool{}
		before := ""
		for k, v := range rows {
			if v.Value != model[k] {
				t.Fatalf("%s: %s is %d, want %d", what, k, v.Value, model[k])
			}
			if turn := before != "" && (k < before) != descending; turn { // the next task's
				parts[k] = true
			}
			before = k
			got = append(got, k)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || kv.Err() != nil || len(parts) > 3 {
			t.Fatalf("%s: %d entries, want %d, of %d tasks, %v", what, len(got), len(want), len(parts)+1, kv.Err())
		}
	}
	from, to := "k1000", "k4999"
	rowsOf("All", kv.All(), all, false)
	rowsOf("ReverseAll", kv.ReverseAll(), all, true)
	rowsOf("Range", kv.Range(from, to), all[1001:5001], false)
	rowsOf("ReverseRange", kv.ReverseRange(from, to), all[1001:5001], true)
	rowsOf("Between from", kv.Between(&from, nil, false), all[1001:], false)
	rowsOf("Between to", kv.Between(nil, &to, true), all[:5001], true)
	rowsOf("Prefix", kv.Prefix([]byte("k00")), all[1:101], false)
	if n, err := kv.Count(); n != int64(len(all)) || err != nil {
		t.Fatal(n, err)
	}
	if len(how.Position["numbers"]) != 4 {
		t.Fatal(how)
	}
	for range kv.All() {
		break
	}
	t.Run("windows", func(t *testing.T) { askWindows(t, r, sent) })
	t.Run("positions", func(t *testing.T) { askPositions(t, r, sent) })
	t.Run("elsewhere", func(t *testing.T) { askElsewhere(t, c, r, all) })
}

func askWindows(t *testing.T, r *running, sent streams.Position) {
	win, err := r.app.Query(windows, streams.AtLeast(sent, patience))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok, err := win.Fetch("deep", 7010); v != 7010 || !ok || err != nil {
		t.Fatal(v, ok, err)
	}
	var starts []streams.Time
	for at := range win.Range("deep", 7000, 7019) {
		starts = append(starts, at)
	}
	for at := range win.ReverseRange("deep", 0, 8000) {
		starts = append(starts, at)
	}
	key := "deep"
	for w := range win.Between(&key, &key, 7001, 7100, false) {
		starts = append(starts, w.Start)
	}
	if !slices.Equal(starts, []streams.Time{7000, 7010, 7020, 7010, 7000, 7010, 7020}) {
		t.Fatal(starts, win.Err())
	}
	n := 0
	for w := range win.All(100, 199) {
		if w.Start < 100 || w.Start > 199 {
			t.Fatal(w)
		}
		n++
	}
	if n != 100 {
		t.Fatal(n)
	}
	ses, err := r.app.Query(sessions)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok, err := ses.Get(streams.Windowed[string]{Key: "deep", Start: 7010, End: 7015}); v != 7010 || !ok || err != nil {
		t.Fatal(v, ok, err)
	}
	starts = starts[:0]
	for w := range ses.Find("deep", 7010, 7020) {
		starts = append(starts, w.Start)
	}
	for w := range ses.ReverseFetch("deep") {
		starts = append(starts, w.Start)
	}
	for w := range ses.Between(&key, nil, 7016, streams.Forever, false) {
		if w.Key == "deep" {
			starts = append(starts, w.Start)
		}
	}
	if !slices.Equal(starts, []streams.Time{7010, 7025, 7010, 7000, 7025}) {
		t.Fatal(starts, ses.Err())
	}
	ver, err := r.app.Query(versions)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok, err := ver.Get("deep"); v.Value != 7025 || !ok || err != nil {
		t.Fatal(v, ok, err)
	}
	if v, ok, err := ver.GetAsOf("deep", 7024); v.Value != 7010 || v.Time != 7010 || !ok || err != nil {
		t.Fatal(v, ok, err)
	}
	var values []int64
	for v := range ver.Versions("deep", 0, 7024) {
		values = append(values, v.Value)
	}
	for v := range ver.OldestFirst("deep", 7010, 9000) {
		values = append(values, v.Value)
	}
	if !slices.Equal(values, []int64{7010, 7000, 7010, 7025}) {
		t.Fatal(values, ver.Err())
	}
}

func askPositions(t *testing.T, r *running, sent streams.Position) {
	next := streams.Position{}.Merge(sent)
	for p := range next["numbers"] {
		next["numbers"][p]++
	}
	kv, err := r.app.Query(plain, streams.AtLeast(next, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := kv.Get("deep"); !errors.Is(err, streams.ErrBehind) || !errors.Is(err, streams.ErrNotHere) {
		t.Fatalf("an answer from before the position: %v", err)
	}
	kv, err = r.app.Query(plain, streams.AtLeast(streams.Position{}.At("lines", 0, 1), 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := kv.Get("deep"); err == nil || !strings.Contains(err.Error(), "not made of topic lines") {
		t.Fatal(err)
	}
	at, err := r.app.Positions(t.Context())
	if err != nil || len(at) != 4 || at["0_1"]["numbers"][1] < sent["numbers"][1] {
		t.Fatal(at, err)
	}
	until(t, "stores without lag", func() bool {
		lags, err := r.app.Lags(t.Context())
		if err != nil || len(lags["plain"]) != 4 || !lags["plain"][2].Active {
			t.Fatal(lags, err)
		}
		return lags["plain"][2].Lag == 0 && lags["plain"][2].End > 0
	})
	var how streams.Answer
	people, err := r.app.Query(names, streams.AtLeast(streams.Position{}.At("name-changes", 0, 0), patience), streams.Into(&how))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "a name", func() bool {
		v, ok, err := people.Get("a")
		if err != nil {
			t.Fatal(err)
		}
		return ok && v.Value == "Ada" && how.Position["name-changes"] != nil
	})
	if n, err := people.Count(); n < 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := r.app.Query(streams.KeyValueStore("none", streams.String, streams.String)); !errors.Is(err, streams.ErrNoStore) {
		t.Fatal(err)
	}
}

// askElsewhere asks one of two instances for all keys: what it does not have is an error, and never an absent entry.
func askElsewhere(t *testing.T, c *cluster, r *running, all []string) {
	other := c.with(t).run("facades", numbersAndNames)
	until(t, "two instances with tasks", func() bool {
		one, err1 := r.app.Positions(t.Context())
		two, err2 := other.app.Positions(t.Context())
		return err1 == nil && err2 == nil && len(one) > 0 && len(two) > 0 && len(one)+len(two) == 4
	})
	a, err1 := r.app.Query(plain)
	b, err2 := other.app.Query(plain)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, k := range append(slices.Clone(all[:200]), "nobody") {
		_, ok1, err1 := a.Get(k)
		_, ok2, err2 := b.Get(k)
		here := 0
		for _, err := range []error{err1, err2} {
			if err == nil {
				here++
			} else if !errors.Is(err, streams.ErrNotHere) {
				t.Fatal(err)
			}
		}
		if here != 1 || k != "nobody" && ok1 == ok2 || k == "nobody" && (ok1 || ok2) {
			t.Fatalf("%s: %t %v, %t %v", k, ok1, err1, ok2, err2)
		}
	}
	n1, err1 := a.Count()
	n2, err2 := b.Count()
	if n1+n2 != int64(len(all)) || err1 != nil || err2 != nil {
		t.Fatal(n1, n2, err1, err2)
	}
	other.close()
}
