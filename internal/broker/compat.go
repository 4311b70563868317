package broker

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

//go:generate go test -run TestCompatIsCurrent -update .

// WriteCompat writes docs/compat.md: the APIs and versions of the handler table, which are what ApiVersions tells
// clients, and the differences that the table of the differential test lists (test/differ/testdata/differences.txt).
func WriteCompat(w io.Writer, differences string) error {
	_, err := io.WriteString(w, compatHead)
	for i := range apis {
		a := &apis[i]
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "| %d | %s | %d to %d | %s |\n", a.key, kmsg.NameForKey(int16(a.key)), a.min, a.max, compatNotes[a.key])
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, compatTail+compatDifferences+listDifferences(differences)+compatRegistry)
	return err
}

// listDifferences makes a list of the table's reasons, each with its APIs. The table is text: "why" and a reason, and
// below it lines that begin with an API.
func listDifferences(table string) string {
	var b strings.Builder
	var apis []string
	flush := func() {
		if len(apis) > 0 {
			fmt.Fprintf(&b, " (%s)\n", strings.Join(apis, ", "))
		}
		apis = nil
	}
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		why, isReason := strings.CutPrefix(line, "why ")
		api, _, isLine := strings.Cut(line, " | ")
		switch {
		case strings.HasPrefix(line, "#"):
		case isReason:
			flush()
			fmt.Fprintf(&b, "- %s", why)
		case isLine:
			if api == "*" {
				api = "all"
			}
			if !slices.Contains(apis, api) {
				apis = append(apis, api)
			}
		}
	}
	flush()
	return b.String()
}

const compatDifferences = `
## Differences from Apache Kafka 4.3

One list of requests, every API in every version with good, edge and bad values, is sent to Leat and to Apache Kafka
4.3.1, and the answers are compared field by field (` + "`test/differ`" + `). What differs by nature, such as ids, times and
addresses, is left out. These differences remain:

`

const compatHead = `# What of the Kafka protocol is served

This page is made from the broker's handler table by ` + "`make generate`" + `; a test fails when it is out of date.
The version ranges are those of Apache Kafka 4.3, so that every client that works with it negotiates the same versions
here. What a line does not mention is served as in Kafka, with Kafka's error codes.

| Key | API | Versions | Notes |
|---:|---|---|---|
`

const compatTail = `
Not served, and therefore not advertised: replication between brokers, and what is new in the streams groups of Kafka 4.4.
Clients do without them.

A request with an unknown key or version, or one that cannot be decoded, closes the connection, as in Kafka. ApiVersions
of an unknown version is answered with UNSUPPORTED_VERSION and the versions that are known.
`

// compatNotes say where an API differs from Kafka, or serves less.
var compatNotes = map[kmsg.Key]string{
	kmsg.DescribeACLs:              "kinds that do not exist are INVALID_REQUEST; Kafka closes the connection or answers UNKNOWN_SERVER_ERROR",
	kmsg.CreateACLs:                "as DescribeAcls",
	kmsg.DeleteACLs:                "as DescribeAcls",
	kmsg.SASLHandshake:             "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI",
	kmsg.AlterUserSCRAMCredentials: "an empty salt or password is UNACCEPTABLE_CREDENTIAL",
	kmsg.Produce:                   "0 to 2 are advertised for old librdkafka but close the connection, as in Kafka",
	kmsg.Fetch:                     "incremental sessions; no replica is nearer than the leader",
	kmsg.ListOffsets:               "all special timestamps; nothing is tiered",
	kmsg.FindCoordinator:           "groups, transactions and shares",
	kmsg.AddPartitionsToTxn:        "waits up to 100 ms for the end of the transaction before, then CONCURRENT_TRANSACTIONS as in Kafka; so do AddOffsetsToTxn, Produce and TxnOffsetCommit",
	kmsg.AlterClientQuotas:         "the name of an ip entity is an address, not a host's name; NaN is refused",
	kmsg.AlterPartitionAssignments: "one broker: a partition can only stay where it is",
	kmsg.DescribeQuorum:            "no listener is for controllers alone, so the nodes have no endpoints",
	kmsg.UnregisterBroker:          "the broker that answers cannot be unregistered: INVALID_REQUEST; Kafka is then without brokers until a restart",
	kmsg.AddRaftVoter:              "no other node follows the quorum: REQUEST_TIMED_OUT at once, as Kafka answers for a voter that it cannot reach",
	kmsg.GetTelemetrySubscriptions: "always advertised, where Kafka needs a plugin; patterns of subscriptions are RE2; several metrics come in order, and the subscription's id follows from that",
	kmsg.PushTelemetry:             "what cannot be decoded is INVALID_RECORD; at most 4 MiB when decompressed, then TELEMETRY_TOO_LARGE",
	kmsg.StreamsGroupHeartbeat:     "as Kafka 4.3: no static members, expressions, task offsets or new topologies; internal topics are created before the answer, which still says that they are missing and at once why they could not be created; a member that missed its tasks is told again; source topics that are missing are a status also where the member has an endpoint; among equally good assignments the choice follows from the members' ids",
	kmsg.ShareFetch:                "an offset range that several deliveries have in common is one range of acquired records; above a quota the records are sent and the client is muted, where Kafka keeps back what the member has acquired already",
	kmsg.ShareAcknowledge:          "the start offset of a group moves with the acknowledgement that moves it, in Kafka with the one after it",
	kmsg.WriteShareGroupState:      "state batches that cannot be are INVALID_REQUEST; so is a state that does not fit into a record",
	kmsg.ConsumerGroupHeartbeat:    "assignors uniform and range; among assignments that are equally good Leat's choice follows from the members' ids, Kafka's from the order of a hash map",
}
