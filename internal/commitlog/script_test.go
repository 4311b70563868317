package commitlog

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

var rewriteScripts = flag.Bool("rewrite", false, "write what the scripts in testdata print into them")

// TestScripts runs the scripts in testdata. A line is a command; the lines after
// it that start with a bar are what it prints. Times are minutes after the start
// of the script; the commands are the methods of script below.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{harness: newHarness(t, nil)}
			s.zero = s.clock.Now()
			var out strings.Builder
			for line := range strings.Lines(string(data)) {
				if strings.HasPrefix(line, "|") {
					continue
				}
				out.WriteString(line)
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					for text := range strings.Lines(s.do(line)) {
						out.WriteString("| " + strings.TrimSuffix(text, "\n") + "\n")
					}
				}
			}
			if *rewriteScripts {
				if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if out.String() != string(data) {
				t.Errorf("%s should read:\n%s", name, out.String())
			}
		})
	}
}

type script struct {
	*harness
	zero time.Time
}

func (s *script) do(line string) string {
	args := strings.Fields(line)
	switch cmd := args[0]; cmd {
	case "config":
		return s.config(args[1:])
	case "append":
		return s.appendRecords(args[1:])
	case "advance":
		s.clock.Advance(time.Duration(s.num(args[1])) * time.Minute)
	case "flush":
		to, err := s.log.Flush()
		return result("flushed to %d", err, to)
	case "hw":
		s.log.SetHighWatermark(s.num(args[1]))
		return fmt.Sprintf("high watermark %d", s.log.HighWatermark())
	case "checkpoint":
		to, err := s.log.Checkpoint()
		s.opts.RecoveryPoint, s.opts.LogStartOffset = to, s.log.StartOffset()
		return result("recovery point %d", err, to)
	case "read":
		info, err := s.log.Read(s.num(args[1]), 1, true, ReadLogEnd)
		info.Release()
		if err != nil {
			return "error: " + err.Error()
		}
		return strings.Join(s.values(s.num(args[1]), ReadLogEnd), "\n")
	case "segments":
		return s.segments()
	case "retention":
		n, err := s.log.ApplyRetention()
		return result("deleted %d, log start %d", err, n, s.log.StartOffset())
	case "delete-records":
		low, err := s.log.DeleteRecords(s.num(args[1]))
		return result("log start %d", err, low)
	case "truncate":
		return result("log end %d", s.log.TruncateTo(s.num(args[1])), s.log.EndOffset())
	case "time":
		found, ok, err := s.log.OffsetForTimestamp(s.ms(args[1]), ReadLogEnd)
		return s.found(found, ok, err)
	case "max-time":
		found, ok, err := s.log.MaxTimestamp()
		return s.found(found, ok, err)
	case "epoch":
		return result("", s.log.AssignEpoch(int32(s.num(args[1])), s.log.EndOffset()))
	case "epoch-end":
		epoch, end := s.log.EndOffsetForEpoch(int32(s.num(args[1])))
		return fmt.Sprintf("epoch %d ends at %d", epoch, end)
	case "files":
		return s.files()
	case "damage":
		s.damage(args[1], s.num(args[2]))
	case "cut":
		s.cut(args[1], s.num(args[2]))
	case "remove":
		if err := s.fs.Remove("/data/t-0/" + args[1]); err != nil {
			s.t.Fatal(err)
		}
	case "close":
		return result("", s.log.Close())
	case "kill":
		s.fs = s.fs.(*vfs.Mem).Kill()
	case "open":
		return s.reopenLog(len(args) > 1 && args[1] == "clean")
	default:
		s.t.Fatalf("unknown command %q", cmd)
	}
	return ""
}

// result prints an error, or what there is to say without one.
func result(format string, err error, args ...any) string {
	var refused *AppendError
	switch {
	case errors.As(err, &refused):
		out := "refused: " + refused.Code.Message
		for _, r := range refused.RecordErrors {
			out += fmt.Sprintf("\nrecord %d: %s", r.BatchIndex, r.Message)
		}
		return out
	case err != nil:
		return "error: " + err.Error()
	}
	return fmt.Sprintf(format, args...)
}

