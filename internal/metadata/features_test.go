package metadata

import (
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/record"
)

// levels asks for features at levels: name, level, kind of change and so on.
func levels(version int16, args ...any) *kmsg.UpdateFeaturesRequest {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.Version = version
	for i := 0; i+2 < len(args); i += 3 {
		u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		u.Feature, u.MaxVersionLevel, u.UpgradeType = args[i].(string), int16(args[i+1].(int)), args[i+2].(int8)
		req.FeatureUpdates = append(req.FeatureUpdates, u)
	}
	return req
}

func TestUpdateFeatures(t *testing.T) {
	for _, c := range []struct {
		name string
		req  *kmsg.UpdateFeaturesRequest
		why  string // "" if it is done
		want map[string]int16
	}{
		{"nothing", levels(2), "", nil},
		{"down safely", levels(2, GroupVersion, 0, safeDowngrade), "", map[string]int16{GroupVersion: 0}},
		{"down unsafely", levels(2, TransactionVersion, 1, unsafeDowngrade), "", map[string]int16{TransactionVersion: 1}},
		{"down by an upgrade", levels(2, GroupVersion, 0, upgrade), "Can't downgrade the version", nil},
		{"as it is", levels(2, GroupVersion, 1, safeDowngrade), "", nil},
		{"too high", levels(2, ShareVersion, 2, upgrade), "Local controller 1 only supports versions 0-1", nil},
		{"negative", levels(2, ShareVersion, -1, safeDowngrade), "cannot be less than 0", nil},
		{"unknown", levels(2, "foo", 1, upgrade), "Local controller 1 does not support this feature.", nil},
		{"unknown, off", levels(2, "foo", 0, safeDowngrade), "Feature foo not found.", nil},
		{"kind 0", levels(2, GroupVersion, 1, int8(0)), "does not support the given upgrade type", nil},
		{"all or none", levels(2, GroupVersion, 0, safeDowngrade, "foo", 1, upgrade), "feature foo", nil},
		{"metadata down", levels(2, MetadataVersion, 29, safeDowngrade), "from 30 to 29. Refusing", nil},
		{"metadata down unsafely", levels(2, MetadataVersion, 29, unsafeDowngrade), "Unsafe metadata downgrade is not supported", nil},
		{"voters in the log", levels(2, KRaftVersion, 1, upgrade), "", map[string]int16{KRaftVersion: 1}},
		{"the last counts", levels(2, GroupVersion, 7, upgrade, GroupVersion, 0, safeDowngrade), "", map[string]int16{GroupVersion: 0}},
		{"version 0 only raises", levels(0, GroupVersion, 0, safeDowngrade), "Can't downgrade the version", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newController(1)
			records, why := n.view().updateFeatures(c.req)
			if c.why == "" && why != nil || c.why != "" && (why == nil || !strings.Contains(why.message, c.why)) {
				t.Fatalf("refusal %v, want %q", why, c.why)
			}
			if why != nil && (why.code != kerr.InvalidUpdateVersion || len(records) > 0) {
				t.Fatalf("%v with %d records", why.code, len(records))
			}
			want := maps.Clone(n.img.Features)
			for name, level := range c.want {
				if want[name] = level; level == 0 {
					delete(want, name)
				}
			}
			n.commit(records)
			if !maps.Equal(n.img.Features, want) {
				t.Errorf("features %v, want %v", n.img.Features, want)
			}
		})
	}
}

// TestKRaftVersionStays: voters that were taken into the log stay there.
func TestKRaftVersionStays(t *testing.T) {
	n := newController(1)
	records, _ := n.view().updateFeatures(levels(2, KRaftVersion, 1, upgrade))
	n.commit(records)
	if _, why := n.view().updateFeatures(levels(2, KRaftVersion, 0, unsafeDowngrade)); why == nil || !strings.HasSuffix(why.message, "Can't downgrade the version of this feature.") {
		t.Errorf("refusal %v", why)
	}
}

// TestFeaturesOfOtherBrokers: what one broker cannot do is not switched on.
func TestFeaturesOfOtherBrokers(t *testing.T) {
	old := broker(2, "", false)
	old.Features = []record.FeatureRange{{Name: GroupVersion, Min: 0, Max: 0}}
	n := newController(1, broker(1, "", false), old)
	for feature, want := range map[string]string{
		GroupVersion: "Broker 2 only supports versions 0-0", ShareVersion: "Broker 2 does not support this feature.",
	} {
		if _, why := n.view().updateFeatures(levels(2, feature, 1, upgrade)); why == nil || !strings.HasSuffix(why.message, want) {
			t.Errorf("%s: refusal %v, want %s", feature, why, want)
		}
	}
}

