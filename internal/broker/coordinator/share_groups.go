package coordinator

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// shareStateTimeout bounds a call of the share coordinator that no client waits for.
// Then it is asked again.
const shareStateTimeout = 30 * time.Second

// send carries out what groups want done once it is committed. It does not block:
// a question to the share coordinator has a goroutine of its own, which ends with its
// answer, after shareStateTimeout, or with Close. A group asks about a partition once
// in that time.
func (g *Groups) send(_ int32, message any, tell func(group.Event)) {
	switch m := message.(type) {
	case group.ShareMemberGone:
		if g.o.ShareMemberGone != nil {
			g.o.ShareMemberGone(m.Group, m.MemberID)
		}
	case group.DeleteShareState:
		g.asking.Go(func() {
			ctx, cancel := context.WithTimeout(g.life, shareStateTimeout)
			defer cancel()
			for _, r := range g.persister().Delete(ctx, m.Group, m.Partitions) {
				if r.Err != nil {
					g.o.Logger.Warn("the state of a share-partition that nobody wants could not be deleted",
						"group", m.Group, "topic_id", r.TopicID, "partition", r.Partition, "err", r.Err)
				}
			}
		})
	case group.InitializeShareState:
		g.asking.Go(func() {
			ctx, cancel := context.WithTimeout(g.life, shareStateTimeout)
			defer cancel()
			done, failed := g.initializeShares(ctx, m.Group, m.Partitions, nil)
			tell(group.ShareInitialized{Group: m.Group, Done: done, Failed: failed})
		})
	}
}

// Close ends all shards and returns when their goroutines are gone.
func (g *Groups) Close() {
	g.endLife()
	g.coordinators.Close()
	g.asking.Wait()
}

// persister is the share coordinator, or one that is never there.
func (g *Groups) persister() share.Persister {
	if g.o.SharePersister != nil {
		if p := g.o.SharePersister(); p != nil {
			return p
		}
	}
	return noPersister{}
}

// initializeShares has state made and tells for which partitions that went well.
// refused, if set, is told of the others.
func (g *Groups) initializeShares(ctx context.Context, groupID string, partitions []share.InitializePartition, refused func(share.Result)) (done, failed assign.Partitions) {
	done, failed = assign.Partitions{}, assign.Partitions{}
	for _, r := range g.persister().Initialize(ctx, groupID, partitions) {
		to := done
		if r.Err != nil {
			to = failed
			if refused != nil {
				refused(r)
			} else {
				g.o.Logger.Warn("the state of a share-partition could not be made; it is tried again",
					"group", groupID, "topic_id", r.TopicID, "partition", r.Partition, "err", r.Err)
			}
		}
		to[r.TopicID] = append(to[r.TopicID], r.Partition)
	}
	return sortedPartitions(done), sortedPartitions(failed)
}

// ShareGroupHeartbeat is the request of a member of a share group. What is wrong with
// it by itself is said before looking for its group.
func (g *Groups) ShareGroupHeartbeat(ctx context.Context, client group.Client, req *kmsg.ShareGroupHeartbeatRequest) *kmsg.ShareGroupHeartbeatResponse {
	if resp := group.CheckShareGroupHeartbeat(req); resp != nil {
		return resp
	}
	r, err := g.call(ctx, req.GroupID, func(id coord.RequestID) group.Event {
		return group.ShareGroupHeartbeat{ID: id, Client: client, Req: req}
	})
	if err == nil {
		return r.(*kmsg.ShareGroupHeartbeatResponse)
	}
	resp := kmsg.NewPtrShareGroupHeartbeatResponse()
	resp.Version = req.Version
	resp.ErrorCode = err.Code
	return resp
}

// DescribeShareGroups describes groups in the order asked for.
func (g *Groups) DescribeShareGroups(ctx context.Context, groups []string) []kmsg.ShareGroupDescribeResponseGroup {
	return describeNamed(ctx, g, groups,
		func(id coord.RequestID, part []string) group.Event {
			return group.ShareGroupDescribe{ID: id, Groups: part}
		},
		func(id string, err *kerr.Error) kmsg.ShareGroupDescribeResponseGroup {
			d := kmsg.NewShareGroupDescribeResponseGroup()
			d.GroupID, d.ErrorCode = id, err.Code
			return d
		})
}

// deleteShareStates has all state deleted of those groups that are share groups, before
// the groups themselves go. It returns the errors of those that must stay.
func (g *Groups) deleteShareStates(ctx context.Context, groups []string) ([]*kerr.Error, *kerr.Error) {
	r, err := g.call(ctx, groups[0], func(id coord.RequestID) group.Event {
		return group.DeleteShareStates{ID: id, Groups: groups}
	})
	if err != nil {
		return nil, err
	}
	failed := make([]*kerr.Error, len(groups))
	for i, d := range r.([]group.ShareStatesDeleting) {
		failed[i] = d.Err
		if len(d.Partitions) == 0 {
			continue
		}
		for _, r := range g.persister().Delete(ctx, groups[i], d.Partitions) {
			if r.Err != nil {
				failed[i] = r.Err
			}
		}
	}
	return failed, nil
}

// noPersister answers for a share coordinator that is not there.
type noPersister struct{}

func notThere(tp share.TopicPartition) share.Result {
	return share.Result{TopicPartition: tp, Err: kerr.CoordinatorNotAvailable, Message: kerr.CoordinatorNotAvailable.Description}
}

func (noPersister) Initialize(_ context.Context, _ string, all []share.InitializePartition) []share.Result {
	out := make([]share.Result, len(all))
	for i := range all {
		out[i] = notThere(all[i].TopicPartition)
	}
	return out
}

func (noPersister) Delete(_ context.Context, _ string, all []share.TopicPartition) []share.Result {
	out := make([]share.Result, len(all))
	for i := range all {
		out[i] = notThere(all[i])
	}
	return out
}

func (noPersister) ReadSummary(_ context.Context, _ string, all []share.ReadPartition) []share.SummaryResult {
	out := make([]share.SummaryResult, len(all))
	for i := range all {
		out[i].Result = notThere(all[i].TopicPartition)
	}
	return out
}

func (noPersister) Read(_ context.Context, _ string, all []share.ReadPartition) []share.ReadResult {
	out := make([]share.ReadResult, len(all))
	for i := range all {
		out[i].Result = notThere(all[i].TopicPartition)
	}
	return out
}

func (noPersister) Write(_ context.Context, _ string, all []share.WritePartition) []share.Result {
	out := make([]share.Result, len(all))
	for i := range all {
		out[i] = notThere(all[i].TopicPartition)
	}
	return out
}
