package streams

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"leat.dev/streams/internal/engine"
)

// rows answers for entries of a store: by a key, or all in order.
//
// Entries come from sources: tasks of this instance, and other instances, which answer for several tasks at once. Each has
// its entries in the store's order, and shows one at a time; they are merged. So what is held is a few entries of each
// source, however many the store has. Sources are begun before the answer is: an error of any is then the answer.
func (s *queryServer) rows(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("store")
	blank, err := s.app.blank(name)
	if err != nil {
		refuse(w, err)
		return
	}
	asked, ok := blank.(askedStore)
	if !ok {
		refuse(w, &httpError{Code: "bad_request", status: http.StatusBadRequest, Message: fmt.Sprintf("store %s belongs to an operator alone: it has no entries to show", name)})
		return
	}
	var key *string
	if strings.HasPrefix(r.Pattern, "GET /stores/{store}/") {
		k := r.PathValue("key")
		key = &k
	}
	q, err := parseRows(name, asked, key, r.URL.RawQuery)
	if err != nil {
		refuse(w, &httpError{Code: "bad_request", status: http.StatusBadRequest, Message: err.Error()})
		return
	}
	g := &gathering{server: s, store: asked, q: q, request: r}
	defer g.close()
	internal := r.Header.Get(headerTasks)
	if err = g.begin(r.Context(), internal); err != nil {
		e := errorOf(err)
		if e.Code == codeMisdirected && internal == "" {
			e = &httpError{Code: codeMoving, Message: e.Message, status: http.StatusServiceUnavailable}
		}
		refuse(w, e)
		return
	}
	switch {
	case internal != "":
		g.sendLines(w, true)
	case q.count:
		g.sendCount(w)
	case q.limit > 0:
		g.sendLines(w, false)
	default:
		g.sendOne(w)
	}
}

// entry is one as it goes through a merge: its place, and its JSON.
type sentRow struct {
	place []byte
	row   json.RawMessage
}

// supply gives entries in the store's order.
type supply interface {
	// next gives the next entry; ok is false at the end.
	next(ctx context.Context) (e sentRow, ok bool, err error)
	// seen is what is known of the answer, after the end or an entry.
	seen() *summary
	close()
}

// gathering is one request for entries under way.
type gathering struct {
	server  *queryServer
	store   askedStore
	q       *rowsRequest
	request *http.Request
	merge   merging
}

// ask is what the request wants of a task that answers.
func (g *gathering) ask() *engine.Ask {
	return &engine.Ask{Copies: g.q.stale, LagMax: g.q.lagMax, AtLeast: g.q.atLeast.inputs(), Wait: g.q.wait, Position: true}
}

// begin opens the sources and takes the first entry of each. internal are the tasks that another instance asks for.
func (g *gathering) begin(ctx context.Context, internal string) error {
	g.merge = merging{order: g.store.order, reverse: g.q.q.reverse}
	if internal != "" {
		for text := range strings.SplitSeq(internal, ",") {
			id, ok := engine.ParseTaskID(text)
			if !ok {
				return &httpError{Code: "bad_request", status: http.StatusBadRequest, Message: fmt.Sprintf("the header %s has %q", headerTasks, text)}
			}
			if err := g.merge.open(ctx, g.local(id)); err != nil {
				return err
			}
		}
		return nil
	}
	if g.server.app.engine.IsGlobal(g.q.store) {
		return g.merge.open(ctx, g.global())
	}
	tasks, err := g.tasks(ctx)
	if err != nil {
		return err
	}
	return g.find(ctx, tasks)
}

