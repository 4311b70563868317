package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// startup measures the time from the start of the process to the first answer, and memory at rest.
func startup(ctx context.Context, b *bench, s system) error {
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	b.table.set("Start", "first start on an empty folder, until Metadata is answered", lessMs, s, millis(n.ready))
	if err := n.createTopic(ctx, "one", 1); err != nil {
		return err
	}
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	u, err := n.Usage()
	if err != nil {
		return err
	}
	b.table.set("Memory", "resident at rest, one topic, 5 s after the start", lessMB, s, mb(u.RSS))
	var clean, killed, stops []time.Duration
	for i := range b.starts {
		stop, cancel := context.WithTimeout(ctx, 30*time.Second)
		took, err := n.Stop(stop)
		cancel()
		if err != nil {
			return err
		}
		stops = append(stops, took)
		if took, err = n.restart(ctx); err != nil {
			return err
		}
		clean = append(clean, took)
		if i == 0 || !b.quick {
			if err := n.Kill(); err != nil {
				return err
			}
			if took, err = n.restart(ctx); err != nil {
				return err
			}
			killed = append(killed, took)
		}
	}
	b.table.set("Start", "again after SIGTERM (median)", lessMs, s, millis(median(clean)))
	b.table.set("Start", "again after SIGKILL (median)", lessMs, s, millis(median(killed)))
	b.table.set("Start", "time to end after SIGTERM (median)", lessMs, s, millis(median(stops)))
	fmt.Printf("   first %v, again %v, at rest %.0f MB\n", n.ready.Round(time.Millisecond), median(clean).Round(time.Millisecond), mb(u.RSS))
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
