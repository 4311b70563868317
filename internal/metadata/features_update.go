package metadata

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// Ways of changing a feature's level, as requests number them (KIP-778).
const (
	upgrade         int8 = 1
	safeDowngrade   int8 = 2
	unsafeDowngrade int8 = 3
)

// minInSync is the setting that eligible leader replicas depend on.
const minInSync = "min.insync.replicas"

// UpdateFeatures finalises features at other levels, all or none of those it names;
// errors stand in the response (KIP-584, KIP-778, KIP-1022). Of several updates of
// one feature the last counts.
func (n *Node) UpdateFeatures(ctx context.Context, req *kmsg.UpdateFeaturesRequest) *kmsg.UpdateFeaturesResponse {
	_, err := submit(ctx, n, func(v *view) (struct{}, []record.Record, error) {
		records, why := v.updateFeatures(req)
		if why != nil {
			return struct{}{}, nil, why
		}
		if req.ValidateOnly {
			records = nil
		}
		return struct{}{}, records, nil
	})
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	resp.ErrorCode, resp.ErrorMessage = refusalOf(err).fields()
	if err == nil && req.Version <= 1 {
		for _, u := range req.FeatureUpdates {
			r := kmsg.NewUpdateFeaturesResponseResult()
			r.Feature, r.ErrorMessage = u.Feature, new("NONE")
			resp.Results = append(resp.Results, r)
		}
	}
	return resp
}

// featureChange is the last that a request wants of a feature.
type featureChange struct {
	name  string
	level int16
	how   int8
}

func featureChanges(req *kmsg.UpdateFeaturesRequest) []featureChange {
	var out []featureChange
	at := map[string]int{}
	for _, u := range req.FeatureUpdates {
		c := featureChange{u.Feature, u.MaxVersionLevel, u.UpgradeType}
		if req.Version == 0 {
			c.how = upgrade // AllowDowngrade of this version is not looked at, in Kafka neither
		}
		if i, ok := at[c.name]; ok {
			out[i] = c
			continue
		}
		at[c.name] = len(out)
		out = append(out, c)
	}
	return out
}

func (v *view) updateFeatures(req *kmsg.UpdateFeaturesRequest) ([]record.Record, *refusal) {
	var records []record.Record
	for _, c := range featureChanges(req) {
		if why := v.checkFeature(c); why != "" {
			return nil, refuse(kerr.InvalidUpdateVersion, "The update failed for all features since the following feature had an error: "+why)
		}
		if v.Features[c.name] == c.level {
			continue
		}
		records = append(records, &record.FeatureLevel{Name: c.name, Level: c.level})
		if c.name == EligibleLeaderReplicas && c.level > 0 {
			records = append(records, minInSyncRecords(v.Image, v.node.o.Static.String(minInSync))...)
		}
	}
	return records, nil
}

// checkFeature says why a feature's level cannot be changed so, "" if it can.
func (v *view) checkFeature(c featureChange) string {
	invalid := func(why string) string {
		return fmt.Sprintf("Invalid update version %d for feature %s. %s", c.level, c.name, why)
	}
	now := v.Features[c.name]
	if c.how < upgrade || c.how > unsafeDowngrade {
		return invalid("The controller does not support the given upgrade type.")
	}
	if c.level < 0 {
		return invalid("A feature version cannot be less than 0.")
	}
	if why := v.unsupported(c); why != "" {
		return invalid(why)
	}
	switch {
	case c.level < now && c.how == upgrade:
		return invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case c.level > now && c.how != upgrade:
		return invalid("Can't downgrade to a newer version.")
	case c.level < now && c.name == KRaftVersion:
		return invalid("Can't downgrade the version of this feature.")
	case c.level < now && c.name == MetadataVersion:
		// Kafka asks whether the records changed between the levels: before its own newest level they did.
		why := "Refusing to perform the requested downgrade because it might delete metadata information."
		if c.how == unsafeDowngrade {
			why = "Unsafe metadata downgrade is not supported in this version."
		}
		return fmt.Sprintf("Unsupported metadata.version downgrade from %d to %d. %s", now, c.level, why)
	}
	return ""
}

// unsupported says which node cannot go to the level, "" if all can.
func (v *view) unsupported(c featureChange) string {
	within := func(who string, known bool, low, high int16) string {
		switch {
		case !known && c.level == 0:
			return "" // what nobody knows is off already
		case !known:
			return who + " does not support this feature."
		case c.level < low || c.level > high:
			return fmt.Sprintf("%s only supports versions %d-%d", who, low, high)
		}
		return ""
	}
	var mine Feature
	for _, f := range SupportedFeatures() {
		if f.Name == c.name {
			mine = f
		}
	}
	if why := within("Local controller "+strconv.Itoa(int(v.node.o.NodeID)), mine.Name != "", mine.Min, mine.Max); why != "" {
		return why
	}
	if mine.Name == "" {
		return "Feature " + c.name + " not found."
	}
	for b := range v.Brokers() {
		if b.ID == v.node.o.NodeID {
			continue // its registration may be that of an older program
		}
		var its record.FeatureRange
		for _, f := range b.Features {
			if f.Name == c.name {
				its = f
			}
		}
		if why := within("Broker "+strconv.Itoa(int(b.ID)), its.Name != "", its.Min, its.Max); why != "" {
			return why
		}
	}
	return ""
}

// minInSyncRecords make min.insync.replicas one value for all brokers, which eligible
// leader replicas depend on (KIP-966): what each broker has for itself goes, and the
// cluster gets a value if it has none.
func minInSyncRecords(img *Image, value string) []record.Record {
	var out []record.Record
	if _, ok := img.Configs(BrokerResource, "")[minInSync]; !ok {
		out = append(out, &record.Config{ResourceType: BrokerResource, Name: minInSync, Value: &value})
	}
	for name := range img.ConfigResources(BrokerResource) {
		if _, ok := img.Configs(BrokerResource, name)[minInSync]; ok && name != "" {
			out = append(out, &record.Config{ResourceType: BrokerResource, ResourceName: name, Name: minInSync})
		}
	}
	return out
}

// checkMinInSync keeps min.insync.replicas one value for all brokers.
func (v *view) checkMinInSync(broker string, changed []string, next map[string]string) *refusal {
	if v.Features[EligibleLeaderReplicas] == 0 {
		return nil
	}
	for _, name := range changed {
		if name != minInSync {
			continue
		}
		if broker != "" {
			return refuse(kerr.InvalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
		}
		if _, ok := next[minInSync]; !ok {
			return refuse(kerr.InvalidConfig, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
		}
	}
	return nil
}
