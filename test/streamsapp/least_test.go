package streamsapp

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKillAtLeastOnce kills an instance that keeps its state on disk, and one that does not: every record counts, some
// perhaps twice.
func TestKillAtLeastOnce(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(4, "lines", "counts")
		dirs := []string{t.TempDir(), ""}
		apps := []*instance{c.spawn("least", dirs[0], "first", false), c.spawn("least", dirs[1], "second", false)}
		const n = 1200
		for i := range n {
			c.send("lines", fmt.Sprintf("k%d=a b%d", i, i%7))
			if i%300 == 150 {
				one := i / 300 % 2
				apps[one].kill()
				apps[one] = c.spawn("least", dirs[one], []string{"first", "second"}[one], false)
			}
		}
		c.read("counts", func(all []*kgo.Record) bool {
			have := last(all)
			for i := range 7 {
				want := (n - i + 6) / 7
				if got, _ := strconv.Atoi(have[fmt.Sprintf("b%d", i)]); got < want {
					return false
				}
			}
			got, _ := strconv.Atoi(have["a"])
			return got >= n
		})
		for _, p := range apps {
			p.stop()
		}
	})
}
