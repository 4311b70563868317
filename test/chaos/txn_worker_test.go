package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// workerEnv makes the test binary a transactional producer: "addr id incarnation version seed".
const workerEnv = "CHAOS_TXN_WORKER"

func TestMain(m *testing.M) {
	if spec := os.Getenv(workerEnv); spec != "" {
		if err := runWorker(strings.Fields(spec)); err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	txnTopic      = "ledger"
	txnPartitions = 4
	txnTimeout    = 4 * time.Second
)

// runWorker runs transactions until it is killed, or an error ends it as it ends an application: the next incarnation
// begins anew. It says on standard output what it is about to do and what it was told, a line each.
func runWorker(spec []string) error {
	addr, id, incarnation := spec[0], spec[1], spec[2]
	version, _ := strconv.Atoi(spec[3])
	seed, _ := strconv.ParseUint(spec[4], 10, 64)
	rng := rand.New(rand.NewPCG(seed, 2))
	opts := []kgo.Opt{
		kgo.SeedBrokers(addr), kgo.TransactionalID(id), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(txnTopic),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.DialTimeout(time.Second), kgo.RequestTimeoutOverhead(3 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
	}
	if version == 1 {
		opts = append(opts, kgo.MaxVersions(kversion.V3_9_0()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	for seq := 0; ; seq++ {
		name := fmt.Sprintf("%s.%s.%d", id, incarnation, seq)
		if err := runTxn(cl, rng, name, version); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func runTxn(cl *kgo.Client, rng *rand.Rand, name string, version int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	n := 1 + rng.IntN(12)
	fmt.Println("begin", name, n)
	var results kgo.FirstErrPromise
	for i := range n {
		r := &kgo.Record{Partition: int32(rng.IntN(txnPartitions)), Value: fmt.Appendf(nil, "%s/%d/%d", name, i, n)}
		if rng.IntN(3) == 0 {
			if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
				return fmt.Errorf("produce: %w", err)
			}
		} else {
			cl.Produce(ctx, r, results.Promise())
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := results.Err(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	commit := kgo.TryCommit
	if rng.IntN(4) == 0 {
		commit = kgo.TryAbort
	} else if err := commitOffset(ctx, cl, name, version); err != nil {
		return fmt.Errorf("offsets: %w", err)
	}
	if commit {
		fmt.Println("commit", name)
	}
	if err := cl.EndTransaction(ctx, commit); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	if commit {
		fmt.Println("committed", name)
	} else {
		fmt.Println("aborted", name)
	}
	return nil
}

// commitOffset makes the transaction move an offset of the worker's own group; its metadata says which transaction.
func commitOffset(ctx context.Context, cl *kgo.Client, name string, version int) error {
	id, _, _ := strings.Cut(name, ".")
	producer, epoch, err := cl.ProducerID(ctx)
	if err != nil {
		return err
	}
	if version == 1 {
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, producer, epoch, id
		if err := again(ctx, func() (int16, error) {
			resp, err := add.RequestWith(ctx, cl)
			if err != nil {
				return 0, err
			}
			return resp.ErrorCode, nil
		}); err != nil {
			return err
		}
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = id, id, producer, epoch, -1
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic = txnTopic
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset, p.Metadata = 1, &name
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return again(ctx, func() (int16, error) {
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return 0, err
		}
		return resp.Topics[0].Partitions[0].ErrorCode, nil
	})
}

// again asks until the answer is one that a client does not come back from.
func again(ctx context.Context, ask func() (int16, error)) error {
	for {
		code, err := ask()
		if err == nil {
			err = kerr.ErrorForCode(code)
		}
		if err == nil || !kerr.IsRetriable(err) && !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		if !pause(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// said is what a worker's lines say of one transaction.
type said struct {
	records              int
	commit, committed    bool // asked for, told
	aborted              bool
	worker               string
	incarnation, ordinal int
}

// worker runs one transactional id: a child process that is killed and started again.
type worker struct {
	t       *testing.T
	addr    string
	id      string
	version int
	rng     *rand.Rand

	mu    sync.Mutex
	txns  map[string]*said
	kills int
	ends  int            // of its own accord, by an error
	why   map[string]int // its errors
}

// run keeps a child going until ctx ends; the last one is killed.
func (w *worker) run(ctx context.Context) {
	for incarnation := 0; ctx.Err() == nil; incarnation++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d %d %d", workerEnv, w.addr, w.id, incarnation, w.version, w.rng.Uint64()))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			w.t.Error(err)
			return
		}
		life, cancel := context.WithTimeout(ctx, time.Duration(200+w.rng.IntN(4000))*time.Millisecond)
		stop := context.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.note(incarnation, lines.Text())
		}
		_ = cmd.Wait()
		w.mu.Lock()
		if life.Err() != nil {
			w.kills++
		} else {
			w.ends++
		}
		w.mu.Unlock()
		stop()
		cancel()
	}
}

// note reads a line of a child. One that was cut off by the kill is none.
func (w *worker) note(incarnation int, line string) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch f[0] {
	case "begin":
		n, _ := strconv.Atoi(f[len(f)-1])
		w.txns[f[1]] = &said{records: n, worker: w.id, incarnation: incarnation, ordinal: len(w.txns)}
	case "commit":
		w.txns[f[1]].commit = true
	case "committed":
		w.txns[f[1]].committed = true
	case "aborted":
		w.txns[f[1]].aborted = true
	case "error":
		_, why, _ := strings.Cut(line, ": ")
		w.why[why]++
	}
}
