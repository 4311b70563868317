package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// admin looks after the cluster with Kafka's own tools: features, the quorum, leaders, places of partitions, brokers.
func (t *tools) admin() {
	t.features()
	const quorum, elect, cluster = "org.apache.kafka.tools.MetadataQuorumCommand", "org.apache.kafka.tools.LeaderElectionCommand", "org.apache.kafka.tools.ClusterTool"
	t.check("quorum: status", "", quorum, t.at("describe", "--status"), `LeaderId:\s+1\b`, `HighWatermark:\s+[1-9]`, `MaxFollowerLag:\s+0`, `CurrentVoters:\s+\[\{"id": 1`, `CurrentObservers:\s+\[\]`)
	t.check("quorum: replication", "", quorum, t.at("describe", "--replication"), `(?m)^1\s+\S+\s+\d+\s+0\s+\d+\s+\d+\s+Leader`)
	t.refused("quorum: a voter that is none", quorum, t.at("remove-controller", "--controller-id", "7", "--controller-directory-id", "AAAAAAAAAAAAAAAAAAAABw"), `UnsupportedVersion|VoterNotFound`)
	t.check("leaders: all", "", elect, t.at("--election-type", "PREFERRED", "--all-topic-partitions"))
	t.check("leaders: of a partition", "", elect, t.at("--election-type", "PREFERRED", "--topic", toolsTopic, "--partition", "0"), `Valid replica already elected for partitions tools-topic-0`)
	t.refused("leaders: of an unknown partition", elect, t.at("--election-type", "UNCLEAN", "--topic", toolsTopic, "--partition", "77"), `No such partition as tools-topic-77`)
	t.check("cluster: endpoints", "", cluster, []string{"list-endpoints", "--bootstrap-server", t.e.addr}, `(?m)^1\s+\S+\s+\d+\s+null\s+unfenced\s+broker`)
	t.check("cluster: fenced endpoints", "", cluster, []string{"list-endpoints", "--bootstrap-server", t.e.addr, "--include-fenced-brokers"}, `unfenced`)
	t.refused("cluster: unregister a broker that is none", cluster, []string{"unregister", "--bootstrap-server", t.e.addr, "--id", "77"}, `Broker ID 77 is not currently registered`)
	t.reassignments()
	t.directories()
}

// refused runs a tool that is to fail, with a reason that matches.
func (t *tools) refused(name, class string, args []string, patterns ...string) {
	t.e.step(t.ctx, name, func() error {
		out, err := t.tool(t.ctx, "", class, args...)
		if err != nil {
			out += "\n" + err.Error() // what the tool printed stands in it
		}
		return expect(out, patterns...)
	})
}

func (t *tools) features() {
	const class = "org.apache.kafka.tools.FeatureCommand"
	t.check("features: describe", "", class, t.at("describe"),
		`metadata\.version.*FinalizedVersionLevel: 4\.3-IV0`, `transaction\.version.*FinalizedVersionLevel: 2`, `group\.version.*FinalizedVersionLevel: 1`,
		`share\.version.*FinalizedVersionLevel: 1`, `streams\.version.*FinalizedVersionLevel: 1`, `eligible\.leader\.replicas\.version.*FinalizedVersionLevel: 1`)
	t.check("features: downgrade, dry", "", class, t.at("downgrade", "--feature", "streams.version=0", "--dry-run"), `streams\.version can be downgraded to 0`)
	t.check("features: downgrade", "", class, t.at("downgrade", "--feature", "streams.version=0"), `streams\.version was downgraded to 0`)
	t.check("features: upgrade", "", class, t.at("upgrade", "--feature", "streams.version=1"), `streams\.version was upgraded to 1`)
	t.check("features: disable", "", class, t.at("disable", "--feature", "eligible.leader.replicas.version"), `eligible\.leader\.replicas\.version was disabled`)
	t.check("features: upgrade to a release", "", class, t.at("upgrade", "--release-version", "4.3"), `eligible\.leader\.replicas\.version was upgraded to 1`, `metadata\.version was upgraded to 30`)
	t.refused("features: an unknown one", class, t.at("upgrade", "--feature", "nonsense.version=1"), `Could not upgrade nonsense\.version`)
	t.refused("features: metadata downgrade", class, t.at("downgrade", "--release-version", "4.2"), `Unsupported metadata\.version downgrade from 30 to 29`)
}

// reassignments takes the tool through a move that leads nowhere else: this broker has one directory.
func (t *tools) reassignments() {
	const class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
	file := filepath.Join(t.e.work, "reassign.json")
	t.e.step(t.ctx, "reassign: generate, execute, verify, list, cancel", func() error {
		topics := filepath.Join(t.e.work, "topics-to-move.json")
		if err := os.WriteFile(topics, []byte(`{"version":1,"topics":[{"topic":"`+toolsTopic+`"}]}`), 0o640); err != nil {
			return err
		}
		out, err := t.tool(t.ctx, "", class, t.at("--generate", "--topics-to-move-json-file", topics, "--broker-list", "1")...)
		if err != nil {
			return err
		}
		// The first plan printed is how things are, with the names of the log directories.
		_, plan, _ := strings.Cut(out, "Current partition replica assignment\n")
		plan, _, _ = strings.Cut(strings.TrimSpace(plan), "\n")
		if !json.Valid([]byte(plan)) || !strings.Contains(plan, `"log_dirs":["/`) {
			return fmt.Errorf("no plan with log directories in:\n%s", out)
		}
		if err := os.WriteFile(file, []byte(plan), 0o640); err != nil {
			return err
		}
		for _, s := range []struct{ flag, pattern string }{
			{"--execute", `Successfully started moving log directory to /.* for replica tools-topic-0 with broker 1`},
			{"--verify", `Reassignment of replica tools-topic-0-1 completed successfully`},
			{"--cancel", `None of the specified partition reassignments are active`},
		} {
			if out, err = t.tool(t.ctx, "", class, t.at(s.flag, "--reassignment-json-file", file)...); err != nil {
				return err
			}
			if err := expect(out, s.pattern); err != nil {
				return err
			}
		}
		return nil
	})
	t.check("reassign: list", "", class, t.at("--list"), `No partition reassignments found`)
}
