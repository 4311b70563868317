package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"leat.dev/test/launch"
)

// jvm holds what each of Kafka's Java programs needs.
type jvm struct {
	e   *env
	lib string
}

func newJVM(ctx context.Context, e *env) (*jvm, error) {
	if err := have("java", "default-jdk-headless"); err != nil {
		return nil, err
	}
	lib, err := launch.KafkaLib(ctx)
	if err != nil {
		return nil, skip("%v", err)
	}
	logging := "status=error\nrootLogger.level=error\nrootLogger.appenderRefs=c\nrootLogger.appenderRef.c.ref=C\n" +
		"appenders=c\nappender.c.type=Console\nappender.c.name=C\nappender.c.target=SYSTEM_ERR\nappender.c.layout.type=PatternLayout\nappender.c.layout.pattern=%p %m%n\n"
	return &jvm{e: e, lib: lib}, os.WriteFile(filepath.Join(e.work, "log4j2.properties"), []byte(logging), 0o640)
}

func (j *jvm) args(class string, args ...string) []string {
	// Tools live for a second: the first compiler tier starts them faster.
	return append([]string{
		"-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dlog4j2.configurationFile=" + filepath.Join(j.e.work, "log4j2.properties"), "-cp", j.lib + "/*", class,
	}, args...)
}

func (j *jvm) tool(ctx context.Context, stdin, class string, args ...string) (string, error) {
	return j.e.run(ctx, command{stdin: stdin, limit: 90 * time.Second}, "java", j.args(class, args...)...)
}

// javaClients compiles and runs a program on kafka-clients: producers, groups, admin.
func javaClients(ctx context.Context, e *env) error {
	j, err := newJVM(ctx, e)
	if err != nil {
		return err
	}
	if err := have("javac", "default-jdk-headless"); err != nil {
		return err
	}
	if _, err := e.run(ctx, command{}, "javac", "-d", e.work, "-cp", j.lib+"/*", e.source("java", "Job.java")); err != nil {
		return err
	}
	args := j.args("Job", e.addr)
	for i, a := range args {
		if a == "-cp" {
			args[i+1] = e.work + ":" + args[i+1]
		}
	}
	return e.script(ctx, command{limit: 4 * time.Minute}, "java", args...)
}

// javaTools runs Kafka's console tools, and on a broker that runs here its dump tool on the broker's files.
func javaTools(ctx context.Context, e *env) error {
	j, err := newJVM(ctx, e)
	if err != nil {
		return err
	}
	t := &tools{jvm: j, ctx: ctx}
	t.topics()
	t.configs()
	t.quotas()
	t.console()
	t.groups()
	t.offsets()
	t.performance()
	t.shareGroups()
	t.others()
	t.admin()
	t.dump()
	return nil
}

type tools struct {
	*jvm
	ctx context.Context // of the job; tools lives no longer
}

const toolsTopic = "tools-topic"

// check runs a tool and looks for patterns in what it prints.
func (t *tools) check(name, stdin, class string, args []string, patterns ...string) {
	t.e.step(t.ctx, name, func() error {
		out, err := t.tool(t.ctx, stdin, class, args...)
		if err != nil {
			return err
		}
		return expect(out, patterns...)
	})
}

// at puts the bootstrap address in front of the arguments.
func (t *tools) at(args ...string) []string {
	return append([]string{"--bootstrap-server", t.e.addr}, args...)
}

func (t *tools) topics() {
	const class = "org.apache.kafka.tools.TopicCommand"
	t.check("topics: create", "", class, t.at("--create", "--topic", toolsTopic, "--partitions", "2", "--replication-factor", "1", "--config", "segment.bytes=1048576"), "Created topic")
	t.check("topics: alter partitions", "", class, t.at("--alter", "--topic", toolsTopic, "--partitions", "3"))
	t.check("topics: describe", "", class, t.at("--describe", "--topic", toolsTopic),
		`PartitionCount: 3\s+ReplicationFactor: 1`, `segment\.bytes=1048576`, `Partition: 2\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+`)
	t.check("topics: list", "", class, t.at("--list"), `(?m)^tools-topic$`)
	t.check("topics: create and delete", "", class, t.at("--create", "--topic", "tools-gone"), "Created topic")
	t.check("topics: delete", "", class, t.at("--delete", "--topic", "tools-gone"))
	t.e.step(t.ctx, "topics: deleted is gone", func() error {
		out, err := t.tool(t.ctx, "", class, t.at("--list")...)
		if err == nil && strings.Contains(out, "tools-gone") {
			err = fmt.Errorf("still listed:\n%s", out)
		}
		return err
	})
}