// TestFeaturesOfAnOlderProgram: a log whose cluster was begun with fewer features is raised to those of a new one, and
// keeps them through a restart from the log and one from a snapshot.
func TestFeaturesOfAnOlderProgram(t *testing.T) {
	fs := vfs.NewMem(1)
	small := func(o *Options) { o.SnapshotBytes = 2000 }
	n := open(t, fs, small)
	n.startBroker(-1)
	fresh := maps.Clone(n.Image().Features)
	off := levels(2)
	for name := range fresh {
		if name != MetadataVersion {
			off.FeatureUpdates = append(off.FeatureUpdates, levels(2, name, 0, safeDowngrade).FeatureUpdates...)
		}
	}
	if resp := n.UpdateFeatures(t.Context(), off); resp.ErrorCode != 0 {
		t.Fatal(*resp.ErrorMessage)
	}
	n.close()
	n = open(t, fs, small)
	n.startBroker(-1)
	if got := n.Image().Features; len(got) != 1 || got[MetadataVersion] != metadataLevel {
		t.Fatalf("features %v", got)
	}
	on := levels(1)
	for name, level := range fresh {
		on.FeatureUpdates = append(on.FeatureUpdates, levels(1, name, int(level), upgrade).FeatureUpdates...)
	}
	on.ValidateOnly = true
	if resp := n.UpdateFeatures(t.Context(), on); resp.ErrorCode != 0 || len(resp.Results) != len(fresh) || len(n.Image().Features) != 1 {
		t.Fatalf("asking only: %+v, features %v", resp, n.Image().Features)
	}
	on.ValidateOnly = false
	if resp := n.UpdateFeatures(t.Context(), on); resp.ErrorCode != 0 || len(resp.Results) != len(fresh) {
		t.Fatalf("%+v", resp)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"} {
		n.mustCreate(name, 3, "retention.ms", "1000")
	}
	waitFor(t, func() bool { return n.log.StartOffset() > 10 })
	n.close()
	n = open(t, fs, small)
	defer n.close()
	if got := n.Image().Features; !maps.Equal(got, fresh) {
		t.Errorf("features %v, want %v", got, fresh)
	}
}

// TestMinInSyncIsOne keeps min.insync.replicas one value for all brokers while eligible leader replicas are on.
func TestMinInSyncIsOne(t *testing.T) {
	n := newController(1, broker(1, "", false))
	set := func(broker string, value *string) *refusal {
		r := &record.Config{ResourceType: BrokerResource, ResourceName: broker, Name: minInSync, Value: value}
		next := maps.Clone(n.img.Configs(BrokerResource, broker))
		if next == nil {
			next = map[string]string{}
		}
		delete(next, minInSync)
		if value != nil {
			next[minInSync] = *value
		}
		if why := n.view().checkMinInSync(broker, []string{minInSync}, next); why != nil {
			return why
		}
		n.commit([]record.Record{r})
		return nil
	}
	off, _ := n.view().updateFeatures(levels(2, EligibleLeaderReplicas, 0, safeDowngrade))
	n.commit(off)
	if why := set("1", new("3")); why != nil {
		t.Fatal(why)
	}
	on, _ := n.view().updateFeatures(levels(2, EligibleLeaderReplicas, 1, upgrade))
	n.commit(on)
	if got := n.img.Configs(BrokerResource, "1")[minInSync]; got != "" {
		t.Errorf("the broker keeps its own %s", got)
	}
	if got := n.img.Configs(BrokerResource, "")[minInSync]; got != "1" {
		t.Errorf("the cluster's value is %q", got)
	}
	if why := set("1", new("3")); why == nil || why.code != kerr.InvalidConfig {
		t.Errorf("a broker's own value: %v", why)
	}
	if why := set("", nil); why == nil || why.code != kerr.InvalidConfig {
		t.Errorf("no value: %v", why)
	}
	if why := set("", new("2")); why != nil {
		t.Error(why)
	}
}

// TestNewClusterHasOneMinInSync: a new cluster has the value from the start, as Kafka formats it.
func TestNewClusterHasOneMinInSync(t *testing.T) {
	n := open(t, vfs.NewMem(1))
	defer n.close()
	if got := n.Image().Configs(BrokerResource, "")[minInSync]; got != "1" {
		t.Errorf("the cluster's value is %q", got)
	}
}
