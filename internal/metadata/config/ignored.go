package config

import (
	"strconv"
	"strings"
)

// ignoredTable lists Kafka's other broker settings: name, type, whether it can
// be changed while running (-, cluster or broker), default (null for none), and
// the least value where the type does not say. A line with # says why the settings below it have no effect here, one with !
// why they are refused: for them, going on without would do harm.
const ignoredTable = `
# transactions: the coordinator waits for the end of the one before by itself, and loads in pieces of fixed size
add.partitions.to.txn.retry.backoff.max.ms INT - 100
add.partitions.to.txn.retry.backoff.ms INT - 20
transaction.state.log.load.buffer.size INT - 5242880
# there is no replication between brokers yet
alter.log.dirs.replication.quota.window.num INT - 11
alter.log.dirs.replication.quota.window.size.seconds INT - 1
auto.leader.rebalance.enable BOOLEAN - true
broker.heartbeat.interval.ms INT - 2000
broker.session.timeout.ms INT - 9000
controlled.shutdown.enable BOOLEAN - true
follower.fetch.last.tiered.offset.enable BOOLEAN cluster false
follower.replication.throttled.rate LONG cluster 9223372036854775807 0
initial.broker.registration.timeout.ms INT - 60000
leader.imbalance.check.interval.seconds LONG - 300
leader.replication.throttled.rate LONG cluster 9223372036854775807 0
num.replica.fetchers INT cluster 1 1
replica.fetch.backoff.ms INT - 1000
replica.fetch.max.bytes INT - 1048576
replica.fetch.min.bytes INT - 1
replica.fetch.response.max.bytes INT - 10485760
replica.fetch.wait.max.ms INT - 500
replica.selector.class STRING - null
replica.socket.receive.buffer.bytes INT - 65536
replica.socket.timeout.ms INT - 30000
replication.quota.window.num INT - 11
replication.quota.window.size.seconds INT - 1
# a lone broker is its own quorum
controller.listener.names LIST - null
controller.quorum.append.linger.ms INT - 25
controller.quorum.auto.join.enable BOOLEAN - false
controller.quorum.bootstrap.servers LIST - empty
controller.quorum.election.backoff.max.ms INT - 1000
controller.quorum.election.timeout.ms INT - 1000
controller.quorum.fetch.max.bytes INT - 1048576
controller.quorum.fetch.snapshot.max.bytes INT - 1048576
controller.quorum.fetch.timeout.ms INT - 2000
controller.quorum.request.timeout.ms INT - 2000
controller.quorum.retry.backoff.ms INT - 20
controller.quorum.voters LIST - empty
controller.socket.timeout.ms INT - 30000
# share groups: the coordinator gathers writes by itself and loads in pieces of fixed size, and fetches that wait take no upkeep
share.coordinator.append.linger.ms INT - -1
share.coordinator.cached.buffer.max.bytes INT cluster 1048588 524288
share.coordinator.load.buffer.size INT - 5242880
share.coordinator.state.topic.compression.codec INT - 0
share.coordinator.threads INT - 1
share.fetch.purgatory.purge.interval.requests INT - 1000
# there is no remote storage
remote.fetch.max.wait.ms INT cluster 500
remote.list.offsets.request.timeout.ms LONG cluster 30000
remote.log.index.file.cache.total.size.bytes LONG cluster 1073741824
remote.log.manager.copier.thread.pool.size INT cluster 10 1
remote.log.manager.copy.max.bytes.per.second LONG cluster 9223372036854775807
remote.log.manager.copy.quota.window.num INT - 11
remote.log.manager.copy.quota.window.size.seconds INT - 1
remote.log.manager.expiration.thread.pool.size INT cluster 10 1
remote.log.manager.fetch.max.bytes.per.second LONG cluster 9223372036854775807
remote.log.manager.fetch.quota.window.num INT - 11
remote.log.manager.fetch.quota.window.size.seconds INT - 1
remote.log.manager.follower.thread.pool.size INT cluster 2 1
remote.log.manager.task.interval.ms LONG - 30000
remote.log.manager.thread.pool.size INT - 2
remote.log.metadata.custom.metadata.max.bytes INT - 128
remote.log.metadata.manager.class.name STRING - org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager
remote.log.metadata.manager.class.path STRING - null
remote.log.metadata.manager.impl.prefix STRING - rlmm.config.
remote.log.metadata.manager.listener.name STRING - null
remote.log.reader.max.pending.tasks INT - 100
remote.log.reader.threads INT cluster 10 1
remote.log.storage.manager.class.name STRING - null
remote.log.storage.manager.class.path STRING - null
remote.log.storage.manager.impl.prefix STRING - rsm.config.
remote.log.storage.system.enable BOOLEAN - false
# the metadata log is cut by its own rules
metadata.log.max.snapshot.interval.ms LONG - 3600000
metadata.log.segment.bytes INT - 1073741824
metadata.log.segment.ms LONG - 604800000
metadata.max.idle.interval.ms INT - 500
metadata.max.retention.bytes LONG - 104857600
metadata.max.retention.ms LONG - 604800000
# goroutines do the work; there is no pool to size
background.threads INT cluster 10 1
group.coordinator.background.threads INT - 2
group.coordinator.cached.buffer.max.bytes INT cluster 1048588 524288
group.coordinator.threads INT - 4
num.io.threads INT cluster 8 1
num.network.threads INT cluster 3 1
queued.max.requests INT - 500
# metrics are served to Prometheus under --http
kafka.metrics.polling.interval.secs INT - 10
kafka.metrics.reporters LIST - empty
metric.reporters LIST cluster org.apache.kafka.common.metrics.JmxReporter
metrics.num.samples INT - 2
metrics.recording.level STRING - INFO
metrics.sample.window.ms LONG - 30000
# it belongs to the inside of Apache Kafka
cordoned.log.dirs LIST broker empty
delete.records.purgatory.purge.interval.requests INT - 1
fetch.purgatory.purge.interval.requests INT - 1000
log.dir.failure.timeout.ms LONG - 30000
process.roles LIST - null
producer.purgatory.purge.interval.requests INT - 1000
socket.connection.setup.timeout.max.ms LONG - 30000
socket.connection.setup.timeout.ms LONG - 10000
socket.listen.backlog.size INT - 50
! Java plugins cannot be loaded
alter.config.policy.class.name CLASS - null
client.quota.callback.class CLASS - null
config.providers LIST cluster empty
create.topic.policy.class.name CLASS - null
! Java plugins cannot be loaded
principal.builder.class CLASS broker org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder
sasl.client.callback.handler.class CLASS - null
sasl.login.callback.handler.class CLASS - null
sasl.login.class CLASS - null
sasl.oauthbearer.jwt.retriever.class CLASS - org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever
sasl.oauthbearer.jwt.validator.class CLASS - org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator
security.providers STRING - null
ssl.engine.factory.class CLASS broker null
# it is about how brokers log in to others, or about the inside of Java
early.start.listeners LIST - null
sasl.kerberos.kinit.cmd STRING broker /usr/bin/kinit
sasl.kerberos.min.time.before.relogin LONG broker 60000
sasl.kerberos.ticket.renew.jitter DOUBLE broker 0.05
sasl.kerberos.ticket.renew.window.factor DOUBLE broker 0.8
sasl.login.connect.timeout.ms INT - null
sasl.login.read.timeout.ms INT - null
sasl.login.refresh.buffer.seconds SHORT broker 300
sasl.login.refresh.min.period.seconds SHORT broker 60
sasl.login.refresh.window.factor DOUBLE broker 0.8
sasl.login.refresh.window.jitter DOUBLE broker 0.05
sasl.login.retry.backoff.max.ms LONG - 10000
sasl.login.retry.backoff.ms LONG - 100
sasl.mechanism.controller.protocol STRING - GSSAPI
sasl.mechanism.inter.broker.protocol STRING broker GSSAPI
sasl.oauthbearer.assertion.algorithm STRING - RS256
sasl.oauthbearer.assertion.claim.aud STRING - null
sasl.oauthbearer.assertion.claim.exp.seconds INT - 300
sasl.oauthbearer.assertion.claim.iss STRING - null
sasl.oauthbearer.assertion.claim.jti.include BOOLEAN - false
sasl.oauthbearer.assertion.claim.nbf.seconds INT - 60
sasl.oauthbearer.assertion.claim.sub STRING - null
sasl.oauthbearer.assertion.file STRING - null
sasl.oauthbearer.assertion.private.key.file STRING - null
sasl.oauthbearer.assertion.private.key.passphrase PASSWORD - null
sasl.oauthbearer.assertion.template.file STRING - null
sasl.oauthbearer.client.credentials.client.id STRING - null
sasl.oauthbearer.client.credentials.client.secret PASSWORD - null
sasl.oauthbearer.scope STRING - null
sasl.oauthbearer.token.endpoint.url STRING - null
security.inter.broker.protocol STRING - PLAINTEXT
ssl.allow.dn.changes BOOLEAN - false
ssl.allow.san.changes BOOLEAN - false
ssl.endpoint.identification.algorithm STRING broker https
ssl.keymanager.algorithm STRING broker SunX509
ssl.provider STRING broker null
ssl.secure.random.implementation STRING broker null
ssl.trustmanager.algorithm STRING broker PKIX
`

