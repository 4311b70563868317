package batch

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"leat.dev/internal/wire/compress"
)

const unlimited = 1 << 30

// describe says of a batch what the reference does, in its words.
func describe(b Batch) string {
	h := b.Header()
	var out strings.Builder
	clock := "create"
	if h.LogAppendTime() {
		clock = "append"
	}
	fmt.Fprintf(&out, "batch %d..%d size %d count %d codec %v time %s max %d pid %d epoch %d seq %d..%d leader %d txn %v control %v horizon %d\n",
		h.BaseOffset, h.LastOffset(), h.Size(), h.Count, h.Codec(), clock, h.MaxTimestamp, h.ProducerID, h.ProducerEpoch,
		h.BaseSequence, h.LastSequence(), h.LeaderEpoch, h.Transactional(), h.Control(), h.DeleteHorizon())
	for r, err := range b.Records(nil, unlimited) {
		if err != nil {
			fmt.Fprintf(&out, "error %v\n", err)
			break
		}
		if h.Control() {
			fmt.Fprintf(&out, "%d %d\n", r.Offset, r.Timestamp)
			end, ok, err := ParseEndTxn(r)
			name := map[bool]string{true: "COMMIT", false: "ABORT"}[end.Commit]
			if !ok || err != nil {
				name = fmt.Sprint("no marker: ", err)
			}
			fmt.Fprintf(&out, "control %s %d\n", name, end.CoordinatorEpoch)
			continue
		}
		fmt.Fprintf(&out, "%d %d %s %s", r.Offset, r.Timestamp, show(r.Key), show(r.Value))
		for _, header := range r.Headers {
			fmt.Fprintf(&out, " %s=%s", header.Key, show(header.Value))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func show(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 40:
		return fmt.Sprintf("<%d>", len(b))
	default:
		return fmt.Sprintf("%q", b)
	}
}

// rebuild makes the batch again from what is read of it.
func rebuild(t *testing.T, b Batch) Batch {
	t.Helper()
	builder := NewBuilder(OptionsFrom(b.Header()))
	for r, err := range b.Records(nil, unlimited) {
		if err != nil {
			t.Fatal(err)
		}
		builder.AppendAt(r.Offset, r.Timestamp, r.Key, r.Value, r.Headers)
	}
	out, err := builder.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func kafkaBatches(t testing.TB) map[string]Batch {
	text, err := os.ReadFile("testdata/kafka.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Batch{}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		name, rest, _ := strings.Cut(block, "\n")
		if line, want, ok := strings.Cut(rest, "\n"); ok {
			raw, err := hex.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			out[strings.TrimPrefix(name, "# ")+"\n"+strings.TrimSpace(want)] = raw
		}
	}
	return out
}

func TestReadsAndMakesKafkasBatches(t *testing.T) {
	all := kafkaBatches(t)
	if len(all) != 10 {
		t.Fatalf("%d batches", len(all))
	}
	for key, raw := range all {
		name, want, _ := strings.Cut(key, "\n")
		t.Run(name, func(t *testing.T) {
			b, rest, err := Parse(raw)
			if err != nil || len(rest) != 0 || !b.VerifyCRC() {
				t.Fatalf("%v, %d bytes more, CRC %v", err, len(rest), b.VerifyCRC())
			}
			if got := strings.TrimSpace(describe(b)); got != want {
				t.Errorf("reads as\n%s\nwant\n%s", got, want)
			}
			again := rebuild(t, b)
			if b.Header().LogAppendTime() {
				return // the records' own timestamps are not to be known
			}
			if b.Header().Codec() == compress.None {
				if !bytes.Equal(again, b) {
					t.Errorf("made again as\n%x\nwant\n%x", again, b)
				}
				return
			}
			x, y := b.Header(), again.Header()
			x.CRC, x.Length, y.CRC, y.Length = 0, 0, 0, 0
			if x != y || !again.VerifyCRC() {
				t.Errorf("made again with\n%+v\nwant\n%+v", y, x)
			}
		})
	}
}

func TestMarkersAreKafkas(t *testing.T) {
	for key, raw := range kafkaBatches(t) {
		var got Batch
		switch name, _, _ := strings.Cut(key, "\n"); name {
		case "commit marker":
			got = EndTxnMarker(12, 1, 6, true, 1700000000000, 99)
		case "abort marker":
			got = EndTxnMarker(12, 1, 7, false, 1700000000001, 100)
		default:
			continue
		}
		got.SetLeaderEpoch(4)
		if !bytes.Equal(got, raw) {
			t.Errorf("%x, want %x", got, raw)
		}
	}
}
