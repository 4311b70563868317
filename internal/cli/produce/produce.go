// Package produce holds "leat produce": records from standard input, files or flags into a topic. One goroutine
// reads the input so that Ctrl-C is heard while it waits for more; it ends with the input or the process. Memory
// is bounded by the client's buffer limits.
package produce

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/record"
	"leat.dev/internal/cli/when"
)

type options struct {
	key, value    string
	keySet        bool
	valueSet      bool
	tombstone     bool
	keySeparator  string
	keyOptional   bool
	delimiter     string
	keyFormat     string
	valueFormat   string
	nullMarker    string
	json          bool
	keepPartition bool
	whole         bool
	headers       []string
	partition     int32
	timestamp     string
	compression   string
	level         int
	acks          string
	idempotence   bool
	partitioner   string
	linger        time.Duration
	batchBytes    int32
	rate          float64
	create        bool
	report        bool
	quiet         bool
}

// New makes the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "produce TOPIC [FILE...]",
		Short: "Write records to a topic",
		Long: "Write records to a topic: one per line of standard input or of the files, unless told otherwise.\n\n" +
			"With --json each line is a record as \"leat consume --json\" writes it, with key, value, headers and\n" +
			"timestamp, so that one command's output is the other's input.",
		Example: `  echo hello | leat produce greetings
  leat produce quakes earthquakes.jsonl --key-separator '|'
  leat produce images --whole --key cat cat.png
  leat produce counts --key 2026-01-31 --tombstone
  leat consume quakes --json | leat produce copy --json`,
		Args: command.Args(1, -1, "the name of a topic"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault // files
			}
			return env.CompleteTopics(1)(cmd, args, toComplete)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.keySet, o.valueSet = cmd.Flags().Changed("key"), cmd.Flags().Changed("value")
			return run(cmd.Context(), env, o, args[0], args[1:])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.key, "key", "k", "", "the key of every record")
	f.StringVar(&o.value, "value", "", "write one record of this value instead of reading input")
	f.BoolVar(&o.tombstone, "tombstone", false, "write null values: for --key, or for every line of input as a key")
	f.StringVar(&o.keySeparator, "key-separator", "", `text between key and value of a line (\t \n \0 \xNN allowed)`)
	f.BoolVar(&o.keyOptional, "key-optional", false, "a line without the key separator is a value without key")
	f.StringVar(&o.delimiter, "delimiter", `\n`, `text between records of the input`)
	f.StringVar(&o.keyFormat, "key-format", "text", "how keys are written in the input: text, base64, hex or json")
	f.StringVar(&o.valueFormat, "value-format", "text", "how values are written in the input: text, base64, hex or json")
	f.StringVar(&o.nullMarker, "null-marker", "", "a key or value of exactly this text is null")
	f.BoolVar(&o.json, "json", false, "each line is a record in JSON")
	f.BoolVar(&o.keepPartition, "keep-partition", false, "with --json: write to the partition that each record names")
	f.BoolVar(&o.whole, "whole", false, "each file, or all of standard input, is one record")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header of every record, name=value; repeatable")
	f.Int32VarP(&o.partition, "partition", "p", -1, "write to this partition; -1 lets the key decide")
	f.StringVar(&o.timestamp, "timestamp", "", "timestamp of every record, instead of now")
	f.StringVarP(&o.compression, "compression", "z", "none", "none, gzip, snappy, lz4 or zstd")
	f.IntVar(&o.level, "compression-level", 0, "level of the codec; 0 for its default")
	f.StringVar(&o.acks, "acks", "all", "who must have a record before it counts: all replicas in sync, 1 (the leader), 0 (no one)")
	f.BoolVar(&o.idempotence, "idempotence", true, "no duplicates when the client retries (needs --acks all)")
	f.StringVar(&o.partitioner, "partitioner", "sticky", "records without key: sticky (whole batches per partition) or round-robin")
	f.DurationVar(&o.linger, "linger", 10*time.Millisecond, "wait this long for a batch to fill")
	f.Int32Var(&o.batchBytes, "batch-bytes", 1_000_000, "largest batch")
	f.Float64Var(&o.rate, "rate", 0, "records per second; 0 for as fast as possible")
	f.BoolVar(&o.create, "create", false, "create the topic with the broker's defaults if it is not there")
	f.BoolVar(&o.report, "report", false, "write partition and offset of each record to standard output")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no summary at the end")
	command.CompleteFlag(cmd, "compression", codecNames...)
	command.CompleteFlag(cmd, "acks", "all", "1", "0")
	command.CompleteFlag(cmd, "key-format", record.Encodings...)
	command.CompleteFlag(cmd, "value-format", record.Encodings...)
	command.CompleteFlag(cmd, "partitioner", "sticky", "round-robin")
	return cmd
}