func (s *script) num(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// ms turns minutes of the script into a timestamp.
func (s *script) ms(text string) int64 {
	return s.zero.Add(time.Duration(s.num(text)) * time.Minute).UnixMilli()
}

func (s *script) config(args []string) string {
	c := s.log.Config()
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		minutes := func() time.Duration { return time.Duration(s.num(value)) * time.Minute }
		switch name {
		case "segment.bytes":
			c.SegmentBytes = int32(s.num(value))
		case "segment.minutes":
			c.SegmentAge = minutes()
		case "index.bytes":
			c.IndexBytes = int32(s.num(value))
		case "retention.minutes":
			c.RetentionAge = minutes()
		case "retention.bytes":
			c.RetentionBytes = s.num(value)
		case "before.minutes":
			c.TimestampBeforeMax = minutes()
		case "policy":
			c.Compact, c.Delete = strings.Contains(value, "compact"), strings.Contains(value, "delete")
		case "append-time":
			c.LogAppendTime = value == "true"
		case "compression":
			codec, _ := compress.ParseCodec(value)
			c.Compression = Compression(codec)
		default:
			s.t.Fatalf("unknown setting %q", name)
		}
	}
	s.log.SetConfig(c)
	s.opts.Config = c
	return ""
}

// appendRecords appends one batch: "at=MINUTE" sets the time of what follows,
// "epoch=N" the leader epoch; "k:v" is a record with a key.
func (s *script) appendRecords(args []string) string {
	ts, o := s.clock.Now().UnixMilli(), AppendOptions{LeaderEpoch: max(s.log.LatestEpoch(), 0)}
	b := batch.NewBuilder(batch.BuilderOptions{})
	for _, a := range args {
		if at, ok := strings.CutPrefix(a, "at="); ok {
			ts = s.ms(at)
			continue
		}
		if epoch, ok := strings.CutPrefix(a, "epoch="); ok {
			o.LeaderEpoch = int32(s.num(epoch))
			continue
		}
		var key []byte
		if k, v, ok := strings.Cut(a, ":"); ok {
			key, a = []byte(k), v
		}
		b.Append(ts, key, []byte(a), nil)
	}
	info, err := s.log.AppendLeader(finish(s.t, b), o)
	return result("offsets %d to %d", err, info.FirstOffset, info.LastOffset)
}

func (s *script) segments() string {
	var out strings.Builder
	for _, g := range s.log.Segments() {
		fmt.Fprintf(&out, "%d to %d, %d bytes\n", g.BaseOffset, g.NextOffset, g.Size)
	}
	return out.String()
}

func (s *script) found(f OffsetAndTime, ok bool, err error) string {
	if err == nil && !ok {
		return "none"
	}
	return result("offset %d at minute %d, epoch %d", err, f.Offset, time.UnixMilli(f.Timestamp).Sub(s.zero)/time.Minute, f.LeaderEpoch)
}

func (s *script) files() string {
	list, err := s.fs.ReadDir("/data/t-0")
	if err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range list {
		fmt.Fprintf(&out, "%s %d\n", f.Name, f.Size)
	}
	return out.String()
}

// damage changes the byte at pos of a file; negative positions count from its end.
func (s *script) damage(name string, pos int64) {
	f, err := s.fs.Open("/data/t-0/" + name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if pos < 0 {
		size, _ := f.Size()
		pos += size
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], pos); err != nil {
		s.t.Fatal(err)
	}
	b[0] ^= 0x55
	if _, err := f.WriteAt(b[:], pos); err != nil {
		s.t.Fatal(err)
	}
}

// cut takes n bytes off the end of a file.
func (s *script) cut(name string, n int64) {
	f, err := s.fs.Open("/data/t-0/" + name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err == nil {
		err = f.Truncate(size - n)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) reopenLog(clean bool) string {
	s.opts.FS, s.opts.Clean = s.fs, clean
	if clean {
		s.opts.RecoveryPoint = 0
	}
	l, err := Open(s.opts)
	if err != nil {
		return "error: " + err.Error()
	}
	s.log = l
	return fmt.Sprintf("[%d, %d), flushed to %d, high watermark %d", l.StartOffset(), l.EndOffset(), l.FlushedOffset(), l.HighWatermark())
}
