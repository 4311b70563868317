package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/test/launch"
)

const (
	linearTopic      = "linear"
	linearPartitions = 4
	linearClients    = 8
)

// The operations of the model. An append or a read is one request, sent once and never retried, so that its
// effect is that of one operation.
const (
	opAppend = iota // input value; output the offset, -1 when the answer never came
	opRead          // the whole log: output its length and chain
	opEnd           // the end offset: output the length
)

type linearInput struct {
	op        int
	partition int32
	value     uint64
}

type linearOutput struct {
	length int64
	chain  uint64
}

// A linearState is a log, told by its length and a hash over all its values in order.
type linearState struct {
	length int64
	chain  uint64
}

func link(chain, value uint64) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d,%d", chain, value)
	return h.Sum64()
}

// logModel is a log per partition: appends give dense offsets, reads see exactly what was appended before.
var logModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, linearPartitions)
		for _, op := range history {
			p := op.Input.(linearInput).partition
			parts[p] = append(parts[p], op)
		}
		return parts
	},
	Init: func() any { return linearState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(linearState), input.(linearInput), output.(linearOutput)
		switch in.op {
		case opAppend:
			// An append without an answer may take effect at any time after its call, or never, which is
			// the same as after everything else: it returns at the end of time.
			return out.length == -1 || out.length == s.length, linearState{s.length + 1, link(s.chain, in.value)}
		case opRead:
			return out.length == s.length && out.chain == s.chain, s
		default:
			return out.length == s.length, s
		}
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(linearInput), output.(linearOutput)
		return fmt.Sprintf("%s(%d) -> %d", [...]string{"append", "read", "end"}[in.op], in.value, out.length)
	},
}

// TestLinearizable lets clients append, read and ask for the end while the broker is killed and restarted.
func TestLinearizable(t *testing.T) {
	lasts, random := chaos(t)
	b := startBroker(t, "", nil)
	createTopic(t, b, linearTopic, linearPartitions)
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	begin := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var clients sync.WaitGroup
	for i := range linearClients {
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		clients.Go(func() {
			ops := (&linearClient{id: i, broker: b, random: own, begin: begin}).run(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, ops...)
		})
	}
	kills := 0
	for pause(ctx, 200*time.Millisecond+time.Duration(random.Int64N(int64(1500*time.Millisecond)))) {
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		kills++
		restart(t, b)
	}
	clients.Wait()
	appends, unknown, stored := 0, 0, finalOffsets(t, b)
	for _, op := range history {
		if op.Input.(linearInput).op == opAppend {
			appends++
			if op.Output.(linearOutput).length == -1 {
				unknown++
			}
		}
	}
	history = settle(history, stored, int64(time.Since(begin)))
	result, info := porcupine.CheckOperationsVerbose(logModel, history, 5*time.Minute)
	t.Logf("%d operations (%d appends, %d of them without an answer) through %d kills: %s", len(history), appends, unknown, kills, result)
	if result == porcupine.Ok {
		if len(history) < 100 || appends == 0 || kills == 0 {
			t.Errorf("too little happened to show anything")
		}
		return
	}
	file := filepath.Join(os.TempDir(), "leat-linear.html")
	if err := porcupine.VisualizePath(logModel, info, file); err != nil {
		t.Error(err)
	}
	t.Errorf("the history is not that of a log (%s); picture: %s", result, file)
}

// finalOffsets reads the logs once more, when nothing is under way, and returns the offset of each value.
func finalOffsets(t *testing.T, b *launch.Broker) map[uint64]int64 {
	t.Helper()
	cl := client(t, b)
	out := map[uint64]int64{}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for p := range int32(linearPartitions) {
		_, values, err := readAll(ctx, cl, p)
		if err != nil {
			t.Fatal(err)
		}
		for offset, v := range values {
			out[v] = int64(offset)
		}
	}
	return out
}

// settle tells the appends without an answer what became of them: each value is unique, so the final log says
// at which offset it is, or that it never happened. Without that every one of them could stand anywhere in the
// order, and the check would not end. A value that a reader saw and the final log has not stays a violation:
// the reader's chain fits no state.
func settle(history []porcupine.Operation, stored map[uint64]int64, end int64) []porcupine.Operation {
	var out []porcupine.Operation
	for _, op := range history {
		if in := op.Input.(linearInput); in.op == opAppend && op.Output.(linearOutput).length == -1 {
			offset, ok := stored[in.value]
			if !ok {
				continue
			}
			op.Output, op.Return = linearOutput{length: offset}, end
		}
		out = append(out, op)
	}
	return out
}

type linearClient struct {
	id     int
	broker *launch.Broker
	random *rand.Rand
	begin  time.Time
	count  uint64
}

func (c *linearClient) now() int64 { return int64(time.Since(c.begin)) }

// run makes operations until ctx ends. Each waits a little, or the history grows beyond checking.
func (c *linearClient) run(ctx context.Context, t *testing.T) []porcupine.Operation {
	cl := client(t, c.broker, kgo.DisableIdempotentWrite(), kgo.RequestRetries(0))
	var history []porcupine.Operation
	for pause(ctx, time.Duration(c.random.Int64N(int64(25*time.Millisecond)))) {
		in := linearInput{op: opAppend, partition: c.random.Int32N(linearPartitions)}
		switch c.random.IntN(4) {
		case 0:
			in.op = opRead
		case 1:
			in.op = opEnd
		}
		c.count++
		in.value = uint64(c.id)<<32 | c.count
		op := porcupine.Operation{ClientId: c.id, Input: in, Call: c.now()}
		out, sent, err := c.do(ctx, cl, in)
		op.Return = c.now()
		switch {
		case err == nil:
			op.Output = out
		case in.op == opAppend && sent:
			// Its answer never came. A client's operations must not overlap, so it becomes a client of its own.
			op.Output, op.Return = linearOutput{length: -1}, math.MaxInt64
			op.ClientId = linearClients + int(in.value%1_000_000_007)
		default:
			continue // a read that failed says nothing, nor does an append that was refused
		}
		history = append(history, op)
	}
	return history
}

// do makes one request. sent is false when an append surely has no effect.
func (c *linearClient) do(ctx context.Context, cl *kgo.Client, in linearInput) (out linearOutput, sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	switch in.op {
	case opAppend:
		return produceOnce(ctx, cl, in.partition, in.value)
	case opRead:
		out, _, err = readAll(ctx, cl, in.partition)
	default:
		out, err = endOffset(ctx, cl, in.partition)
	}
	return out, false, err
}

// node asks the seed: a single broker, whose id is learnt from nobody.
func node(cl *kgo.Client) *kgo.Broker { return cl.SeedBrokers()[0] }

func produceOnce(ctx context.Context, cl *kgo.Client, partition int32, value uint64) (linearOutput, bool, error) {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = linearTopic
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = partition, oneRecord(value)
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := node(cl).Request(ctx, &pinned{req, 9})
	if err != nil {
		var op *net.OpError
		dialled := !errors.As(err, &op) || op.Op != "dial"
		return linearOutput{}, dialled, err
	}
	p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		// The broker says no; only these leave open what happened.
		open := p.ErrorCode == kerr.RequestTimedOut.Code || p.ErrorCode == kerr.KafkaStorageError.Code || p.ErrorCode == kerr.UnknownServerError.Code
		return linearOutput{}, open, err
	}
	return linearOutput{length: p.BaseOffset}, true, nil
}