// ignoredDefs are the declarations of ignoredTable.
var ignoredDefs = parseIgnored(ignoredTable)

func parseIgnored(text string) table {
	types := map[string]Type{
		"BOOLEAN": Boolean, "STRING": String, "INT": Int, "SHORT": Short, "LONG": Long,
		"DOUBLE": Double, "LIST": List, "CLASS": Class, "PASSWORD": Password,
	}
	modes := map[string]Mode{"-": ReadOnly, "cluster": ClusterWide, "broker": PerBroker}
	defaults := map[string]string{"null": null, "empty": ""}
	var defs []Def
	var why string
	refused := false
	for line := range strings.Lines(strings.TrimPrefix(text, "\n")) {
		line = strings.TrimSuffix(line, "\n")
		if head := line[:2]; head == "# " || head == "! " {
			why, refused = line[2:], head == "! "
			continue
		}
		f := strings.Fields(line)
		d := Def{
			Name: f[0], Type: types[f[1]], Mode: modes[f[2]], Default: f[3], ignored: why, refused: refused,
			Doc: "Known from Apache Kafka, without effect here: " + why + ".",
		}
		if special, ok := defaults[f[3]]; ok {
			d.Default = special
		}
		if len(f) > 4 {
			least, err := strconv.ParseInt(f[4], 10, 64)
			if err != nil {
				panic("config: " + line)
			}
			d.check = atLeast(least)
		}
		defs = append(defs, d)
	}
	return index(defs...)
}
