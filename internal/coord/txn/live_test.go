package txn

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/script"
)

// TestLive runs the scripts of testdata/live against the broker at LEAT_TXN_BROKER,
// normally Apache Kafka, and compares its answers, and the records it writes to
// __transaction_state, with what the scripts expect of the state machine. The
// broker must run with
//
//	transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
//
// and hold the topics t and u with four partitions each.
func TestLive(t *testing.T) {
	addr := os.Getenv("LEAT_TXN_BROKER")
	if addr == "" {
		t.Skip("LEAT_TXN_BROKER is not set: no broker to compare with")
	}
	files, err := filepath.Glob("testdata/live/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	awaitCoordinator(t, addr)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runLive(t, addr, string(text))
		})
	}
}

// awaitCoordinator makes the broker create __transaction_state, as a first
// producer would.
func awaitCoordinator(t *testing.T, addr string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKey, find.CoordinatorType = 1, "x", 1
		if _, err := roundTrip(addr, find); err != nil {
			t.Fatal(err)
		}
		list := kmsg.NewPtrListTransactionsRequest()
		resp, err := roundTrip(addr, list)
		if err != nil {
			t.Fatal(err)
		}
		describe := kmsg.NewPtrDescribeTransactionsRequest()
		for i := range 64 {
			describe.TransactionalIDs = append(describe.TransactionalIDs, fmt.Sprint("nobody", i))
		}
		described, err := roundTrip(addr, describe)
		if err != nil {
			t.Fatal(err)
		}
		if resp.(*kmsg.ListTransactionsResponse).ErrorCode == 0 &&
			!slices.ContainsFunc(described.(*kmsg.DescribeTransactionsResponse).TransactionStates, func(s kmsg.DescribeTransactionsResponseTransactionState) bool {
				return s.ErrorCode != kerr.TransactionalIDNotFound.Code
			}) {
			return
		}
		<-time.After(200 * time.Millisecond)
	}
	t.Fatal("the coordinator does not come up")
}

// liveWorld talks to a broker.
type liveWorld struct {
	t        *testing.T
	addr     string
	suffix   string // makes transactional ids unique among runs
	requests int
	client   *kgo.Client
	ids      map[int64]int64 // the script's producer ids -> the broker's
}

