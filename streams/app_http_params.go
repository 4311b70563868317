package streams

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rowsRequest is what a request for entries says.
type rowsRequest struct {
	store string
	q     rowQuery
	keyed bool // entries of one key
	count bool
	limit int

	partition int32 // -1: that of the key by the default partitioner, or all
	all       bool  // of a key: look in all partitions

	stale   bool
	lagMax  int64 // -1: any
	atLeast Position
	wait    time.Duration

	mark uint32 // of what a cursor goes on with
}

// params are a request's parameters, each taken once.
type params struct {
	values url.Values
	known  map[string]bool
	errs   []error
}

func (p *params) text(name string) (string, bool) {
	p.known[name] = true
	v, ok := p.values[name]
	if !ok {
		return "", false
	}
	if len(v) > 1 {
		p.wrong(name, "is given %d times", len(v))
	}
	return v[0], true
}

func (p *params) wrong(name, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("parameter %s %s", name, fmt.Sprintf(format, args...)))
}

func (p *params) flag(name string) bool {
	v, ok := p.text(name)
	if !ok || v == "" {
		return ok
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		p.wrong(name, "is true or false, not %q", v)
	}
	return on
}

func (p *params) number(name string, least, most, otherwise int64) int64 {
	v, ok := p.text(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		p.wrong(name, "is a number from %d to %d, not %q", least, most, v)
		return otherwise
	}
	return n
}

// time is in milliseconds since the epoch, or RFC 3339.
func (p *params) time(name string, otherwise Time) Time {
	v, ok := p.text(name)
	if !ok {
		return otherwise
	}
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil && ms >= 0 {
		return Time(ms)
	}
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil && t.UnixMilli() >= 0 {
		return Time(t.UnixMilli())
	}
	p.wrong(name, "is milliseconds since 1970, or a time like 2026-01-31T12:00:00Z, not %q", v)
	return otherwise
}

func (p *params) duration(name string, most time.Duration) time.Duration {
	v, ok := p.text(name)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > most {
		p.wrong(name, "is a duration up to %v, like 500ms, not %q", most, v)
		return 0
	}
	return d
}

func (p *params) key(name string, s askedStore, e keyEncoding) []byte {
	v, ok := p.text(name)
	if !ok {
		return nil
	}
	key, err := parseKey(s, v, e)
	if err != nil {
		p.wrong(name, "%v", err)
	}
	return key
}

func parseKey(s askedStore, text string, e keyEncoding) ([]byte, error) {
	if len(text) > keyBytesMax {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", errKey, keyBytesMax)
	}
	return s.parseKey(text, e)
}

// prefix is bytes that serialized keys begin with.
func (p *params) prefix(e keyEncoding) []byte {
	v, ok := p.text("prefix")
	switch {
	case !ok:
		return nil
	case len(v) > keyBytesMax:
		p.wrong("prefix", "is longer than %d bytes", keyBytesMax)
	case e == encodeBase64:
		b, err := base64Of(v)
		if err != nil {
			p.wrong("prefix", "is no base64: %v", err)
		}
		return b
	case e == encodeJSON:
		p.wrong("prefix", "is text or base64: it need not be a key")
	}
	return []byte(v)
}

