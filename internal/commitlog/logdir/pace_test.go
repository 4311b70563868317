package logdir

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leat.dev/internal/base/clock"
)

// Two threads keep to one rate, which may change while they wait.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{clock: clock.System}
		p.setRate(1 << 20)
		alive := func() error { return nil }
		spend := func(bytes int) time.Duration {
			began := time.Now()
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for range 8 {
						if err := p.pay(bytes, alive); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			return time.Since(began)
		}
		if took := spend(512 << 10); took < 7*time.Second || took > 9*time.Second {
			t.Errorf("8 MiB at 1 MiB/s took %v", took)
		}
		time.AfterFunc(time.Second, func() { p.setRate(0) })
		if took := spend(512 << 20); took > 2*time.Second {
			t.Errorf("without a limit it took %v", took)
		}
		p.setRate(1)
		gone := errors.New("gone")
		began := time.Now()
		if err := p.pay(1<<20, func() error { return gone }); !errors.Is(err, gone) || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
