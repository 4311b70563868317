package main

import (
	"context"
	"fmt"
	"time"
)

// shareClients runs Kafka's Java share consumer: a program on kafka-clients, and the console and verifiable consumers.
func shareClients(ctx context.Context, e *env) error {
	j, err := newJVM(ctx, e)
	if err != nil {
		return err
	}
	if err := have("javac", "default-jdk-headless"); err != nil {
		return err
	}
	if _, err := e.run(ctx, command{}, "javac", "-d", e.work, "-cp", j.lib+"/*", e.source("java", "Share.java")); err != nil {
		return err
	}
	args := j.args("Share", e.addr)
	for i, a := range args {
		if a == "-cp" {
			args[i+1] = e.work + ":" + args[i+1]
		}
	}
	if err := e.script(ctx, command{limit: 4 * time.Minute}, "java", args...); err != nil {
		return err
	}
	t := &tools{jvm: j, ctx: ctx}
	t.shareConsumers()
	return nil
}

// shareConsumers runs the consumers that Kafka ships as tools.
func (t *tools) shareConsumers() {
	const topic, group, records = "sh-tools", "sh-tools", 200
	t.check("share tools: topic", "", "org.apache.kafka.tools.TopicCommand", t.at("--create", "--topic", topic, "--partitions", "2"), "Created topic")
	t.check("share tools: produce", "", "org.apache.kafka.tools.VerifiableProducer",
		t.at("--topic", topic, "--max-messages", fmt.Sprint(records), "--throughput", "-1"), `"acked":200`)
	t.check("share tools: verifiable consumer", "", "org.apache.kafka.tools.VerifiableShareConsumer",
		t.at("--topic", topic, "--group-id", group, "--max-messages", fmt.Sprint(records), "--offset-reset-strategy", "earliest", "--acknowledgement-mode", "sync"),
		`"name":"records_consumed"`, `"name":"offsets_acknowledged"`)
	t.check("share tools: console consumer", "v1\nv2\nv3\n", "org.apache.kafka.tools.ConsoleProducer", t.at("--topic", topic))
	t.check("share tools: what is left", "", "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
		t.at("--topic", topic, "--group", group, "--max-messages", "3", "--timeout-ms", "20000"), "(?m)^v1$", "(?m)^v2$", "(?m)^v3$")
}
