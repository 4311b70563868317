package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// quotas sets, shows and deletes quotas by Kafka's own tool, and sees that they slow a producer down.
func (t *tools) quotas() {
	const class, topics, topic = "kafka.admin.ConfigCommand", "org.apache.kafka.tools.TopicCommand", "tools-quotas"
	user := []string{"--entity-type", "users", "--entity-name", "tools-user"}
	both := append(append([]string{}, user...), "--entity-type", "clients", "--entity-name", "tools-client")
	client := []string{"--entity-type", "clients", "--entity-name", "tools-slow"}
	ip := []string{"--entity-type", "ips", "--entity-name", "203.0.113.7"}
	t.check("quotas: of a user", "", class, t.at(append(user, "--alter", "--add-config", "producer_byte_rate=1024,request_percentage=12.5")...), "Completed updating config for user")
	t.check("quotas: of a user with a client id", "", class, t.at(append(both, "--alter", "--add-config", "consumer_byte_rate=2048,controller_mutation_rate=2")...), "Completed updating config for user")
	t.check("quotas: of an address", "", class, t.at(append(ip, "--alter", "--add-config", "connection_creation_rate=100")...), "Completed updating config for ip")
	t.check("quotas: describe users", "", class, t.at("--entity-type", "users", "--describe"),
		`Quota configs for user-principal 'tools-user' are .*producer_byte_rate=1024\.0`, `request_percentage=12\.5`)
	t.check("quotas: describe users with client ids", "", class, t.at("--entity-type", "users", "--entity-type", "clients", "--describe"),
		`user-principal 'tools-user', client-id 'tools-client' are .*consumer_byte_rate=2048\.0`)
	t.check("quotas: describe addresses", "", class, t.at("--entity-type", "ips", "--describe"), `Quota configs for ip '203\.0\.113\.7' are connection_creation_rate=100\.0`)
	t.check("quotas: delete", "", class, t.at(append(user, "--alter", "--delete-config", "producer_byte_rate,request_percentage")...), "Completed updating config for user")
	t.check("quotas: delete both", "", class, t.at(append(both, "--alter", "--delete-config", "consumer_byte_rate,controller_mutation_rate")...), "Completed updating config for user")
	t.check("quotas: delete of an address", "", class, t.at(append(ip, "--alter", "--delete-config", "connection_creation_rate")...), "Completed updating config for ip")

	t.check("quotas: of a client id", "", class, t.at(append(client, "--alter", "--add-config", "producer_byte_rate=100000")...), "Completed updating config for client")
	t.check("quotas: a topic", "", topics, t.at("--create", "--topic", topic), "Created topic")
	t.e.step(t.ctx, "quotas: a producer is slowed down", func() error {
		// Two megabytes, of which one is free: the window allows as much at once.
		out, err := t.tool(t.ctx, "", "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", "2000", "--record-size", "1000",
			"--throughput", "-1", "--producer-props", "bootstrap.servers="+t.e.addr, "client.id=tools-slow", "acks=all")
		if err != nil {
			return err
		}
		all := regexp.MustCompile(`2000 records sent, ([0-9.]+) records/sec`).FindStringSubmatch(out)
		if all == nil {
			return fmt.Errorf("no result in:\n%s", out)
		}
		if rate, err := strconv.ParseFloat(all[1], 64); err != nil || rate > 500 || rate < 50 {
			return fmt.Errorf("%s records/s, about 200 were expected:\n%s", all[1], out)
		}
		return nil
	})
	t.check("quotas: delete of a client id", "", class, t.at(append(client, "--alter", "--delete-config", "producer_byte_rate")...), "Completed updating config for client")
	t.check("quotas: delete the topic", "", topics, t.at("--delete", "--topic", topic))
}
