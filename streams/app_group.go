package streams

import (
	"maps"
	"time"

	"leat.dev/streams/internal/engine"
)

// AcceptableLag is how many changelog records a copy of a task's state may miss to count as caught up, acceptable.recovery.lag
// (KIP-441). A task with state moves to another instance only when that has so much of it; until then it stays where it runs.
// Default 10,000.
func AcceptableLag(records int64) AppOption {
	return appOption(func(c *config) {
		c.AcceptableLag = records
		if records < 0 {
			c.wrong("AcceptableLag", "%d records", records)
		}
	})
}

// MaxWarmups is how many copies of state are brought up at the same time, in the whole group, for tasks that are to move,
// max.warmup.replicas (KIP-441). They come on top of Standbys. Default 2.
func MaxWarmups(n int) AppOption {
	return appOption(func(c *config) {
		c.MaxWarmups = n
		if n < 1 {
			c.wrong("MaxWarmups", "%d copies, at least 1 is necessary", n)
		}
	})
}

// ProbingEvery is how often the group looks, while a task waits to move, whether its state has arrived,
// probing.rebalance.interval.ms (KIP-441). An instance whose copy is caught up says so before. Default 10 min, at least 1 min
// as in Kafka Streams.
func ProbingEvery(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.ProbingMs = d.Milliseconds()
		if d < time.Minute {
			c.wrong("ProbingEvery", "%v, at least 1m is necessary", d)
		}
	})
}

// The limits of tags (KIP-708).
const (
	tagsMax     = 5
	tagKeyMax   = 20
	tagValueMax = 30
)

// Tags say where this instance runs, as "zone": "a", client.tag.* (KIP-708): at most 5, keys of up to 20 characters, values of up to
// 30. They count where SpreadStandbysBy names them.
func Tags(tags map[string]string) AppOption {
	return appOption(func(c *config) {
		c.Tags = maps.Clone(tags)
		if len(tags) > tagsMax {
			c.wrong("Tags", "%d tags, %d are allowed", len(tags), tagsMax)
		}
		for key, value := range tags {
			if key == "" || len([]rune(key)) > tagKeyMax || value == "" || len([]rune(value)) > tagValueMax {
				c.wrong("Tags", "%q: %q: keys have 1 to %d characters, values 1 to %d", key, value, tagKeyMax, tagValueMax)
			}
		}
	})
}

// SpreadStandbysBy names tags by whose values a task and the copies of its state are spread, the more of them differ the
// better, rack.aware.assignment.tags (KIP-708). All instances have to say the same, and each needs these Tags.
func SpreadStandbysBy(tags ...string) AppOption {
	return appOption(func(c *config) { c.SpreadBy = tags })
}

// checkSpread holds SpreadStandbysBy to the instance's own tags.
func (c *config) checkSpread() {
	for _, key := range c.SpreadBy {
		if _, ok := c.Tags[key]; !ok {
			c.wrong("SpreadStandbysBy", "%q is none of the instance's Tags", key)
		}
	}
}

// Rack is where this instance is, in the words of the brokers' broker.rack. Tasks then go to instances in a rack of their
// partitions' replicas, as far as balance allows (KIP-925), and instances read from the replicas next to them (KIP-392,
// client.rack). Default: racks do not count.
func Rack(id string) AppOption { return appOption(func(c *config) { c.Rack = id }) }

// RackCosts weigh what Rack does: what it costs that a task reads a partition from another rack, against what it costs that it
// is moved for that, rack.aware.assignment.traffic_cost and non_overlap_cost (KIP-925), 0 to 1,000. Default 10 and 1.
func RackCosts(traffic, move int) AppOption {
	return appOption(func(c *config) {
		c.TrafficCost, c.NonOverlapCost = int64(traffic), int64(move)
		if min(traffic, move) < 0 || max(traffic, move) > 1000 {
			c.wrong("RackCosts", "%d and %d: costs are from 0 to 1000", traffic, move)
		}
	})
}

// Leaving is what a close does to the instance's membership in its group; Kafka Streams: CloseOptions (KIP-1153).
type Leaving uint8

// The ways to close.
const (
	// LeaveIfDynamic tells the group that the instance leaves, so that others get its tasks at once; but one with an InstanceID
	// stays a member, and finds its tasks when it is back within the session timeout. It is the default.
	LeaveIfDynamic = Leaving(engine.LeaveIfDynamic)
	// LeaveGroup tells it in any case: for an instance that does not come back.
	LeaveGroup = Leaving(engine.LeaveGroup)
	// RemainInGroup never does: others get the tasks when the session times out.
	RemainInGroup = Leaving(engine.RemainInGroup)
)

// OnClose says what the close of the instance does to its membership, when Run's ctx is done. [App.Close] says it
// for one close. Default: LeaveIfDynamic.
func OnClose(l Leaving) AppOption {
	return appOption(func(c *config) {
		c.Settings.OnClose = engine.Leaving(l)
		if l > RemainInGroup {
			c.wrong("OnClose", "%d is no way to close", l)
		}
	})
}
