package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handlerFunc decodes and answers one request of one API. A nil response means that none is sent.
type handlerFunc func(b *Broker, ctx context.Context, r *Request, body []byte) (kmsg.Response, error)

// api is one line of the table of served APIs. Only what stands here is advertised by ApiVersions.
type api struct {
	key      kmsg.Key
	min, max int16
	handle   handlerFunc
}

// apis is every API that this broker serves, sorted by key. Each room keeps its own lines in its own file.
var apis = sortedAPIs(coreAPIs, metadataAPIs, adminAPIs, groupAPIs, shareAPIs, transactionAPIs, securityAPIs, telemetryAPIs)

func sortedAPIs(tables ...[]api) []api {
	all := slices.Concat(tables...)
	slices.SortFunc(all, func(x, y api) int { return int(x.key) - int(y.key) })
	return all
}

// typed adapts a handler method to the table: it makes the request message, sets its version and decodes the body.
func typed[Q any, PQ interface {
	*Q
	kmsg.Request
}](h func(*Broker, context.Context, *Request, PQ) kmsg.Response) handlerFunc {
	return func(b *Broker, ctx context.Context, r *Request, body []byte) (kmsg.Response, error) {
		req := PQ(new(Q))
		if d, ok := any(req).(interface{ Default() }); ok {
			d.Default()
		}
		req.SetVersion(r.Version)
		if err := req.ReadFrom(body); err != nil {
			return nil, fmt.Errorf("%w: %s v%d: %w", errMalformed, kmsg.NameForKey(r.Key), r.Version, err)
		}
		resp, err := b.guarded(r, req, func() kmsg.Response { return h(b, ctx, r, req) })
		if err != nil {
			return nil, err
		}
		if resp != nil {
			resp.SetVersion(r.Version)
		}
		return resp, nil
	}
}