// parseRows reads a request for entries of a store. key is what stands in the path, nil for none.
func parseRows(store string, s askedStore, key *string, rawQuery string) (*rowsRequest, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	p := &params{values: values, known: map[string]bool{}}
	encoding, _ := p.text("encoding")
	e := keyEncoding(encoding)
	if !slices.Contains([]keyEncoding{encodeAuto, encodeText, encodeJSON, encodeBase64}, e) {
		p.wrong("encoding", "is text, json or base64, not %q", e)
		e = encodeAuto
	}
	r := &rowsRequest{store: store, partition: -1, keyed: key != nil}
	r.q = rowQuery{from: 0, to: math.MaxInt64 - 1, asOf: -1}
	if key != nil {
		if r.q.key, err = parseKey(s, *key, e); err != nil {
			return nil, err
		}
		r.parseOfKey(p, s)
	} else {
		r.q.keys = byteRange{p.key("key_from", s, e), p.key("key_to", s, e)}
		r.q.prefix = p.prefix(e)
		if r.q.prefix != nil && (r.q.keys.from != nil || r.q.keys.to != nil) {
			p.wrong("prefix", "goes without key_from and key_to")
		}
		if r.count = p.flag("count"); r.count && s.shape() == shapeVersioned {
			p.wrong("count", "does not fit a versioned store, which is read key by key")
		}
	}
	if !r.q.one && (key == nil || s.shape() == shapeWindow || s.shape() == shapeSession || r.q.history) {
		r.parseListing(p, s)
	}
	r.parseFreshness(p)
	r.parsePartition(p)
	for name := range p.values {
		if !p.known[name] {
			p.wrong(name, "does not go with this request")
		}
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return r, nil
}

// parseOfKey reads what goes with a key.
func (r *rowsRequest) parseOfKey(p *params, s askedStore) {
	_, hasStart := p.values["start"]
	switch s.shape() {
	case shapeWindow:
		if r.q.one = hasStart; hasStart {
			r.q.start = p.time("start", 0)
		}
	case shapeSession:
		if r.q.one = hasStart; hasStart {
			r.q.start, r.q.end = p.time("start", 0), p.time("end", -1)
			if r.q.end < r.q.start {
				p.wrong("end", "goes with start, and is not before it")
			}
		}
	case shapeVersioned:
		_, from := p.values["from"]
		_, to := p.values["to"]
		if r.q.history = from || to; !r.q.history {
			r.q.asOf = p.time("at", -1)
		}
		r.q.reverse = r.q.history // the latest first
	default:
		r.q.one = true
	}
}

// parseListing reads what goes with answers of several entries.
func (r *rowsRequest) parseListing(p *params, s askedStore) {
	if s.shape() != shapeKV {
		r.q.from, r.q.to = p.time("from", 0), p.time("to", r.q.to)
	}
	if r.count {
		return
	}
	if order, ok := p.text("order"); ok {
		switch order {
		case "asc", "desc":
			r.q.reverse = order == "desc"
		default:
			p.wrong("order", "is asc or desc, not %q", order)
		}
	}
	r.limit = int(p.number("limit", 1, rowsMax, rowsDefault))
	r.mark = fingerprintOf(r)
	if text, ok := p.text("cursor"); ok {
		var err error
		if r.q.after, err = parseCursor(text, r.mark); err != nil {
			p.wrong("cursor", "%v", err)
		} else if !placeFits(s, r.q.after) {
			p.wrong("cursor", "is not one of this store")
		}
	}
}

// placeFits tells whether a place is long enough for the times that it ends with.
func placeFits(s askedStore, place []byte) bool {
	switch s.shape() {
	case shapeWindow, shapeVersioned:
		return len(place) >= 8
	case shapeSession:
		return len(place) >= 16
	}
	return true
}

func (r *rowsRequest) parseFreshness(p *params) {
	r.stale, r.lagMax = p.flag("stale"), -1
	if _, ok := p.values["max_lag"]; ok {
		r.stale, r.lagMax = true, p.number("max_lag", 0, math.MaxInt64, 0)
	}
	if text, ok := p.text("position"); ok {
		if err := json.Unmarshal([]byte(text), &r.atLeast); err != nil {
			p.wrong("position", "is the position of an answer, like {\"topic\":{\"0\":41}}: %v", err)
		}
	}
	r.wait = p.duration("wait", requestTime)
}

func (r *rowsRequest) parsePartition(p *params) {
	text, ok := p.text("partition")
	switch {
	case !ok:
	case text == "all" && r.keyed:
		r.all = true
	default:
		r.partition = int32(p.number("partition", 0, math.MaxInt32, -1)) //nolint:gosec // bounded
	}
}

// fingerprintOf is a hash of what a cursor belongs to.
func fingerprintOf(r *rowsRequest) uint32 {
	h := fnv.New32a()
	part := func(b []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(b))) //nolint:gosec // below headerBytesMax
		_, _ = h.Write(n[:])
		_, _ = h.Write(b)
	}
	part([]byte(r.store))
	part(r.q.key)
	part(r.q.keys.from)
	part(r.q.keys.to)
	part(r.q.prefix)
	part(fmt.Appendf(nil, "%d %d %t", r.q.from, r.q.to, r.q.reverse))
	return h.Sum32()
}

// A cursor is the place of the last entry there was, behind what it belongs to.
const cursorVersion = 1

func cursorOf(place []byte, mark uint32) string {
	b := binary.BigEndian.AppendUint32([]byte{cursorVersion}, mark)
	return base64.RawURLEncoding.EncodeToString(append(b, place...))
}

func parseCursor(text string, mark uint32) (place []byte, err error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(text))
	switch {
	case err != nil || len(b) < 5 || b[0] != cursorVersion:
		return nil, errors.New("is none that an answer had")
	case binary.BigEndian.Uint32(b[1:]) != mark:
		return nil, errors.New("is that of another request: give the other parameters as they were")
	}
	return b[5:], nil
}
