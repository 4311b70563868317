package main

import (
	"fmt"
	"strings"
)

const shareTopic, shareGroup = "tools-share", "tools-share-group"

// shareGroups takes a share group through Kafka's tools: its settings, a consumer of the console, what can be seen of it,
// and all ways to change its offsets. A group of each kind is in the lists.
func (t *tools) shareGroups() {
	const (
		share   = "org.apache.kafka.tools.consumer.group.ShareGroupCommand"
		configs = "kafka.admin.ConfigCommand"
		groups  = "org.apache.kafka.tools.GroupsCommand"
	)
	group := []string{"--entity-type", "groups", "--entity-name", shareGroup}
	t.check("share groups: topic", "", "org.apache.kafka.tools.TopicCommand", t.at("--create", "--topic", shareTopic, "--partitions", "1"), "Created topic")
	t.check("share groups: settings", "", configs, t.at(append(group, "--alter", "--add-config", "share.auto.offset.reset=earliest,share.record.lock.duration.ms=20000")...), "Completed updating config")
	t.check("share groups: settings seen", "", configs, t.at(append(group, "--describe")...), `share\.auto\.offset\.reset=earliest`, `share\.record\.lock\.duration\.ms=20000`)
	t.refused("share groups: a setting out of bounds", configs, t.at(append(group, "--alter", "--add-config", "share.record.lock.duration.ms=1")...), `share\.record\.lock\.duration\.ms`)

	var in strings.Builder
	for i := range 50 {
		fmt.Fprintf(&in, "record-%d\n", i)
	}
	t.check("share groups: produce", in.String(), "org.apache.kafka.tools.ConsoleProducer", t.at("--topic", shareTopic, "--command-property", "acks=all"))
	t.e.step(t.ctx, "share groups: console share consumer", func() error {
		out, err := t.tool(t.ctx, "", "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
			t.at("--topic", shareTopic, "--group", shareGroup, "--max-messages", "50", "--timeout-ms", "30000")...)
		if err != nil {
			return err
		}
		var records strings.Builder
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "record-") {
				records.WriteString(line)
			}
		}
		return sameLines(records.String(), in.String())
	})

	t.check("share groups: list", "", share, t.at("--list"), `(?m)^`+shareGroup)
	t.check("share groups: list with states", "", share, t.at("--list", "--state", "Empty"), shareGroup+`\s+Empty`)
	t.check("groups: list of all kinds", "", groups, t.at("--list"), shareGroup+`\s+Share\s+share`, `tools-verifiable\s+Classic\s+consumer`)
	t.check("groups: list of share groups", "", groups, t.at("--list", "--share"), shareGroup)
	t.check("share groups: offsets", "", share, t.at("--describe", "--group", shareGroup), shareGroup+`\s+`+shareTopic+`\s+0\s+\d+\s+0`)
	t.check("share groups: state", "", share, t.at("--describe", "--group", shareGroup, "--state", "--verbose"), `Empty\s+\d+\s+\d+\s+0`)
	t.check("share groups: members", "", share, t.at("--describe", "--group", shareGroup, "--members", "--verbose"))
	t.check("share groups: reset to earliest", "", share, t.at("--reset-offsets", "--group", shareGroup, "--topic", shareTopic, "--to-earliest", "--execute"), shareTopic+`\s+\d\s+0`)
	t.check("share groups: the lag after it", "", share, t.at("--describe", "--group", shareGroup, "--offsets", "--verbose"), shareTopic+`\s+0\s+(-|\d+)\s+0\s+\d+`)
	t.check("share groups: reset by time", "", share, t.at("--reset-offsets", "--group", shareGroup, "--topic", shareTopic+":0", "--to-datetime", "2020-01-01T00:00:00.000", "--execute"), shareTopic+`\s+0\s+0`)
	t.check("share groups: reset to latest, dry run", "", share, t.at("--reset-offsets", "--group", shareGroup, "--all-topics", "--to-latest", "--dry-run"), shareTopic)
	t.check("share groups: offsets before the first member", "", share, t.at("--reset-offsets", "--group", "tools-share-new", "--topic", shareTopic, "--to-latest", "--execute"), shareTopic+`\s+\d\s+\d+`)
	t.check("share groups: delete offsets", "", share, t.at("--delete-offsets", "--group", shareGroup, "--topic", shareTopic), shareTopic+`\s+Successful`)
	t.check("share groups: delete", "", share, t.at("--delete", "--group", shareGroup, "--group", "tools-share-new"), "successful")
	t.e.step(t.ctx, "share groups: deleted are gone", func() error {
		out, err := t.tool(t.ctx, "", share, t.at("--list")...)
		if err == nil && strings.Contains(out, shareGroup) {
			err = fmt.Errorf("still listed:\n%s", out)
		}
		return err
	})
}