// plan is what the flags mean, checked.
type plan struct {
	format    record.LineFormat
	headers   []kgo.RecordHeader
	timestamp time.Time
	producer  []kgo.Opt
}

func (o options) plan(env *command.Env, files []string) (*plan, error) {
	p := &plan{}
	var err error
	f := &p.format
	f.JSON, f.KeyOptional, f.NullMarker = o.json, o.keyOptional, o.nullMarker
	f.KeysOnly = o.tombstone && !o.keySet
	if f.Key, err = record.ParseEncoding("--key-format", o.keyFormat); err != nil {
		return nil, err
	}
	if f.Value, err = record.ParseEncoding("--value-format", o.valueFormat); err != nil {
		return nil, err
	}
	if f.KeySeparator, err = command.Unescape("--key-separator", o.keySeparator); err != nil {
		return nil, err
	}
	if f.Delimiter, err = command.Unescape("--delimiter", o.delimiter); err != nil {
		return nil, err
	}
	if o.whole {
		f.Delimiter = ""
	}
	for _, clash := range []struct {
		both        bool
		flags, hint string
	}{
		{o.json && f.KeySeparator != "", "--json and --key-separator", "records in JSON carry their keys"},
		{o.json && o.whole, "--json and --whole", "--json reads one record per line"},
		{o.keySet && f.KeySeparator != "", "--key and --key-separator", "the key is either the same for all or in each line"},
		{o.valueSet && o.tombstone, "--value and --tombstone", "a tombstone has no value"},
		{o.valueSet && len(files) > 0, "--value and files", "the value is either given or read"},
		{o.keySet && o.tombstone && len(files) > 0, "--key, --tombstone and files", "without --key each line of the files is a key"},
		{o.keepPartition && !o.json, "--keep-partition without --json", "only records in JSON name a partition"},
		{o.keepPartition && o.partition >= 0, "--keep-partition and --partition", "choose one of them"},
	} {
		if clash.both {
			return nil, fault.Usage("%s do not go together", clash.flags).WithHint("%s", clash.hint)
		}
	}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, fault.Usage("--header %q is not of the form name=value", h)
		}
		p.headers = append(p.headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	if o.timestamp != "" {
		if p.timestamp, err = when.Parse("--timestamp", o.timestamp, time.Now()); err != nil {
			return nil, err
		}
	}
	if o.rate < 0 {
		return nil, fault.Usage("--rate %g is not a rate", o.rate)
	}
	s := Settings{
		Compression: o.compression, Level: o.level, Acks: o.acks, Idempotence: o.idempotence,
		Linger: o.linger, BatchBytes: o.batchBytes, Partitioner: o.partitioner,
		Manual: o.partition >= 0 || o.keepPartition,
	}
	if env.InTerminal && len(files) == 0 {
		s.Linger = 0 // a person waits for each line to arrive
	}
	p.producer, err = s.Options()
	return p, err
}

func run(ctx context.Context, env *command.Env, o options, topic string, files []string) error {
	p, err := o.plan(env, files)
	if err != nil {
		return err
	}
	for _, name := range files {
		if name == "-" {
			continue
		}
		if info, err := os.Stat(name); err != nil {
			return fault.Usage("cannot read %s", name).WithDetail("%v", fault.PathCause(err))
		} else if info.IsDir() {
			return fault.Usage("cannot read %s", name).WithDetail("it is a directory")
		}
	}
	client, err := env.Connect(ctx, append(p.producer, kgo.DefaultProduceTopic(topic))...)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := ensureTopic(ctx, client, topic, o); err != nil {
		return err
	}
	s := newSender(env, client, o, p, topic)
	readErr := s.read(ctx, files)
	return s.finish(ctx, readErr)
}

func ensureTopic(ctx context.Context, client *command.Client, topic string, o options) error {
	if o.create {
		if err := client.CreateTopic(ctx, topic, -1, -1, nil); err != nil {
			return err
		}
	}
	details, err := client.Topics(ctx, topic)
	if err != nil {
		if e, ok := errors.AsType[*fault.Error](err); ok && strings.HasPrefix(e.Primary, "unknown topic") && !strings.HasPrefix(e.Hint, "did you mean") {
			return e.WithHint(`"leat topic create %s" makes it, or add --create`, topic)
		}
		return err
	}
	if o.partition >= 0 {
		_, err = command.Partitions(details[topic], []int32{o.partition})
	}
	return err
}
