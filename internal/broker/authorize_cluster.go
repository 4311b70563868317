package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/metadata"
)

// clusterRules are those of APIs about the cluster, its configs and its security.
var clusterRules = map[kmsg.Key]rule{
	// What nobody needs a permission for. The handlers of tokens look after what is whose.
	kmsg.ApiVersions:               {},
	kmsg.SASLHandshake:             {},
	kmsg.SASLAuthenticate:          {},
	kmsg.GetTelemetrySubscriptions: {},
	kmsg.PushTelemetry:             {},
	kmsg.RenewDelegationToken:      {},
	kmsg.ExpireDelegationToken:     {},
	kmsg.CreateDelegationToken:     {needs: "for others CreateTokens User"},
	kmsg.DescribeDelegationToken:   {needs: "of others DescribeTokens User or Describe DelegationToken"},
	kmsg.DescribeCluster: {check: checked(func(g *guard, q *kmsg.DescribeClusterRequest, next func() *kmsg.DescribeClusterResponse) *kmsg.DescribeClusterResponse {
		resp := next()
		if q.IncludeClusterAuthorizedOperations && resp.ErrorCode == 0 {
			resp.ClusterAuthorizedOperations = 0
			if g.sees(acl.Describe, acl.Cluster, acl.ClusterName) {
				resp.ClusterAuthorizedOperations = g.operations(acl.Cluster, acl.ClusterName)
			}
		}
		return resp
	})},

	kmsg.DescribeACLs: onCluster(acl.Describe),
	kmsg.CreateACLs: {"Alter Cluster", checked(func(g *guard, q *kmsg.CreateACLsRequest, next func() *kmsg.CreateACLsResponse) *kmsg.CreateACLsResponse {
		if g.cluster(acl.Alter) {
			return next()
		}
		resp := kmsg.NewPtrCreateACLsResponse()
		addRefused(&resp.Results, q.Creations, kerr.ClusterAuthorizationFailed)
		return resp
	})},
	kmsg.DeleteACLs: {"Alter Cluster", checked(func(g *guard, q *kmsg.DeleteACLsRequest, next func() *kmsg.DeleteACLsResponse) *kmsg.DeleteACLsResponse {
		if g.cluster(acl.Alter) {
			return next()
		}
		resp := kmsg.NewPtrDeleteACLsResponse()
		addRefused(&resp.Results, q.Filters, kerr.ClusterAuthorizationFailed)
		return resp
	})},
	kmsg.DescribeUserSCRAMCredentials: {"Describe Cluster", checked(func(g *guard, q *kmsg.DescribeUserSCRAMCredentialsRequest, next func() *kmsg.DescribeUserSCRAMCredentialsResponse) *kmsg.DescribeUserSCRAMCredentialsResponse {
		if g.cluster(acl.Describe) {
			return next()
		}
		resp := refused(q, kerr.ClusterAuthorizationFailed).(*kmsg.DescribeUserSCRAMCredentialsResponse)
		for range q.Users { // each has the error once more, without its name
			r := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
			r.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			resp.Results = append(resp.Results, r)
		}
		return resp
	})},
	kmsg.AlterUserSCRAMCredentials: {"Alter Cluster", checked(func(g *guard, q *kmsg.AlterUserSCRAMCredentialsRequest, next func() *kmsg.AlterUserSCRAMCredentialsResponse) *kmsg.AlterUserSCRAMCredentialsResponse {
		if g.cluster(acl.Alter) {
			return next()
		}
		resp := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
		seen := map[string]bool{}
		refuse := func(user string) {
			if !seen[user] {
				seen[user] = true
				addRefused(&resp.Results, []string{user}, kerr.ClusterAuthorizationFailed)
			}
		}
		for _, d := range q.Deletions {
			refuse(d.Name)
		}
		for i := range q.Upsertions {
			refuse(q.Upsertions[i].Name)
		}
		return resp
	})},

	kmsg.DescribeConfigs: {"DescribeConfigs Topic, Group or Cluster", checked(func(g *guard, q *kmsg.DescribeConfigsRequest, next func() *kmsg.DescribeConfigsResponse) *kmsg.DescribeConfigsResponse {
		left, denied := split(q.Resources, func(r *kmsg.DescribeConfigsRequestResource) bool {
			return g.mayConfigs(acl.DescribeConfigs, int8(r.ResourceType), r.ResourceName)
		})
		q.Resources = left
		resp := next()
		for i := range denied {
			addRefused(&resp.Resources, denied[i:i+1], configDenial(int8(denied[i].ResourceType)))
		}
		return resp
	})},
	kmsg.AlterConfigs: {"AlterConfigs Topic, Group or Cluster", checked(func(g *guard, q *kmsg.AlterConfigsRequest, next func() *kmsg.AlterConfigsResponse) *kmsg.AlterConfigsResponse {
		left, denied := split(q.Resources, func(r *kmsg.AlterConfigsRequestResource) bool {
			return g.mayConfigs(acl.AlterConfigs, int8(r.ResourceType), r.ResourceName)
		})
		q.Resources = left
		resp := next()
		for i := range denied {
			addRefused(&resp.Resources, denied[i:i+1], configDenial(int8(denied[i].ResourceType)))
		}
		return resp
	})},
	kmsg.IncrementalAlterConfigs: {"AlterConfigs Topic, Group or Cluster", checked(func(g *guard, q *kmsg.IncrementalAlterConfigsRequest, next func() *kmsg.IncrementalAlterConfigsResponse) *kmsg.IncrementalAlterConfigsResponse {
		left, denied := split(q.Resources, func(r *kmsg.IncrementalAlterConfigsRequestResource) bool {
			return g.mayConfigs(acl.AlterConfigs, int8(r.ResourceType), r.ResourceName)
		})
		q.Resources = left
		resp := next()
		for i := range denied {
			addRefused(&resp.Resources, denied[i:i+1], configDenial(int8(denied[i].ResourceType)))
		}
		return resp
	})},
	kmsg.ListConfigResources:  onCluster(acl.DescribeConfigs),
	kmsg.DescribeClientQuotas: onCluster(acl.DescribeConfigs),
	kmsg.AlterClientQuotas: {"AlterConfigs Cluster", checked(func(g *guard, q *kmsg.AlterClientQuotasRequest, next func() *kmsg.AlterClientQuotasResponse) *kmsg.AlterClientQuotasResponse {
		if g.cluster(acl.AlterConfigs) {
			return next()
		}
		resp := kmsg.NewPtrAlterClientQuotasResponse()
		for i := range q.Entries {
			addRefused(&resp.Entries, q.Entries[i:i+1], kerr.ClusterAuthorizationFailed)
			resp.Entries[i].Entity = nil
			for _, p := range q.Entries[i].Entity {
				part := kmsg.NewAlterClientQuotasResponseEntryEntity()
				part.Type, part.Name = p.Type, p.Name
				resp.Entries[i].Entity = append(resp.Entries[i].Entity, part)
			}
		}
		return resp
	})},

	kmsg.DescribeLogDirs:     onCluster(acl.Describe),
	kmsg.AlterReplicaLogDirs: onAlterReplicaLogDirs(),
	kmsg.ElectLeaders: onClusterAtTheTop(acl.Alter, func(r *kmsg.ElectLeadersResponse, code int16, _ *string) {
		r.ErrorCode = code
	}),
	kmsg.AlterPartitionAssignments: onClusterAtTheTop(acl.Alter, func(r *kmsg.AlterPartitionAssignmentsResponse, code int16, why *string) {
		r.ErrorCode, r.ErrorMessage = code, why
	}),
	kmsg.ListPartitionReassignments: onCluster(acl.Describe),
	kmsg.UpdateFeatures:             onCluster(acl.Alter),
	kmsg.UnregisterBroker:           onCluster(acl.Alter),
	kmsg.DescribeQuorum: onClusterAtTheTop(acl.Describe, func(r *kmsg.DescribeQuorumResponse, code int16, why *string) {
		r.ErrorCode, r.ErrorMessage, r.Topics = code, why, nil
	}),
	kmsg.AddRaftVoter:               onCluster(acl.Alter),
	kmsg.RemoveRaftVoter:            onCluster(acl.Alter),
	kmsg.UpdateRaftVoter:            onCluster(acl.ClusterAction),
	kmsg.Vote:                       onCluster(acl.ClusterAction),
	kmsg.BeginQuorumEpoch:           onCluster(acl.ClusterAction),
	kmsg.EndQuorumEpoch:             onCluster(acl.ClusterAction),
	kmsg.FetchSnapshot:              onCluster(acl.ClusterAction),
	kmsg.AlterPartition:             onCluster(acl.ClusterAction),
	kmsg.Envelope:                   onCluster(acl.ClusterAction),
	kmsg.BrokerRegistration:         onCluster(acl.ClusterAction),
	kmsg.BrokerHeartbeat:            onCluster(acl.ClusterAction),
	kmsg.AllocateProducerIDs:        onCluster(acl.ClusterAction),
	kmsg.ControllerRegistration:     onCluster(acl.ClusterAction),
	kmsg.AssignReplicasToDirs:       onCluster(acl.ClusterAction),
	kmsg.InitializeShareGroupState:  onCluster(acl.ClusterAction),
	kmsg.ReadShareGroupState:        onCluster(acl.ClusterAction),
	kmsg.WriteShareGroupState:       onCluster(acl.ClusterAction),
	kmsg.DeleteShareGroupState:      onCluster(acl.ClusterAction),
	kmsg.ReadShareGroupStateSummary: onCluster(acl.ClusterAction),
}

