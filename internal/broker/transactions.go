package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/coord"
	"leat.dev/internal/coord/txn"
	"leat.dev/internal/metadata"
	"leat.dev/internal/wire/batch"
)

// transactionTopic is where the transaction coordinator keeps its state.
const transactionTopic = "__transaction_state"

// txnPatience is how long adding partitions waits for the end of the transaction
// before: a producer that goes on at once comes before the last marker. Clients
// would come back no sooner.
const txnPatience = 100 * time.Millisecond

// transactions is the broker's transaction coordinator with what it needs.
type transactions struct {
	txns        *coordinator.Txns
	producerIDs *producerIDs
}

// startTransactions makes the coordinator; it leads nothing yet.
func (b *Broker) startTransactions() {
	b.producerIDs = &producerIDs{allocate: b.meta.AllocateProducerIDs, log: b.log}
	b.txns = coordinator.NewTxns(coordinator.TxnOptions{
		Surroundings:  b.coordinatorSurroundings(transactionTopic, b.createTransactionTopic),
		Settings:      b.txnSettings,
		NewProducerID: b.producerIDs.take,
		Mark:          b.endInPartition,
		Metrics:       b.metrics.txnMetrics(),
	})
}

// closeTransactions ends the coordinator; what waits in it is answered.
func (b *Broker) closeTransactions() {
	if b.txns != nil {
		b.txns.Close()
	}
}

// txnSettings are those of the transaction coordinator. They are static, as in Kafka, but for the feature's level.
func (b *Broker) txnSettings() txn.Settings {
	s := txn.DefaultSettings()
	c := b.cfg
	s.MaxTimeout = c.Millis("transaction.max.timeout.ms")
	s.Expiration = c.Millis("transactional.id.expiration.ms")
	s.AbortCheckInterval = c.Millis("transaction.abort.timed.out.transaction.cleanup.interval.ms")
	s.ExpiredCheckInterval = c.Millis("transaction.remove.expired.transaction.cleanup.interval.ms")
	s.Version = b.meta.Image().Features[metadata.TransactionVersion]
	return s
}

// createTransactionTopic makes __transaction_state the way the broker's settings say.
func (b *Broker) createTransactionTopic(ctx context.Context) error {
	return b.createInternalTopic(ctx, transactionTopic, b.cfg.Int("transaction.state.log.num.partitions"),
		"cleanup.policy", "compact",
		"compression.type", "uncompressed",
		"segment.bytes", b.cfg.String("transaction.state.log.segment.bytes"),
		"min.insync.replicas", b.cfg.String("transaction.state.log.min.isr"),
		"unclean.leader.election.enable", "false",
	)
}

// endInPartition implements coordinator.TxnOptions.Mark.
func (b *Broker) endInPartition(tp txn.TopicPartition, p txn.Producer, end coord.EndTxn, done func(*kerr.Error)) {
	b.writeMarker(tp, p, end, func(err *kerr.Error) {
		switch err {
		case kerr.UnknownTopicOrPartition:
			if t := b.meta.Image().Topic(tp.Topic); t == nil || int(tp.Partition) >= len(t.Partitions) {
				err = nil // gone, and what was written to it
			}
		case kerr.InvalidProducerEpoch:
			// An administrator ended the transaction there under a newer epoch.
			b.log.Warn("a partition knows a newer epoch than the transaction it is told the end of",
				"topic", tp.Topic, "partition", tp.Partition, "producer_id", p.ID, "producer_epoch", p.Epoch)
			err = nil
		}
		done(err)
	})
}

// writeMarker appends the marker that ends a producer's transaction to one partition, and calls done once it is
// committed. It does not block.
func (b *Broker) writeMarker(tp txn.TopicPartition, p txn.Producer, end coord.EndTxn, done func(*kerr.Error)) {
	partition, kerror := b.replicas.Partition(tp.Topic, tp.Partition)
	if kerror != nil {
		done(kerror)
		return
	}
	if tp.Topic == offsetsTopic {
		b.groups.EndTxn(tp.Partition, p.ID, p.Epoch, end, done)
		return
	}
	marker := batch.EndTxnMarker(p.ID, p.Epoch, end.CoordinatorEpoch, end.Commit, b.clock.Now().UnixMilli(), 0)
	info, err := partition.Append(marker, commitlog.AppendOptions{Origin: commitlog.Coordinator, MarkerVersion: end.TxnVersion})
	if err != nil {
		done(errorCode(err))
		return
	}
	partition.OnCommitted(info.LastOffset, func(err error) {
		if err != nil {
			done(errorCode(err))
			return
		}
		done(nil)
	})
}

// verifiesTransactions tells whether partitions ask the coordinator on behalf of producers of older versions.
func (b *Broker) verifiesTransactions() bool {
	const name = "transaction.partition.verification.enable"
	d := b.dynamicSettings(b.meta.Image())
	for _, own := range []map[string]string{d.Broker, d.Cluster} {
		if v, ok := own[name]; ok {
			return v == "true"
		}
	}
	return b.cfg.Bool(name)
}

// verificationError turns what the coordinator says of a partition into what the writer is told: older clients retry
// the one error, newer ones know the other. retry is the first that is told to retry.
func verificationError(err *kerr.Error, newer bool, retry *kerr.Error) *kerr.Error {
	switch err {
	case kerr.ConcurrentTransactions:
		if newer {
			return err
		}
		return retry
	case kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.NetworkException:
		return retry
	case kerr.ProducerFenced:
		return kerr.InvalidProducerEpoch
	}
	return err
}

// producerIDs hands out producer ids from blocks, and fetches the next block before one runs out, so that the
// coordinator never waits for the metadata quorum. A fetch runs on a goroutine of its own and ends by itself.
type producerIDs struct {
	allocate func(context.Context) (first int64, count int32, err error)
	log      *slog.Logger

	mu       sync.Mutex
	blocks   []idBlock
	fetching chan struct{} // closed when the fetch under way has ended
}

type idBlock struct{ next, end int64 }

// lowOnIDs is when the next block is fetched.
const lowOnIDs = 100

// take returns an id if there is one.
func (p *producerIDs) take() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.blocks) > 0 && p.blocks[0].next == p.blocks[0].end {
		p.blocks = p.blocks[1:]
	}
	if len(p.blocks) == 0 || len(p.blocks) == 1 && p.blocks[0].end-p.blocks[0].next <= lowOnIDs {
		p.fetch()
	}
	if len(p.blocks) == 0 {
		return 0, false
	}
	p.blocks[0].next++
	return p.blocks[0].next - 1, true
}

// fetch starts to fetch a block if nobody does; mu is held.
func (p *producerIDs) fetch() {
	if p.fetching != nil {
		return
	}
	done := make(chan struct{})
	p.fetching = done
	go func() {
		// The quorum ends the wait when it is closed.
		first, count, err := p.allocate(context.Background())
		if err != nil && !errors.Is(err, context.Canceled) {
			p.log.Warn("no producer ids could be had", "err", err)
		}
		p.mu.Lock()
		if err == nil {
			p.blocks = append(p.blocks, idBlock{first, first + int64(count)})
		}
		p.mu.Unlock()
		close(done)
	}()
}

// await returns once there are ids, or a fetch has failed, or ctx ends.
func (p *producerIDs) await(ctx context.Context) {
	p.mu.Lock()
	if len(p.blocks) > 0 && p.blocks[len(p.blocks)-1].next < p.blocks[len(p.blocks)-1].end {
		p.mu.Unlock()
		return
	}
	p.fetch()
	done := p.fetching
	p.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
