package share

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/script"
)

// The scripts in testdata/ are tests and the description of this package at once (the language is described in
// coord/script). A share-partition is written group/topic-partition, a state batch first-last:state/count. Records
// written show as "snapshot", "update" and "tombstone", with their offset; "cut off" is what the shard asks to be cut off
// the log. Run with -rewrite to record what happens now.
var rewrite = flag.Bool("rewrite", false, "rewrite the expectations in testdata")

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			report := t.Errorf
			if *rewrite {
				report = func(string, ...any) {}
			}
			w := newWorld()
			happened := script.Run(string(text), w.do, report)
			if *rewrite {
				if err := os.WriteFile(file, []byte(happened), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// do carries out one command.
func (w *world) do(c script.Command) string {
	var out strings.Builder
	before, start := len(w.log), w.start
	var reply any
	switch c.Verb {
	case "settings":
		w.settings.UpdatesPerSnapshot = int(c.Int("updates", int64(w.settings.UpdatesPerSnapshot)))
		w.settings.MaxRecordBytes = int(c.Int("record-bytes", int64(w.settings.MaxRecordBytes)))
		w.shard.Step(w.now, Configure{w.settings})
	case "initialize":
		g, tp := where(c.Arg(0))
		reply = w.step(Initialize{Group: g, Partitions: []InitializePartition{{tp, int32(c.Int("state", 1)), c.Int("start", -1)}}})
	case "write":
		g, tp := where(c.Arg(0))
		p := WritePartition{
			TopicPartition: tp, StateEpoch: int32(c.Int("state", 1)), LeaderEpoch: int32(c.Int("leader", 0)),
			StartOffset: c.Int("start", -1), DeliveryCompleteCount: int32(c.Int("complete", -1)),
		}
		for _, a := range c.Args[1:] {
			var b StateBatch
			if _, err := fmt.Sscanf(a, "%d-%d:%d/%d", &b.First, &b.Last, &b.State, &b.DeliveryCount); err != nil {
				panic(err)
			}
			p.Batches = append(p.Batches, b)
		}
		reply = w.step(Write{Group: g, Partitions: []WritePartition{p}})
	case "read":
		g, tp := where(c.Arg(0))
		reply = w.step(Read{Group: g, Partitions: []ReadPartition{{tp, int32(c.Int("leader", -1))}}})
	case "summary":
		g, tp := where(c.Arg(0))
		reply = w.step(ReadSummary{Group: g, Partitions: []ReadPartition{{tp, -1}}})
	case "delete":
		g, tp := where(c.Arg(0))
		reply = w.step(Delete{Group: g, Partitions: []TopicPartition{tp}})
	case "topic-gone":
		_, tp := where("g/" + c.Arg(0) + "-0")
		w.gone[tp.TopicID] = true
		if c.Str("told", "yes") == "yes" {
			w.step(TopicsDeleted{IDs: [][16]byte{tp.TopicID}})
		}
	case "wait":
		d, err := time.ParseDuration(c.Arg(0))
		if err != nil {
			panic(err)
		}
		w.now = w.now.Add(d)
		w.step(Tick{})
	case "restart":
		w.load()
	default:
		panic("unknown verb " + c.Verb)
	}
	for o := before; o < len(w.log); o++ {
		fmt.Fprintf(&out, "%d %s\n", o, describe(w.log[o]))
	}
	if w.start != start {
		fmt.Fprintf(&out, "cut off below %d\n", w.start)
	}
	switch r := reply.(type) {
	case []Result:
		fmt.Fprintln(&out, outcome(r[0]))
	case []ReadResult:
		fmt.Fprint(&out, outcome(r[0].Result))
		if r[0].Err == nil {
			fmt.Fprintf(&out, " state=%d start=%d%s", r[0].StateEpoch, r[0].StartOffset, batches(r[0].Batches))
		}
		fmt.Fprintln(&out)
	case []SummaryResult:
		fmt.Fprintf(&out, "%s state=%d leader=%d start=%d complete=%d\n", outcome(r[0].Result), r[0].StateEpoch, r[0].LeaderEpoch, r[0].StartOffset, r[0].DeliveryCompleteCount)
	}
	return out.String()
}

func where(text string) (group string, tp TopicPartition) {
	group, rest, _ := strings.Cut(text, "/")
	var topic byte
	if _, err := fmt.Sscanf(rest, "t%d-%d", &topic, &tp.Partition); err != nil {
		panic(err)
	}
	tp.TopicID[0] = topic
	return group, tp
}

func outcome(r Result) string {
	if r.Err == nil {
		return "NONE"
	}
	return r.Err.Message + ": " + r.Message
}

func batches(list []StateBatch) (out string) {
	for _, b := range list {
		out += fmt.Sprintf(" %d-%d:%d/%d", b.First, b.Last, b.State, b.DeliveryCount)
	}
	return out
}

func describe(r coord.Record) string {
	kind, k, _, err := DecodeKey(r.Key)
	if err != nil {
		return err.Error()
	}
	name := fmt.Sprintf("%s/t%d-%d", k.Group, k.TopicID[0], k.Partition)
	switch {
	case r.Value == nil:
		return "tombstone " + name
	case kind == keySnapshot:
		s, _ := DecodeSnapshot(r.Value)
		cold := ""
		if s.CreatedMillis != s.WrittenMillis {
			cold = " cold"
		}
		return fmt.Sprintf("snapshot %s epoch=%d%s state=%d leader=%d start=%d complete=%d%s", name, s.Epoch, cold, s.StateEpoch, s.LeaderEpoch, s.StartOffset, s.DeliveryCompleteCount, batches(s.Batches))
	default:
		u, _ := DecodeUpdate(r.Value)
		return fmt.Sprintf("update %s epoch=%d leader=%d start=%d complete=%d%s", name, u.SnapshotEpoch, u.LeaderEpoch, u.StartOffset, u.DeliveryCompleteCount, batches(u.Batches))
	}
}
