package broker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/metadata"
)

// offsetsTopic is where groups keep their state.
const offsetsTopic = "__consumer_offsets"

// metadataTopicID is the topic id that Kafka reserves for the metadata log.
var metadataTopicID = [16]byte{15: 1}

// openStorage opens the log directory and recovers what is in it. A directory that is new gets a cluster id.
func (b *Broker) openStorage(ctx context.Context) error {
	dirs, meta, err := LogDirs(b.cfg, b.opts.Path)
	if err != nil {
		return err
	}
	clusterID := ""
	_, err = b.opts.FS.Stat(filepath.Join(meta, "meta.properties"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		clusterID = b.randomID()
	case err != nil:
		return fmt.Errorf("looking for the log directory: %w", err)
	}
	b.lastEpoch = b.epochBeforeShutdown(meta)
	if err := b.opts.FS.MkdirAll(meta); err != nil {
		return fmt.Errorf("making the log directory: %w", err)
	}
	b.dir, err = logdir.OpenAll(logdir.Options{
		FS: b.opts.FS, Clock: b.clock, Logger: b.loggers.Logger(logStorage),
		NodeID: b.nodeID, ClusterID: clusterID, Settings: logSettings(b.live(nil)), Random: b.opts.Random,
		// The topics' own settings are known once the metadata is, and are set then.
		ConfigFor: func(topic string, _ int32) commitlog.Config {
			if topic == metadata.LogTopic {
				return metadata.LogConfig()
			}
			return b.topicSettings(nil, topic).Log
		},
		OnStateChange: b.storageChanged,
		OnMoved:       b.directoriesChanged,
		Metrics:       &b.logMetrics,
	}, meta, dirs...)
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("a log directory is in use by another process: %w", err)
	}
	if err != nil {
		return fmt.Errorf("opening the log directory: %w", err)
	}
	return nil
}

// epochBeforeShutdown reads the broker epoch that an orderly shutdown left behind, -1 if there was none. It has to be
// read before the log directory is opened, which removes the file.
func (b *Broker) epochBeforeShutdown(dir string) int64 {
	data, err := vfs.ReadFile(b.opts.FS, filepath.Join(dir, ".kafka_cleanshutdown"))
	if err != nil {
		return -1
	}
	clean := struct{ BrokerEpoch int64 }{BrokerEpoch: -1}
	if json.Unmarshal(data, &clean) != nil {
		return -1
	}
	return clean.BrokerEpoch
}

// random fills id from the random source. A source that fails would make ids that collide: that cannot be gone on from.
func (b *Broker) random(id []byte) {
	if _, err := io.ReadFull(b.opts.Random, id); err != nil {
		panic(fmt.Sprintf("the random source failed: %v", err))
	}
}

// randomID makes an id as Kafka writes them: 16 random bytes in base64 for URLs, without one at the start that a
// command line would take for an option.
func (b *Broker) randomID() string {
	for {
		var id [16]byte
		b.random(id[:])
		if s := base64.RawURLEncoding.EncodeToString(id[:]); s[0] != '-' {
			return s
		}
	}
}

// openMetadata starts the metadata quorum, and what follows it.
func (b *Broker) openMetadata(ctx context.Context) error {
	tp := logdir.TopicPartition{Topic: metadata.LogTopic}
	metaLog := b.dir.Meta().Get(tp)
	if broken := b.dir.Broken()[tp]; broken != nil {
		return fmt.Errorf("the metadata log cannot be opened: %w", broken)
	}
	if metaLog == nil {
		var err error
		if metaLog, err = b.dir.CreateMetadata(tp.Topic, metadataTopicID, metadata.LogConfig()); err != nil {
			return fmt.Errorf("making the metadata log: %w", err)
		}
	}
	var err error
	b.meta, err = metadata.Open(ctx, metadata.Options{
		FS: b.opts.FS, Clock: b.clock, Logger: b.loggers.Logger(logMetadata), Dir: filepath.Join(b.dir.Meta().Path(), metadata.LogTopic+"-0"), Log: metaLog,
		NodeID: b.nodeID, ClusterID: b.dir.ClusterID(), Static: b.cfg, Random: b.opts.Random,
	})
	if err != nil {
		return fmt.Errorf("starting the metadata quorum: %w", err)
	}
	b.groups = coordinator.New(b.groupOptions())
	b.startTransactions()
	b.startShares()
	b.startDelivery()
	b.replicas = replica.NewManager(replica.Options{
		Clock: b.clock, Logger: b.loggers.Logger(logReplica), NodeID: b.nodeID, Dir: b.dir,
		FlushOnCommit: b.cfg.String("log.flush") != "os",
		Settings:      b.topicSettings,
		OnRole:        b.roleChanged,
		ObserveFlush:  func(d time.Duration) { b.metrics.flush.Observe(d.Seconds()) },
	})
	return nil
}

