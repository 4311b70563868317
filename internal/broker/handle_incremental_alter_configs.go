package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// handleIncrementalAlterConfigs leaves to the controller what it can decide, and answers here what concerns this
// broker: requests for another one, loggers, and listeners that would not work.
func (b *Broker) handleIncrementalAlterConfigs(ctx context.Context, _ *Request, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	here := kmsg.NewPtrIncrementalAlterConfigsResponse()
	forward := *req
	forward.Resources = nil
	for i := range req.Resources {
		r := &req.Resources[i]
		code, message := b.checkAlter(int8(r.ResourceType), r.ResourceName)
		done := code != nil
		switch {
		case done:
		case int8(r.ResourceType) == metadata.BrokerLoggerResource:
			code, message = b.alterLoggers(r.Configs, req.ValidateOnly)
			done = true
		case int8(r.ResourceType) == metadata.BrokerResource:
			edits := make([]config.Edit, len(r.Configs))
			for j, c := range r.Configs {
				edits[j] = edit(c.Name, config.Op(c.Op), c.Value)
			}
			code, message = b.checkBrokerEdits(r.ResourceName, edits, false)
			done = code != nil
		}
		if !done {
			forward.Resources = append(forward.Resources, *r)
			continue
		}
		m := kmsg.NewIncrementalAlterConfigsResponseResource()
		m.ResourceType, m.ResourceName = r.ResourceType, r.ResourceName
		if code != nil {
			m.ErrorCode, m.ErrorMessage = code.Code, &message
		}
		here.Resources = append(here.Resources, m)
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.IncrementalAlterConfigs(ctx, &forward)
	resp.Resources = append(resp.Resources, here.Resources...)
	return resp
}

func edit(name string, op config.Op, value *string) config.Edit {
	e := config.Edit{Name: name, Op: op}
	if value != nil {
		e.Value = *value
	}
	return e
}

// checkAlter says why configs cannot be altered by this broker, or returns nil.
func (b *Broker) checkAlter(typ int8, name string) (*kerr.Error, string) {
	id, err := strconv.ParseInt(name, 10, 32)
	switch typ {
	case metadata.BrokerResource:
		if err == nil && int32(id) != b.nodeID {
			return kerr.InvalidRequest, fmt.Sprintf("Unexpected broker id, expected %d, but received %s", b.nodeID, name)
		}
	case metadata.BrokerLoggerResource:
		switch {
		case err != nil:
			return kerr.InvalidRequest, "Node id must be an integer, but it is: " + name
		case int32(id) != b.nodeID:
			return kerr.InvalidRequest, fmt.Sprintf("Unexpected node id. Expected %d, but received %s", b.nodeID, name)
		}
	}
	return nil, ""
}

// checkBrokerEdits tries what a change of broker settings would make of this broker's listeners: key material that cannot
// be read, rules that cannot be parsed. Everything else the controller says, so a change that it would refuse is left to
// it. With replace, the edits are all there is.
func (b *Broker) checkBrokerEdits(name string, edits []config.Edit, replace bool) (*kerr.Error, string) {
	before := b.dynamicSettings(b.meta.Image())
	current := before.Broker
	if name == "" {
		current = before.Cluster
	}
	if replace {
		current = nil
	}
	next, err := config.Apply(current, edits, config.Broker)
	if err != nil {
		return nil, "" //nolint:nilerr // the controller says so
	}
	change := config.BrokerChange{Next: next, Static: b.cfg, Before: before, Cluster: name == ""}
	for _, e := range edits {
		change.Keys = append(change.Keys, e.Name)
	}
	if change.Check() != nil {
		return nil, "" //nolint:nilerr // the controller says so
	}
	after := before
	if name == "" {
		after.Cluster = next
	} else {
		after.Broker = next
	}
	if err := b.checkListeners(after); err != nil {
		return kerr.InvalidRequest, "Invalid dynamic configuration: " + err.Error()
	}
	return nil, ""
}
