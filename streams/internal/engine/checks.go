package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// How long an app tries to reach its cluster when it starts, and the longest pause between two tries: as long as Kafka
// Streams lets a task wait (task.timeout.ms).
const (
	reachMax   = 5 * time.Minute
	reachPause = 5 * time.Second
)

// reach asks what the cluster can do, until it is there.
func (a *App) reach(ctx context.Context, client *kgo.Client) (*kmsg.ApiVersionsResponse, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "leat-streams", "1"
	until := a.clk.Now().Add(reachMax)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, reachPause) {
		resp, err := req.RequestWith(ctx, client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		switch {
		case err == nil:
			return resp, nil
		case errors.Is(err, kerr.SaslAuthenticationFailed):
			return nil, fmt.Errorf("the cluster at %v does not accept the user: %w; ClientOptions says who the application is", a.prog.Settings.Brokers, err)
		case errors.Is(err, kerr.IllegalSaslState), errors.Is(err, kerr.UnsupportedSaslMechanism):
			return nil, fmt.Errorf("the cluster at %v does not let anybody log in this way: %w; is it the listener that asks for passwords, and its mechanism, that ClientOptions are for?", a.prog.Settings.Brokers, err)
		case ctx.Err() != nil || !a.clk.Now().Before(until):
			return nil, fmt.Errorf("reaching the cluster at %v: %w; are the addresses of the option Brokers right, and is it TLS that is spoken there?", a.prog.Settings.Brokers, err)
		}
		a.log.Warn("the cluster cannot be reached, trying again", "brokers", a.prog.Settings.Brokers, "error", err, "for", until.Sub(a.clk.Now()).Round(time.Second).String())
		pause(ctx, wait)
	}
}

// hidden finds out of topics that the cluster does not list whether they are there for others.
func (a *App) hidden(ctx context.Context, topics []string) map[string]error {
	out := map[string]error{}
	for _, name := range topics {
		if err := a.cluster.exists(ctx, name); errors.Is(err, kerr.TopicAuthorizationFailed) {
			out[name] = err
		}
	}
	return out
}

// lookAtInternal warns about internal topics that are not as this program would make them: with other settings, gone while the
// group has offsets, or left by another topology.
func (a *App) lookAtInternal(ctx context.Context, layout *topology.Layout, have map[string]int, missing []topology.TopicSpec) {
	specs := map[string]*topology.TopicSpec{}
	var names []string
	for i := range layout.Internal {
		spec := &layout.Internal[i]
		specs[spec.Name] = spec
		if have[spec.Name] > 0 {
			names = append(names, spec.Name)
		}
	}
	if len(names) > 0 {
		if found, err := a.cluster.admin.DescribeTopicConfigs(ctx, names...); err == nil { // may be forbidden, which is no harm
			for _, r := range found {
				a.compareSettings(specs[r.Name], &r)
			}
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(have)) {
		ours := strings.HasSuffix(topic, "-changelog") || strings.HasSuffix(topic, "-repartition")
		if ours && strings.HasPrefix(topic, a.prog.ApplicationID+"-") && specs[topic] == nil {
			a.log.Warn("an internal topic belongs to nothing in this topology: has a store or a step another name now? "+
				"What it holds is not used; names that are given do not change with the program", "topic", topic)
		}
	}
	if slices.ContainsFunc(missing, func(s topology.TopicSpec) bool { return !s.Repartition }) {
		a.warnLost(ctx, missing)
	}
}

func (a *App) compareSettings(spec *topology.TopicSpec, have *kadm.ResourceConfig) {
	if spec == nil || have.Err != nil {
		return
	}
	for _, c := range have.Configs {
		want, ok := spec.Config[c.Key]
		if !ok || c.Value == nil || sameSetting(c.Key, want, *c.Value) {
			continue
		}
		a.log.Warn("an internal topic has another setting than this program gives it: alter it, or say it with TopicConfig or ChangelogConfig",
			"topic", spec.Name, "store", spec.Store, "setting", c.Key, "is", *c.Value, "wanted", want)
	}
}

func sameSetting(key, a, b string) bool {
	if key == "cleanup.policy" {
		return slices.Equal(slices.Sorted(strings.SplitSeq(a, ",")), slices.Sorted(strings.SplitSeq(b, ",")))
	}
	return a == b
}

// warnLost tells of changelogs that are made new although the application has worked before.
func (a *App) warnLost(ctx context.Context, missing []topology.TopicSpec) {
	offsets, err := a.cluster.admin.FetchOffsets(ctx, a.prog.ApplicationID)
	if err != nil {
		return // it will be said when the group is joined
	}
	worked := map[int]bool{} // sub-topologies
	offsets.Each(func(o kadm.OffsetResponse) {
		if id, ok := a.taskOf(TopicPartition{o.Topic, o.Partition}); ok && o.Err == nil && o.At > 0 {
			worked[id.Subtopology] = true
		}
	})
	for _, s := range missing {
		if !s.Repartition && worked[s.Subtopology] {
			a.log.Warn("the changelog of a store is not there although the application has processed records: the store begins empty. "+
				"Was the topic deleted, or has the store another name now? Reset the application to compute it anew",
				"topic", s.Name, "store", s.Store)
		}
	}
}

// stillFits tells whether internal topics still have as many partitions as the topics that are read make necessary: somebody
// may have added partitions to those.
func (a *App) stillFits(layout *topology.Layout) error {
	var errs []error
	for i := range layout.Internal {
		spec := &layout.Internal[i]
		if n := a.cluster.known(spec.Name); n > 0 && n != spec.Partitions {
			errs = append(errs, a.wrongPartitions(spec, n))
		}
	}
	return errors.Join(errs...)
}

// stateAdvice is what to do about a state directory that cannot be used.
func stateAdvice(err error) string {
	switch {
	case errors.Is(err, state.ErrLocked):
		return "; each process needs a directory of its own (option StateDir)"
	case errors.Is(err, fs.ErrPermission):
		return "; the user that runs the application must be able to read and write it"
	case errors.Is(err, state.ErrVersion):
		return "; it was written by another version: remove it, the changelogs have everything"
	case errors.Is(err, state.ErrNoSpace):
		return "; make room on its disk"
	case errors.Is(err, fs.ErrExist), strings.Contains(err.Error(), "not a directory"):
		return "; a file is where a directory should be"
	}
	return ""
}