// takePartitions follows the metadata from now on. Registration, which may raise leader epochs, has gone before, so
// that the partitions are taken over once.
func (b *Broker) takePartitions(context.Context) error {
	b.meta.Subscribe(b.imageChanged)
	background, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.dir.Start(background)
	if b.dir.Len() > 1 {
		b.sweeping.Go(func() { b.assignDirectories(background) })
	}
	if b.security.tokenKey != nil {
		b.sweeping.Go(func() { b.sweepTokens(background) })
	}
	return nil
}

// register makes the broker known to the cluster, with its listeners.
func (b *Broker) register(ctx context.Context) error {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.SetVersion(req.MaxVersion())
	req.BrokerID = b.nodeID
	req.ClusterID = b.dir.ClusterID()
	b.random(req.IncarnationID[:])
	req.LogDirs = b.dir.IDs()
	req.PreviousBrokerEpoch = -1
	if b.dir.WasClean() {
		req.PreviousBrokerEpoch = b.lastEpoch
	}
	if rack := b.cfg.String("broker.rack"); rack != "" {
		req.Rack = &rack
	}
	for _, l := range b.opts.Listeners {
		out := kmsg.NewBrokerRegistrationRequestListener()
		out.Name, out.Host, out.Port = l.Name, l.AdvertisedHost, uint16(l.AdvertisedPort)
		out.SecurityProtocol = int16(l.Protocol)
		req.Listeners = append(req.Listeners, out)
	}
	for _, f := range metadata.SupportedFeatures() {
		out := kmsg.NewBrokerRegistrationRequestFeature()
		out.Name, out.MinSupportedVersion, out.MaxSupportedVersion = f.Name, f.Min, f.Max
		req.Features = append(req.Features, out)
	}
	epoch, err := b.meta.StartBroker(ctx, req)
	if err != nil {
		return fmt.Errorf("registering the broker: %w", err)
	}
	b.dir.SetBrokerEpoch(epoch)
	return nil
}

// imageChanged follows the metadata. It runs on the metadata's loop, before the change is answered.
func (b *Broker) imageChanged(prev, next *metadata.Image) {
	b.securityChanged(prev, next)
	b.dynamicChanged(prev, next)
	b.telemetryChanged(prev, next)
	b.replicas.Apply(prev, next)
	b.directoriesChanged()
	var deleted []group.Topic
	for old, now := range next.ChangedTopics(prev) {
		if old != nil && (now == nil || now.ID != old.ID) {
			deleted = append(deleted, group.Topic{Name: old.Name, ID: old.ID})
		}
	}
	if len(deleted) > 0 {
		b.groups.TopicsDeleted(deleted)
	}
	b.shareTopicsDeleted(prev, next)
	if ev, changed := groupTopicsChange(prev, next); changed {
		b.groups.ClusterChanged(ev)
	}
	for typ := range next.ChangedConfigs(prev) {
		if typ == metadata.BrokerResource || typ == metadata.GroupResource {
			b.groups.Reconfigure()
			break
		}
	}
	if prev == nil || prev.Features[metadata.TransactionVersion] != next.Features[metadata.TransactionVersion] {
		b.txns.Reconfigure()
	}
}

// roleChanged starts and stops the coordinators of the partitions they live in.
func (b *Broker) roleChanged(p *replica.Partition, leading bool, epoch int32) {
	b.deliveryRole(p, leading)
	var shards interface {
		Lead(partition, epoch int32, log coordinator.PartitionLog)
		Resign(partition, epoch int32)
	}
	switch p.Topic().Name {
	case offsetsTopic:
		shards = b.groups
	case transactionTopic:
		shards = b.txns
	case shareTopic:
		shards = b.shares
	default:
		return
	}
	if leading {
		shards.Lead(p.Index(), epoch, coordinatorLog{p})
	} else {
		shards.Resign(p.Index(), epoch)
	}
}

// storageChanged is told by the log directory when a partition fails and when it is back.
func (b *Broker) storageChanged(tp logdir.TopicPartition, err error) {
	b.replicas.StateChanged(tp, err)
}

// coordinatorLog is a partition as a coordinator sees it.
type coordinatorLog struct{ *replica.Partition }

// Append implements coordinator.PartitionLog.
func (l coordinatorLog) Append(batch []byte, txn coordinator.TxnAppend) (int64, error) {
	info, err := l.Partition.Append(batch, commitlog.AppendOptions{
		Origin: commitlog.Coordinator, Verify: txn.Verify, Guard: txn.Guard, MarkerVersion: txn.Version,
	})
	if err != nil {
		return 0, coordinatorError(err)
	}
	return info.LastOffset, nil
}

