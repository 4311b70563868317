package metadata

import (
	"fmt"
	"testing"
	"time"

	"leat.dev/internal/base/vfs"
)

// BenchmarkStartNew and BenchmarkStartExisting are a whole start on a real
// disk: opening the log, raft, the election and the registration.
func BenchmarkStartNew(b *testing.B) {
	var total time.Duration
	for b.Loop() {
		dir := b.TempDir()
		began := time.Now()
		n := open(b, vfs.OS, func(o *Options) { o.Dir = dir })
		n.startBroker(-1)
		total += time.Since(began)
		n.close()
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/start")
}

func BenchmarkStartExisting(b *testing.B) {
	for _, topics := range []int{0, 1000, 10_000} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			dir := b.TempDir()
			n := open(b, vfs.OS, func(o *Options) { o.Dir = dir })
			epoch := n.startBroker(-1)
			for i := 0; i < topics; i += 100 {
				req := topicRequest(fmt.Sprintf("topic-%05d", i), 1, 1)
				for j := i + 1; j < i+100; j++ {
					t := req.Topics[0]
					t.Topic = fmt.Sprintf("topic-%05d", j)
					req.Topics = append(req.Topics, t)
				}
				n.CreateTopics(b.Context(), req)
			}
			n.close()
			var total time.Duration
			for b.Loop() {
				began := time.Now()
				n := open(b, vfs.OS, func(o *Options) { o.Dir = dir })
				epoch = n.startBroker(epoch)
				total += time.Since(began)
				if got := n.Image().TopicCount(); got != topics {
					b.Fatalf("%d topics", got)
				}
				n.close()
			}
			b.ReportMetric(float64(total.Microseconds())/1000/float64(b.N), "ms/start")
		})
	}
}

func BenchmarkCreateTopic(b *testing.B) {
	dir := b.TempDir()
	n := open(b, vfs.OS, func(o *Options) { o.Dir = dir })
	defer n.close()
	n.startBroker(-1)
	for i := 0; b.Loop(); i++ {
		n.mustCreate(fmt.Sprintf("t%d", i), 1)
	}
}

// BenchmarkReplay is the CPU of applying one partition's worth of log.
func BenchmarkReplay(b *testing.B) {
	c := newController(1, broker(1, "", false))
	for i := range 1000 {
		_, records, _ := c.view().createTopics(topicRequest(fmt.Sprintf("t%d", i), 10, 1))
		c.commit(records)
	}
	data := c.img.encodeSnapshot(0)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		d := newImage("c").draft()
		if err := decodeSnapshot(data, d); err != nil {
			b.Fatal(err)
		}
		d.finish()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/partition")
}
