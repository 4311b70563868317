package streamsapp

import (
	"testing"

	"leat.dev/streams"
)

// onBoth runs a test with either protocol of the group, on each kind of broker.
func onBoth(t *testing.T, f func(t *testing.T, c *cluster)) {
	onEach(t, func(t *testing.T, c *cluster) {
		t.Run("classic", func(t *testing.T) { f(t, c.with(t)) })
	})
	onStreams(t, f)
}

// onStreams runs a test with the streams protocol (KIP-1071).
func onStreams(t *testing.T, f func(t *testing.T, c *cluster)) {
	onEach(t, func(t *testing.T, c *cluster) {
		t.Run("streams", func(t *testing.T) {
			c = c.with(t)
			c.protocol = streams.StreamsProtocol
			f(t, c)
		})
	})
}
