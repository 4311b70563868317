package group

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// shares takes a share group through its life, with its offsets, in each version.
func (d *differ) shares() {
	g := "share" + d.suffix
	pause := func() { <-time.After(500 * time.Millisecond) } // for the share coordinator
	do := func(lines ...string) {
		for _, line := range lines {
			req := parseCommand(line).request()
			switch r := req.(type) {
			case *kmsg.ShareGroupHeartbeatRequest:
				r.GroupID = strings.ReplaceAll(r.GroupID, "g", g)
			case *kmsg.ShareGroupDescribeRequest:
				r.IncludeAuthorizedOperations = true
				r.GroupIDs = []string{g, "none" + d.suffix, ""}
			case *kmsg.AlterShareGroupOffsetsRequest:
				r.GroupID = strings.ReplaceAll(r.GroupID, "g", g)
			case *kmsg.DeleteShareGroupOffsetsRequest:
				r.GroupID = strings.ReplaceAll(r.GroupID, "g", g)
			case *kmsg.DeleteGroupsRequest:
				r.Groups = []string{g}
			}
			d.ask(req)
		}
	}
	d.shareOffsets(g)
	do("share-beat g m epoch=-3", "share-beat g m names=", "share-beat g m rack=r names=t+u+nope", "share-alter g t-0=0")
	pause()
	do("share-beat g m epoch=2", "share-beat g m epoch=2 names=t", "describe-share g", "delete g", "share-delete g t")
	pause()
	d.shareOffsets(g)
	do("share-beat g m epoch=-1", "describe-share g")
	// Offsets of t-0..1 are set; u has state of unknown start.
	do("share-alter g t-0=0 t-1=7 t-44=1 nope-0=3", "share-alter g u-0=-5", "share-alter - t-0=1")
	pause()
	d.shareOffsets(g)
	do("share-delete g nope", "share-delete g t nope", "share-delete g t", "share-delete none t", "describe-share g")
	pause()
	d.shareOffsets(g)
	do("delete g", "delete g", "describe-share g", "share-alter g u-1=1")
	pause()
	d.shareOffsets(g)
	do("delete g")
	empty := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	d.ask(empty)
	empty.GroupID = g
	d.ask(empty)
	remove := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	d.ask(remove)
	d.shareConfigs(g)
}

// shareOffsets asks for a group's offsets in every way, but not for partitions that do
// not exist: Apache Kafka never answers that.
func (d *differ) shareOffsets(g string) {
	for v := int16(0); v <= 1; v++ {
		for _, topics := range [][]kmsg.DescribeShareGroupOffsetsRequestGroupTopic{
			nil, {}, {{Topic: "t", Partitions: []int32{0, 1, 2}}}, {{Topic: "u", Partitions: []int32{0}}, {Topic: "nope", Partitions: []int32{0}}},
		} {
			req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
			req.Version = v
			req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: g, Topics: topics}, {GroupID: "none" + d.suffix, Topics: topics}}
			d.ask(req)
		}
	}
}

// shareConfigs sets good and bad values of share groups' settings.
func (d *differ) shareConfigs(g string) {
	for _, set := range []string{
		"share.session.timeout.ms=7000", "share.session.timeout.ms=99", "share.session.timeout.ms=60001", "share.session.timeout.ms=x", "share.heartbeat.interval.ms=9",
		"share.heartbeat.interval.ms=7000", "share.record.lock.duration.ms=14999", "share.record.lock.duration.ms=60001", "share.record.lock.duration.ms=20000",
		"share.auto.offset.reset=earliest", "share.auto.offset.reset=Earliest", "share.auto.offset.reset=none", "share.auto.offset.reset=by_duration:PT1H", "share.auto.offset.reset=by_duration:-PT1H",
		"share.auto.offset.reset=by_duration:1h", "share.isolation.level=read_committed", "share.isolation.level=dirty", "share.delivery.count.limit=1", "share.delivery.count.limit=3",
		"share.delivery.count.limit=11", "share.partition.max.record.locks=99", "share.partition.max.record.locks=4001", "share.renew.acknowledge.enable=false", "share.renew.acknowledge.enable=maybe",
		"share.assignment.interval.ms=15001", "share.assignment.interval.ms=10", "share.nothing=1",
	} {
		name, value, _ := strings.Cut(set, "=")
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version = 1
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, g
		r.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: &value}}
		req.Resources = append(req.Resources, r)
		d.ask(req)
	}
	<-time.After(500 * time.Millisecond)
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version, req.IncludeSynonyms = 4, true
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, g
	for _, name := range []string{"session.timeout.ms", "heartbeat.interval.ms", "record.lock.duration.ms", "auto.offset.reset", "isolation.level",
		"delivery.count.limit", "partition.max.record.locks", "renew.acknowledge.enable", "assignment.interval.ms"} {
		r.ConfigNames = append(r.ConfigNames, "share."+name)
	}
	req.Resources = append(req.Resources, r)
	d.ask(req)
}

// sortShares orders what brokers may order as they like in answers about share groups.
func sortShares(resp kmsg.Response) {
	switch r := resp.(type) {
	case *kmsg.ShareGroupHeartbeatResponse:
		if r.Assignment != nil {
			for i := range r.Assignment.TopicPartitions {
				r.Assignment.TopicPartitions[i].TopicID = [16]byte{}
				slices.Sort(r.Assignment.TopicPartitions[i].Partitions)
			}
		}
	case *kmsg.ShareGroupDescribeResponse:
		for i := range r.Groups {
			for j := range r.Groups[i].Members {
				slices.Sort(r.Groups[i].Members[j].SubscribedTopicNames)
				slices.SortFunc(r.Groups[i].Members[j].Assignment.TopicPartitions, func(a, b kmsg.ShareGroupDescribeResponseGroupMemberAssignmentTopicPartition) int {
					return cmp.Compare(a.Topic, b.Topic)
				})
			}
		}
		slices.SortFunc(r.Groups, func(a, b kmsg.ShareGroupDescribeResponseGroup) int { return cmp.Compare(a.GroupID, b.GroupID) })
	case *kmsg.DescribeShareGroupOffsetsResponse:
		for i := range r.Groups {
			topics := r.Groups[i].Topics
			slices.SortFunc(topics, func(a, b kmsg.DescribeShareGroupOffsetsResponseGroupTopic) int { return cmp.Compare(a.Topic, b.Topic) })
			for j := range topics {
				slices.SortFunc(topics[j].Partitions, func(a, b kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition) int {
					return cmp.Compare(a.Partition, b.Partition)
				})
			}
		}
	case *kmsg.AlterShareGroupOffsetsResponse:
		slices.SortFunc(r.Topics, func(a, b kmsg.AlterShareGroupOffsetsResponseTopic) int { return cmp.Compare(a.Topic, b.Topic) })
		for j := range r.Topics {
			slices.SortFunc(r.Topics[j].Partitions, func(a, b kmsg.AlterShareGroupOffsetsResponseTopicPartition) int {
				return cmp.Compare(a.Partition, b.Partition)
			})
		}
	case *kmsg.DeleteShareGroupOffsetsResponse:
		slices.SortFunc(r.Topics, func(a, b kmsg.DeleteShareGroupOffsetsResponseTopic) int { return cmp.Compare(a.Topic, b.Topic) })
	case *kmsg.DescribeConfigsResponse:
		for i := range r.Resources {
			slices.SortFunc(r.Resources[i].Configs, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return cmp.Compare(a.Name, b.Name) })
		}
	}
}
