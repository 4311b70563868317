package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// streamsRow is one job on both sides.
type streamsRow struct {
	workload string
	cache    int64
	stateful bool
	eos      bool
	runs     map[string]streamsRun
}

// streamsTable is the comparison.
type streamsTable struct {
	broker string
	rows   []*streamsRow
}

var streamsHeader = []string{
	"", "guarantee", "cache",
	"Leat, thousand records per CPU-s", "Kafka Streams", "ratio",
	"Leat, peak MB", "Kafka Streams", "ratio",
	"Leat, first output ms", "Kafka Streams",
	"Leat, thousand records/s", "Kafka Streams",
	"Leat, outputs", "Kafka Streams",
}

func (r *streamsRow) cells() []string {
	guarantee, cache := "at least once", ""
	if r.eos {
		guarantee = "exactly once"
	}
	if r.stateful {
		cache = "off"
		if r.cache > 0 {
			cache = fmt.Sprintf("%d MiB", r.cache>>20)
		}
	}
	ours, isOurs := r.runs[goSide]
	theirs, isTheirs := r.runs[javaSide]
	out := []string{r.workload, guarantee, cache}
	one := func(ok bool, run streamsRun, text func(streamsRun) string) {
		if !ok {
			out = append(out, "")
			return
		}
		out = append(out, text(run))
	}
	value := func(text func(streamsRun) string) {
		one(isOurs, ours, text)
		one(isTheirs, theirs, text)
	}
	ratio := func(of func(streamsRun) float64) {
		if isOurs && isTheirs && of(theirs) > 0 {
			out = append(out, fmt.Sprintf("%.1f×", of(ours)/of(theirs)))
			return
		}
		out = append(out, "")
	}
	value(func(s streamsRun) string { return figure(s.perCPU / 1e3) })
	ratio(func(s streamsRun) float64 { return s.perCPU })
	value(func(s streamsRun) string { return figure(mb(s.peak)) })
	ratio(func(s streamsRun) float64 { return 1 / mb(max(s.peak, 1)) })
	value(func(s streamsRun) string { return figure(float64(s.first) / float64(time.Millisecond)) })
	value(func(s streamsRun) string { return figure(s.rate / 1e3) })
	value(func(s streamsRun) string { return fmt.Sprint(s.outputs) })
	return out
}

func (t *streamsTable) text(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(streamsHeader, "\t"))
	for _, r := range t.rows {
		fmt.Fprintln(tw, strings.Join(r.cells(), "\t"))
	}
	return tw.Flush()
}

func (t *streamsTable) markdown(w io.Writer, command string) {
	fmt.Fprintf(w, "Run %s on %s, with `%s`; the broker is %s. Ratios are above 1 where ours is better.\n\n", time.Now().UTC().Format("2006-01-02"), machine(), command, t.broker)
	fmt.Fprintf(w, "| %s |\n|---|---|---|%s\n", strings.Join(streamsHeader, " | "), strings.Repeat("---:|", len(streamsHeader)-3))
	for _, r := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(r.cells(), " | "))
	}
}
