package metadata

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/config"
	"leat.dev/internal/metadata/record"
)

// alteration is what a request wants of one resource.
type alteration struct {
	key     configKey
	edits   []config.Edit
	replace bool // what is not set goes away
	invalid *refusal
}

// IncrementalAlterConfigs changes single configs; errors stand in the response.
// Each resource changes as a whole or not at all.
func (n *Node) IncrementalAlterConfigs(ctx context.Context, req *kmsg.IncrementalAlterConfigsRequest) *kmsg.IncrementalAlterConfigsResponse {
	alterations := make([]alteration, len(req.Resources))
	for i, r := range req.Resources {
		a := &alterations[i]
		a.key = configKey{int8(r.ResourceType), r.ResourceName}
		for _, c := range r.Configs {
			e := config.Edit{Name: c.Name, Op: config.Op(c.Op)}
			switch {
			case e.Op < config.Set || e.Op > config.Subtract:
				a.invalid = refuse(kerr.InvalidRequest, "Unknown operation type "+strconv.Itoa(int(c.Op)))
			case c.Value == nil && e.Op != config.Delete && a.invalid == nil:
				a.invalid = refuse(kerr.InvalidRequest, "Null value not supported for : "+c.Name)
			case c.Value != nil:
				e.Value = *c.Value
			}
			a.edits = append(a.edits, e)
		}
	}
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	for i, why := range n.alter(ctx, alterations, req.ValidateOnly) {
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = req.Resources[i].ResourceType, req.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = why.fields()
		resp.Resources = append(resp.Resources, r)
	}
	return resp
}

// AlterConfigs replaces the configs of resources; errors stand in the response.
func (n *Node) AlterConfigs(ctx context.Context, req *kmsg.AlterConfigsRequest) *kmsg.AlterConfigsResponse {
	alterations := make([]alteration, len(req.Resources))
	for i, r := range req.Resources {
		a := &alterations[i]
		a.key, a.replace = configKey{int8(r.ResourceType), r.ResourceName}, true
		for _, c := range r.Configs {
			e := config.Edit{Name: c.Name, Op: config.Set}
			if c.Value != nil {
				e.Value = *c.Value
			} else if a.invalid == nil {
				a.invalid = refuse(kerr.InvalidRequest, "Null value not supported for : "+c.Name)
			}
			a.edits = append(a.edits, e)
		}
	}
	resp := kmsg.NewPtrAlterConfigsResponse()
	for i, why := range n.alter(ctx, alterations, req.ValidateOnly) {
		r := kmsg.NewAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = req.Resources[i].ResourceType, req.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = why.fields()
		resp.Resources = append(resp.Resources, r)
	}
	return resp
}

// alter returns what is wrong with each alteration, nil for those that hold.
func (n *Node) alter(ctx context.Context, alterations []alteration, validateOnly bool) []*refusal {
	count := map[configKey]int{}
	for i := range alterations {
		a := &alterations[i]
		count[a.key]++
		seen := map[string]bool{}
		for _, e := range a.edits {
			if seen[e.Name] {
				a.invalid = refuse(kerr.InvalidRequest, "Error due to duplicate config keys")
			}
			seen[e.Name] = true
		}
	}
	answers, err := submit(ctx, n, func(v *view) ([]*refusal, []record.Record, error) {
		answers := make([]*refusal, len(alterations))
		var records []record.Record
		for i := range alterations {
			a := &alterations[i]
			if count[a.key] > 1 {
				answers[i] = refuse(kerr.InvalidRequest, "Each resource must appear at most once.")
				continue
			}
			if answers[i] = a.invalid; a.invalid != nil {
				continue
			}
			more, why := v.alter(a)
			answers[i] = why
			records = append(records, more...)
		}
		if validateOnly {
			records = nil
		}
		return answers, records, nil
	})
	if err != nil {
		answers = make([]*refusal, len(alterations))
		for i := range answers {
			answers[i] = refusalOf(err)
		}
	}
	return answers
}

