package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"leat.dev/test/launch"
)

var perfLine = regexp.MustCompile(`(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\), ([\d.]+) ms avg latency.* (\d+) ms 99th`)

// javaPerf runs Kafka's own ProducerPerformance: another client must see the same order of things.
func javaPerf(ctx context.Context, b *bench, s system) error {
	lib, err := launch.KafkaLib(ctx)
	if err != nil {
		return skipped{err.Error()}
	}
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	if err := n.createTopic(ctx, "java", loadPartitions); err != nil {
		return err
	}
	records := int(min(b.produceBytes, 1<<30) / 1024)
	before, err := n.Usage()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "java", "-Xmx512m", "-cp", lib+"/*", "org.apache.kafka.tools.ProducerPerformance",
		"--topic", "java", "--num-records", strconv.Itoa(records), "--record-size", "1024", "--throughput", "-1",
		"--command-property", "bootstrap.servers="+n.Addr(), "acks=all", "batch.size=131072", "linger.ms=5").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	after, err := n.Usage()
	if err != nil {
		return err
	}
	all := perfLine.FindAllStringSubmatch(string(out), -1)
	if len(all) == 0 {
		return fmt.Errorf("no result in:\n%s", out)
	}
	last := all[len(all)-1]
	mibs, err := strconv.ParseFloat(last[3], 64)
	if err != nil {
		return err
	}
	sent := float64(records) * 1024 / 1e6
	b.table.set("Java ProducerPerformance, 1 KB, 6 partitions, acks=all", "produce", moreMBs, s, mibs*1.048576)
	b.table.set("Java ProducerPerformance, 1 KB, 6 partitions, acks=all", "produce, per broker CPU-second", morePerCPU, s, sent/cpuSeconds(after.CPU-before.CPU))
	fmt.Printf("   %s\n", last[0])
	return nil
}
