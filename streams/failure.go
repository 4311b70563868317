package streams

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// Failure is what a handler decides on: an error and the record of the source topic that led to it. In punctuators there is
// no record: Topic is empty, Partition and Offset are -1.
type Failure struct {
	Err               error
	Node, Task, Topic string
	Partition         int32
	Offset            int64
	Time              Time
	Headers           Headers
	Key, Value        []byte // as they stand in the source topic
}

// Decision is a handler's answer to a Failure.
type Decision struct {
	kind        decisionKind
	deadLetters string
}

type decisionKind uint8

const (
	decideFail decisionKind = iota
	decideSkip
	decideRetry
)

// What handlers may decide. The default of all handlers is Fail.
var (
	Fail  = Decision{kind: decideFail}  // the task stops, and with it the app, see OnCrash
	Skip  = Decision{kind: decideSkip}  // the record is dropped where it failed, and counted as dropped
	Retry = Decision{kind: decideRetry} // try again; for production errors that may pass, elsewhere it is Fail
)

// SkipTo drops the record and writes the source record to a dead-letter topic.
func SkipTo(topic string) Decision { return Decision{decideSkip, topic} }

// FailTo stops the task and writes the source record to a dead-letter topic before. With exactly-once the transaction's
// end takes it back.
func FailTo(topic string) Decision { return Decision{decideFail, topic} }

func (d Decision) goOn() bool { return d.kind == decideSkip }

// ErrUnavailable is wrapped by errors that say nothing about a record: something that is needed for it does not answer now, such
// as a schema registry. No handler is asked, so that no record is skipped for it: the worker's tasks go back to what was
// committed last and try again, with longer and longer pauses up to ten seconds. Serdes and functions of a program may return
// errors that wrap it.
var ErrUnavailable = errors.New("unavailable for the moment")

// TaskError is what stops a task: where it happened, and why.
type TaskError struct {
	Task, Node string
	Topic      string // of the record; empty outside of records
	Partition  int32
	Offset     int64
	Err        error
	Fix        string // what to do about it, where that is known
}

func (e *TaskError) Error() string {
	where := ""
	if e.Topic != "" {
		where = fmt.Sprintf(" at %s-%d offset %d", e.Topic, e.Partition, e.Offset)
	}
	text := fmt.Sprintf("task %s: node %s%s: %v", e.Task, e.Node, where, e.Err)
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}

func (e *TaskError) Unwrap() error { return e.Err }

// processingFailed asks the handler about an error of user code.
func (t *task) processingFailed(node string, err error) error {
	f := Failure{
		Err: err, Node: node, Task: t.id.String(), Topic: t.rc.topic, Partition: t.rc.partition, Offset: t.rc.offset,
		Time: t.rc.time, Headers: t.rc.headers, Key: t.rc.key, Value: t.rc.value,
	}
	return t.decide("processing", t.config().onProcessing, f)
}

// decodeFailed asks the handler about bytes a serde does not read. nil means that the record is skipped.
func (t *task) decodeFailed(node string, in *engine.In, err error) error {
	f := Failure{
		Err: err, Node: node, Task: t.id.String(), Topic: in.Topic, Partition: in.Partition, Offset: in.Offset,
		Time: Time(in.Time), Headers: headersOf(in.Headers), Key: in.Key, Value: in.Value,
	}
	err = t.decide("decoding", t.config().onDecode, f)
	if failed := (*TaskError)(nil); errors.As(err, &failed) && failed.Fix == "" {
		failed.Fix = "is it written with another serde than the source has? OnDecodeError can pass such records over"
	}
	return err
}

// encodeFailed asks the handler of production errors about a key or value that cannot be written.
func (t *task) encodeFailed(node, topic, what string, err error) error {
	f := Failure{
		Err: fmt.Errorf("writing the %s for topic %s: %w", what, topic, err), Node: node, Task: t.id.String(),
		Topic: t.rc.topic, Partition: t.rc.partition, Offset: t.rc.offset,
		Time: t.rc.time, Headers: t.rc.headers, Key: t.rc.key, Value: t.rc.value,
	}
	return t.decide("production", t.config().onProduce, f)
}

func (t *task) config() *config { return t.prog.config }

// decide runs a handler (nil: fail), writes the dead letter, and says whether to go on.
func (t *task) decide(kind string, handler func(Failure) Decision, f Failure) error {
	failed := &TaskError{Task: f.Task, Node: f.Node, Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Err: f.Err}
	if errors.Is(f.Err, ErrUnavailable) {
		return engine.Passing(failed)
	}
	if engine.Unwritten(f.Err) { // a store's write told of it: that is not the record's, nor the callback's
		return f.Err
	}
	var ofState *state.Error
	if errors.As(f.Err, &ofState) { // the disk's failure is not the record's: nobody may skip it
		return &TaskError{Task: f.Task, Node: f.Node, Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Err: f.Err}
	}
	d := Fail
	if handler != nil {
		answer, err := call1(handler, f)
		if err != nil {
			f.Err = fmt.Errorf("%w; and the handler failed: %w", f.Err, err)
		} else {
			d = answer
		}
	}
	if letter := t.config().letter(d, f); letter != nil {
		if err := t.env.Send(letter); err != nil {
			return err
		}
	}
	if !d.goOn() {
		failed.Err = f.Err
		return failed
	}
	t.env.Count(engine.Dropped, f.Node, 1)
	t.config().log.Warn("record skipped", slog.String("application", t.prog.appID), slog.String("kind", kind), slog.String("task", f.Task), slog.String("node", f.Node),
		slog.String("topic", f.Topic), slog.Int64("partition", int64(f.Partition)), slog.Int64("offset", f.Offset), slog.Any("error", f.Err))
	return nil
}

// kindOf names the type of the error inside of words around it.
func kindOf(err error) string {
	for {
		kind, inner := fmt.Sprintf("%T", err), errors.Unwrap(err)
		if inner == nil || !strings.HasPrefix(kind, "*fmt.") {
			return kind
		}
		err = inner
	}
}

// letter is the dead letter about a failure, where there is a topic for it: the source record with Kafka's headers (KIP-1034).
func (c *config) letter(d Decision, f Failure) *engine.Out {
	topic := cmp.Or(d.deadLetters, c.deadLetters)
	if topic == "" {
		return nil
	}
	headers := make([]engine.Header, 0, len(f.Headers)+6)
	headers = append(headers, engineHeaders(f.Headers)...)
	exception, message, stack := kindOf(f.Err), f.Err.Error(), ""
	var p *panicked
	if errors.As(f.Err, &p) {
		stack = string(p.stack)
		if _, itself := f.Err.(*panicked); itself { //nolint:errorlint // wrapped it is said by who wrapped it, as any other error
			exception, message = fmt.Sprintf("%T", p.value), fmt.Sprint(p.value)
		}
	}
	add := func(name, value string, given bool) {
		h := engine.Header{Key: "__streams.errors." + name}
		if given {
			h.Value = []byte(value)
		}
		headers = append(headers, h)
	}
	add("exception", exception, true)
	add("message", message, message != "")
	add("stacktrace", stack, true)
	add("topic", f.Topic, f.Topic != "")
	add("partition", strconv.Itoa(int(f.Partition)), true)
	add("offset", strconv.FormatInt(f.Offset, 10), true)
	return &engine.Out{
		Topic: topic, Partition: -1, PartitionKey: f.Key, Time: int64(f.Time), Key: f.Key, Value: f.Value, Headers: headers, Node: f.Node,
	}
}
