package streams_test

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/internal/bridge"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// sinkEnv is an Env that keeps nothing.
type sinkEnv struct{ now int64 }

func (*sinkEnv) Send(*engine.Out) error             { return nil }
func (*sinkEnv) Partitions(string) (int, error)     { return 1, nil }
func (e *sinkEnv) Now() int64                       { return e.now }
func (*sinkEnv) Count(engine.Metric, string, int64) {}

type amount = int64

func amounts(name string) streams.Topic[string, amount] {
	return streams.NewTopic(name, streams.String, streams.Int64)
}

func add(l, r amount) amount { return l + r }

// operatorPrograms read topic a, and b where there is one.
var operatorPrograms = map[string]func(b *streams.Builder){
	"to":  func(b *streams.Builder) { amounts("a").Stream(b).To(amounts("out")) },
	"map": func(b *streams.Builder) { amounts("a").Stream(b).MapValues(double).To(amounts("out")) },
	"filter-map-filter": func(b *streams.Builder) {
		amounts("a").Stream(b).Filter(positive).MapValues(double).Filter(positive).To(amounts("out"))
	},
	"branch": func(b *streams.Builder) {
		s := amounts("a").Stream(b).Split("s-")
		s.Branch("no", func(v amount) bool { return v < 0 }).To(amounts("no"))
		s.Default("yes").To(amounts("out"))
	},
	"stream-stream": func(b *streams.Builder) {
		amounts("a").Stream(b).Join("j", amounts("b").Stream(b), streams.Within(10*time.Millisecond).NoGrace(), add).To(amounts("out"))
	},
	"stream-table": func(b *streams.Builder) {
		amounts("a").Stream(b).JoinTable(amounts("b").Table(b, "t"), add).To(amounts("out"))
	},
	"table-table": func(b *streams.Builder) {
		amounts("a").Table(b, "l").Join(amounts("b").Table(b, "r"), add).ToStream().To(amounts("out"))
	},
	"suppress": func(b *streams.Builder) {
		amounts("a").Table(b, "l").Suppress(time.Second, streams.Unbounded(), streams.Named("s")).ToStream().To(amounts("out"))
	},
}

func double(v amount) amount { return 2 * v }
func positive(v amount) bool { return v >= 0 }

// BenchmarkOperators runs single operators in a task, memory and disk, with a thousand keys and a commit's flush every
// ten thousand records; one operation is one record in.
func BenchmarkOperators(b *testing.B) {
	for name, build := range operatorPrograms {
		for _, disk := range []bool{false, true} {
			where := map[bool]string{false: "memory", true: "disk"}[disk]
			b.Run(name+"/"+where, func(b *testing.B) { benchmarkOperator(b, build, disk) })
		}
	}
}

func benchmarkOperator(b *testing.B, build func(*streams.Builder), disk bool) {
	prog, err := bridge.Compile("app", build, []streams.AppOption(nil), func(*engine.Settings) {})
	if err != nil {
		b.Fatal(err)
	}
	db := state.Memory()
	if disk {
		if db, err = state.Open(b.TempDir(), state.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	defer func() { _ = db.Close() }()
	st, err := db.Task("0_0")
	if err != nil {
		b.Fatal(err)
	}
	env := &sinkEnv{}
	task, err := prog.NewTask(engine.TaskID{}, env, st, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := task.Initialize(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = task.Close(false) }()
	var topics []string
	for _, s := range prog.Topology.Subtopologies[0].Sources() {
		topics = append(topics, s.Topics...)
	}
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = []byte("key-" + strconv.Itoa(i))
	}
	value := binary.BigEndian.AppendUint64(nil, 7)
	const batch = 500
	in := make([]engine.In, batch)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; {
		topic := topics[i/batch%len(topics)]
		for j := range in {
			in[j] = engine.In{Topic: topic, Offset: int64(i), Time: int64(i / 100), Key: keys[i%len(keys)], Value: value}
			i++
		}
		for _, t := range topics {
			task.Known(engine.TopicPartition{Topic: t}, true)
		}
		if err := task.Add(engine.TopicPartition{Topic: topic}, in); err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			if more, err = task.Process(); err != nil {
				b.Fatal(err)
			}
		}
		if i%10_000 == 0 {
			if err := task.Flush(); err != nil {
				b.Fatal(err)
			}
			if err := task.Committed(nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}