// tasks are those that have to be asked.
func (g *gathering) tasks(ctx context.Context) ([]engine.TaskID, error) {
	sub, n, err := g.server.app.engine.StorePartitions(ctx, g.q.store)
	if err != nil {
		return nil, err
	}
	switch {
	case int(g.q.partition) >= n:
		return nil, &httpError{Code: "bad_request", status: http.StatusBadRequest, Message: fmt.Sprintf("store %s has partitions 0 to %d", g.q.store, n-1)}
	case g.q.partition >= 0:
		return []engine.TaskID{{Subtopology: sub, Partition: g.q.partition}}, nil
	case g.q.keyed && !g.q.all:
		return []engine.TaskID{{Subtopology: sub, Partition: engine.DefaultPartition(g.q.q.key, n)}}, nil
	}
	tasks := make([]engine.TaskID, n)
	for p := range n {
		tasks[p] = engine.TaskID{Subtopology: sub, Partition: int32(p)} //nolint:gosec // partitions are int32
	}
	return tasks, nil
}

func (g *gathering) close() { g.merge.close() }

// sendOne answers with the one entry there is.
func (g *gathering) sendOne(w http.ResponseWriter) {
	e, ok, err := g.merge.next(g.request.Context())
	switch {
	case err != nil:
		refuse(w, err)
		return
	case !ok:
		g.merge.seen().headers(w.Header())
		refuse(w, &httpError{Code: "no_key", Message: "store " + g.q.store + " has no such entry", status: http.StatusNotFound})
		return
	}
	g.merge.seen().headers(w.Header())
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(e.row, '\n')) // the client may be gone
}

func (g *gathering) sendCount(w http.ResponseWriter) {
	if _, _, err := g.merge.next(g.request.Context()); err != nil {
		refuse(w, err)
		return
	}
	sum := g.merge.seen()
	sum.headers(w.Header())
	n := int64(0)
	if sum.Count != nil {
		n = *sum.Count
	}
	answer(w, map[string]int64{"count": n})
}

// sentLine is an entry between instances.
type sentLine struct {
	Place string          `json:"p,omitempty"`
	Row   json.RawMessage `json:"r,omitempty"`
	Sum   *summary        `json:"s,omitempty"`
	Error *sentError      `json:"e,omitempty"`
}

type sentError struct {
	Status int `json:"status"`
	httpError
}

// sendLines answers with entries, one on a line, and then their summary: or with the error that ended them.
func (g *gathering) sendLines(w http.ResponseWriter, internal bool) {
	ctx := g.request.Context()
	limit := g.q.limit
	if limit == 0 { // one entry
		limit = 1
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	send := func(external, other any) bool {
		if internal {
			external = other
		}
		return lines.Encode(external) == nil // else the client is gone
	}
	if internal { // whoever reads on only as far as needed knows this much of the rest
		send(nil, sentLine{Sum: g.merge.seen()})
	}
	var last []byte
	for range limit {
		e, ok, err := g.merge.next(ctx)
		if err != nil {
			known := errorOf(err)
			failed := struct {
				Error  *httpError `json:"error"`
				Cursor string     `json:"cursor,omitempty"`
			}{Error: known}
			if last != nil {
				failed.Cursor = cursorOf(last, g.q.mark)
			}
			send(failed, sentLine{Error: &sentError{known.status, *known}})
			return
		}
		if !ok {
			sum := g.merge.seen()
			sum.End = true
			send(sum, sentLine{Sum: sum})
			return
		}
		last = append(last[:0], e.place...)
		if !send(e.row, sentLine{Place: base64.RawStdEncoding.EncodeToString(e.place), Row: e.row}) {
			return
		}
	}
	sum := g.merge.seen()
	sum.End = true
	if !internal {
		sum.Cursor = cursorOf(last, g.q.mark)
	}
	send(sum, sentLine{Sum: sum})
}

// merging gives the entries of sources in order. The entries that sources stand on are in a heap.
type merging struct {
	order   func(a, b []byte) int
	reverse bool
	heads   []mergeHead
	all     []supply
}

type mergeHead struct {
	sentRow
	from supply
}

func (m *merging) Len() int      { return len(m.heads) }
func (m *merging) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merging) Push(x any)    { m.heads = append(m.heads, x.(mergeHead)) }
func (m *merging) Less(i, j int) bool {
	by := m.order(m.heads[i].place, m.heads[j].place)
	if m.reverse {
		by = -by
	}
	return by < 0
}