func runLive(t *testing.T, addr, text string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("__transaction_state"), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := &liveWorld{t: t, addr: addr, suffix: fmt.Sprintf(".%d", time.Now().UnixNano()), client: client, ids: map[int64]int64{}}
	w.settle()
	blocks, _ := script.Parse(text)
	for _, b := range blocks {
		c := script.ParseCommand(b.Command)
		var want []string
		for line := range strings.Lines(b.Expect) {
			if line = timePrefix.ReplaceAllString(strings.TrimSpace(line), ""); !strings.HasPrefix(line, "mark ") {
				want = append(want, line)
			}
		}
		got := w.do(c, want)
		if c.Verb == "advance" { // of different transactions
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\nthe broker:\n  %s\nthe script:\n  %s", b.Command, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

var timePrefix = regexp.MustCompile(`^\[[^]]*\] `)

// settle waits until the reader of the log stands at its end: it writes
// transactional ids until it has seen one in each partition.
func (w *liveWorld) settle() {
	seen := map[int32]bool{}
	for i := 0; len(seen) < 5; i++ {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = kmsg.StringPtr(fmt.Sprintf("settle%d%s", i, w.suffix))
		req.TransactionTimeoutMillis, req.Version = 1000, 4
		if _, err := roundTrip(w.addr, req); err != nil {
			w.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		fs := w.client.PollFetches(ctx)
		cancel()
		fs.EachRecord(func(r *kgo.Record) { seen[r.Partition] = true })
	}
	w.records(nil, 0, 200*time.Millisecond)
}

// records gathers the records of this script until there are n, or none came for
// a while.
func (w *liveWorld) records(got []string, n int, quiet time.Duration) []string {
	for {
		wait := quiet
		if len(got) < n {
			wait = 3 * time.Second
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		fs := w.client.PollFetches(ctx)
		cancel()
		if fs.NumRecords() == 0 && len(got) >= n || ctx.Err() != nil && fs.NumRecords() == 0 {
			return got
		}
		fs.EachRecord(func(r *kgo.Record) {
			line := describeRecord(r.Key, r.Value)
			if strings.HasPrefix(line, "settle") || !strings.Contains(line, w.suffix) {
				return
			}
			got = append(got, "append "+strings.ReplaceAll(line, w.suffix, ""))
		})
	}
}

func (w *liveWorld) do(c script.Command, want []string) []string {
	var replies []string
	appends := len(want)
	switch c.Verb {
	case "settings":
		return want
	case "bump":
		w.bump(c)
		return nil
	case "advance":
		d, err := time.ParseDuration(c.Arg(0))
		if err != nil {
			w.t.Fatal(err)
		}
		<-time.After(d)
	default:
		w.requests++
		appends--
		replies = []string{strings.TrimSpace(fmt.Sprintf("#%d %s", w.requests, w.ask(c)))}
	}
	got := w.records(nil, appends, 150*time.Millisecond)
	got = append(got, replies...)
	w.learn(got, want)
	// Replies stand where the script has them: that is after the record that decides.
	for i, line := range want {
		if n := len(got); strings.HasPrefix(line, "#") && n > 0 && i < n && strings.HasPrefix(got[n-1], "#") {
			reply := got[n-1]
			got = slices.Insert(got[:n-1], i, reply)
		}
	}
	return got
}

var idField = regexp.MustCompile(`\b(pid|prev|next)=(\d+)`)

// learn finds out which of the broker's producer ids stand for which of the
// script's, by comparing lines, and writes the script's into got.
func (w *liveWorld) learn(got, want []string) {
	for _, line := range want {
		for i, g := range got {
			if stripIDs(g) != stripIDs(line) {
				continue
			}
			real, said := idField.FindAllStringSubmatch(g, -1), idField.FindAllStringSubmatch(line, -1)
			for k := range real {
				r, _ := strconv.ParseInt(real[k][2], 10, 64)
				s, _ := strconv.ParseInt(said[k][2], 10, 64)
				if _, known := w.ids[s]; !known {
					w.ids[s] = r
				}
			}
			_ = i
		}
	}
	for i := range got {
		got[i] = idField.ReplaceAllStringFunc(got[i], func(f string) string {
			name, value, _ := strings.Cut(f, "=")
			r, _ := strconv.ParseInt(value, 10, 64)
			for s, real := range w.ids {
				if real == r {
					return fmt.Sprintf("%s=%d", name, s)
				}
			}
			return f
		})
	}
}

func stripIDs(line string) string { return idField.ReplaceAllString(line, "$1=") }

func (w *liveWorld) producer(c script.Command) (int64, int16) {
	id := c.Int("pid", -1)
	if real, ok := w.ids[id]; ok {
		id = real
	}
	return id, int16(c.Int("epoch", -1))
}

// bump asks for epochs until the one wanted, over one connection.
func (w *liveWorld) bump(c script.Command) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addr))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	name := c.Arg(0) + w.suffix
	for epoch := int16(-1); epoch < int16(c.Int("to", 0)); {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &name, 60000
		resp, err := req.RequestWith(context.Background(), cl)
		if err != nil || resp.ErrorCode != 0 {
			w.t.Fatal(err, resp)
		}
		epoch = resp.ProducerEpoch
		w.ids[c.Int("pid", 1)] = resp.ProducerID
		if epoch%100 == 0 {
			w.records(nil, 0, time.Millisecond)
		}
	}
	w.records(nil, 0, 500*time.Millisecond)
}

// ask sends the request of a command and describes the answer.
func (w *liveWorld) ask(c script.Command) string {
	var req kmsg.Request
	id, epoch := w.producer(c)
	v := c.Int("v", 2)
	name := c.Arg(0) + w.suffix
	switch c.Verb {
	case "init":
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version, r.TransactionalID, r.TransactionTimeoutMillis = 4, &name, int32(c.Int("timeout", 60000))
		r.ProducerID, r.ProducerEpoch = id, epoch
		req = r
	case "add", "verify":
		req = w.addRequest(c, name, id, epoch)
	case "commit", "abort":
		r := kmsg.NewPtrEndTxnRequest()
		r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit = 4, name, id, epoch, c.Verb == "commit"
		if v >= 2 {
			r.Version = 5
		}
		req = r
	case "describe":
		r := kmsg.NewPtrDescribeTransactionsRequest()
		for _, a := range c.Args {
			r.TransactionalIDs = append(r.TransactionalIDs, a+w.suffix)
		}
		req = r
	case "list":
		r := kmsg.NewPtrListTransactionsRequest()
		r.Version, r.StateFilters = 2, c.Args
		r.DurationFilterMillis = c.Int("running", -1)
		if id >= 0 {
			r.ProducerIDFilters = []int64{id}
		}
		if p := c.Str("pattern", ""); p != "" {
			p += regexp.QuoteMeta(w.suffix)
			r.TransactionalIDPattern = &p
		}
		req = r
	default:
		w.t.Fatalf("unknown verb %q", c.Verb)
	}
	resp, err := roundTrip(w.addr, req)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(w.describe(resp), w.suffix, "")
}

func (w *liveWorld) addRequest(c script.Command, name string, id int64, epoch int16) kmsg.Request {
	r := kmsg.NewPtrAddPartitionsToTxnRequest()
	byTopic := map[string][]int32{}
	for _, tp := range partitions(c, 1) {
		byTopic[tp.Topic] = append(byTopic[tp.Topic], tp.Partition)
	}
	v := c.Int("v", 2)
	if c.Verb == "add" && v < 2 {
		r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch = 3, name, id, epoch
		for _, topic := range sortedKeys(byTopic) {
			t := kmsg.NewAddPartitionsToTxnRequestTopic()
			t.Topic, t.Partitions = topic, byTopic[topic]
			r.Topics = append(r.Topics, t)
		}
		return r
	}
	r.Version = 5
	if c.Verb == "verify" {
		r.Version = 4
	}
	one := kmsg.NewAddPartitionsToTxnRequestTransaction()
	one.TransactionalID, one.ProducerID, one.ProducerEpoch, one.VerifyOnly = name, id, epoch, c.Verb == "verify"
	for _, topic := range sortedKeys(byTopic) {
		t := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
		t.Topic, t.Partitions = topic, byTopic[topic]
		one.Topics = append(one.Topics, t)
	}
	r.Transactions = append(r.Transactions, one)
	return r
}

func (w *liveWorld) describe(resp kmsg.Response) string {
	producer := func(c int16, p Producer) string { return describeReply(ProducerReply{errorOf(c), p}) }
	switch r := resp.(type) {
	case *kmsg.InitProducerIDResponse:
		return producer(r.ErrorCode, Producer{r.ProducerID, r.ProducerEpoch})
	case *kmsg.EndTxnResponse:
		if r.Version < 5 && r.ErrorCode == 0 {
			return "NONE"
		}
		return producer(r.ErrorCode, Producer{r.ProducerID, r.ProducerEpoch})
	case *kmsg.AddPartitionsToTxnResponse:
		codes := map[TopicPartition]int16{}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				codes[TopicPartition{t.Topic, p.Partition}] = p.ErrorCode
			}
		}
		for _, one := range r.Transactions {
			for _, t := range one.Topics {
				for _, p := range t.Partitions {
					codes[TopicPartition{t.Topic, p.Partition}] = p.ErrorCode
				}
			}
		}
		var reply AddReply
		for tp, c := range codes {
			if c == kerr.TransactionAbortable.Code {
				reply.Missing = append(reply.Missing, tp)
			} else if c != 0 {
				reply.Err = errorOf(c)
			}
		}
		slices.SortFunc(reply.Missing, compareTopicPartitions)
		return describeReply(reply)
	case *kmsg.DescribeTransactionsResponse:
		var all []Description
		for _, s := range r.TransactionStates {
			st, _ := ParseState(s.State)
			d := Description{TransactionalID: s.TransactionalID, Err: errorOf(s.ErrorCode), State: st,
				Producer: Producer{s.ProducerID, s.ProducerEpoch}, TimeoutMillis: s.TimeoutMillis, StartMillis: s.StartTimestamp}
			for _, t := range s.Topics {
				for _, p := range t.Partitions {
					d.Partitions = append(d.Partitions, TopicPartition{t.Topic, p})
				}
			}
			slices.SortFunc(d.Partitions, compareTopicPartitions)
			all = append(all, d)
		}
		return describeReply(all)
	case *kmsg.ListTransactionsResponse:
		var all []Listing
		for _, s := range r.TransactionStates {
			if strings.HasSuffix(s.TransactionalID, w.suffix) && !strings.HasPrefix(s.TransactionalID, "settle") {
				st, _ := ParseState(s.TransactionState)
				all = append(all, Listing{s.TransactionalID, s.ProducerID, st})
			}
		}
		return describeReply(all)
	}
	return fmt.Sprintf("%T", resp)
}

func errorOf(c int16) *kerr.Error {
	if c == 0 {
		return nil
	}
	return kerr.TypedErrorForCode(c)
}

// roundTrip sends one request on a new connection.
func roundTrip(addr string, req kmsg.Request) (kmsg.Response, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID("live"))
	if _, err := conn.Write(f.AppendRequest(nil, req, 7)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	body = body[4:] // correlation id
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if req.IsFlexible() {
		body = body[1:] // no tagged fields
	}
	return resp, resp.ReadFrom(body)
}
