package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	cleanupPolicy = "cleanup.policy"
	compact       = "compact"
	// retryPause is between tries of a request that the cluster cannot answer yet.
	retryPause = 50 * time.Millisecond
)

// ErrNotCompacted means that the topic exists and deletes what it holds.
var ErrNotCompacted = errors.New("the topic is not a compacted one")

// ensure creates the topic if it does not exist, and checks it if it does.
func ensure(ctx context.Context, admin *kadm.Client, o Options, brokers int) error {
	for {
		err := check(ctx, admin, o.Topic)
		if !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return err
		}
		policy := compact
		replicas := int16(min(o.Replicas, brokers))
		_, err = admin.CreateTopic(ctx, 1, replicas, map[string]*string{cleanupPolicy: &policy}, o.Topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s with %d replicas: %w", o.Topic, replicas, err)
		}
		t := o.Clock.NewTimer(retryPause)
		select {
		case <-t.C():
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("wait for topic %s: %w", o.Topic, ctx.Err())
		}
	}
}

// check refuses a topic that cannot hold the schemas. UNKNOWN_TOPIC_OR_PARTITION is returned as it is.
func check(ctx context.Context, admin *kadm.Client, topic string) error {
	details, err := admin.ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return fmt.Errorf("look at topic %s: %w", topic, err)
	}
	d := details[topic]
	if d.Err != nil {
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return d.Err
		}
		return fmt.Errorf("look at topic %s: %w", topic, d.Err)
	}
	if n := len(d.Partitions); n != 1 {
		return fmt.Errorf("topic %s has %d partitions: the schemas need exactly one, or their order is lost", topic, n)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return fmt.Errorf("read the settings of topic %s: %w", topic, err)
	}
	c, err := configs.On(topic, nil)
	if err == nil {
		err = c.Err
	}
	if err != nil {
		return fmt.Errorf("read the settings of topic %s: %w", topic, err)
	}
	for _, k := range c.Configs {
		if k.Key == cleanupPolicy && k.MaybeValue() != compact {
			return fmt.Errorf("%w: topic %s has %s=%s, which would delete schemas that are in use; set it to %s with: leat config set topic %s %s=%s",
				ErrNotCompacted, topic, cleanupPolicy, k.MaybeValue(), compact, topic, cleanupPolicy, compact)
		}
	}
	return nil
}