func (v *view) alter(a *alteration) ([]record.Record, *refusal) {
	var declared func(string) *config.Def
	switch a.key.typ {
	case TopicResource:
		declared = config.Topic
		if why := v.checkTopicResource(a.key.name); why != nil {
			return nil, why
		}
	case BrokerResource:
		declared = config.Broker
		if why := v.checkBrokerResource(a.key.name); why != nil {
			return nil, why
		}
	case GroupResource:
		declared = config.Group
		if a.key.name == "" {
			return nil, refuse(kerr.InvalidRequest, "Default group resources are not allowed.")
		}
	case ClientMetricsResource:
		// Kafka's controller knows none of these settings as a list.
		declared = func(string) *config.Def { return nil }
	default:
		return nil, refuse(kerr.InvalidRequest, "Unknown resource type "+strconv.Itoa(int(a.key.typ)))
	}
	current := v.Configs(a.key.typ, a.key.name)
	from := current
	if a.replace {
		from = nil
	}
	next, err := config.Apply(from, a.edits, declared)
	if err != nil {
		return nil, refuse(kerr.InvalidConfig, err.Error())
	}
	changed := differing(current, next)
	switch a.key.typ {
	case TopicResource:
		if err := config.CheckTopic(next, v.dynamic(), v.node.o.Static); err != nil {
			return nil, refuse(kerr.InvalidConfig, err.Error())
		}
	case GroupResource:
		if err := config.CheckGroup(next, v.dynamic(), v.node.o.Static); err != nil {
			return nil, refuse(kerr.InvalidConfig, err.Error())
		}
	case ClientMetricsResource:
		if why := checkClientMetrics(a.key.name, next); why != nil {
			return nil, why
		}
	default:
		if why := v.checkBroker(a, changed, next); why != nil {
			return nil, why
		}
	}
	records := make([]record.Record, 0, len(changed))
	for _, name := range changed {
		r := &record.Config{ResourceType: a.key.typ, ResourceName: a.key.name, Name: name}
		if value, ok := next[name]; ok {
			r.Value = new(value)
		}
		records = append(records, r)
	}
	return records, nil
}

func checkClientMetrics(name string, next map[string]string) *refusal {
	if name == "" {
		return refuse(kerr.InvalidRequest, "Subscription name can't be empty")
	}
	_, err := config.ParseMetricsSubscription(next)
	if _, ok := errors.AsType[config.InvalidRequest](err); ok {
		return refuse(kerr.InvalidRequest, err.Error())
	}
	if err != nil {
		return refuse(kerr.InvalidConfig, err.Error())
	}
	return nil
}

// checkBroker checks changes of a broker's configs, and that what topics are
// given by it still makes sense.
func (v *view) checkBroker(a *alteration, changed []string, next map[string]string) *refusal {
	if why := v.checkMinInSync(a.key.name, changed, next); why != nil {
		return why
	}
	cluster := a.key.name == ""
	keys := slices.Clone(changed)
	for _, e := range a.edits {
		if !slices.Contains(keys, e.Name) {
			keys = append(keys, e.Name)
		}
	}
	before := v.dynamic()
	if !cluster {
		before.Broker = v.Configs(BrokerResource, a.key.name)
	}
	change := config.BrokerChange{Keys: keys, Next: next, Static: v.node.o.Static, Before: before, Cluster: cluster}
	if err := change.Check(); err != nil {
		return refuse(kerr.InvalidRequest, err.Error())
	}
	return nil
}

func (v *view) checkTopicResource(name string) *refusal {
	if name == "" {
		return refuse(kerr.InvalidRequest, "Default topic resources are not allowed.")
	}
	if why := CheckTopicName(name); why != "" {
		return refuse(kerr.InvalidTopicException, why)
	}
	if v.Topic(name) == nil {
		return refuse(kerr.UnknownTopicOrPartition, "The topic '"+name+"' does not exist.")
	}
	return nil
}

func (v *view) checkBrokerResource(name string) *refusal {
	if name == "" {
		return nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return refuse(kerr.InvalidRequest, "Node id must be an integer, but it is: "+name)
	}
	if v.Broker(int32(id)) == nil {
		return refuse(kerr.BrokerIDNotRegistered, "No broker with id "+name+" found.")
	}
	return nil
}

// differing are the keys set in only one of the maps or with other values, in
// order.
func differing(a, b map[string]string) []string {
	keys := map[string]bool{}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			keys[k] = true
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys[k] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