func (m *merging) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}

// open takes the first entry of a source.
func (m *merging) open(ctx context.Context, from supply) error {
	e, ok, err := from.next(ctx)
	if err != nil {
		from.close()
		return err
	}
	m.add(from, e, ok)
	return nil
}

func (m *merging) add(from supply, first sentRow, ok bool) {
	m.all = append(m.all, from)
	if ok {
		heap.Push(m, mergeHead{first, from})
	}
}

func (m *merging) next(ctx context.Context) (sentRow, bool, error) {
	if len(m.heads) == 0 {
		return sentRow{}, false, nil
	}
	h := m.heads[0]
	e, ok, err := h.from.next(ctx)
	if err != nil {
		return sentRow{}, false, err
	}
	if ok {
		m.heads[0].sentRow = e
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return h.sentRow, true, nil
}

func (m *merging) seen() *summary {
	sum := &summary{}
	for _, s := range m.all {
		sum.add(s.seen())
	}
	return sum
}

func (m *merging) close() {
	for _, s := range m.all {
		s.close()
	}
}

// localChunk is how many entries of a task are taken at a time.
const localChunk = 256

// localSource is a task of this instance, or a global store.
type localSource struct {
	visit func(ctx context.Context, f func(store any) error) (engine.Seen, error)
	q     rowQuery
	count bool
	ask   int // entries to take next

	have  []sentRow
	ended bool
	sum   summary
}

func (g *gathering) local(id engine.TaskID) supply {
	return g.supply(func(ctx context.Context, f func(any) error) (engine.Seen, error) {
		return g.server.app.readTask(ctx, g.q.store, id, g.ask(), f)
	})
}

func (g *gathering) global() supply {
	return g.supply(func(ctx context.Context, f func(any) error) (engine.Seen, error) {
		return g.server.app.engine.ReadGlobal(ctx, g.q.store, g.ask(), f)
	})
}

func (g *gathering) supply(visit func(context.Context, func(any) error) (engine.Seen, error)) supply {
	s := &localSource{visit: visit, q: g.q.q, count: g.q.count, ask: min(max(g.q.limit, 1), localChunk)}
	if s.count {
		s.ask = chunkRows
	}
	return s
}

func (s *localSource) next(ctx context.Context) (sentRow, bool, error) {
	for len(s.have) == 0 {
		if s.ended {
			return sentRow{}, false, nil
		}
		if err := s.fill(ctx); err != nil {
			return sentRow{}, false, err
		}
	}
	e := s.have[0]
	s.have = s.have[1:]
	return e, true, nil
}

// fill takes entries from the store, between two records of its task.
func (s *localSource) fill(ctx context.Context) error {
	type found struct {
		place []byte
		row   httpRow
	}
	var rows []found
	n := 0
	var last []byte
	seen, err := s.visit(ctx, func(store any) error {
		asked, ok := store.(askedStore)
		if !ok {
			return fmt.Errorf("the store is a %T", store)
		}
		rows, n = rows[:0], 0
		return asked.ask(&s.q, func(place []byte, r httpRow) bool {
			n++
			if last = append(last[:0], place...); !s.count {
				rows = append(rows, found{slices.Clone(place), r})
			}
			return n < s.ask
		})
	})
	if err != nil {
		return err
	}
	s.sum.saw(seen)
	if s.count {
		total := int64(n)
		if s.sum.Count != nil {
			total += *s.sum.Count
		}
		s.sum.Count = &total
	}
	s.ended = n < s.ask || s.q.one
	s.q.after = last
	s.have = s.have[:0]
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for i := range rows {
		b.Reset()
		if err := lines.Encode(rows[i].row); err != nil {
			return fmt.Errorf("an entry has no JSON: %w", err)
		}
		s.have = append(s.have, sentRow{rows[i].place, bytes.Clone(bytes.TrimSpace(b.Bytes()))})
	}
	return nil
}

func (s *localSource) seen() *summary { return &s.sum }
func (s *localSource) close()         {}
