package sharefetch

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/fetch"
	"leat.dev/internal/wire/field"
)

// TestAgreesWithKmsg encodes responses and has kmsg decode them, and encode the same again.
func TestAgreesWithKmsg(t *testing.T) {
	file, err := vfs.NewMem(1).Create("/log")
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 4096)
	for i := range content {
		content[i] = byte(i) ^ byte(i>>8)
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.StringN(0, 5, 20).Draw(t, name) }
		p := Response{ThrottleMillis: rapid.Int32().Draw(t, "throttle"), ErrorCode: rapid.Int16().Draw(t, "code"), ErrorMessage: text("message"), LockTimeoutMillis: rapid.Int32().Draw(t, "lock")}
		for range rapid.IntRange(0, 3).Draw(t, "topics") {
			topic := Topic{}
			copy(topic.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
			for range rapid.IntRange(0, 3).Draw(t, "partitions") {
				part := Partition{
					Index: rapid.Int32().Draw(t, "index"), ErrorCode: rapid.Int16().Draw(t, "error"), ErrorMessage: text("error message"),
					AckErrorCode: rapid.Int16().Draw(t, "ack error"), AckErrorMessage: text("ack message"),
					Leader: field.CurrentLeader{ID: rapid.Int32().Draw(t, "leader"), Epoch: rapid.Int32().Draw(t, "epoch")},
				}
				for range rapid.IntRange(0, 3).Draw(t, "ranges") {
					part.Records = append(part.Records, fetch.Range{File: file, Pos: rapid.Int64Range(0, 3000).Draw(t, "pos"), Len: rapid.IntRange(0, 1000).Draw(t, "len")})
				}
				for range rapid.IntRange(0, 3).Draw(t, "acquired") {
					part.Acquired = append(part.Acquired, Acquired{rapid.Int64().Draw(t, "first"), rapid.Int64().Draw(t, "last"), rapid.Int16().Draw(t, "count")})
				}
				topic.Partitions = append(topic.Partitions, part)
			}
			p.Topics = append(p.Topics, topic)
		}
		for range rapid.IntRange(0, 2).Draw(t, "endpoints") {
			p.NodeEndpoints = append(p.NodeEndpoints, field.Endpoint{NodeID: rapid.Int32().Draw(t, "node"), Host: text("host"), Port: rapid.Int32().Draw(t, "port"), Rack: text("rack")})
		}
		head, parts := p.Encode([]byte("head"), nil)
		sent := bytes.Clone(head)
		for _, part := range parts {
			sent = append(sent, part.Bytes...)
			sent = append(sent, content[part.Pos:][:part.Len]...)
		}
		sent = bytes.TrimPrefix(sent, []byte("head"))

		got := kmsg.NewPtrShareFetchResponse()
		got.SetVersion(2)
		if err := got.ReadFrom(sent); err != nil {
			t.Fatal(err)
		}
		if again := got.AppendTo(nil); !bytes.Equal(again, sent) {
			t.Fatalf("%x\nis read as\n%x", sent, again)
		}
		if got.ErrorCode != p.ErrorCode || got.AcquisitionLockTimeoutMillis != p.LockTimeoutMillis || len(got.Topics) != len(p.Topics) {
			t.Fatalf("%+v", got)
		}
		for i, topic := range p.Topics {
			for j, part := range topic.Partitions {
				var records []byte
				for _, r := range part.Records {
					records = append(records, content[r.Pos:][:r.Len]...)
				}
				out := got.Topics[i].Partitions[j]
				if !bytes.Equal(out.Records, records) || len(out.AcquiredRecords) != len(part.Acquired) || out.AcknowledgeErrorCode != part.AckErrorCode || out.CurrentLeader.LeaderID != part.Leader.ID {
					t.Fatalf("%+v is read as %+v", part, out)
				}
			}
		}
	})
}
