package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/loglevel"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata/config"
)

// The broker's loggers. Their levels are what the resources of type BROKER_LOGGER describe and change, until the process
// ends.
const (
	logBroker      = "leat.broker"
	logAudit       = "leat.broker.audit"       // who was let in and who was not
	logCoordinator = "leat.broker.coordinator" // groups, transactions, share groups
	logReplica     = "leat.broker.replica"     // partitions and their storage
	logRequests    = "leat.broker.requests"    // at DEBUG each request, when it is answered
	logSecurity    = "leat.broker.security"    // listeners, TLS, keys
	logTransport   = "leat.broker.transport"   // connections
	logStorage     = "leat.log"                // the log directory: recovery, retention, compaction
	logMetadata    = "leat.metadata"           // the metadata quorum and the controller
)

// makeLoggers makes all loggers known, so that their levels can be set before they have written anything.
func (b *Broker) makeLoggers() {
	for _, name := range []string{logBroker, logAudit, logCoordinator, logReplica, logRequests, logSecurity, logTransport, logStorage, logMetadata} {
		b.loggers.Logger(name)
	}
}

// logRequest writes a request that was served, if somebody wants to see them.
func (b *Broker) logRequest(ctx context.Context, c *transport.Call, err error) {
	who := ""
	if a, ok := c.Conn.Auth.(*connAuth); ok {
		if w := a.who.Load(); w != nil {
			who = w.Principal
		}
	}
	attrs := []slog.Attr{
		slog.String("api", kmsg.NameForKey(c.Key)), slog.Int("version", int(c.Version)), slog.Int("correlation_id", int(c.CorrelationID)),
		slog.String("client_id", c.ClientID), slog.String("principal", who), slog.Any("remote", c.Conn.RemoteAddr()), slog.String("listener", c.Conn.Listener()),
		slog.Int("request_bytes", len(c.Body)), slog.Duration("took", b.clock.Now().Sub(c.Received).Round(time.Microsecond)),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	b.requestLog.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
}

// describeLoggers describes the loggers by name.
func (b *Broker) describeLoggers() (out []config.Entry) {
	levels := b.loggers.Levels()
	for _, name := range slices.Sorted(maps.Keys(levels)) {
		out = append(out, config.Entry{Name: name, Value: new(loglevel.Name(levels[name])), Source: config.FromLogger})
	}
	return out
}

// alterLoggers changes levels, all that a request names or none. The errors are Kafka's.
func (b *Broker) alterLoggers(configs []kmsg.IncrementalAlterConfigsRequestResourceConfig, validateOnly bool) (*kerr.Error, string) {
	seen := map[string]bool{}
	for _, c := range configs {
		if seen[c.Name] {
			return kerr.InvalidRequest, "Error due to duplicate config keys"
		}
		seen[c.Name] = true
		if c.Op != kmsg.IncrementalAlterConfigOpDelete && c.Value == nil {
			return kerr.InvalidRequest, "Null value not supported for : " + c.Name
		}
	}
	known := b.loggers.Levels()
	for _, c := range configs {
		_, exists := known[c.Name]
		unknown := fmt.Sprintf("Logger %s does not exist!", c.Name)
		switch c.Op {
		case kmsg.IncrementalAlterConfigOpSet:
			if !exists {
				return kerr.InvalidConfig, unknown
			}
			if _, ok := loglevel.Parse(*c.Value); !ok {
				return kerr.InvalidConfig, fmt.Sprintf("Cannot set the log level of %s to %s as it is not a supported log level. Valid log levels are %s",
					c.Name, *c.Value, strings.Join(loglevel.LevelNames(), ", "))
			}
		case kmsg.IncrementalAlterConfigOpDelete:
			if !exists {
				return kerr.InvalidConfig, unknown
			}
			if c.Name == loglevel.Root {
				return kerr.InvalidRequest, "Removing the log level of the root logger is not allowed"
			}
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
			verb := map[kmsg.IncrementalAlterConfigOp]string{kmsg.IncrementalAlterConfigOpAppend: "APPEND", kmsg.IncrementalAlterConfigOpSubtract: "SUBTRACT"}[c.Op]
			return kerr.InvalidRequest, verb + " operation is not allowed for the BROKER_LOGGER resource"
		default:
			return kerr.InvalidRequest, fmt.Sprintf("Unknown operation type %d", c.Op)
		}
	}
	if validateOnly {
		return nil, ""
	}
	var errs []error
	for _, c := range configs {
		if c.Op == kmsg.IncrementalAlterConfigOpDelete {
			errs = append(errs, b.loggers.Unset(c.Name))
			continue
		}
		level, _ := loglevel.Parse(*c.Value)
		errs = append(errs, b.loggers.Set(c.Name, level))
	}
	if err := errors.Join(errs...); err != nil {
		return kerr.InvalidConfig, err.Error() // none was removed in between: cannot be
	}
	return nil, ""
}
