package broker

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata"
)

// softwareName is what client software names and versions have to look like.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// serveAPIVersions answers ApiVersions. It goes around the table because a version that is not known here must be
// answered too, in the form of version 0, or newer clients could not start.
func (b *Broker) serveAPIVersions(c *transport.Call, r *Request) error {
	var resp *kmsg.ApiVersionsResponse
	if line := b.routes[c.Key]; r.Version > line.max {
		resp = kmsg.NewPtrApiVersionsResponse()
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: c.Key, MinVersion: line.min, MaxVersion: line.max}}
	} else {
		req := kmsg.NewPtrApiVersionsRequest()
		req.SetVersion(r.Version)
		if err := req.ReadFrom(c.Body); err != nil {
			b.metrics.malformed(c.Key)
			return malformed(c, err)
		}
		resp = b.handleAPIVersions(c, r, req)
		resp.SetVersion(r.Version)
	}
	r.slowDown(resp)
	c.Out = resp.AppendTo(c.Out)
	b.metrics.answered(c.Key, resp, b.clock.Now().Sub(c.Received), len(c.Out))
	return nil
}

func (b *Broker) handleAPIVersions(c *transport.Call, r *Request, req *kmsg.ApiVersionsRequest) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	if r.Version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = kerr.InvalidRequest.Code
			return resp
		}
		c.Conn.SoftwareName, c.Conn.SoftwareVersion = req.ClientSoftwareName, req.ClientSoftwareVersion
	}
	for i := range b.apis {
		a := &b.apis[i]
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{
			ApiKey: int16(a.key), MinVersion: a.min, MaxVersion: a.max,
		})
	}
	image := b.meta.Image()
	resp.FinalizedFeaturesEpoch = image.Offset
	for _, f := range metadata.SupportedFeatures() {
		// Clients that know version 3 at most refuse a feature whose lowest level is 0.
		if f.Min > 0 || r.Version >= 4 {
			resp.SupportedFeatures = append(resp.SupportedFeatures, kmsg.ApiVersionsResponseSupportedFeature{
				Name: f.Name, MinVersion: f.Min, MaxVersion: f.Max,
			})
		}
		if level := image.Features[f.Name]; level > 0 {
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, kmsg.ApiVersionsResponseFinalizedFeature{
				Name: f.Name, MinVersionLevel: level, MaxVersionLevel: level,
			})
		}
	}
	return resp
}
