package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/commitlog"
)

func parse(t testing.TB, kv ...string) *Static {
	t.Helper()
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	s, _, err := Parse(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDeclarations(t *testing.T) {
	if n := len(topicDefs.defs); n != 33 {
		t.Errorf("%d topic settings, want Kafka's 33", n)
	}
	seen := map[string]bool{}
	for _, table := range []table{topicDefs, hiddenTopicDefs, brokerDefs, ignoredDefs} {
		for i := range table.defs {
			d := &table.defs[i]
			if d.Doc == "" || d.Type == 0 {
				t.Errorf("%s: type %d, doc %q", d.Name, d.Type, d.Doc)
			}
			if d.Default != null {
				if _, err := d.parse(d.Default); err != nil {
					t.Errorf("the default of %s is refused: %v", d.Name, err)
				}
			}
			for _, s := range d.synonyms {
				if Broker(s) == nil {
					t.Errorf("%s: its synonym %s is not declared", d.Name, s)
				}
			}
		}
	}
	for _, table := range []table{brokerDefs, ignoredDefs} {
		for _, d := range table.defs {
			if seen[d.Name] {
				t.Errorf("%s is declared twice", d.Name)
			}
			seen[d.Name] = true
		}
	}
}

func TestDefaultsAreTheLogs(t *testing.T) {
	if got, want := Resolve(nil, Dynamic{}, Defaults()), commitlog.DefaultConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	static := parse(t, "log.retention.hours", "2", "log.segment.bytes", "2000000")
	topic := map[string]string{}
	var d Dynamic
	check := func(want time.Duration) {
		t.Helper()
		if got := Resolve(topic, d, static).RetentionAge; got != want {
			t.Errorf("retention is %v, want %v", got, want)
		}
	}
	check(2 * time.Hour)
	static = parse(t, "log.retention.hours", "2", "log.retention.minutes", "3")
	check(3 * time.Minute)
	static = parse(t, "log.retention.hours", "2", "log.retention.minutes", "3", "log.retention.ms", "4")
	check(4 * time.Millisecond)
	d.Cluster = map[string]string{"log.retention.ms": "5"}
	check(5 * time.Millisecond)
	d.Broker = map[string]string{"log.retention.ms": "6"}
	check(6 * time.Millisecond)
	topic["retention.ms"] = "7"
	check(7 * time.Millisecond)
	topic["retention.ms"] = "-1"
	check(-time.Millisecond)

	static = parse(t, "log.retention.hours", "-1")
	topic, d = nil, Dynamic{}
	check(-time.Millisecond)
}

func TestResolveTypes(t *testing.T) {
	c := Resolve(map[string]string{
		"cleanup.policy": "compact,delete", "compression.type": "zstd", "compression.zstd.level": "-5",
		"message.timestamp.type": "LogAppendTime", "min.cleanable.dirty.ratio": "0.25", "internal.segment.bytes": "4096",
	}, Dynamic{}, Defaults())
	if !c.Compact || !c.Delete || c.Compression != commitlog.CompressionZstd || c.ZstdLevel != -5 ||
		!c.LogAppendTime || c.MinCleanableDirtyRatio != 0.25 || c.SegmentBytes != 4096 {
		t.Errorf("%+v", c)
	}
	c = Resolve(map[string]string{"cleanup.policy": ""}, Dynamic{}, Defaults())
	if c.Compact || c.Delete {
		t.Errorf("an empty policy is %+v", c)
	}
}

func TestCheckTopic(t *testing.T) {
	for _, test := range []struct {
		name, value, want string
	}{
		// Apache Kafka 4.3.1's own messages.
		{"no.such", "1", "Unknown topic config name: no.such"},
		{"message.downconversion.enable", "true", "Unknown topic config name: message.downconversion.enable"},
		{"retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "-5", "Invalid value -5 for configuration retention.ms: Value must be at least -1"},
		{"cleanup.policy", "foo", "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
		{"compression.type", "foo", "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"preallocate", "foo", "Invalid value foo for configuration preallocate: Expected value to be either true or false"},
		{"min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"min.cleanable.dirty.ratio", "x", "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"segment.bytes", "100", "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576"},
		{"segment.bytes", "99999999999", "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT"},
		{"compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"message.timestamp.type", "foo", "Invalid value foo for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime"},
		{"remote.storage.enable", "true", "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
		{"cleanup.policy", "compact,compact", ""},
		{"cleanup.policy", "", ""},
		{"retention.ms", " 7 ", ""},
		{"preallocate", "TRUE", ""},
		{"leader.replication.throttled.replicas", "*", ""},
		{"leader.replication.throttled.replicas", "0:1,1:2", ""},
	} {
		got := ""
		if err := CheckTopic(map[string]string{test.name: test.value}, Dynamic{}, Defaults()); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s=%s: %q, want %q", test.name, test.value, got, test.want)
		}
	}
	err := CheckTopic(map[string]string{"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"}, Dynamic{}, Defaults())
	if err == nil || err.Error() != "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)" {
		t.Error(err)
	}
}

func TestParseRefusals(t *testing.T) {
	for setting, want := range map[string]string{
		"log.retention.m=1":                    "did you mean log.retention.ms?",
		"num.partition=1":                      "did you mean num.partitions?",
		"completely.else.where=1":              "unknown setting completely.else.where",
		"retention.ms=1":                       "retention.ms is a topic's setting; for the whole broker it is called log.retention.ms",
		"num.partitions=0":                     "Invalid value 0 for configuration num.partitions: Value must be at least 1",
		"zookeeper.connect=h":                  "zookeeper.connect is gone since Kafka 4",
		"authorizer.class.name=A":              "String must be one of: , org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"log.flush=never":                      "String must be one of: commit, os",
		"max.connections.per.ip.overrides=h:3": "h is not an IP address",
	} {
		name, value, err := ParseSet(setting)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = Parse(map[string]string{name: value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
	}
	_, warnings, err := Parse(map[string]string{"num.io.threads": "8", "controller.quorum.voters": "1@h:1", "authorizer.class.name": ""})
	if err != nil || len(warnings) != 2 {
		t.Errorf("%q, %v", warnings, err)
	}
	_, _, err = Parse(map[string]string{"a.b": "1", "num.partitions": "x"})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all faults are reported: %v", err)
	}
	for _, arg := range []string{"", "x", "=1"} {
		if _, _, err := ParseSet(arg); err == nil {
			t.Errorf("--set %q is taken", arg)
		}
	}
}

func TestGetters(t *testing.T) {
	s := parse(t, "num.partitions", " 7 ", "log.dirs", "a, b", "log.cleaner.enable", "False", "max.connections.per.ip.overrides", "127.0.0.1:5,[::1]:6")
	if s.Int("num.partitions") != 7 || s.Bool("log.cleaner.enable") || !slices.Equal(s.List("log.dirs"), []string{"a", "b"}) ||
		s.Float("log.cleaner.io.buffer.load.factor") != 0.9 || s.Millis("connections.max.idle.ms") != 10*time.Minute ||
		s.String("log.flush") != FlushCommit || s.String("broker.rack") != "" ||
		!slices.Equal(s.List("max.connections.per.ip.overrides"), []string{"127.0.0.1:5", "[::1]:6"}) {
		t.Error("wrong values")
	}
	if s.Millis("log.flush.scheduler.interval.ms") <= 0 {
		t.Error("the longest time overflows")
	}
}

func TestDescribeBroker(t *testing.T) {
	static := parse(t, "num.io.threads", "5", "num.partitions", "2")
	d := Dynamic{Cluster: map[string]string{"foo.secret": "x", "message.max.bytes": "2"}}
	entries := map[string]Entry{}
	for _, e := range DescribeBroker(d, static) {
		if _, twice := entries[e.Name]; twice {
			t.Errorf("%s twice", e.Name)
		}
		entries[e.Name] = e
	}
	if e := entries["foo.secret"]; !e.Sensitive || e.Value != nil || e.Source != FromCluster {
		t.Errorf("a setting nobody knows: %+v", e)
	}
	if e := entries["num.io.threads"]; e.Value == nil || *e.Value != "5" || e.Source != FromStatic {
		t.Errorf("%+v", e)
	}
	if _, ok := entries["num.network.threads"]; ok {
		t.Error("a setting without effect that nobody set is described")
	}
	if e := entries["num.partitions"]; !e.ReadOnly || *e.Value != "2" || len(e.Synonyms) != 2 {
		t.Errorf("%+v", e)
	}
	if e := entries["message.max.bytes"]; e.ReadOnly || *e.Value != "2" || e.Source != FromCluster {
		t.Errorf("%+v", e)
	}
}

func TestApply(t *testing.T) {
	current := map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}
	for _, test := range []struct {
		edits []Edit
		want  map[string]string
	}{
		{[]Edit{{"cleanup.policy", Append, "delete"}}, map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "1"}},
		{[]Edit{{"cleanup.policy", Append, "compact"}}, map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}},
		{[]Edit{{"cleanup.policy", Subtract, "compact"}}, map[string]string{"cleanup.policy": "", "retention.ms": "1"}},
		{[]Edit{{"retention.ms", Delete, ""}, {"segment.ms", Set, "5"}}, map[string]string{"cleanup.policy": "compact", "segment.ms": "5"}},
	} {
		got, err := Apply(current, test.edits, Topic)
		if err != nil || !maps.Equal(got, test.want) {
			t.Errorf("%v: %v, %v; want %v", test.edits, got, err, test.want)
		}
	}
	// A list that was never set starts from its default.
	if got, _ := Apply(nil, []Edit{{"cleanup.policy", Append, "compact"}}, Topic); got["cleanup.policy"] != "delete,compact" {
		t.Errorf("%v", got)
	}
	if len(current) != 2 {
		t.Error("the current configs were changed")
	}
}

func TestFlatten(t *testing.T) {
	got, err := Flatten(map[string]any{
		"log":            map[string]any{"flush": "os", "retention": map[string]any{"ms": 5}},
		"num.partitions": 3, "listeners": []any{"A://:1", "B://:2"}, "log.cleaner.min.cleanable.ratio": 0.25, "delete.topic.enable": true,
	})
	want := map[string]string{
		"log.flush": "os", "log.retention.ms": "5", "num.partitions": "3", "listeners": "A://:1,B://:2",
		"log.cleaner.min.cleanable.ratio": "0.25", "delete.topic.enable": "true",
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []any{"x", []any{1}, map[string]any{"a": []any{[]any{1}}}, map[string]any{"a.b": 1, "a": map[string]any{"b": 2}}} {
		if got, err := Flatten(bad); err == nil {
			t.Errorf("%v becomes %v", bad, got)
		}
	}
}

func TestParseProperties(t *testing.T) {
	got, err := ParseProperties([]byte("\ufeff# a comment\r\n! another\n\n" +
		"a=1\nb : 2\nc 3\n  d =  x y  \ne=one,\\\n    two\nf\ng=C:\\\\dir\\tx\nh\\:i=j\nk=\\u00e9\na=4\nlast=\\"))
	want := map[string]string{"a": "4", "b": "2", "c": "3", "d": "x y  ", "e": "one,two", "f": "", "g": "C:\\dir\tx", "h:i": "j", "k": "é", "last": ""}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v\nwant %q", got, err, want)
	}
	if _, err := ParseProperties([]byte(`a=\u12`)); err == nil {
		t.Error("half an escape is taken")
	}
}

func FuzzParseProperties(f *testing.F) {
	f.Add([]byte("a=1\n#x\nb: 2\\\n 3\nc\\=d \\u0041"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ParseProperties(data)
	})
}

func FuzzParseValue(f *testing.F) {
	f.Add("1")
	f.Add("-0")
	f.Add("1e400")
	f.Add(" compact , delete,")
	f.Fuzz(func(t *testing.T, s string) {
		for i := range topicDefs.defs {
			d := &topicDefs.defs[i]
			v, err := d.parse(s)
			if err != nil {
				continue
			}
			again, err := d.parse(v.text)
			if err != nil || again.text != v.text {
				t.Fatalf("%s: %q is %q, which is %q (%v)", d.Name, s, v.text, again.text, err)
			}
		}
	})
}
