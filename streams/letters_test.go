package streams_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// lettered are the programs of testdata/letters/Letters.java.
var lettered = map[string]func(b *streams.Builder){
	"value": func(b *streams.Builder) {
		streams.NewTopic("in", streams.String, streams.Int64).Stream(b).MapValues(func(n int64) string { return strconv.FormatInt(n, 10) }).To(letterTopic("out"))
	},
	"key": func(b *streams.Builder) {
		streams.NewTopic("in", streams.Int64, streams.String).Stream(b).SelectKey(streams.String, func(string) string { return "x" }).To(letterTopic("out"))
	},
	"process":    func(b *streams.Builder) { letterTopic("in").Stream(b).MapValues(noBad).To(letterTopic("out")) },
	"no-message": func(b *streams.Builder) { letterTopic("in").Stream(b).MapValues(noBad).To(letterTopic("out")) },
	"null-key":   func(b *streams.Builder) { letterTopic("in").Stream(b).MapValues(noBad).To(letterTopic("out")) },
	"null-value": func(b *streams.Builder) {
		letterTopic("in").Stream(b).TryMapValues(func(_ streams.Ctx, r streams.Record[string, string]) (string, error) {
			if r.NullValue {
				return "", errors.New("no null")
			}
			return r.Value, nil
		}).To(letterTopic("out"))
	},
	"siblings": func(b *streams.Builder) {
		s := letterTopic("in").Stream(b)
		s.MapValues(func(v string) string { return v + "1" }).To(letterTopic("out"))
		s.MapValues(noBad).To(letterTopic("out"))
		s.MapValues(func(v string) string { return v + "2" }).To(letterTopic("out"))
	},
	"behind-other-key-and-value": func(b *streams.Builder) { doubled(b).MapValues(noBad).To(letterTopic("out")) },
	"behind-repartition":         func(b *streams.Builder) { doubled(b).Repartition("mid").MapValues(noBad).To(letterTopic("out")) },
	"headers-of-program": func(b *streams.Builder) {
		letterTopic("in").Stream(b).Process("mark", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
			return func(r streams.Record[string, string]) error {
				r.Headers = append(slices.Clip(r.Headers), streams.Header{Key: "added", Value: []byte("x")})
				r.Time = 99
				c.Forward(r)
				return nil
			}
		}).MapValues(noBad).To(letterTopic("out"))
	},
	"aggregate": func(b *streams.Builder) {
		letterTopic("in").Stream(b).GroupByKey().Aggregate("store", streams.String, func(_, v string) string { return noBad(v) }).ToStream().To(letterTopic("out"))
	},
	"behind-cache": func(b *streams.Builder) {
		letterTopic("in").Stream(b).GroupByKey().Reduce("store", later).ToStream().MapValues(noBad).To(letterTopic("out"))
	},
	"behind-suppress": func(b *streams.Builder) {
		letterTopic("in").Stream(b).GroupByKey().Windowed(streams.Tumbling(10*time.Millisecond).Grace(0)).Reduce("store", later).
			SuppressUntilClose(streams.Unbounded(), streams.Named("final")).ToStream().
			SelectKey(streams.String, func(w streams.Windowed[string], _ string) string { return w.Key }).MapValues(noBad).To(letterTopic("out"))
	},
	"left-join-unmatched": func(b *streams.Builder) {
		letterTopic("in").Stream(b).LeftJoin("pair", letterTopic("other").Stream(b), streams.Within(10*time.Millisecond).Grace(0), func(l, _ string, _ bool) string { return noBad(l) }).To(letterTopic("out"))
	},
	"join": func(b *streams.Builder) {
		letterTopic("in").Stream(b).Join("pair", letterTopic("other").Stream(b), streams.Within(10*time.Millisecond).Grace(0), func(l, _ string) string { return noBad(l) }).To(letterTopic("out"))
	},
	"table-join": func(b *streams.Builder) {
		letterTopic("in").Stream(b).JoinTable(letterTopic("other").Table(b, "store"), func(l, _ string) string { return noBad(l) }).To(letterTopic("out"))
	},
	"stream-time": func(b *streams.Builder) { ticks(b, streams.StreamTime) },
	"clock":       func(b *streams.Builder) { ticks(b, streams.WallClock) },
}