func (t *tools) configs() {
	const class = "kafka.admin.ConfigCommand"
	topic := []string{"--entity-type", "topics", "--entity-name", toolsTopic}
	t.check("configs: alter topic", "", class, t.at(append(topic, "--alter", "--add-config", "retention.ms=123456,cleanup.policy=[compact,delete]")...), "Completed updating config")
	t.check("configs: describe topic", "", class, t.at(append(topic, "--describe")...), `retention\.ms=123456`, `cleanup\.policy=compact,delete`, `DYNAMIC_TOPIC_CONFIG`)
	t.check("configs: delete", "", class, t.at(append(topic, "--alter", "--delete-config", "cleanup.policy,retention.ms")...), "Completed updating config")
	t.check("configs: describe all of a topic", "", class, t.at(append(topic, "--describe", "--all")...), `min\.insync\.replicas=1`, `cleanup\.policy=delete`, `max\.message\.bytes=`)
	const metrics = "org.apache.kafka.tools.ClientMetricsCommand"
	t.check("client metrics: alter", "", metrics, t.at("--alter", "--name", "tools-sub", "--metrics", "org.apache.kafka.producer.", "--interval", "1000", "--match", "client_id=tools.*"), "Altered client metrics config for tools-sub")
	t.check("client metrics: list", "", metrics, t.at("--list"), `(?m)^tools-sub$`)
	t.check("client metrics: describe", "", metrics, t.at("--describe", "--name", "tools-sub"), `interval\.ms=1000`, `match=client_id=tools\.\*`, `metrics=org\.apache\.kafka\.producer\.`)
	t.check("client metrics: delete", "", metrics, t.at("--delete", "--name", "tools-sub"), "Deleted client metrics config for tools-sub")
	t.check("configs: describe the broker", "", class, t.at("--entity-type", "brokers", "--entity-default", "--describe"))
}

func (t *tools) console() {
	var in strings.Builder
	for i := range 200 {
		fmt.Fprintf(&in, "a:%d\tkey-%d\tvalue-%d\n", i, i%9, i)
	}
	t.check("console producer with keys and headers", in.String(), "org.apache.kafka.tools.ConsoleProducer",
		t.at("--topic", toolsTopic, "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", "--command-property", "acks=all", "--compression-codec", "zstd"))
	t.e.step(t.ctx, "console consumer in a group", func() error {
		out, err := t.tool(t.ctx, "", "org.apache.kafka.tools.consumer.ConsoleConsumer",
			t.at("--topic", toolsTopic, "--from-beginning", "--group", "tools-group", "--max-messages", "200", "--timeout-ms", "30000",
				"--formatter-property", "print.key=true", "--formatter-property", "print.headers=true")...)
		if err != nil {
			return err
		}
		var records strings.Builder
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "a:") {
				records.WriteString(line)
			}
		}
		return sameLines(records.String(), in.String())
	})
}

func (t *tools) groups() {
	const class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	t.check("groups: list", "", class, t.at("--list"), "tools-group")
	t.check("groups: describe", "", class, t.at("--describe", "--group", "tools-group"), `tools-group\s+tools-topic\s+\d\s+\d+\s+\d+\s+0`)
	t.check("groups: state", "", class, t.at("--describe", "--group", "tools-group", "--state"), "Empty")
	t.check("groups: reset offsets", "", class, t.at("--reset-offsets", "--group", "tools-group", "--topic", toolsTopic, "--to-earliest", "--execute"), `tools-topic\s+\d\s+0`)
	t.check("groups: reset by time", "", class, t.at("--reset-offsets", "--group", "tools-group", "--topic", toolsTopic, "--to-datetime", "2020-01-01T00:00:00.000", "--execute"), `tools-topic\s+\d\s+0`)
	t.check("groups: delete offsets", "", class, t.at("--delete-offsets", "--group", "tools-group", "--topic", toolsTopic+":0"), "Successful")
	t.check("kafka-groups: list", "", "org.apache.kafka.tools.GroupsCommand", t.at("--list"), `tools-group\s+Classic\s+consumer`)
	t.check("groups: delete", "", class, t.at("--delete", "--group", "tools-group"), "successful")
}

func (t *tools) offsets() {
	const class = "org.apache.kafka.tools.GetOffsetShell"
	t.e.step(t.ctx, "get-offsets: earliest, latest, max timestamp, by time", func() error {
		sums := map[string]int{}
		for _, when := range []string{"earliest", "latest", "max-timestamp", "1"} {
			out, err := t.tool(t.ctx, "", class, t.at("--topic", toolsTopic, "--time", when)...)
			if err != nil {
				return err
			}
			for line := range strings.Lines(out) {
				var n int
				if i := strings.LastIndexByte(line, ':'); i > 0 && strings.HasPrefix(line, toolsTopic) {
					if _, err := fmt.Sscan(line[i+1:], &n); err == nil {
						sums[when] += n
					}
				}
			}
		}
		if sums["earliest"] != 0 || sums["latest"] != 200 || sums["1"] != 0 {
			return fmt.Errorf("sums of offsets: %v", sums)
		}
		return nil
	})
	file := filepath.Join(t.e.work, "delete.json")
	t.e.step(t.ctx, "delete-records", func() error {
		request := map[string]any{"version": 1, "partitions": []any{map[string]any{"topic": toolsTopic, "partition": 0, "offset": 5}}}
		data, err := json.Marshal(request)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o640); err != nil {
			return err
		}
		out, err := t.tool(t.ctx, "", "org.apache.kafka.tools.DeleteRecordsCommand", t.at("--offset-json-file", file)...)
		if err != nil {
			return err
		}
		return expect(out, `tools-topic-0\s+low_watermark: 5`)
	})
	t.check("get-offsets after delete-records", "", class, t.at("--topic-partitions", toolsTopic+":0", "--time", "-2"), `tools-topic:0:5`)
}

