package differ

import (
	"context"
	"maps"
	"path/filepath"
	"time"

	"leat.dev/test/launch"
)

// common are the settings of both brokers in every profile: nothing waits longer than it must.
var common = map[string]string{
	"log.retention.ms":                                            "-1", // the records' times are long ago
	"group.initial.rebalance.delay.ms":                            "0",
	"offsets.topic.num.partitions":                                "2",
	"transaction.state.log.num.partitions":                        "2",
	"share.coordinator.state.topic.num.partitions":                "2",
	"auto.create.topics.enable":                                   "false",
	"group.share.heartbeat.interval.ms":                           "5000",
	"group.consumer.heartbeat.interval.ms":                        "5000",
	"transaction.abort.timed.out.transaction.cleanup.interval.ms": "10000",
}

// deadline is how long the whole list may take.
const deadline = 15 * time.Minute

// profiles are the kinds of broker that scripts ask for.
var profiles = map[string]launch.Spec{
	// Whoever connects may do everything.
	"plain": {},
	// Listeners with SASL beside the plain one, an authorizer, delegation tokens. Who comes by the plain listener is a super user.
	"secured": {
		Listeners: []string{"SASL_PLAINTEXT"},
		Props: map[string]string{
			"authorizer.class.name":       "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users":                 "User:ANONYMOUS;User:admin",
			"delegation.token.secret.key": "a-secret-key",
			"sasl.enabled.mechanisms":     "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			"listener.name.sasl_plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required ` +
				`user_admin="admin-secret" user_alice="alice-secret";`,
			"listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required;`,
			"listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required;`,
		},
	},
}

// Start runs a broker of a kind with the settings of a profile.
func Start(ctx context.Context, kind, profile, dir string) (*launch.Broker, error) {
	spec := profiles[profile]
	props := maps.Clone(common)
	maps.Copy(props, spec.Props)
	b, err := launch.New(ctx, launch.Spec{Kind: kind, Dir: filepath.Join(dir, kind+"-"+profile), HeapMB: 512, Listeners: spec.Listeners, Props: props})
	if err != nil {
		return nil, err
	}
	_, err = b.Start(ctx)
	return b, err
}
