package txn

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/script"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// world is a shard with a clock, a log, and partitions that take markers.
type world struct {
	t        tester
	shard    *Shard
	settings Settings
	start    time.Time
	now      time.Time
	wakeup   time.Time
	ids      int64
	idsLeft  int
	requests coord.RequestID
	parked   map[coord.RequestID]bool
	log      []coord.LogRecord
	manual   bool // markers wait for the script
	sent     []Markers
	replies  map[coord.RequestID]any
	brief    bool // the request has no room for a producer in its answer
	out      strings.Builder
}

func newWorld(t tester) *world {
	w := &world{t: t, settings: DefaultSettings(), parked: map[coord.RequestID]bool{}, idsLeft: 1 << 30,
		replies: map[coord.RequestID]any{}}
	w.start = time.UnixMilli(1_700_000_000_000)
	w.now = w.start
	w.open()
	return w
}

func (w *world) newID() (int64, bool) {
	if w.idsLeft == 0 {
		return 0, false
	}
	w.idsLeft--
	w.ids++
	return w.ids, true
}

// open makes the shard from the log.
func (w *world) open() {
	w.shard = New(w.settings, w.newID)
	w.sent = nil
	for _, r := range w.log {
		if err := w.shard.Replay(r); err != nil {
			w.printf("cannot load: %v\n", err)
		}
	}
	w.step(Loaded{})
}

func (w *world) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

func (w *world) do(c script.Command) string {
	w.out.Reset()
	if ev := request(c, w.requests+1); ev != nil {
		w.requests++
		id := w.requests
		w.parked[id] = true
		if end, ok := ev.(EndTransaction); ok {
			w.brief = end.Version < 2
		}
		w.step(ev)
		w.brief = false
		if w.parked[id] {
			w.printf("#%d parked\n", id)
		}
		return w.out.String()
	}
	switch c.Verb {
	case "settings":
		w.configure(c)
	case "ids":
		w.idsLeft = int(c.Int("left", 0))
	case "markers":
		w.manual = c.Arg(0) == "manual"
	case "marked":
		w.answer(c)
	case "bump": // InitProducerId until the epoch is reached, without a word
		for w.shard.byID[c.Arg(0)] == nil || w.shard.byID[c.Arg(0)].producer.Epoch < int16(c.Int("to", 0)) {
			w.parked[0] = true
			w.step(InitProducer{TransactionalID: c.Arg(0), TimeoutMillis: 60000, Expected: NoProducer})
		}
		w.out.Reset()
	case "advance":
		d, err := time.ParseDuration(c.Arg(0))
		if err != nil {
			w.t.Fatal(err)
		}
		w.advance(w.now.Add(d))
	case "restart":
		for id := coord.RequestID(1); id <= w.requests; id++ {
			if w.parked[id] {
				w.printf("#%d lost\n", id)
			}
		}
		w.parked = map[coord.RequestID]bool{}
		w.open()
	case "counts":
		for st, n := range w.shard.Counts() {
			if n > 0 {
				w.printf("%s: %d\n", State(st), n)
			}
		}
	case "log":
		w.writeLog(c)
	default:
		w.t.Fatalf("unknown verb %q", c.Verb)
	}
	return w.out.String()
}

func (w *world) configure(c script.Command) {
	s := &w.settings
	s.Version = int16(c.Int("version", int64(s.Version)))
	s.MaxTimeout = c.Duration("max-timeout", s.MaxTimeout)
	s.Expiration = c.Duration("expiration", s.Expiration)
	s.AbortCheckInterval = c.Duration("abort-check", s.AbortCheckInterval)
	s.ExpiredCheckInterval = c.Duration("expired-check", s.ExpiredCheckInterval)
	s.MaxRecordBytes = int(c.Int("max-record-bytes", int64(s.MaxRecordBytes)))
	w.step(Configure{Settings: *s})
}