func (t *tools) performance() {
	bootstrap := "bootstrap.servers=" + t.e.addr
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.check("producer-perf "+codec, "", "org.apache.kafka.tools.ProducerPerformance",
			[]string{"--topic", "tools-perf-" + codec, "--num-records", "50000", "--record-size", "500", "--throughput", "-1",
				"--command-property", bootstrap, "acks=all", "compression.type=" + codec}, `50000 records sent`)
	}
	t.check("consumer-perf", "", "org.apache.kafka.tools.ConsumerPerformance",
		t.at("--topic", "tools-perf-lz4", "--num-records", "50000", "--timeout", "20000"), `, 50000, `)
	t.check("end-to-end-latency", "", "org.apache.kafka.tools.EndToEndLatency",
		t.at("--topic", "tools-perf-none-e2e", "--num-records", "500", "--producer-acks", "all", "--record-size", "100"), `Percentiles`)
	t.check("verifiable producer", "", "org.apache.kafka.tools.VerifiableProducer",
		t.at("--topic", "tools-verifiable", "--max-messages", "500", "--acks", "-1"), `"acked":500`)
	t.check("verifiable consumer", "", "org.apache.kafka.tools.VerifiableConsumer",
		t.at("--topic", "tools-verifiable", "--group-id", "tools-verifiable", "--max-messages", "500", "--reset-policy", "earliest"), `"name":"offsets_committed"`, `"success":true`)
}

func (t *tools) others() {
	t.check("broker-api-versions", "", "org.apache.kafka.tools.BrokerApiVersionsCommand", t.at(), `Produce\(0\): .*\[usable: 13\]`, `Fetch\(1\): .*\[usable: 18\]`)
	t.check("log-dirs", "", "org.apache.kafka.tools.LogDirsCommand", t.at("--describe", "--topic-list", toolsTopic), `"partition":"tools-topic-0"`)
	t.check("cluster-id", "", "org.apache.kafka.tools.ClusterTool", []string{"cluster-id", "--bootstrap-server", t.e.addr}, `Cluster ID: .+`)
}

// dump lets Kafka read the files the broker has written.
func (t *tools) dump() {
	const class = "org.apache.kafka.tools.DumpLogSegments"
	t.e.step(t.ctx, "dump-log-segments on the broker's files", func() error {
		if t.e.broker == nil {
			return skip("the broker's files are not on this machine")
		}
		for _, topic := range []string{"tools-perf-zstd", "tools-perf-none"} {
			dir, err := t.e.broker.PartitionDir(topic, 0)
			if err != nil {
				return err
			}
			logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
			if err != nil {
				return err
			}
			if len(logs) == 0 {
				return fmt.Errorf("no segments in %s", dir)
			}
			out, err := t.tool(t.ctx, "", class, "--files", strings.Join(logs, ","), "--deep-iteration")
			if err != nil {
				return err
			}
			if err := expect(out, `isvalid: true`, `magic: 2`, `baseOffset: 0 `); err != nil {
				return err
			}
			if strings.Contains(out, "isvalid: false") || strings.Contains(out, "invalid bytes") {
				return fmt.Errorf("the dump tool finds invalid batches in %s", dir)
			}
			indexes, err := filepath.Glob(filepath.Join(dir, "*index"))
			if err != nil {
				return err
			}
			// A mismatch is reported as text, with exit status 0.
			out, err = t.tool(t.ctx, "", class, "--files", strings.Join(indexes, ","), "--verify-index-only")
			if err != nil {
				return err
			}
			if strings.Contains(out, "Mismatch") || strings.Contains(out, "mismatch") {
				return fmt.Errorf("the dump tool finds index entries that do not match: %s", tail(out, 5))
			}
		}
		return nil
	})
	t.e.step(t.ctx, "dump-log-segments decodes __consumer_offsets", func() error {
		if t.e.broker == nil {
			return skip("the broker's files are not on this machine")
		}
		found := 0
		for partition := range 50 {
			dir, err := t.e.broker.PartitionDir("__consumer_offsets", partition)
			if err != nil {
				return err
			}
			logFile := filepath.Join(dir, "00000000000000000000.log")
			if info, err := os.Stat(logFile); err != nil || info.Size() == 0 {
				continue
			}
			out, err := t.tool(t.ctx, "", class, "--files", logFile, "--offsets-decoder")
			if err != nil {
				return err
			}
			if strings.Contains(out, "tools-verifiable") {
				found++
				if err := expect(out, `"type":"1"`, `"type":"2"`, `tools-verifiable`); err != nil {
					return err
				}
			}
		}
		if found == 0 {
			return fmt.Errorf("no partition of __consumer_offsets holds the group tools-verifiable")
		}
		return nil
	})
}
