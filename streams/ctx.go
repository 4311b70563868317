package streams

import (
	"context"
	"time"
)

// Ctx is what a full-form callback may look at. It is valid during the call only. As a context it is that of the task: it is
// done when the task closes.
type Ctx interface {
	context.Context
	// Source tells where the record that is being processed came from: "", -1, -1 in punctuators.
	Source() (topic string, partition int32, offset int64)
	// StreamTime is the greatest time of a record the task has taken, -1 before the first.
	StreamTime() Time
	// Now is the wall clock.
	Now() Time
}

// taskCtx is the Ctx of one node.
type taskCtx struct {
	context.Context
	node *node
}

func (n *node) ctx() *taskCtx { return &taskCtx{n.task.context, n} }

func (c *taskCtx) Source() (topic string, partition int32, offset int64) {
	rc := &c.node.task.rc
	return rc.topic, rc.partition, rc.offset
}

func (c *taskCtx) StreamTime() Time { return c.node.task.streamTime() }

func (c *taskCtx) Now() Time { return c.node.task.now() }

// millis is a duration as Kafka counts it.
func millis(d time.Duration) Time { return Time(d.Milliseconds()) }