// writeLog puts a record into the log as somebody else wrote it; a restart makes
// the shard read it.
func (w *world) writeLog(c script.Command) {
	rec := coord.Record{Key: []byte{0, byte(c.Int("key-version", 0)), 0, 1, 'x'}, Value: []byte{0, 9}}
	if c.Arg(0) != "" {
		state, _ := ParseState(c.Str("state", "Empty"))
		rec = Encode(c.Arg(0), Value{
			Producer: Producer{c.Int("pid", 1), int16(c.Int("epoch", 0))}, State: state, NextEpoch: -1,
			PreviousID: c.Int("prev", -1), NextID: c.Int("next", -1), TimeoutMillis: int32(c.Int("timeout", 60000)),
			Partitions: partitions(c, 1), UpdatedMillis: w.now.UnixMilli(), StartedMillis: w.now.UnixMilli(),
			ClientVersion: int16(c.Int("v", 2)),
		}, w.settings.Version)
		w.ids = max(w.ids, c.Int("pid", 1))
	}
	w.log = append(w.log, coord.LogRecord{Offset: int64(len(w.log)), ProducerID: -1, ProducerEpoch: -1, Key: rec.Key, Value: rec.Value})
}

// answer tells the shard what became of the oldest markers.
func (w *world) answer(c script.Command) {
	if len(w.sent) == 0 {
		w.t.Fatal("no markers were sent")
	}
	m := w.sent[0]
	w.sent = w.sent[1:]
	w.step(Marked{TransactionalID: m.TransactionalID, Round: m.Round, Retry: partitions(c, 0), Fenced: c.Str("fenced", "") != ""})
}

// advance moves the clock and wakes the shard whenever it asked for it.
func (w *world) advance(to time.Time) {
	for !w.wakeup.IsZero() && !w.wakeup.After(to) {
		if w.wakeup.After(w.now) {
			w.now = w.wakeup
		}
		w.step(Tick{})
	}
	w.now = to
}

func (w *world) step(ev Event) {
	fx := w.shard.Step(w.now, ev)
	w.wakeup = fx.Wakeup
	at := ""
	if _, tick := ev.(Tick); tick {
		at = fmt.Sprintf("[%s] ", w.now.Sub(w.start))
	}
	for _, r := range fx.Records {
		w.log = append(w.log, coord.LogRecord{Offset: int64(len(w.log)), ProducerID: -1, ProducerEpoch: -1, Key: r.Key, Value: r.Value})
		w.printf("%sappend %s\n", at, describeRecord(r.Key, r.Value))
	}
	for _, r := range fx.Replies {
		if !w.parked[r.ID] {
			w.t.Fatalf("request #%d answered twice, or never asked", r.ID)
		}
		delete(w.parked, r.ID)
		w.replies[r.ID] = r.Response
		line := describeReply(r.Response)
		if w.brief && strings.HasPrefix(line, "NONE") {
			line = "NONE"
		}
		w.printf("%s\n", strings.TrimSpace(fmt.Sprintf("%s#%d %s", at, r.ID, line)))
	}
	for _, m := range fx.Sends {
		m := m.(Markers)
		w.sent = append(w.sent, m)
		w.printf("%smark %s %s pid=%d epoch=%d%s v=%d\n", at, m.TransactionalID, commitOrAbort(m.End.Commit),
			m.Producer.ID, m.Producer.Epoch, listPartitions(m.Partitions), m.End.TxnVersion)
	}
	for !w.manual && len(w.sent) > 0 {
		m := w.sent[0]
		w.sent = w.sent[1:]
		w.step(Marked{TransactionalID: m.TransactionalID, Round: m.Round})
	}
}

