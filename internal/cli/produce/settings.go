package produce

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Settings are the producer's choices that several commands offer as flags.
type Settings struct {
	Compression string
	Level       int
	Acks        string
	Idempotence bool
	Linger      time.Duration
	BatchBytes  int32
	Partitioner string
	Manual      bool // the records name their partitions
}

// Options checks the settings and turns them into the client's options.
func (s Settings) Options() ([]kgo.Opt, error) {
	if err := command.Choice("--compression", s.Compression, codecNames...); err != nil {
		return nil, err
	}
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[s.Compression]
	if s.Level != 0 {
		if s.Compression == "none" || s.Compression == "snappy" {
			return nil, fault.Usage("--compression %s has no levels", s.Compression).WithHint("levels exist for gzip, lz4 and zstd")
		}
		codec = codec.WithLevel(s.Level)
	}
	if s.Linger < 0 {
		return nil, fault.Usage("--linger %s is negative", s.Linger)
	}
	if s.BatchBytes < 1 {
		return nil, fault.Usage("--batch-bytes %d is not a size", s.BatchBytes)
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(s.Linger), kgo.ProducerBatchMaxBytes(s.BatchBytes),
		kgo.MaxBufferedRecords(100_000), kgo.MaxBufferedBytes(128 << 20),
	}
	switch s.Acks {
	case "all", "-1":
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
		if !s.Idempotence {
			opts = append(opts, kgo.DisableIdempotentWrite())
		}
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	default:
		return nil, fault.Usage("--acks %q is not known", s.Acks).WithHint("the choices are all, 1 and 0")
	}
	switch {
	case s.Manual:
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	case s.Partitioner == "" || s.Partitioner == "sticky":
		// The client's default: by key as Kafka's own clients do, whole batches otherwise.
	case s.Partitioner == "round-robin":
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	default:
		return nil, command.Choice("--partitioner", s.Partitioner, "sticky", "round-robin")
	}
	return opts, nil
}