// onClusterAtTheTop is onCluster for APIs whose refusal stands at the top of the response too, or only there.
func onClusterAtTheTop[R kmsg.Response](op acl.Operation, place func(resp R, code int16, why *string)) rule {
	r := onCluster(op)
	check := r.check
	r.check = func(g *guard, req kmsg.Request, next func() kmsg.Response) kmsg.Response {
		allowed := false
		resp := check(g, req, func() kmsg.Response { allowed = true; return next() })
		if !allowed {
			place(resp.(R), kerr.ClusterAuthorizationFailed.Code, new(denialMessage(kerr.ClusterAuthorizationFailed)))
		}
		return resp
	}
	return r
}

// mayConfigs is about the configs of a resource. Everything but topics and groups belongs to the cluster.
func (g *guard) mayConfigs(op acl.Operation, typ int8, name string) bool {
	switch typ {
	case metadata.TopicResource:
		return g.may(op, acl.Topic, name)
	case metadata.GroupResource:
		return g.may(op, acl.Group, name)
	}
	return g.cluster(op)
}

func configDenial(typ int8) *kerr.Error {
	switch typ {
	case metadata.TopicResource:
		return kerr.TopicAuthorizationFailed
	case metadata.GroupResource:
		return kerr.GroupAuthorizationFailed
	}
	return kerr.ClusterAuthorizationFailed
}

// onAlterReplicaLogDirs: the request lists directories with topics, the response topics.
func onAlterReplicaLogDirs() rule {
	return rule{"Alter Cluster", checked(func(g *guard, q *kmsg.AlterReplicaLogDirsRequest, next func() *kmsg.AlterReplicaLogDirsResponse) *kmsg.AlterReplicaLogDirsResponse {
		if g.cluster(acl.Alter) {
			return next()
		}
		resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
		for i := range q.Dirs {
			addRefused(&resp.Topics, q.Dirs[i].Topics, kerr.ClusterAuthorizationFailed)
		}
		return resp
	})}
}
