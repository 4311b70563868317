package broker

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func apiVersionsRequest(name, version string) *kmsg.ApiVersionsRequest {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = name, version
	return req
}

func TestAPIVersions(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	for version := int16(0); version <= 4; version++ {
		resp := ask[*kmsg.ApiVersionsResponse](c, apiVersionsRequest("leat-test", "1.0"), version)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(apis) {
			t.Errorf("version %d: error %d, %d keys", version, resp.ErrorCode, len(resp.ApiKeys))
		}
		if version < 3 {
			continue
		}
		if len(resp.FinalizedFeatures) == 0 || resp.FinalizedFeaturesEpoch < 0 {
			t.Errorf("version %d: features %v at %d", version, resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch)
		}
		for _, f := range resp.SupportedFeatures {
			if version == 3 && f.MinVersion == 0 {
				t.Errorf("version 3 names %s, whose lowest level is 0", f.Name)
			}
		}
	}
}

// A version from the future is answered in the form of version 0, on a connection that stays open.
func TestAPIVersionsUnknown(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	for _, version := range []int16{5, 99, 32767} {
		b := []byte{0, 0, 0, 0, 0, 18, byte(version >> 8), byte(version), 0, 0, 0, 7, 0xff, 0xff, 0, 9, 9, 9}
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4+4+2+4+6)
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		want := string([]byte{0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4})
		if string(got) != want {
			t.Errorf("version %d: % x, want % x", version, got, want)
		}
	}
	resp := ask[*kmsg.ApiVersionsResponse](c, apiVersionsRequest("a", "1"), 3)
	if resp.ErrorCode != 0 {
		t.Errorf("afterwards: %d", resp.ErrorCode)
	}
}

func TestAPIVersionsSoftwareName(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	for _, bad := range [][2]string{{"", "1"}, {"a", ""}, {"-a", "1"}, {"a", "1."}, {"a b", "1"}, {"a", "v_1"}} {
		resp := ask[*kmsg.ApiVersionsResponse](c, apiVersionsRequest(bad[0], bad[1]), 3)
		if resp.ErrorCode != kerr.InvalidRequest.Code || len(resp.ApiKeys) != 0 {
			t.Errorf("%q: error %d, %d keys", bad, resp.ErrorCode, len(resp.ApiKeys))
		}
	}
}

// What is not served closes the connection.
func TestUnknownKeysAndVersionsClose(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	for _, kv := range [][2]int16{{-1, 0}, {4, 0}, {127, 0}, {128, 0}, {32767, 0}, {1, 3}, {1, 19}, {0, 2}, {0, 14}, {3, -1}, {2, 0}} {
		c := h.dial()
		b := []byte{0, 0, 0, 40, byte(kv[0] >> 8), byte(kv[0]), byte(kv[1] >> 8), byte(kv[1])}
		if _, err := c.Write(append(b, make([]byte, 36)...)); err != nil {
			t.Fatal(err)
		}
		c.closed()
	}
}
