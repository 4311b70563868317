package engine

import (
	"context"
	"errors"
	"hash/fnv"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams/internal/codec"
)

// taskEnv is the world of one task. Its outlet is that of the worker that has the task.
type taskEnv struct {
	app  *App
	id   TaskID
	ctx  context.Context
	out  *outlet
	logs map[TopicPartition]*changelog

	processed int64 // since the worker looked last
	meter     Meter
	series    *taskSeries
	told      cachesTold
}

// Meter is where the task counts what it does.
func (e *taskEnv) Meter() *Meter {
	e.meter.clk = e.app.clk
	return &e.meter
}

var errNoOutlet = errors.New("nothing can be written before the task is initialized")

func (e *taskEnv) Send(o *Out) error {
	if e.out == nil {
		return errNoOutlet
	}
	if e.out.broken.Load() {
		if err := e.out.check(e.ctx); err != nil {
			return err
		}
	}
	return e.out.send(e.ctx, e, o)
}

func (e *taskEnv) Partitions(topic string) (int, error) { return e.app.partitions(e.ctx, topic) }

func (e *taskEnv) Now() int64 { return e.app.now() }

func (e *taskEnv) Count(metric Metric, node string, n int64) {
	if metric == Processed {
		e.processed += n
		return
	}
	e.app.met.count(metric, node, n)
}

// log is the position of a changelog partition.
func (e *taskEnv) log(topic string, partition int32) *changelog {
	tp := TopicPartition{topic, partition}
	l := e.logs[tp]
	if l == nil {
		l = &changelog{tp: tp}
		if e.logs == nil {
			e.logs = map[TopicPartition]*changelog{}
		}
		e.logs[tp] = l
	}
	return l
}

// written are the positions of the changelogs that were written to.
func (e *taskEnv) written() map[TopicPartition]int64 {
	out := make(map[TopicPartition]int64, len(e.logs))
	for tp, l := range e.logs {
		if next := l.next.Load(); next > 0 {
			out[tp] = next
		}
	}
	return out
}

// headersOf are the headers of a record under this package's name for them: the bytes are the same.
func headersOf(h []kgo.RecordHeader) []Header {
	if len(h) == 0 {
		return nil
	}
	return unsafe.Slice((*Header)(unsafe.Pointer(unsafe.SliceData(h))), len(h))
}

// partitionOf is Kafka's default partitioner.
func partitionOf(key []byte, n int) int32 {
	return codec.Partition(key, int32(n)) //nolint:gosec // partitions are int32
}

// fingerprint is a hash of a text that members of a group compare.
func fingerprint(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	const digits = "0123456789abcdef"
	sum := h.Sum64()
	var b [16]byte
	for i := range b {
		b[i] = digits[sum>>(60-4*i)&15]
	}
	return string(b[:])
}
