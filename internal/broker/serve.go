package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/transport"
	wireapi "leat.dev/internal/wire/api"
)

// errMalformed marks a request that cannot be decoded; its connection is closed without an answer.
var errMalformed = errors.New("malformed request")

// maxKey bounds the API keys that are looked at.
const maxKey = 127

// minProduce is the lowest Produce version that is served. Lower ones are advertised, because old librdkafka takes a
// broker that does not for one that has no Produce at all, but close the connection, as Apache Kafka does.
const minProduce = 3

// route is a line of the table and what is looked up with it.
type route struct {
	*api
	flexible int16 // the first version with the flexible header
}

// setAPIs fills the routes from the table.
func (b *Broker) setAPIs(table []api) {
	b.apis = table
	for i := range table {
		r := &route{api: &table[i]}
		m := kmsg.RequestForKey(int16(r.key))
		for ; r.flexible <= r.max; r.flexible++ {
			if m.SetVersion(r.flexible); m.IsFlexible() {
				break
			}
		}
		b.routes[r.key] = r
	}
}

// Route implements transport.Handler.
func (b *Broker) Route(key, version int16) (transport.Route, bool) {
	if key < 0 || key > maxKey || b.routes[key] == nil || version < 0 {
		return transport.Unknown, false
	}
	line := b.routes[key]
	switch kmsg.Key(key) {
	case kmsg.ApiVersions:
		// Also for versions to come: they are answered with an error that names ours.
		return transport.Plain, version >= line.flexible
	case kmsg.Produce:
		if version < minProduce || version > line.max {
			return transport.Unknown, false
		}
		return transport.Pipelined, version >= line.flexible
	}
	if version < line.min || version > line.max {
		return transport.Unknown, false
	}
	if kmsg.Key(key) == kmsg.Fetch {
		return transport.Pooled, version >= line.flexible
	}
	return transport.Plain, version >= line.flexible
}

// Check implements transport.Handler: hostile counts are refused before anything is allocated for them.
func (b *Broker) Check(key, version int16, body []byte) error {
	switch kmsg.Key(key) {
	case kmsg.Produce, kmsg.Fetch:
		return nil // their decoders check as they go
	case kmsg.ApiVersions:
		if version > b.routes[key].max {
			return nil // the body is of no known shape and is not looked at
		}
	}
	return wireapi.Precheck(key, version, body)
}

// Begin implements transport.Handler.
func (b *Broker) Begin(c *transport.Call) error { return b.beginProduce(c) }

// Abandon implements transport.Handler.
func (b *Broker) Abandon(c *transport.Call) { b.abandonProduce(c) }

// Serve implements transport.Handler.
func (b *Broker) Serve(ctx context.Context, c *transport.Call) error {
	if !b.requestLog.Enabled(ctx, slog.LevelDebug) {
		return b.serve(ctx, c)
	}
	err := b.serve(ctx, c)
	b.logRequest(ctx, c, err)
	return err
}

func (b *Broker) serve(ctx context.Context, c *transport.Call) error {
	switch kmsg.Key(c.Key) {
	case kmsg.Produce:
		return b.finishProduce(ctx, c)
	case kmsg.Fetch:
		return b.serveFetch(ctx, c)
	case kmsg.ShareFetch:
		return b.serveShareFetch(ctx, c)
	default:
		return b.serveTyped(ctx, c)
	}
}

// serveTyped runs an API of the table and encodes its response.
func (b *Broker) serveTyped(ctx context.Context, c *transport.Call) error {
	if c.Key == transport.RawToken {
		return b.serveToken(ctx, c)
	}
	line := b.routes[c.Key]
	r := b.requestOf(c)
	r.watch = b.watch(c)
	if kmsg.Key(c.Key) == kmsg.ApiVersions {
		return b.serveAPIVersions(c, r)
	}
	resp, err := line.handle(b, ctx, r, c.Body)
	if err != nil {
		b.metrics.malformed(c.Key)
		return err
	}
	if resp == nil {
		c.NoResponse = true
		return nil
	}
	r.slowDown(resp)
	c.Out = resp.AppendTo(c.Out)
	b.metrics.answered(c.Key, resp, b.clock.Now().Sub(c.Received), len(c.Out))
	return nil
}

// malformed wraps a decoding error so that the connection is closed for it.
func malformed(c *transport.Call, err error) error {
	return fmt.Errorf("%w: %s version %d: %w", errMalformed, kmsg.NameForKey(c.Key), c.Version, err)
}
