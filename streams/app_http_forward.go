package streams

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"leat.dev/streams/internal/engine"
)

// find opens a source for every task, wherever it is. Tasks of one instance are one source. What an instance does not have
// any more, or what cannot be reached, is looked for once again after a moment, and then, where stale entries are allowed, at the
// instances that have copies.
func (g *gathering) find(ctx context.Context, tasks []engine.TaskID) error {
	var failed error
	for try := 0; len(tasks) > 0; try++ {
		if try == 1 && g.q.stale && failed != nil && errorOf(failed).Code == codeUnreachable {
			continue // copies are there, and who is gone will not be back in a moment
		}
		if try == 1 {
			if failed = waitFor(ctx, moveWait, failed); ctx.Err() != nil {
				return failed
			}
		}
		places, none := g.places(tasks, try)
		if len(places) == 0 && try >= 2 {
			return lost(failed, none, tasks)
		}
		left, err := g.openAll(ctx, places)
		if err != nil && !elsewhere(err) {
			return err
		}
		if err != nil {
			failed = err
		}
		tasks = append(left, none...)
	}
	return nil
}

// waitFor waits, and keeps the error.
func waitFor(ctx context.Context, d time.Duration, err error) error {
	limit, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-limit.Done()
	return errors.Join(ctx.Err(), err)
}

// lost is the error for tasks that were found nowhere.
func lost(failed error, none, tasks []engine.TaskID) error {
	if failed == nil {
		failed = fmt.Errorf("task %s: %w: no instance that serves queries has it", append(none, tasks...)[0], ErrNotHere)
	}
	return failed
}

// elsewhere tells whether another instance, or a later moment, may do better.
func elsewhere(err error) bool {
	code := errorOf(err).Code
	return code == codeMisdirected || code == codeUnreachable || code == codeMoving || code == "busy"
}

// places says where to ask for tasks: "" is here. The first two tries are for who runs them, the ones after that for copies, here
// first. none are those that nobody is known to have in this try.
func (g *gathering) places(tasks []engine.TaskID, try int) (at map[string][]engine.TaskID, none []engine.TaskID) {
	here := map[engine.TaskID]engine.LocalTask{}
	local, _, _ := g.server.app.engine.StoreTasks(g.q.store) // none: all are elsewhere
	for _, t := range local {
		here[t.ID] = t
	}
	at = map[string][]engine.TaskID{}
	for _, id := range tasks {
		active, standbys := g.server.app.engine.HostOf(id)
		standbys = slices.DeleteFunc(standbys, func(host string) bool { return host == g.server.self })
		t, isHere := here[id]
		switch {
		case try < 2 && isHere && !t.Standby && (!t.Restoring || active == g.server.self || active == ""):
			at[""] = append(at[""], id)
		case try < 2 && active != "" && active != g.server.self:
			at[active] = append(at[active], id)
		case try == 2 && g.q.stale && isHere:
			at[""] = append(at[""], id)
		case try >= 2 && g.q.stale && try-2 < len(standbys):
			at[standbys[try-2]] = append(at[standbys[try-2]], id)
		default:
			none = append(none, id)
		}
	}
	return at, none
}

// openAll opens the sources of places at the same time. left are the tasks of those that failed; err is one that is final,
// or the last.
func (g *gathering) openAll(ctx context.Context, places map[string][]engine.TaskID) (left []engine.TaskID, err error) {
	type opened struct {
		from  supply
		tasks []engine.TaskID
		first sentRow
		ok    bool
		err   error
	}
	var mu sync.Mutex
	var all []*opened
	var wait sync.WaitGroup
	try := func(o *opened) {
		o.first, o.ok, o.err = o.from.next(ctx)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, o)
	}
	for host, tasks := range places {
		if host != "" {
			o := &opened{from: g.remote(ctx, host, tasks), tasks: tasks}
			wait.Go(func() { try(o) })
		}
	}
	for _, id := range places[""] {
		try(&opened{from: g.local(id), tasks: []engine.TaskID{id}})
	}
	wait.Wait()
	for _, o := range all {
		if o.err == nil {
			g.merge.add(o.from, o.first, o.ok)
			continue
		}
		o.from.close()
		left = append(left, o.tasks...)
		if err == nil || elsewhere(err) {
			err = o.err
		}
	}
	return left, err
}

// remoteSource is tasks of another instance: its answer, line by line.
type remoteSource struct {
	g     *gathering
	host  string
	tasks []engine.TaskID
	stop  context.CancelFunc
	held  bool // a place among the forwards

	body  io.ReadCloser
	lines *bufio.Scanner
	sum   summary
	ended bool
}

