package streamsapp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// TestRefusedRecord: a result that the broker does not take is skipped, and everything else is there once.
func TestRefusedRecord(t *testing.T) {
	for name, o := range map[string][]streams.AppOption{"at least once": nil, "exactly once": {streams.ExactlyOnce()}} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, c *cluster) {
				c.create(1, "lines", "dead")
				if _, err := c.admin.CreateTopics(t.Context(), 1, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("2000")}, "counts"); err != nil {
					t.Fatal(err)
				}
				results := streams.NewTopic("counts", streams.String, streams.String)
				skipped := make(chan streams.Failure, 100)
				r := c.run("refused", func(b *streams.Builder) {
					lines.Stream(b).MapValues(func(v string) string { return v }).To(results)
				}, append(o, streams.DeadLetters("dead"), streams.OnProduceError(func(f streams.Failure) streams.Decision {
					skipped <- f
					return streams.Skip
				}))...)
				big := "x=" + strings.Repeat("0123456789", 100_000/10)
				c.send("lines", "a=1", "b=2")
				c.read("counts", reaches(map[string]string{"a": "1", "b": "2"}))
				at := time.UnixMilli(77)
				large := &kgo.Record{Topic: "lines", Key: []byte("x"), Value: []byte(big[2:]), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("h")}}}
				if err := c.client.ProduceSync(t.Context(), large).FirstErr(); err != nil {
					t.Fatal(err)
				}
				c.send("lines", "c=3")
				got := c.read("counts", reaches(map[string]string{"a": "1", "b": "2", "c": "3"}))
				if len(got) != 3 {
					t.Errorf("results:\n%s", show(got))
				}
				if f := <-skipped; f.Node == "" || f.Topic != "lines" || f.Offset != 2 || !strings.Contains(f.Err.Error(), "counts-0: MESSAGE_TOO_LARGE") {
					t.Errorf("the handler was asked about offset %d of %s in %s: %v", f.Offset, f.Topic, f.Node, f.Err)
				}
				want := fmt.Sprintf(`x=LARGE @77 own=h exception=*kerr.Error message=writing to counts-0: %s stacktrace= topic=lines partition=0 offset=2`, kerr.MessageTooLarge)
				short := strings.NewReplacer(string(large.Value), "LARGE", " (uncompressed_bytes=100005)", "")
				if got := short.Replace(letterText(c.read("dead", total(1))[0])); got != want {
					t.Errorf("the dead letter is\n%s\nand not\n%s", got, want)
				}
				// The topic takes less than before: batches are made smaller, and nothing is skipped.
				lower := []kadm.AlterConfig{{Name: "max.message.bytes", Value: kadm.StringPtr("1000")}}
				if _, err := c.admin.AlterTopicConfigs(t.Context(), lower, "counts"); err != nil {
					t.Fatal(err)
				}
				var more []string
				last := map[string]string{}
				for i := range 20 {
					key, value := fmt.Sprint("more", i), strings.Repeat("v", 400+i)
					more, last[key] = append(more, key+"="+value), value
				}
				c.send("lines", more...)
				c.read("counts", reaches(last))
				r.close()
				close(skipped)
				for f := range skipped { // a task that goes back asks about the first one again
					if f.Offset != 2 {
						t.Errorf("the handler was asked about offset %d: %v", f.Offset, f.Err)
					}
				}
			})
		})
	}
}

// TestOnlyRefusedRecords: offsets of records whose results were all refused are committed, though the transaction holds nothing.
func TestOnlyRefusedRecords(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(1, "lines")
		if _, err := c.admin.CreateTopics(t.Context(), 1, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("2000")}, "counts"); err != nil {
			t.Fatal(err)
		}
		r := c.run("none", func(b *streams.Builder) {
			lines.Stream(b).To(streams.NewTopic("counts", streams.String, streams.String))
		}, streams.ExactlyOnce(), streams.OnProduceError(func(streams.Failure) streams.Decision { return streams.Skip }))
		c.send("lines", "x="+strings.Repeat("0123456789", 10_000))
		c.eventually(func() error {
			committed, err := c.admin.FetchOffsets(t.Context(), "none")
			if o, ok := committed.Lookup("lines", 0); err == nil && (!ok || o.At != 1) {
				err = fmt.Errorf("committed: %v", committed)
			}
			return err
		})
		c.send("lines", "a=1")
		c.read("counts", reaches(map[string]string{"a": "1"}))
		r.close()
	})
}

// letterText writes a dead letter with its headers.
func letterText(r *kgo.Record) string {
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return string(b)
	}
	s := fmt.Sprintf("%s=%s @%d", text(r.Key), text(r.Value), r.Timestamp.UnixMilli())
	for _, h := range r.Headers {
		s += " " + strings.TrimPrefix(h.Key, "__streams.errors.") + "=" + text(h.Value)
	}
	return s
}

// TestRefusedRecordStops: without a handler a refused result stops the app, and its source record is kept.
func TestRefusedRecordStops(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(1, "lines", "dead")
		if _, err := c.admin.CreateTopics(t.Context(), 1, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("2000")}, "counts"); err != nil {
			t.Fatal(err)
		}
		r := c.run("stops", func(b *streams.Builder) {
			lines.Stream(b).MapValues(func(v string) string { return strings.Repeat(v, 3000) }).To(streams.NewTopic("counts", streams.String, streams.String))
		}, streams.DeadLetters("dead"))
		c.send("lines", "k=v")
		if err := r.end(); err == nil || !strings.Contains(err.Error(), "counts-0") {
			t.Fatal(err)
		}
		if got := letterText(c.read("dead", total(1))[0]); !strings.HasPrefix(got, "k=v @0 ") || !strings.HasSuffix(got, "topic=lines partition=0 offset=0") {
			t.Error(got)
		}
	})
}

// TestRefusedChangeStops: a change of a store that the broker does not take stops the app, and no handler can pass it over: not the
// callback that writes to the store, and not the decision on that callback's error.
func TestRefusedChangeStops(t *testing.T) {
	rows := streams.KeyValueStore("rows", streams.String, streams.String, streams.ChangelogConfig(map[string]string{"max.message.bytes": "2000"}))
	skip := func(streams.Failure) streams.Decision { return streams.Skip }
	for name, swallow := range map[string]bool{"handler": false, "callback": true} {
		keep := func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
			store := rows.In(c)
			return func(r streams.Record[string, string]) error {
				if err := store.Put(r.Key, r.Value); err != nil && !swallow {
					return err
				}
				c.Forward(r)
				return nil
			}
		}
		for guarantee, o := range map[string][]streams.AppOption{"at least once": nil, "exactly once": {streams.ExactlyOnce()}} {
			t.Run(name+" "+guarantee, func(t *testing.T) {
				onEach(t, func(t *testing.T, c *cluster) {
					c.create(1, "lines", "counts")
					r := c.run("rows", func(b *streams.Builder) {
						lines.Stream(b).ProcessValues("keep", keep, rows).To(streams.NewTopic("counts", streams.String, streams.String))
					}, append(o, streams.OnProcessingError(skip), streams.OnProduceError(skip))...)
					c.send("lines", "a=1")
					c.read("counts", reaches(map[string]string{"a": "1"}))
					c.send("lines", "x="+strings.Repeat("0123456789", 10_000), "b=2", "c=3")
					err := r.end()
					if err == nil || !strings.Contains(err.Error(), "a change of store rows to rows-rows-changelog-0") || !strings.Contains(err.Error(), "raise max.message.bytes") {
						t.Fatal(err)
					}
				})
			})
		}
	}
}
