package broker

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// The metadata quorum is this node alone. With kraft.version 0 its voters stand in the settings and cannot be changed;
// with 1 they could be (KIP-853), but a voter has to follow the quorum before it is added, which no node does, and the
// last voter cannot be removed.

// voter names a replica of the quorum as Kafka's messages do.
func voter(id int32, directory [16]byte) string {
	return fmt.Sprintf("ReplicaKey(id=%d, directoryId=%s)", id, base64.RawURLEncoding.EncodeToString(directory[:]))
}

// checkVoter is what adding and removing have in common. It returns nil if the request makes sense so far.
func (b *Broker) checkVoter(what string, cluster *string, id int32, directory [16]byte) (*kerr.Error, string) {
	if cluster != nil && *cluster != b.meta.Image().ClusterID {
		return kerr.InconsistentClusterID, fmt.Sprintf("The given id %q doesn't match the cluster id %q", *cluster, b.meta.Image().ClusterID)
	}
	if id < 0 || directory == [16]byte{} {
		return kerr.InvalidRequest, what + " voter request didn't include a valid voter"
	}
	return nil, ""
}

func (b *Broker) handleAddRaftVoter(_ context.Context, _ *Request, req *kmsg.AddRaftVoterRequest) kmsg.Response {
	resp := kmsg.NewPtrAddRaftVoterResponse()
	err, why := b.checkVoter("Add", req.ClusterID, req.VoterID, req.VoterDirectoryID)
	if err == nil {
		err, why = b.addVoter(req)
	}
	resp.ErrorCode, resp.ErrorMessage = err.Code, &why
	return resp
}

func (b *Broker) addVoter(req *kmsg.AddRaftVoterRequest) (*kerr.Error, string) {
	key := voter(req.VoterID, req.VoterDirectoryID)
	switch {
	case len(req.Listeners) == 0:
		return kerr.InvalidRequest, "Add voter request didn't include the endpoint (Endpoints(endpoints={})) for the default listener ListenerName(CONTROLLER)"
	case b.meta.Image().Features[metadata.KRaftVersion] == 0:
		return kerr.UnsupportedVersion, "Cluster doesn't support adding voter because the kraft.version feature is 0"
	case req.VoterID == b.nodeID:
		return kerr.DuplicateVoter, fmt.Sprintf("The voter id for %s is already part of the set of voters [%s].", key, voter(b.nodeID, b.dir.Meta().DirectoryID()))
	}
	return kerr.RequestTimedOut, fmt.Sprintf("New voter %s is not ready to receive requests", key)
}

func (b *Broker) handleRemoveRaftVoter(_ context.Context, _ *Request, req *kmsg.RemoveRaftVoterRequest) kmsg.Response {
	resp := kmsg.NewPtrRemoveRaftVoterResponse()
	err, why := b.checkVoter("Remove", req.ClusterID, req.VoterID, req.VoterDirectoryID)
	switch {
	case err != nil:
	case b.meta.Image().Features[metadata.KRaftVersion] == 0:
		err, why = kerr.UnsupportedVersion, "Cluster doesn't support removing voter because the kraft.version feature is 0"
	default:
		err = kerr.VoterNotFound
		why = fmt.Sprintf("Cannot remove voter %s from the set of voters [%s]", voter(req.VoterID, req.VoterDirectoryID), voter(b.nodeID, b.dir.Meta().DirectoryID()))
	}
	resp.ErrorCode, resp.ErrorMessage = err.Code, &why
	return resp
}
