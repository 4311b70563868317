// Package rest serves the registry's HTTP API: Confluent's paths, media types, status and error codes.
//
// A handler reads a request, asks the [Backend] for a look at the state or for a write, and shapes the answer. Rules of
// subjects and schemas are in package store; this one knows HTTP only. It starts no goroutines. Bodies are bounded by
// MaxBody.
package rest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/store"
)

// MaxBody is the longest request body, in bytes. A schema text may have a million (see package store).
const MaxBody = 8 << 20

// Backend is what holds the state and makes writes durable.
type Backend interface {
	// Read calls look with the state; it must not keep it.
	Read(look func(*store.State))
	// Write calls decide with the newest state, on the leader only, writes the records it gives, and returns when they are
	// part of the state. An error of decide is returned as it is and nothing is written.
	// A process that is not the leader returns a *NotLeader.
	Write(ctx context.Context, decide func(*store.State) ([]store.Record, error)) error
	// ClusterIDs are those of the Kafka cluster and of the group of registries.
	ClusterIDs() (kafka, group string)
}

// catcher is a Backend that can wait until its state has everything that was written before the call.
type catcher interface {
	CatchUp(ctx context.Context) error
}

// NotLeader says where the leader is; an empty URL means that there is none at the moment.
type NotLeader struct{ URL string }

// Error implements error.
func (e *NotLeader) Error() string { return "this registry is not the leader" }

// Options of a Handler.
type Options struct {
	Backend Backend
	Logger  *slog.Logger
	Version string // of the program
	Commit  string
	// Client forwards writes to the leader; nil means http.DefaultClient.
	Client *http.Client
	// Allow says whether a request may touch a subject; nil allows all. Write is true for what changes something.
	Allow func(r *http.Request, subject string, write bool) bool
}

// Handler serves the API.
type Handler struct {
	o      Options
	routes []route
}

// New makes a Handler.
func New(o Options) *Handler {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	h := &Handler{o: o}
	h.routes = h.table()
	return h
}

// The media types, the default first.
var mediaTypes = []string{"application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"}

// request is one request on its way to its handler.
type request struct {
	*http.Request
	parts   map[string]string // of the path, by the name in the route
	query   url.Values
	context string // of the base path, empty for none
	body    []byte
}

// route is one path with its methods. A part that begins with a colon matches anything.
type route struct {
	path    []string
	methods map[string]func(*request) (any, error)
}

// noContent is an answer without a body.
type noContent struct{}

// rawText is an answer that is written as it is.
type rawText string

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if strings.Contains(path, "//") {
		h.html(w, "Ambiguous URI empty segment")
		return
	}
	if strings.Contains(path, "\\") || strings.Contains(strings.ToLower(path), "%2e") {
		h.html(w, "Ambiguous URI path parameter")
		return
	}
	segments, err := split(path)
	if err != nil {
		h.html(w, "Bad URI")
		return
	}
	if slices.ContainsFunc(segments, func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F })
	}) {
		h.html(w, "Suspicious Path Character")
		return
	}
	q := &request{Request: r, query: r.URL.Query()}
	if len(segments) > 2 && segments[0] == "contexts" {
		q.context = contextName(segments[1])
		segments = segments[2:]
	}
	found, parts := h.find(segments)
	if found == nil {
		h.fail(w, "", &httpError{http.StatusNotFound})
		return
	}
	q.parts = parts
	h.serve(w, q, found)
}

// contextName is the name in a base path: "c", ".c" and ":.c:" are the same.
func contextName(text string) string {
	text = strings.Trim(text, ":")
	if !strings.HasPrefix(text, ".") {
		text = "." + text
	}
	return text
}

func split(path string) ([]string, error) {
	var out []string
	for _, s := range strings.Split(strings.Trim(path, "/"), "/") {
		s, _, _ = strings.Cut(s, ";") // matrix parameters are no part of a name
		if s == "" {
			continue
		}
		text, err := url.PathUnescape(s)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

func (h *Handler) find(segments []string) (*route, map[string]string) {
	for i := range h.routes {
		if parts, ok := match(h.routes[i].path, segments); ok {
			return &h.routes[i], parts
		}
	}
	return nil, nil
}

func match(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	parts := map[string]string{}
	for i, p := range pattern {
		switch {
		case strings.HasPrefix(p, ":id"):
			if n, err := strconv.ParseInt(segments[i], 10, 32); err != nil || strconv.FormatInt(n, 10) == "" {
				return nil, false
			}
			parts[p[1:]] = segments[i]
		case strings.HasPrefix(p, ":"):
			parts[p[1:]] = segments[i]
		case p != segments[i]:
			return nil, false
		}
	}
	return parts, true
}

func (h *Handler) serve(w http.ResponseWriter, q *request, found *route) {
	method := q.Method
	serve := found.methods[method]
	if method == http.MethodHead {
		serve = found.methods[http.MethodGet]
	}
	if method == http.MethodOptions {
		h.options(w, found)
		return
	}
	if serve == nil {
		h.fail(w, "", &httpError{http.StatusMethodNotAllowed})
		return
	}
	if content := q.Header.Get("Content-Type"); !consumable(content) && (content != "*/*" || method == http.MethodPost || method == http.MethodPut) {
		h.fail(w, mediaTypes[0], &httpError{http.StatusUnsupportedMediaType})
		return
	}
	media := acceptable(q.Header.Values("Accept"))
	if media == "" {
		h.fail(w, "", &httpError{http.StatusNotAcceptable})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, MaxBody))
	if err != nil {
		h.fail(w, media, &httpError{http.StatusRequestEntityTooLarge})
		return
	}
	q.body = body
	answer, err := serve(q)
	var away *NotLeader
	if errors.As(err, &away) {
		h.forward(w, q, away.URL, media)
		return
	}
	if err != nil {
		h.fail(w, media, err)
		return
	}
	switch a := answer.(type) {
	case noContent:
		w.WriteHeader(http.StatusNoContent)
	case rawText:
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, string(a))
	default:
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(store.Encode(a))
	}
}

