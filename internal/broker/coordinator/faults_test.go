package coordinator

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestRandomFaults lets writers raise their group's offset while readers look on,
// over a log that refuses appends, holds commits back and changes leaders with the
// loss of what was not committed, all by a seed. However it goes: no answered
// commit is lost, and no reader sees an offset that is later gone.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomFaults(t, seed) })
		})
	}
}

func randomFaults(t *testing.T, seed uint64) {
	const groups, writes = 4, 60
	b := newBench(t, 1)
	b.lead(1)
	var wg sync.WaitGroup
	acked := make([]int64, groups)
	for g := range groups {
		rng := rand.New(rand.NewPCG(seed, uint64(g)))
		id := fmt.Sprint("g", g)
		wg.Go(func() {
			last := int64(-1) // the least a fetch may show
			for i := range int64(writes) {
				time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
				if b.commit(id, i) == 0 {
					last = i
				}
				if rng.IntN(2) == 0 {
					continue
				}
				switch got := b.fetch(id); {
				case got < -100: // no coordinator right now
				case got < last:
					t.Errorf("seed %d: %s fell from %d to %d", seed, id, last, got)
				default:
					last = got
				}
			}
			acked[g] = last
		})
	}
	stop := make(chan struct{})
	var trouble sync.WaitGroup
	trouble.Go(func() { makeTrouble(b, rand.New(rand.NewPCG(seed, 99)), stop) })
	wg.Wait()
	close(stop)
	trouble.Wait()

	b.logs[0].failAppends(nil)
	b.logs[0].release()
	b.Lead(0, 1000, b.logs[0])
	synctest.Wait()
	for g := range groups {
		if got := b.fetch(fmt.Sprint("g", g)); got < acked[g] {
			t.Errorf("seed %d: g%d is %d at the end, %d was seen", seed, g, got, acked[g])
		}
	}
	if got := b.count("offsets"); got > groups {
		t.Errorf("seed %d: the metrics count %d offsets", seed, got)
	}
}

func makeTrouble(b *bench, rng *rand.Rand, stop chan struct{}) {
	log := b.logs[0]
	for epoch := int32(2); ; {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(700)) * time.Millisecond):
		}
		switch rng.IntN(6) {
		case 0:
			log.failAppends([]error{kerr.KafkaStorageError, kerr.NotEnoughReplicas, kerr.NotLeaderForPartition}[rng.IntN(3)])
		case 1, 2:
			log.failAppends(nil)
		case 3:
			log.hold()
		case 4:
			log.release()
		case 5:
			b.Resign(0, epoch)
			synctest.Wait()
			log.lose(kerr.NotLeaderForPartition)
			epoch++
			b.Lead(0, epoch, log)
		}
	}
}