func letterTopic(name string) streams.Topic[string, string] {
	return streams.NewTopic(name, streams.String, streams.String)
}

func later(_, v string) string { return v }

func noBad(v string) string {
	switch v {
	case "bad":
		panic(errors.New("no bad"))
	case "mute":
		panic(errors.New(""))
	}
	return v
}

func doubled(b *streams.Builder) *streams.Stream[string, string] {
	return letterTopic("in").Stream(b).Map(streams.String, func(k, v string) (string, string) { return k + k, v[1:] })
}

func ticks(b *streams.Builder, clock streams.Clock) {
	letterTopic("in").Stream(b).Process("ticks", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
		c.Every(10*time.Second, clock, func(streams.Time) error { return errors.New("no tick") })
		return func(streams.Record[string, string]) error { return nil }
	}).To(letterTopic("out"))
}

// TestLetters holds what goes to the dead-letter topic to what Kafka Streams writes there, where handlers go on. Exceptions are
// others, and so are stacks.
func TestLetters(t *testing.T) {
	t.Parallel()
	all, err := os.ReadFile("testdata/letters/letters.txt")
	if err != nil {
		t.Fatal(err)
	}
	for entry := range strings.SplitSeq(strings.TrimPrefix(string(all), "# "), "\n# ") {
		name, want, _ := strings.Cut(entry, "\n")
		build := lettered[name]
		if build == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			skip := func(streams.Failure) streams.Decision { return streams.Skip }
			d := streamstest.New(t, build, streams.DeadLetters("dlq"), streams.OnProcessingError(skip), streams.OnDecodeError(skip), streamstest.ApplicationID("app"), streamstest.Partitions(1))
			got := ""
			for line := range strings.SplitSeq(want, "\n") {
				if line == "" || strings.HasPrefix(line, " ") {
					continue
				}
				before := len(d.Records())
				letterStep(t, d, line)
				got += line + "\n" + lettersOf(d.Records()[before:])
			}
			if name == "behind-suppress" { // Kafka keeps the source records of what it holds back in memory, and has lost them after a restart
				want = strings.Replace(want, "dlq k=bad", `dlq \N=\N`, 1)
			}
			if got != strings.TrimSuffix(want, "\n")+"\n" {
				t.Errorf("\n%s\nKafka Streams:\n%s", got, want)
			}
		})
	}
}

func letterStep(t *testing.T, d *streamstest.Driver, line string) {
	t.Helper()
	f := strings.Fields(line)
	if f[0] == "clock" {
		ms, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		d.AdvanceWallClock(time.Duration(ms) * time.Millisecond)
		return
	}
	key, value, _ := strings.Cut(f[1], "=")
	at, err := strconv.ParseInt(f[2][1:], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	null := func(s string) []byte {
		if s == "null" {
			return nil
		}
		return []byte(s)
	}
	d.Pipe(streamstest.Record{Topic: f[0], Partition: -1, Key: null(key), Value: null(value), Time: streams.Time(at), Headers: streams.Headers{{Key: "own", Value: []byte("h")}}})
}

// ownWords gives Kafka's text of an error for ours.
func ownWords(message string) string {
	if strings.Contains(message, "cannot read an int64 of topic in: it has 8 bytes") {
		return "Size of data received by LongDeserializer is not 8"
	}
	return message
}

// lettersOf writes records as Letters.java does: those of the output, then the dead letters.
func lettersOf(records []streamstest.Record) string {
	var b strings.Builder
	text := func(v []byte) string {
		if v == nil {
			return `\N`
		}
		return string(v)
	}
	for _, topic := range []string{"out", "dlq"} {
		for _, r := range records {
			if r.Topic != topic {
				continue
			}
			fmt.Fprintf(&b, "  %s %s=%s @%d", topic, text(r.Key), text(r.Value), r.Time)
			for _, h := range r.Headers {
				switch short := strings.TrimPrefix(h.Key, "__streams.errors."); short {
				case "exception", "stacktrace":
					fmt.Fprintf(&b, " %s", short)
				case "message":
					fmt.Fprintf(&b, " message=%s", ownWords(text(h.Value)))
				default:
					fmt.Fprintf(&b, " %s=%s", short, text(h.Value))
				}
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
