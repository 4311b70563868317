// Command sarama drives IBM's sarama client against a broker: sarama-job ADDRESS VERSION.
// It prints "ok NAME" or "FAIL NAME: why" for each check.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const count = 1000

var failed bool

func check(name string, err error) {
	if err != nil {
		failed = true
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Println("ok", name)
}

func main() {
	addr := []string{os.Args[1]}
	version, err := sarama.ParseKafkaVersion(os.Args[2])
	if err != nil {
		panic(err)
	}
	conf := sarama.NewConfig()
	conf.Version = version
	conf.ClientID = "sarama-job"
	conf.Producer.Return.Successes = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest
	topic := "sarama-" + os.Args[2]

	check(os.Args[2]+" administration", administration(addr, conf, topic))
	check(os.Args[2]+" idempotent producer, each compression", produce(addr, conf, topic))
	check(os.Args[2]+" partition consumer", consume(addr, conf, topic))
	check(os.Args[2]+" group consumes and resumes", group(addr, conf, topic))
	check(os.Args[2]+" group administration", groupAdministration(addr, conf, topic))
	if failed {
		os.Exit(1)
	}
}

func administration(addr []string, conf *sarama.Config, topic string) error {
	admin, err := sarama.NewClusterAdmin(addr, conf)
	if err != nil {
		return err
	}
	defer admin.Close()
	retention := "7200000"
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := admin.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("created twice: %v", err)
	}
	if err := admin.CreatePartitions(topic, 3, nil, false); err != nil {
		return fmt.Errorf("partitions: %w", err)
	}
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	if err != nil {
		return fmt.Errorf("configs: %w", err)
	}
	for _, e := range entries {
		if e.Name == "retention.ms" && e.Value == retention {
			return nil
		}
	}
	return fmt.Errorf("no retention.ms=%s among %d configs", retention, len(entries))
}

func produce(addr []string, conf *sarama.Config, topic string) error {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD} {
		c := *conf
		c.Producer.Compression = codec
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
		p, err := sarama.NewSyncProducer(addr, &c)
		if err != nil {
			return err
		}
		var messages []*sarama.ProducerMessage
		for i := range count / 5 {
			messages = append(messages, &sarama.ProducerMessage{
				Topic: topic, Key: sarama.StringEncoder(fmt.Sprint("k", i)), Value: sarama.StringEncoder(fmt.Sprint(codec, i)),
				Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("x")}},
			})
		}
		if err := p.SendMessages(messages); err != nil {
			return fmt.Errorf("%v: %w", codec, err)
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}

func consume(addr []string, conf *sarama.Config, topic string) error {
	c, err := sarama.NewConsumer(addr, conf)
	if err != nil {
		return err
	}
	defer c.Close()
	client, err := sarama.NewClient(addr, conf)
	if err != nil {
		return err
	}
	defer client.Close()
	seen := 0
	for partition := range int32(3) {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			return err
		}
		pc, err := c.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		for next := int64(0); next < end; next++ {
			select {
			case m := <-pc.Messages():
				if m.Offset != next {
					return fmt.Errorf("partition %d: offset %d, want %d", partition, m.Offset, next)
				}
				seen++
			case <-time.After(10 * time.Second):
				return fmt.Errorf("partition %d: nothing at offset %d of %d", partition, next, end)
			}
		}
		if err := pc.Close(); err != nil {
			return err
		}
	}
	if seen != count {
		return fmt.Errorf("read %d, want %d", seen, count)
	}
	return nil
}

type handler struct {
	mu     sync.Mutex
	seen   map[string]bool
	enough func()
}

func (*handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			h.mu.Lock()
			h.seen[fmt.Sprint(m.Partition, "/", m.Offset)] = true
			if len(h.seen) == count {
				h.enough()
			}
			h.mu.Unlock()
			s.MarkMessage(m, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func readGroup(addr []string, conf *sarama.Config, topic string, limit time.Duration) (int, error) {
	g, err := sarama.NewConsumerGroup(addr, "g-"+topic, conf)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	h := &handler{seen: map[string]bool{}, enough: cancel}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{topic}, h); err != nil && ctx.Err() == nil {
			return 0, err
		}
	}
	return len(h.seen), g.Close()
}

func group(addr []string, conf *sarama.Config, topic string) error {
	n, err := readGroup(addr, conf, topic, 30*time.Second)
	if err != nil {
		return err
	}
	if n != count {
		return fmt.Errorf("read %d, want %d", n, count)
	}
	n, err = readGroup(addr, conf, topic, 4*time.Second)
	if err != nil {
		return err
	}
	if n != 0 {
		return fmt.Errorf("read %d again after the commit", n)
	}
	return nil
}

func groupAdministration(addr []string, conf *sarama.Config, topic string) error {
	admin, err := sarama.NewClusterAdmin(addr, conf)
	if err != nil {
		return err
	}
	defer admin.Close()
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return err
	}
	name := "g-" + topic
	if _, ok := groups[name]; !ok {
		return fmt.Errorf("%s is not listed: %v", name, groups)
	}
	d, err := admin.DescribeConsumerGroups([]string{name})
	if err != nil {
		return err
	}
	if d[0].State != "Empty" {
		return fmt.Errorf("state %q", d[0].State)
	}
	offsets, err := admin.ListConsumerGroupOffsets(name, map[string][]int32{topic: {0, 1, 2}})
	if err != nil {
		return err
	}
	sum := int64(0)
	for p := range int32(3) {
		sum += max(0, offsets.GetBlock(topic, p).Offset)
	}
	if sum != count {
		return fmt.Errorf("committed offsets add up to %d, want %d", sum, count)
	}
	if err := admin.DeleteConsumerGroup(name); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	if err := admin.DeleteRecords(topic, map[int32]int64{0: 1}); err != nil {
		return fmt.Errorf("delete records: %w", err)
	}
	return admin.DeleteTopic(topic)
}