// request makes the event of a request, nil if the command is something else.
func request(c script.Command, id coord.RequestID) Event {
	producer := Producer{c.Int("pid", -1), int16(c.Int("epoch", -1))}
	version := int16(c.Int("v", 2))
	switch c.Verb {
	case "init":
		return InitProducer{id, c.Arg(0), int32(c.Int("timeout", 60000)), producer}
	case "add":
		return AddPartitions{ID: id, TransactionalID: c.Arg(0), Producer: producer, Partitions: partitions(c, 1), Version: version,
			Patience: c.Duration("patience", 0)}
	case "verify":
		return AddPartitions{ID: id, TransactionalID: c.Arg(0), Producer: producer, Partitions: partitions(c, 1), VerifyOnly: true,
			Patience: c.Duration("patience", 0)}
	case "commit", "abort":
		return EndTransaction{id, c.Arg(0), producer, c.Verb == "commit", version}
	case "describe":
		return Describe{id, c.Args}
	case "list":
		ev := List{ID: id, RunningMillis: c.Int("running", -1)}
		for _, name := range c.Args {
			st, _ := ParseState(name)
			ev.States = append(ev.States, st)
		}
		if p := c.Int("pid", -1); p >= 0 {
			ev.ProducerIDs = []int64{p}
		}
		if p := c.Str("pattern", ""); p != "" {
			ev.Pattern = regexp.MustCompile("^(?:" + p + ")$")
		}
		return ev
	}
	return nil
}

// partitions reads arguments like t-0.
func partitions(c script.Command, from int) []TopicPartition {
	var all []TopicPartition
	for _, arg := range c.Args[min(from, len(c.Args)):] {
		i := strings.LastIndexByte(arg, '-')
		n, err := strconv.Atoi(arg[i+1:])
		if err != nil {
			panic(arg)
		}
		all = append(all, TopicPartition{arg[:i], int32(n)})
	}
	return all
}

func listPartitions(all []TopicPartition) string {
	var w strings.Builder
	for _, tp := range all {
		fmt.Fprintf(&w, " %s-%d", tp.Topic, tp.Partition)
	}
	return w.String()
}

func commitOrAbort(commit bool) string {
	if commit {
		return "commit"
	}
	return "abort"
}

func describeRecord(key, value []byte) string {
	id, _, err := DecodeKey(key)
	if err != nil {
		return err.Error()
	}
	if value == nil {
		return id + " tombstone"
	}
	v, err := DecodeValue(value)
	if err != nil {
		return err.Error()
	}
	started := "-"
	if v.StartedMillis >= 0 {
		started = "yes"
	}
	parts := " null"
	if v.Partitions != nil {
		slices.SortFunc(v.Partitions, compareTopicPartitions) // Kafka's are in no order
		parts = listPartitions(v.Partitions)
	}
	extra := ""
	if v.NextID >= 0 {
		extra += fmt.Sprintf(" next=%d", v.NextID)
	}
	if v.NextEpoch != -1 {
		extra += fmt.Sprintf(" next-epoch=%d", v.NextEpoch)
	}
	return fmt.Sprintf("%s %s pid=%d epoch=%d prev=%d%s client=%d format=%d timeout=%d started=%s partitions:%s", id, v.State,
		v.Producer.ID, v.Producer.Epoch, v.PreviousID, extra, v.ClientVersion, value[1], v.TimeoutMillis, started, parts)
}

func code(err *kerr.Error) string {
	if err == nil {
		return "NONE"
	}
	return err.Message
}

func describeReply(response any) string {
	switch r := response.(type) {
	case ProducerReply:
		if r.Err != nil {
			return code(r.Err)
		}
		return fmt.Sprintf("NONE pid=%d epoch=%d", r.Producer.ID, r.Producer.Epoch)
	case AddReply:
		if len(r.Missing) > 0 {
			return "missing:" + listPartitions(r.Missing)
		}
		return code(r.Err)
	case []Description:
		var lines []string
		for _, d := range r {
			if d.Err != nil {
				lines = append(lines, d.TransactionalID+" "+code(d.Err))
				continue
			}
			started := "-"
			if d.StartMillis >= 0 {
				started = "yes"
			}
			lines = append(lines, fmt.Sprintf("%s %s pid=%d epoch=%d timeout=%d started=%s partitions:%s", d.TransactionalID, d.State,
				d.Producer.ID, d.Producer.Epoch, d.TimeoutMillis, started, listPartitions(d.Partitions)))
		}
		return strings.Join(lines, "; ")
	case []Listing:
		var lines []string
		for _, l := range r {
			lines = append(lines, fmt.Sprintf("%s pid=%d %s", l.TransactionalID, l.ProducerID, l.State))
		}
		slices.Sort(lines)
		return strings.Join(lines, "; ")
	}
	return fmt.Sprintf("%T", response)
}
