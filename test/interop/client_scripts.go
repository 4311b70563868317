package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

// scriptProps make timeouts short; internal/coord/group and internal/coord/txn say in their live tests what they need.
var scriptProps = map[string]string{
	"group.initial.rebalance.delay.ms":                            "400",
	"group.min.session.timeout.ms":                                "100",
	"group.consumer.min.session.timeout.ms":                       "100",
	"group.consumer.session.timeout.ms":                           "2000",
	"group.consumer.min.heartbeat.interval.ms":                    "10",
	"group.consumer.heartbeat.interval.ms":                        "100",
	"group.share.min.session.timeout.ms":                          "100",
	"group.share.session.timeout.ms":                              "6000",
	"group.share.min.heartbeat.interval.ms":                       "10",
	"group.share.heartbeat.interval.ms":                           "100",
	"group.share.assignment.interval.ms":                          "0",
	"group.streams.min.session.timeout.ms":                        "100",
	"group.streams.session.timeout.ms":                            "2000",
	"group.streams.min.heartbeat.interval.ms":                     "10",
	"group.streams.heartbeat.interval.ms":                         "100",
	"group.streams.initial.rebalance.delay.ms":                    "0",
	"group.streams.assignment.interval.ms":                        "0",
	"share.coordinator.state.topic.num.partitions":                "1",
	"offsets.topic.num.partitions":                                "1",
	"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}

// coordinatorScripts runs the scripts that the coordinators' state machines are tested with against our broker and
// against Apache Kafka, then compares both broker's answers to group requests with each other.
func coordinatorScripts(ctx context.Context, e *env) error {
	addrs := map[string]string{}
	for _, kind := range []string{launch.Leat, launch.Kafka} {
		dir := filepath.Join(e.work, kind)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		b, err := launch.New(ctx, launch.Spec{Kind: kind, Dir: dir, HeapMB: 512, Props: scriptProps})
		if err != nil {
			return skip("%v", err)
		}
		if _, err := b.Start(ctx); err != nil {
			return err
		}
		defer func() { _ = b.Kill() }()
		if err := makeScriptTopics(ctx, b.Addr()); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		addrs[kind] = b.Addr()
	}
	try := func(pkg, tests string, env ...string) error {
		_, err := e.run(ctx, command{dir: e.root, env: env, limit: 6 * time.Minute}, "go", "test", "-count=1", "-timeout", "6m", "-run", tests, pkg)
		return err
	}
	// The scripts wait most of the time, so both brokers have them at once.
	both := func(name, pkg, variable string) {
		e.step(ctx, name, func() error {
			var running sync.WaitGroup
			var errs [2]error
			for i, kind := range []string{launch.Kafka, launch.Leat} {
				running.Go(func() {
					if errs[i] = twice(func() error { return try(pkg, "^TestLive$", variable+"="+addrs[kind]) }); errs[i] != nil {
						errs[i] = fmt.Errorf("%s: %w", kind, errs[i])
					}
				})
			}
			running.Wait()
			return errors.Join(errs[:]...)
		})
	}
	// First the comparison: scripts that are tried again leave more records in one broker than in the other.
	e.step(ctx, "answers of groups, compared", func() error {
		return twice(func() error {
			return try("./internal/coord/group", "^TestDiffer$", "LEAT_GROUPS_BROKER="+addrs[launch.Leat], "LEAT_GROUPS_REFERENCE="+addrs[launch.Kafka])
		})
	})
	both("scripts of groups, both", "./internal/coord/group", "LEAT_GROUPS_BROKER")
	both("scripts of transactions, both", "./internal/coord/txn", "LEAT_TXN_BROKER")
	return nil
}

// twice tries again what failed: where timeouts are tenths of a second a busy machine gets a second try, a difference fails twice.
func twice(try func() error) error {
	if try() == nil {
		return nil
	}
	return try()
}

// makeScriptTopics makes the topics that the scripts name.
func makeScriptTopics(ctx context.Context, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	created, err := kadm.NewClient(cl).CreateTopics(ctx, 4, 1, nil, "t", "u")
	if err != nil {
		return err
	}
	return created.Error()
}

// recordedAnswers sends the whole list of requests of test/differ to a live Apache Kafka: what is recorded of it, and
// what every `make test` compares our broker with, has to be what it answers.
func recordedAnswers(ctx context.Context, e *env) error {
	if _, err := launch.KafkaLib(ctx); err != nil {
		return skip("%v", err)
	}
	e.step(ctx, "Apache Kafka answers as recorded", func() error {
		return twice(func() error {
			_, err := e.run(ctx, command{dir: e.root, env: []string{"LEAT_DIFFER_KAFKA=1"}, limit: 14 * time.Minute}, "go", "test", "-count=1", "-timeout", "14m", "-run", "^TestKafka$", "./test/differ")
			return err
		})
	})
	e.step(ctx, "our broker answers as Apache Kafka, or as listed", func() error {
		_, err := e.run(ctx, command{dir: e.root, limit: 5 * time.Minute}, "go", "test", "-count=1", "-timeout", "5m", "-run", "^TestLeat$", "./test/differ")
		return err
	})
	return nil
}

// streamsOracle runs each program of test/streams on package streams and on a live Kafka Streams with the same random
// inputs: what is written, kept and dropped has to be equal.
func streamsOracle(ctx context.Context, e *env) error {
	if err := have("javac", "default-jdk-headless"); err != nil {
		return err
	}
	if _, err := launch.KafkaLib(ctx); err != nil {
		return skip("%v", err)
	}
	e.step(ctx, "package streams gives what Kafka Streams gives", func() error {
		_, err := e.run(ctx, command{dir: e.root, limit: 7 * time.Minute}, "go", "test", "-count=1", "-timeout", "7m", "-run", "^TestLive$", "./test/streams",
			"-minutes", "3", "-seeds", "100000")
		return err
	})
	return nil
}
