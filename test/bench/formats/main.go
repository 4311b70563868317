// Command formats measures the row formats beside other people's decoders and encoders, on one core, in one run.
//
// It is a module of its own, so that what it compares with never becomes a dependency of the project. Every pair works on
// the same bytes: ours into a row of SQL values in an arena that is reset for each record, the others into the struct that
// a program would declare for the records, reused where the library allows it, or into their generic values. Each round runs
// all of them one after the other; the best round of each counts, because the machine is rarely quiet.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contender is one way to do a piece of work on the records of a subject.
type contender struct {
	name string
	work func(i int) error // does it for record i
}

// subject is a piece of work with those that do it, ours first.
type subject struct {
	name       string
	records    int
	bytes      int // of all records
	contenders []contender
}

func main() {
	rounds := flag.Int("rounds", 3, "rounds; the best of each contender counts")
	per := flag.Duration("time", 200*time.Millisecond, "processor time for each contender and round")
	only := flag.String("only", "", "subjects and contenders whose names hold this, as \"JSON decode: leat\"")
	profile := flag.String("cpuprofile", "", "file for a profile")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	subjects, err := subjects()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s %s/%s, one core, processor time, best of %d rounds of %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, *rounds, *per)
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	for _, s := range subjects {
		s.contenders = slices.DeleteFunc(s.contenders, func(c contender) bool { return !strings.Contains(s.name+": "+c.name, *only) })
		if err := s.run(*rounds, *per); err != nil {
			fmt.Fprintln(os.Stderr, s.name+":", err)
			os.Exit(1)
		}
	}
}

func (s subject) run(rounds int, per time.Duration) error {
	best := make([]float64, len(s.contenders)) // records a second
	allocs := make([]float64, len(s.contenders))
	for range rounds {
		for i, c := range s.contenders {
			rate, a, err := measure(c, s.records, per)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			best[i], allocs[i] = max(best[i], rate), a
		}
	}
	if len(best) == 0 {
		return nil
	}
	size := float64(s.bytes) / float64(s.records)
	fmt.Printf("\n%s (%.0f bytes a record)\n", s.name, size)
	for i, c := range s.contenders {
		fmt.Printf("  %-34s %8.2f M records/s %7.0f MB/s %6.1f allocations", c.name, best[i]/1e6, best[i]*size/1e6, allocs[i])
		if i > 0 {
			fmt.Printf("   ours is %.1f times as fast", best[0]/best[i])
		}
		fmt.Println()
	}
	return nil
}

// cpu is the processor time that the process has used, the garbage collector's included: on a machine with other work, clocks
// on the wall say little.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no reason to fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure gives records a second of processor time and allocations a record.
func measure(c contender, records int, per time.Duration) (rate, allocs float64, err error) {
	for i := range records { // warm
		if err := c.work(i); err != nil {
			return 0, 0, err
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, done := cpu(), 0
	for cpu()-start < per {
		for i := range records {
			if err := c.work(i); err != nil {
				return 0, 0, err
			}
		}
		done += records
	}
	took := cpu() - start
	runtime.ReadMemStats(&after)
	return float64(done) / took.Seconds(), float64(after.Mallocs-before.Mallocs) / float64(done), nil
}
