package logfile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/record"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/when"
)

type dumpOptions struct {
	records     bool
	from, to    int64
	limit       int64
	keyFormat   string
	valueFormat string
	raw         bool
	json        bool
}

func newDump(env *command.Env) *cobra.Command {
	var o dumpOptions
	cmd := &cobra.Command{
		Use:   "dump FILE...",
		Short: "Show what is in the files of a log",
		Long: "Show what is in the files of a log: batches and, with --records, records of .log files; the entries of .index,\n" +
			".timeindex, .txnindex, .snapshot and checkpoint files. In JSON each batch or entry is one line.\n\n" +
			"Records of Kafka's internal topics are decoded unless --raw is given.",
		Example: `  leat log dump leat-data/log/quakes-0/00000000000000000000.log
  leat log dump --records --from-offset 100 -n 3 leat-data/log/quakes-0/*.log
  leat log dump leat-data/log/quakes-0/*.index --json`,
		Args: command.Args(1, -1, "a file"),
		RunE: func(_ *cobra.Command, args []string) error { return dump(env, o, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.records, "records", "r", false, "show the records of each batch")
	f.Int64Var(&o.from, "from-offset", -1, "leave out batches that end before this offset")
	f.Int64Var(&o.to, "to-offset", -1, "leave out batches that begin at this offset or later")
	f.Int64VarP(&o.limit, "max-batches", "n", 0, "stop after this number of batches of a file")
	f.StringVar(&o.keyFormat, "key-format", "text", "how to write keys: text, base64, hex or json")
	f.StringVar(&o.valueFormat, "value-format", "text", "how to write values: text, base64, hex or json")
	f.BoolVar(&o.raw, "raw", false, "do not decode records of internal topics")
	f.BoolVar(&o.json, "json", false, "one line of JSON per batch or entry (what --output json does too)")
	command.CompleteFlag(cmd, "key-format", record.Encodings...)
	command.CompleteFlag(cmd, "value-format", record.Encodings...)
	return cmd
}

// dumper writes what is in files.
type dumper struct {
	o          dumpOptions
	json       bool
	key, value record.Encoding
	w          *bufio.Writer
}

func dump(env *command.Env, o dumpOptions, files []string) error {
	key, err := record.ParseEncoding("--key-format", o.keyFormat)
	if err != nil {
		return err
	}
	value, err := record.ParseEncoding("--value-format", o.valueFormat)
	if err != nil {
		return err
	}
	d := &dumper{o: o, json: o.json || env.JSON(), key: key, value: value, w: bufio.NewWriter(env.Out)}
	for i, name := range files {
		if i > 0 && !d.json {
			fmt.Fprintln(d.w)
		}
		if err := d.file(name); err != nil {
			if flushErr := d.w.Flush(); flushErr != nil {
				return flushErr
			}
			return err
		}
	}
	return d.w.Flush()
}

func (d *dumper) file(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return fault.Usage("cannot read %s", name).WithDetail("%v", fault.PathCause(err))
	}
	if info.IsDir() {
		return fault.Usage("%s is a directory", name).WithHint(`name its files, or check it as a whole with "leat log verify %s"`, name)
	}
	base := filepath.Base(name)
	offset, suffix, ok := parseSegmentName(strings.TrimSuffix(strings.TrimSuffix(base, ".deleted"), ".cleaned"))
	if !ok && strings.HasSuffix(base, ".checkpoint") { // snapshots of the metadata log are batches too
		suffix, ok = "log", true
	}
	if !d.json {
		fmt.Fprintf(d.w, "%s: %s\n", name, screen.Bytes(info.Size()))
	}
	if ok && suffix == "log" {
		return d.log(name, info.Size())
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return fault.Failed("cannot read %s", name).WithDetail("%v", fault.PathCause(err))
	}
	if err := d.entries(base, suffix, offset, b); err != nil {
		if e, ok := errors.AsType[*fault.Error](err); ok {
			return e
		}
		return fault.Failed("%s is damaged", name).WithDetail("%v", err)
	}
	return nil
}

// entries writes a file of small entries. Those before a damaged one are written all the same.
func (d *dumper) entries(name, suffix string, base int64, b []byte) error {
	switch {
	case suffix == "index":
		list, err := decodeOffsetIndex(b)
		return d.table(list, err, []string{"OFFSET>", "POSITION>"}, func(i int) []any {
			return []any{base + int64(list[i].Relative), list[i].Position}
		}, len(list))
	case suffix == "timeindex":
		list, err := decodeTimeIndex(b)
		return d.table(list, err, []string{"TIMESTAMP", "OFFSET>"}, func(i int) []any {
			return []any{when.Format(list[i].Timestamp), base + int64(list[i].Relative)}
		}, len(list))
	case suffix == "txnindex":
		list, err := decodeAborted(b)
		return d.table(list, err, []string{"PRODUCER>", "FIRST OFFSET>", "LAST OFFSET>", "LAST STABLE OFFSET>"}, func(i int) []any {
			return []any{list[i].Producer, list[i].First, list[i].Last, list[i].LastStable}
		}, len(list))
	case suffix == "snapshot":
		list, err := decodeSnapshot(b)
		return d.table(list, err, []string{"PRODUCER>", "EPOCH>", "LAST SEQUENCE>", "LAST OFFSET>", "DELTA>", "TIMESTAMP", "TRANSACTION FROM>", "COORDINATOR EPOCH>"}, func(i int) []any {
			e := list[i]
			txn := any(e.TxnFirst)
			if e.TxnFirst < 0 {
				txn = ""
			}
			return []any{e.Producer, e.Epoch, e.LastSequence, e.LastOffset, e.OffsetDelta, when.Format(e.Timestamp), txn, e.CoordinatorEpoch}
		}, len(list))
	case name == epochFile:
		list, err := decodeEpochs(b)
		return d.table(list, err, []string{"EPOCH>", "START OFFSET>"}, func(i int) []any { return []any{list[i].Epoch, list[i].Start} }, len(list))
	case strings.HasSuffix(name, "-checkpoint"):
		list, err := decodeCheckpoint(b)
		return d.table(list, err, []string{"TOPIC", "PARTITION>", "OFFSET>"}, func(i int) []any {
			return []any{list[i].Topic, list[i].Partition, list[i].Offset}
		}, len(list))
	case name == partitionIDs:
		id, err := decodePartitionID(b)
		return d.properties(map[string]string{"topic_id": id}, err)
	case name == metaFile:
		m, err := decodeProperties(b)
		return d.properties(m, err)
	case json.Valid(b):
		_, err := fmt.Fprintf(d.w, "%s\n", strings.TrimSpace(string(b)))
		return err
	}
	return fault.Usage("%s is not a file of a log", name).
		WithHint("known are .log, .index, .timeindex, .txnindex, .snapshot and .checkpoint files, checkpoints, partition.metadata and meta.properties")
}

func (d *dumper) table(list any, damaged error, columns []string, row func(i int) []any, n int) error {
	if d.json {
		raw, err := json.Marshal(list)
		if err != nil {
			return err
		}
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
		for _, item := range items {
			fmt.Fprintf(d.w, "%s\n", item)
		}
		return damaged
	}
	t := screen.NewTable(columns...)
	for i := range n {
		t.Row(row(i)...)
	}
	if err := t.Write(&screen.Screen{Out: d.w}); err != nil {
		return err
	}
	return damaged
}

func (d *dumper) properties(m map[string]string, damaged error) error {
	if damaged != nil {
		return damaged
	}
	enc := json.NewEncoder(d.w)
	if !d.json {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(m)
}

// log writes the batches of a .log file.
func (d *dumper) log(name string, size int64) error {
	f, err := os.Open(name)
	if err != nil {
		return fault.Failed("cannot read %s", name).WithDetail("%v", fault.PathCause(err))
	}
	defer f.Close()
	topic, _, _ := parsePartitionDir(filepath.Base(filepath.Dir(absolute(name))))
	bw := &batchWriter{d: d, decode: decoderFor(topic)}
	if d.o.raw {
		bw.decode = nil
	}
	if !d.json {
		bw.header()
	}
	s := newScanner(f, size)
	var first error
	for shown := int64(0); d.o.limit == 0 || shown < d.o.limit; {
		at, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		bad, isDamage := errors.AsType[*damage](err)
		if err != nil && !isDamage {
			return fault.Failed("cannot read %s", name).WithDetail("%v", err)
		}
		if isDamage && first == nil {
			first = fault.Failed("%s is damaged", name).WithDetail("%s", bad.Error())
		}
		if isDamage && !bad.skippable {
			break
		}
		if d.o.from >= 0 && at.h.LastOffset() < d.o.from || d.o.to >= 0 && at.h.BaseOffset >= d.o.to {
			continue
		}
		shown++
		if err := bw.write(at, bad); err != nil && first == nil {
			first = fault.Failed("%s is damaged", name).WithDetail("at byte %d: %v", at.pos, err)
		}
	}
	return first
}

func absolute(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	return abs
}
