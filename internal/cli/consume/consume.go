// Package consume holds "leat consume": records of topics to standard output or a file. By default it reads what
// is there and ends; with --follow it waits for more. The client's goroutines fetch ahead; this package prints
// from one.
package consume

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/record"
)

type options struct {
	regex         bool
	offset        string
	toOffset      int64
	fromTime      string
	toTime        string
	partitions    string
	group         string
	groupProtocol string
	noCommit      bool
	follow        bool
	maxRecords    int64
	isolation     string

	print        string
	keySeparator string
	separator    string
	delimiter    string
	keyFormat    string
	valueFormat  string
	nullMarker   string
	json         bool
	to           string
}

// New makes the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "consume TOPIC...",
		Short: "Read records from topics",
		Long: "Read records from topics: from the oldest to what is there now, unless told otherwise. The values are\n" +
			"written one per line; --print, --key-separator and --json show more.\n\n" +
			"With --group the committed offsets of a consumer group say where to start, the group's other members\n" +
			"share the work, and what was written to the output is committed.",
		Example: `  leat consume quakes
  leat consume quakes --follow --print partition,offset,key,value
  leat consume quakes --offset -10
  leat consume quakes --from-time 1h --json | jq .value
  leat consume quakes --group report --follow
  leat consume images --partitions 0 --offset 7 -n 1 --delimiter '' > cat.png`,
		Args:              command.Args(1, -1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(-1),
		RunE:              func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), env, o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.regex, "regex", false, "the names are regular expressions that must match whole names")
	f.StringVar(&o.offset, "offset", "earliest", "where to start: earliest, latest, an offset, -N for the last N of each partition, or PARTITION:OFFSET,…")
	f.Int64Var(&o.toOffset, "to-offset", -1, "stop before this offset of each partition")
	f.StringVar(&o.fromTime, "from-time", "", "start at this time, or this span before now (1h, 7d)")
	f.StringVar(&o.toTime, "to-time", "", "stop before the first record from this time on")
	f.StringVarP(&o.partitions, "partitions", "p", "", "only these partitions, such as 0,2,5-7")
	f.StringVarP(&o.group, "group", "g", "", "read as a member of this consumer group and commit what was read")
	f.StringVar(&o.groupProtocol, "group-protocol", "classic", "protocol of the group: classic or consumer (KIP-848)")
	f.BoolVar(&o.noCommit, "no-commit", false, "with --group: do not commit")
	f.BoolVarP(&o.follow, "follow", "f", false, "wait for new records until interrupted")
	f.Int64VarP(&o.maxRecords, "max-records", "n", 0, "stop after this number of records")
	f.StringVar(&o.isolation, "isolation", "read-committed", "read-committed hides records of open and aborted transactions; read-uncommitted shows them")
	f.StringVar(&o.print, "print", "value", "what to write of each record: topic, partition, offset, timestamp, key, headers, value, or all")
	f.StringVar(&o.keySeparator, "key-separator", "", `write key and value with this text between (\t \n \0 \xNN allowed)`)
	f.StringVar(&o.separator, "separator", `\t`, "text between the parts of --print")
	f.StringVar(&o.delimiter, "delimiter", `\n`, "text after each record")
	f.StringVar(&o.keyFormat, "key-format", "text", "how to write keys: text, base64, hex or json")
	f.StringVar(&o.valueFormat, "value-format", "text", "how to write values: text, base64, hex or json")
	f.StringVar(&o.nullMarker, "null-marker", "NULL", "text for keys and values that are null")
	f.BoolVar(&o.json, "json", false, "write each record as one line of JSON (what --output json does too)")
	f.StringVar(&o.to, "to-file", "", "write to this file, with a progress bar on a terminal")
	command.CompleteFlag(cmd, "offset", "earliest", "latest")
	command.CompleteFlag(cmd, "isolation", "read-committed", "read-uncommitted")
	command.CompleteFlag(cmd, "group-protocol", "classic", "consumer")
	command.CompleteFlag(cmd, "key-format", record.Encodings...)
	command.CompleteFlag(cmd, "value-format", record.Encodings...)
	command.CompleteFlag(cmd, "print", append([]string{"all"}, record.Fields...)...)
	command.CompleteFlagWith(cmd, "group", env.CompleteGroups(-1))
	return cmd
}

func (o options) printer(env *command.Env) (*record.Printer, error) {
	p := &record.Printer{JSON: o.json || env.JSON(), NullMarker: o.nullMarker}
	var err error
	if p.Key, err = record.ParseEncoding("--key-format", o.keyFormat); err != nil {
		return nil, err
	}
	if p.Value, err = record.ParseEncoding("--value-format", o.valueFormat); err != nil {
		return nil, err
	}
	if p.Fields, err = record.ParseFields("--print", o.print); err != nil {
		return nil, err
	}
	if p.Separator, err = command.Unescape("--separator", o.separator); err != nil {
		return nil, err
	}
	if p.Delimiter, err = command.Unescape("--delimiter", o.delimiter); err != nil {
		return nil, err
	}
	if o.keySeparator != "" {
		if o.print != "value" {
			return nil, fault.Usage("--key-separator and --print do not go together").WithHint("use --separator for the parts of --print")
		}
		p.Fields = []string{"key", "value"}
		if p.Separator, err = command.Unescape("--key-separator", o.keySeparator); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (o options) check() error {
	for _, clash := range []struct {
		both        bool
		flags, hint string
	}{
		{o.group != "" && o.partitions != "", "--group and --partitions", "the group assigns the partitions"},
		{o.noCommit && o.group == "", "--no-commit without --group", "only groups commit"},
		{o.follow && o.toTime != "", "--follow and --to-time", "following has no end"},
		{o.follow && o.toOffset >= 0, "--follow and --to-offset", "following has no end"},
		{o.fromTime != "" && o.offset != "earliest", "--from-time and --offset", "choose one of them"},
	} {
		if clash.both {
			return fault.Usage("%s do not go together", clash.flags).WithHint("%s", clash.hint)
		}
	}
	if o.maxRecords < 0 {
		return fault.Usage("--max-records %d is negative", o.maxRecords)
	}
	if err := command.Choice("--isolation", o.isolation, "read-committed", "read-uncommitted"); err != nil {
		return err
	}
	return command.Choice("--group-protocol", o.groupProtocol, "classic", "consumer")
}

func run(ctx context.Context, env *command.Env, o options, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	printer, err := o.printer(env)
	if err != nil {
		return err
	}
	from, err := parseStart(o.offset, o.fromTime, time.Now())
	if err != nil {
		return err
	}
	wanted, err := command.ParsePartitions(o.partitions)
	if err != nil {
		return err
	}
	client, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := plan(ctx, env, client, o, args, wanted, from)
	if err != nil {
		return err
	}
	out, err := openOutput(env, o.to, s.remaining())
	if err != nil {
		return err
	}
	r := &reader{env: env, o: o, admin: client, spans: s, printer: printer, out: out}
	err = r.run(ctx)
	if closeErr := out.close(); err == nil {
		err = closeErr
	}
	return err
}