// methodOrder is the order in which OPTIONS lists methods.
var methodOrder = []string{http.MethodHead, http.MethodDelete, http.MethodPost, http.MethodGet, http.MethodOptions, http.MethodPut}

func (h *Handler) options(w http.ResponseWriter, found *route) {
	var list []string
	for _, m := range methodOrder {
		if found.methods[m] != nil || m == http.MethodOptions || (m == http.MethodHead && found.methods[http.MethodGet] != nil) {
			list = append(list, m)
		}
	}
	w.Header().Set("Allow", strings.Join(list, ","))
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, strings.Join(list, ", "))
}

// consumable reports whether a body of this type is read; none at all is.
func consumable(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (slices.Contains(mediaTypes, media) || media == "application/octet-stream")
}

// acceptable picks the media type of the answer, empty if none will do.
func acceptable(accept []string) string {
	text := strings.Join(accept, ",")
	if strings.TrimSpace(text) == "" {
		return mediaTypes[0]
	}
	best, bestQuality := "", 0.0
	for _, item := range strings.Split(text, ",") {
		media, parameters, _ := strings.Cut(strings.TrimSpace(item), ";")
		media = strings.ToLower(strings.TrimSpace(media))
		quality := 1.0
		for _, p := range strings.Split(parameters, ";") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				if q, err := strconv.ParseFloat(value, 64); err == nil {
					quality = q
				}
			}
		}
		for i, m := range mediaTypes {
			if media != m && media != "*/*" && media != "*" && media != "application/*" {
				continue
			}
			if quality > bestQuality || (quality == bestQuality && quality > 0 && i < slices.Index(mediaTypes, best)) {
				best, bestQuality = m, quality
			}
		}
	}
	return best
}

// httpError is a refusal of HTTP itself: its code is its status.
type httpError struct{ status int }

func (e *httpError) Error() string {
	return "HTTP " + strconv.Itoa(e.status) + " " + http.StatusText(e.status)
}

// textError is one with a text of its own.
type textError struct {
	status int
	text   string
}

func (e *textError) Error() string { return e.text }

type errorBody struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (h *Handler) fail(w http.ResponseWriter, media string, err error) {
	if media == "" {
		media = mediaTypes[0]
	}
	body := errorBody{http.StatusInternalServerError, "Internal Server Error"}
	status := http.StatusInternalServerError
	var refused *store.Error
	var plain *httpError
	var texted *textError
	switch {
	case errors.As(err, &refused):
		status, body = refused.Status(), errorBody{refused.Code, refused.Message}
	case errors.As(err, &plain):
		status, body = plain.status, errorBody{plain.status, plain.Error()}
	case errors.As(err, &texted):
		status, body = texted.status, errorBody{texted.status, texted.text}
	case errors.Is(err, context.DeadlineExceeded):
		body = errorBody{store.CodeTimeout, "Register operation timed out"}
	default:
		h.o.Logger.Error("schema registry request failed", "error", err)
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(store.Encode(body))
}

// html is how the Java server refuses a path it cannot take apart.
func (h *Handler) html(w http.ResponseWriter, reason string) {
	w.Header().Set("Content-Type", "text/html;charset=iso-8859-1")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, "<html>\n<head>\n<title>Error 400 "+reason+"</title>\n</head>\n<body>\n<h2>HTTP ERROR 400 "+reason+"</h2>\n</body>\n</html>\n")
}

// forwardHeader marks a request that came from another registry: it is not sent on a second time.
const forwardHeader = "X-Forward"

// forward sends a write to the leader and its answer back.
func (h *Handler) forward(w http.ResponseWriter, q *request, leader, media string) {
	if leader == "" || q.Header.Get(forwardHeader) != "" {
		h.fail(w, media, &store.Error{Code: store.CodeNoLeader, Message: "Leader not known."})
		return
	}
	target := strings.TrimSuffix(leader, "/") + q.URL.EscapedPath()
	if q.URL.RawQuery != "" {
		target += "?" + q.URL.RawQuery
	}
	out, err := http.NewRequestWithContext(q.Context(), q.Method, target, strings.NewReader(string(q.body)))
	if err != nil {
		h.fail(w, media, forwarding())
		return
	}
	for _, name := range []string{"Authorization", "X-Request-Id", "Content-Type", "Accept"} {
		if v := q.Header.Get(name); v != "" {
			out.Header.Set(name, v)
		}
	}
	out.Header.Set(forwardHeader, "true")
	answer, err := h.o.Client.Do(out)
	if err != nil {
		h.o.Logger.Warn("forwarding to the leader of the schema registry failed", "leader", leader, "error", err)
		h.fail(w, media, forwarding())
		return
	}
	defer answer.Body.Close()
	// Whoever is answered may ask this registry next, so it has to know what the leader wrote.
	if c, ok := h.o.Backend.(catcher); ok && answer.StatusCode < http.StatusMultipleChoices {
		if err := c.CatchUp(q.Context()); err != nil {
			h.o.Logger.Warn("the schema registry does not yet know what the leader wrote", "error", err)
		}
	}
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(answer.Body, 64<<20))
}

func forwarding() error {
	return &store.Error{Code: store.CodeForwarding, Message: "Error while forwarding register schema request to the leader"}
}
