package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"leat.dev/streams/internal/engine"
)

// httpError is an error as requests are told of it. The codes are for programs, and in the guide.
type httpError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	status  int
}

func (e *httpError) Error() string { return e.Message }

// Codes that the server itself looks at.
const (
	codeMisdirected = "not_here" // the asked instance does not have the task: 421
	codeMoving      = "moving"   // no instance that could be asked had it: 503
	codeBehind      = "behind"
	codeUnreachable = "unreachable"
)

// errorOf puts an error into the words of HTTP.
func errorOf(err error) *httpError {
	var known *httpError
	made := func(status int, code string) *httpError {
		return &httpError{Code: code, Message: err.Error(), status: status}
	}
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errKey), errors.Is(err, errNoRanges):
		return made(http.StatusBadRequest, "bad_request")
	case errors.Is(err, ErrNoStore):
		return made(http.StatusNotFound, "no_store")
	case errors.Is(err, ErrBehind):
		return made(http.StatusServiceUnavailable, codeBehind)
	case errors.Is(err, ErrNotHere):
		return made(http.StatusMisdirectedRequest, codeMisdirected)
	case errors.Is(err, context.DeadlineExceeded):
		return made(http.StatusGatewayTimeout, "timeout")
	}
	return made(http.StatusInternalServerError, "failed")
}

func refuse(w http.ResponseWriter, err error) {
	e := errorOf(err)
	w.Header().Set("Content-Type", "application/json")
	if e.status == http.StatusServiceUnavailable || e.status == http.StatusBadGateway {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]*httpError{"error": e}) // the client may be gone
}

func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, fmt.Errorf("the answer has no JSON: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

// summary ends an answer of several entries. Without one the answer is not whole.
type summary struct {
	End      bool     `json:"end"`
	Cursor   string   `json:"cursor,omitempty"` // there may be more: ?cursor= goes on behind the last entry
	Count    *int64   `json:"count,omitempty"`
	Position Position `json:"position,omitempty"`
	Stale    bool     `json:"stale,omitempty"`
	Lag      int64    `json:"lag,omitempty"`
}

func (s *summary) saw(seen engine.Seen) {
	s.Position = s.Position.Merge(positionOf(seen.Position))
	s.Stale, s.Lag = s.Stale || seen.Copy, max(s.Lag, seen.Lag)
}

func (s *summary) add(o *summary) {
	s.Position = s.Position.Merge(o.Position)
	s.Stale, s.Lag = s.Stale || o.Stale, max(s.Lag, o.Lag)
	if o.Count != nil {
		n := *o.Count
		if s.Count != nil {
			n += *s.Count
		}
		s.Count = &n
	}
}

// Headers of answers and of requests between instances.
const (
	headerPosition = "Leat-Position" // JSON
	headerStale    = "Leat-Stale"    // true: a copy answered
	headerLag      = "Leat-Lag"      // the records that it missed
	headerTasks    = "Leat-Tasks"    // of a request that was forwarded: the tasks to ask, which are not looked for elsewhere
)

func (s *summary) headers(h http.Header) {
	if len(s.Position) > 0 {
		if b, err := json.Marshal(s.Position); err == nil {
			h.Set(headerPosition, string(b))
		}
	}
	if s.Stale {
		h.Set(headerStale, "true")
		h.Set(headerLag, strconv.FormatInt(s.Lag, 10))
	}
}