func (g *gathering) remote(ctx context.Context, host string, tasks []engine.TaskID) supply {
	return &remoteSource{g: g, host: host, tasks: tasks}
}

// outage is an instance that could not be reached.
type outage struct {
	until time.Time // it is not asked again
	why   error
}

// open sends the request on: the same, with the tasks that are to answer. It is never sent on again.
func (s *remoteSource) open(ctx context.Context) error {
	if was, ok := s.g.server.down.Load(s.host); ok && s.g.server.app.engine.Now().Before(was.(*outage).until) {
		return &httpError{Code: codeUnreachable, Message: fmt.Sprintf("instance %s could not be reached a moment ago: %v", s.host, was.(*outage).why), status: http.StatusBadGateway}
	}
	select {
	case s.g.server.forwards <- struct{}{}:
		s.held = true
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, s.stop = context.WithCancel(ctx)
	limit, begun := context.WithTimeout(ctx, forwardTime+s.g.q.wait)
	defer begun()
	defer context.AfterFunc(limit, s.stop)() // until it answers
	url := *s.g.request.URL
	url.Scheme, url.Host = s.g.server.scheme, s.host
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url.String(), nil)
	if err != nil {
		return err
	}
	names := make([]string, len(s.tasks))
	for i, id := range s.tasks {
		names[i] = id.String()
	}
	r.Header.Set(headerTasks, strings.Join(names, ","))
	if token := s.g.request.Header.Get("Authorization"); token != "" {
		r.Header.Set("Authorization", token)
	}
	resp, err := s.g.server.client.Do(r) //nolint:bodyclose // by close, when the rows were read
	if err != nil {
		if s.g.request.Context().Err() == nil {
			s.g.server.down.Store(s.host, &outage{s.g.server.app.engine.Now().Add(downTime), err})
		}
		return &httpError{Code: codeUnreachable, Message: fmt.Sprintf("instance %s: %v", s.host, err), status: http.StatusBadGateway}
	}
	s.g.server.down.Delete(s.host)
	s.body = resp.Body
	if resp.StatusCode != http.StatusOK {
		return s.refused(resp)
	}
	s.lines = bufio.NewScanner(resp.Body)
	s.lines.Buffer(make([]byte, 0, 4096), lineBytesMax)
	return nil
}

// refused is the error that another instance answered with.
func (s *remoteSource) refused(resp *http.Response) error {
	var said struct {
		Error *httpError `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said)
	if err != nil || said.Error == nil {
		said.Error = &httpError{Code: "refused", Message: "it answered " + resp.Status}
	}
	said.Error.Message = "instance " + s.host + ": " + said.Error.Message
	said.Error.status = resp.StatusCode
	return said.Error
}

func (s *remoteSource) next(ctx context.Context) (e sentRow, ok bool, err error) {
	if s.lines == nil && !s.ended {
		if err := s.open(ctx); err != nil {
			return e, false, err
		}
	}
	if s.ended {
		return e, false, nil
	}
	broken := func(err error) (sentRow, bool, error) {
		return e, false, &httpError{Code: codeUnreachable, Message: fmt.Sprintf("instance %s broke off: %v", s.host, err), status: http.StatusBadGateway}
	}
	var line sentLine
	for first := true; first || line.Sum != nil && !line.Sum.End; first = false {
		if !s.lines.Scan() {
			return broken(cmp.Or(s.lines.Err(), io.ErrUnexpectedEOF))
		}
		line = sentLine{}
		if err := json.Unmarshal(s.lines.Bytes(), &line); err != nil {
			return broken(err)
		}
		if line.Sum != nil {
			s.sum, s.ended = *line.Sum, line.Sum.End
		}
	}
	switch {
	case line.Error != nil:
		line.Error.httpError.status = line.Error.Status
		return e, false, &line.Error.httpError
	case s.ended:
		return e, false, nil
	}
	if e.place, err = base64.RawStdEncoding.DecodeString(line.Place); err != nil {
		return broken(err)
	}
	if !placeFits(s.g.store, e.place) {
		return broken(errors.New("it sent the place of another store"))
	}
	e.row = slices.Clone(line.Row)
	return e, true, nil
}

func (s *remoteSource) seen() *summary { return &s.sum }

func (s *remoteSource) close() {
	if s.stop != nil {
		s.stop()
	}
	if s.body != nil {
		_ = s.body.Close()
	}
	if s.held {
		<-s.g.server.forwards
		s.held = false
	}
}
