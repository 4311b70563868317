package streamsapp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// TestTwinLetters holds the dead letters of records that the cluster refuses to Java's, with one record at a time: Java asks for the
// source record when the refusal arrives, and names another one when it has gone on by then. The first letter is of a
// processing error: Java cannot write one to a topic it has not seen when the refusal arrives.
func TestTwinLetters(t *testing.T) {
	chaosTime(t)
	onEach(t, func(t *testing.T, c *cluster) {
		j := startJava(t)
		letters := map[string]string{}
		for _, id := range []string{"letters-java", "letters-go"} {
			c.create(1, id+"-a", id+"-dead")
			if _, err := c.admin.CreateTopics(t.Context(), 1, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("2000")}, id+"-out"); err != nil {
				t.Fatal(err)
			}
			stop := func() { j.ask(t, id, "close %s", id) }
			if id == "letters-java" {
				j.ask(t, id, "start %s refused %s %s at_least_once %s classic", id, id, c.broker.Addr(), t.TempDir())
			} else {
				skip := func(streams.Failure) streams.Decision { return streams.Skip }
				r := c.run(id, func(b *streams.Builder) {
					twinTopics(id).topic("a").Stream(b).TryMapValues(func(_ streams.Ctx, r streams.Record[string, string]) (string, error) {
						switch {
						case r.Value == "bad":
							return "", errors.New("no bad")
						case strings.HasPrefix(r.Value, "big"):
							return strings.Repeat("x", 10_000), nil
						}
						return r.Value, nil
					}).To(twinTopics(id).topic("out"))
				}, streams.DeadLetters(id+"-dead"), streams.OnProcessingError(skip), streams.OnProduceError(skip), streams.CommitEvery(20*time.Millisecond))
				r.await(streams.Running)
				stop = r.close
			}
			n := 0
			for i, value := range []string{"bad", "one", "big", "two", "bigger"} {
				rec := &kgo.Record{Topic: id + "-a", Key: []byte("k"), Value: []byte(value), Timestamp: time.UnixMilli(int64(1000 + i)), Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("h")}}}
				if err := c.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if value[0] == 'b' {
					n++
					c.read(id+"-dead", total(n))
				}
			}
			c.read(id+"-out", total(2))
			stop()
			for _, r := range c.read(id+"-dead", total(n)) {
				for _, h := range r.Headers {
					if strings.HasPrefix(h.Key, "__streams.errors.") && !strings.HasSuffix(h.Key, "topic") && !strings.HasSuffix(h.Key, "partition") && !strings.HasSuffix(h.Key, "offset") {
						continue // errors have other words
					}
					r.Value = append(r.Value, " "+h.Key+"="+strings.TrimPrefix(string(h.Value), id)...)
				}
				letters[id] += string(r.Key) + "=" + string(r.Value) + " " + r.Timestamp.UTC().Format(time.StampMilli) + "\n"
			}
		}
		if letters["letters-go"] != letters["letters-java"] {
			t.Errorf("ours\n%s\nJava's\n%s", letters["letters-go"], letters["letters-java"])
		}
	})
}
