package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

// chaos returns how long a test's load lasts and the seed of its decisions, or skips the test.
func chaos(t *testing.T) (time.Duration, *rand.Rand) {
	t.Helper()
	if os.Getenv("LEAT_CHAOS") == "" {
		t.Skip("runs by `make chaos`: it needs the built program and its time")
	}
	seconds := number(t, "LEAT_CHAOS_SECONDS", 20)
	seed := number(t, "LEAT_CHAOS_SEED", time.Now().UnixNano())
	t.Logf("LEAT_CHAOS_SEED=%d LEAT_CHAOS_SECONDS=%d", seed, seconds)
	return time.Duration(seconds) * time.Second, rand.New(rand.NewPCG(uint64(seed), 1))
}

func number(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func kind() string {
	if k := os.Getenv("LEAT_CHAOS_BROKER"); k != "" {
		return k
	}
	return launch.Leat
}

// startBroker runs a broker for the test; data "" puts it beside the broker's log.
func startBroker(t *testing.T, data string, props map[string]string) *launch.Broker {
	t.Helper()
	all := map[string]string{"group.initial.rebalance.delay.ms": "0", "log.segment.bytes": "4194304", "offsets.topic.num.partitions": "8"}
	for k, v := range props {
		all[k] = v
	}
	b, err := launch.New(t.Context(), launch.Spec{Kind: kind(), Dir: t.TempDir(), Data: data, HeapMB: 512, Props: all})
	if err != nil {
		t.Fatal(err)
	}
	restart(t, b)
	t.Cleanup(func() { _ = b.Kill() })
	return b
}

func restart(t *testing.T, b *launch.Broker) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	took, err := b.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return took
}

// client makes a client that comes back quickly after a restart.
func client(t *testing.T, b *launch.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Addr()),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.DialTimeout(2 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.RetryTimeout(2 * time.Minute),
		kgo.RequestTimeoutOverhead(5 * time.Second),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t *testing.T, b *launch.Broker, topic string, partitions int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// pause waits for d or the end of ctx, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