// ReadBytes implements coordinator.PartitionLog.
func (l coordinatorLog) ReadBytes(offset int64, maxBytes int) ([]byte, error) {
	log := l.Log()
	if log == nil {
		return nil, kerr.KafkaStorageError
	}
	b, err := log.ReadBytes(offset, maxBytes, commitlog.ReadLogEnd)
	if err != nil {
		return nil, coordinatorError(err)
	}
	return b, nil
}

// Prune cuts off the log below an offset, which the coordinator has no use for.
func (l coordinatorLog) Prune(before int64) error {
	log := l.Log()
	if log == nil {
		return kerr.KafkaStorageError
	}
	_, err := log.DeleteRecords(before)
	return err
}

// StartOffset and EndOffset implement coordinator.PartitionLog.
func (l coordinatorLog) StartOffset() int64 {
	if log := l.Log(); log != nil {
		return log.StartOffset()
	}
	return 0
}

func (l coordinatorLog) EndOffset() int64 {
	if log := l.Log(); log != nil {
		return log.EndOffset()
	}
	return 0
}

// coordinatorError keeps the cause and adds the Kafka error that it comes down to.
func coordinatorError(err error) error {
	code := errorCode(err)
	if errors.Is(err, code) {
		return err
	}
	return fmt.Errorf("%w: %w", code, err)
}

// topicLookup answers the coordinator's questions from the metadata.
type topicLookup struct{ b *Broker }

// TopicByName implements coordinator.Topics.
func (l topicLookup) TopicByName(name string) (coordinator.Topic, bool) {
	return describeTopic(l.b.meta.Image().Topic(name))
}

// TopicByID implements coordinator.Topics.
func (l topicLookup) TopicByID(id [16]byte) (coordinator.Topic, bool) {
	return describeTopic(l.b.meta.Image().TopicByID(id))
}

func describeTopic(t *metadata.Topic) (coordinator.Topic, bool) {
	if t == nil {
		return coordinator.Topic{}, false
	}
	return coordinator.Topic{Name: t.Name, ID: t.ID, Partitions: int32(len(t.Partitions))}, true
}

// groupOptions are the group coordinator's surroundings.
func (b *Broker) groupOptions() coordinator.Options {
	o := coordinator.Options{
		Surroundings: b.coordinatorSurroundings(offsetsTopic, b.createOffsetsTopic),
		Topics:       topicLookup{b},
		Settings:     b.groupSettings,
		Cluster:      func() group.Cluster { return groupTopics{b.meta.Image()} },
		Random:       b.opts.Random,
		Metrics:      b.metrics.groupMetrics(),
	}
	o.CommitTimeout = b.cfg.Millis("offsets.commit.timeout.ms")
	o.BatchBytes = b.maxMessageBytes(offsetsTopic)
	b.shareGroupOptions(&o)
	return o
}

// coordinatorSurroundings are those of a coordinator that keeps its state in a topic.
func (b *Broker) coordinatorSurroundings(topic string, create func(context.Context) error) coordinator.Surroundings {
	return coordinator.Surroundings{
		Clock: b.clock, Logger: b.loggers.Logger(logCoordinator),
		Partitions: func() int32 {
			if t := b.meta.Image().Topic(topic); t != nil {
				return int32(len(t.Partitions))
			}
			return 0
		},
		CreateTopic: create,
	}
}

// maxMessageBytes returns a function that tells how large a batch of a topic may be now.
func (b *Broker) maxMessageBytes(topic string) func() int {
	return func() int { return int(b.topicSettings(b.meta.Image(), topic).Log.MaxMessageBytes) }
}

// createOffsetsTopic makes __consumer_offsets the way the broker's settings say.
func (b *Broker) createOffsetsTopic(ctx context.Context) error {
	return b.createInternalTopic(ctx, offsetsTopic, b.cfg.Int("offsets.topic.num.partitions"),
		"cleanup.policy", "compact",
		"segment.bytes", b.cfg.String("offsets.topic.segment.bytes"),
		"compression.type", "producer",
	)
}

// createInternalTopic makes a coordinator's topic, with pairs of names and values as its settings.
func (b *Broker) createInternalTopic(ctx context.Context, name string, partitions int, settings ...string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(req.MaxVersion())
	req.TimeoutMillis = 30000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic = name
	t.NumPartitions = int32(partitions)
	t.ReplicationFactor = 1
	for i := 0; i+1 < len(settings); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = settings[i], &settings[i+1]
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp := b.meta.CreateTopics(ctx, req)
	for i := range resp.Topics {
		err := kerr.ErrorForCode(resp.Topics[i].ErrorCode)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
	return nil
}
