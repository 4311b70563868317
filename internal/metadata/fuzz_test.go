package metadata

import (
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"testing"

	"leat.dev/internal/metadata/record"
	"leat.dev/internal/wire/batch"
)

func FuzzRaftState(f *testing.F) {
	s := raftState{term: 7, vote: 1, commit: 412, voters: []int32{1, 2}, base: logBase{380, 6, 5120}}
	f.Add(string(s.encode()))
	f.Add("version=1\nterm=x\n")
	f.Add("version=2\n")
	f.Fuzz(func(t *testing.T, text string) {
		// With a right checksum, so that the rest is reached.
		body, _, _ := strings.Cut(text, "crc32c=")
		text = body + fmt.Sprintf("crc32c=%08x\n", crc32.Checksum([]byte(body), castagnoli))
		s, err := decodeRaftState([]byte(text))
		if err != nil {
			return
		}
		again, err := decodeRaftState(s.encode())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v became %+v (%v)", s, again, err)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	c := newController(1, broker(1, "r", false), broker(2, "", true))
	for i := range 3 {
		_, records, _ := c.view().createTopics(topicRequest(fmt.Sprintf("t.%d", i), 2, 2, "retention.ms", "5"))
		c.commit(records)
	}
	f.Add(c.img.encodeSnapshot(5))
	f.Add(newImage("c").encodeSnapshot(5))
	f.Fuzz(func(t *testing.T, data []byte) {
		// With right checksums, so that the rest is reached.
		data = slices.Clone(data)
		for b, err := range batch.Split(data) {
			if err != nil {
				break
			}
			h := b.Header()
			b.SetTimestamps(h.LogAppendTime(), h.MaxTimestamp^1)
			b.SetTimestamps(h.LogAppendTime(), h.MaxTimestamp)
		}
		d := newImage("c").draft()
		if err := decodeSnapshot(data, d); err != nil {
			return
		}
		img := d.finish()
		again := newImage("c").draft()
		if err := decodeSnapshot(img.encodeSnapshot(5), again); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if got, want := describe(again.finish()), describe(img); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// FuzzRecords feeds records of any kind, in any order, to the state machine:
// it must refuse what does not fit and never panic.
func FuzzRecords(f *testing.F) {
	c := newController(1, broker(1, "r", false))
	_, records, _ := c.view().createTopics(topicRequest("t", 2, 1))
	c.commit(records)
	var seed []byte
	for r := range c.img.records {
		b := record.Append(nil, r)
		seed = append(append(seed, byte(len(b))), b...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := batch.NewBuilder(batch.BuilderOptions{})
		for len(data) > 1 {
			n := min(int(data[0]), len(data)-1)
			b.Append(0, nil, data[1:1+n], nil)
			data = data[1+n:]
		}
		one, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		d := newImage("c").draft()
		if decodeRecords(one, d.apply) == nil {
			d.finish()
		}
	})
}
