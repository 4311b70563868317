package engine

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// membership is how a process takes part in the group of its application, by one of Kafka's protocols. It tells the
// manager what to run and what to give up, by manager.joined, assign and leave, and p.told of the other members; errors
// that do not pass end the process by p.fail. Offsets are committed in the name of the member it is.
//
// Order of its life: options, then start with the consumer that was made with them, then close, once. Between start and
// close the other methods may be called from any goroutine.
type membership interface {
	// options are what the consumer's client needs for this protocol.
	options() []kgo.Opt

	// start begins to take part.
	start(consumer *kgo.Client)

	// changed says that something of what the process tells the group changed (process.self): the group hears of it soon.
	// It does not wait.
	changed()

	// identity is what commits carry: the member and its generation, which is the epoch where members have one each. The
	// group refuses the commits of who is no member any more.
	identity() (member string, generation int32)

	// refused hears that the group did not take a commit from the identity of that generation, and waits, within bounds,
	// until another can be tried with. It returns false when there is nothing to wait for.
	refused(ctx context.Context, generation int32) bool

	// close ends taking part. With leave the group is told, and others get the tasks at once; without it they get them
	// when the session times out, or this process after it is back, as the static member that it was.
	close(ctx context.Context, leave bool) error
}

func newMembership(p *process) (membership, error) {
	if p.app.prog.Settings.StreamsProtocol {
		return newStreamsGroup(p)
	}
	return newClassic(p), nil
}
