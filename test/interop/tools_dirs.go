package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"leat.dev/test/launch"
)

// directories takes Kafka's tools through a broker of ours with two log directories: a partition is moved from one to the
// other while the tools look on, and is whole afterwards.
func (t *tools) directories() {
	t.e.step(t.ctx, "reassign: to another log directory", func() error {
		if t.e.broker == nil {
			return skip("the broker's files are not on this machine")
		}
		home := filepath.Join(t.e.work, "two-dirs")
		if err := os.RemoveAll(home); err != nil {
			return err
		}
		one, two := filepath.Join(home, "disk1"), filepath.Join(home, "disk2")
		b, err := launch.New(t.ctx, launch.Spec{Kind: launch.Leat, Dir: home, Props: map[string]string{"log.dirs": one + "," + two}})
		if err != nil {
			return err
		}
		if _, err := b.Start(t.ctx); err != nil {
			return err
		}
		err = t.moveBetween(b.Addr(), one, two)
		if _, serr := b.Stop(t.ctx); err == nil {
			err = serr
		}
		return err
	})
}

func (t *tools) moveBetween(addr, one, two string) error {
	const topic = "tools-dirs"
	at := func(args ...string) []string { return append([]string{"--bootstrap-server", addr}, args...) }
	run := func(class string, args []string, patterns ...string) (string, error) {
		out, err := t.tool(t.ctx, "", class, args...)
		if err != nil {
			return out, err
		}
		return out, expect(out, patterns...)
	}
	const (
		dirs     = "org.apache.kafka.tools.LogDirsCommand"
		reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
	)
	if _, err := run("org.apache.kafka.tools.TopicCommand", at("--create", "--topic", topic, "--partitions", "2"), "Created topic"); err != nil {
		return err
	}
	if _, err := run("org.apache.kafka.tools.ProducerPerformance", []string{"--topic", topic, "--num-records", "20000", "--record-size", "200",
		"--throughput", "-1", "--command-property", "bootstrap.servers=" + addr, "acks=all"}, "20000 records sent"); err != nil {
		return err
	}
	out, err := run(dirs, at("--describe", "--topic-list", topic), `"logDir":"`+one+`"`, `"logDir":"`+two+`"`)
	if err != nil {
		return err
	}
	from, to := one, two
	if _, after, ok := strings.Cut(out, topic+`-0"`); !ok || !strings.Contains(after[:strings.Index(after, `"logDir"`)+len(one)+12], one) {
		from, to = two, one
	}
	plan := filepath.Join(t.e.work, "move-dirs.json")
	text := fmt.Sprintf(`{"version":1,"partitions":[{"topic":%q,"partition":0,"replicas":[1],"log_dirs":[%q]}]}`, topic, to)
	if err := os.WriteFile(plan, []byte(text), 0o640); err != nil {
		return err
	}
	if _, err := run(reassign, at("--execute", "--reassignment-json-file", plan, "--replica-alter-log-dirs-throttle", "100000000"),
		`Successfully started moving log directory to `+to+` for replica tools-dirs-0 with broker 1`); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); ; {
		out, err := run(reassign, at("--verify", "--reassignment-json-file", plan))
		if err != nil {
			return err
		}
		if strings.Contains(out, "Reassignment of replica tools-dirs-0-1 completed successfully") {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("not moved from %s to %s in a minute:\n%s", from, to, out)
		}
	}
	if _, err := os.Stat(filepath.Join(to, topic+"-0", "partition.metadata")); err != nil {
		return err
	}
	if _, err := run("org.apache.kafka.tools.ConsumerPerformance", at("--topic", topic, "--num-records", "20000", "--timeout", "20000"), `, 20000, `); err != nil {
		return err
	}
	return t.dumpMoved(t.ctx, filepath.Join(to, topic+"-0"))
}

// dumpMoved lets Kafka read the moved files.
func (t *tools) dumpMoved(ctx context.Context, dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) == 0 {
		return fmt.Errorf("no segments in %s: %w", dir, err)
	}
	out, err := t.tool(ctx, "", "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", strings.Join(logs, ","))
	if err != nil {
		return err
	}
	return expect(out, `baseOffset: 0 `)
}
