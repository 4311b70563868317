package differ

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerLimit is how long Apache Kafka may think about one request: some it does not answer at all. Nothing in the list waits for more
// than half a second. Ours answers all, and is given the time that a busy machine takes.
const (
	answerLimit = 3 * time.Second
	busyLimit   = time.Minute
)

// Outcomes that are not an answer.
const (
	closed   = "closed"   // the broker closed the connection
	unasked  = "nothing"  // the request gets no answer, and the connection lives
	overtime = "overtime" // no answer in answerLimit
)

// wire is one connection. It is dialled when it is first needed, and again after the broker closed it.
type wire struct {
	addr  string
	limit time.Duration // how long to wait for an answer; 0 is answerLimit
	conn  net.Conn
	corr  int32
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// header is a request's size and header, before its body.
func header(key, version int16, corr int32, flexible bool, body int) []byte {
	const client = "differ"
	h := make([]byte, 4, 32)
	h = binary.BigEndian.AppendUint16(h, uint16(key))
	h = binary.BigEndian.AppendUint16(h, uint16(version))
	h = binary.BigEndian.AppendUint32(h, uint32(corr))
	h = binary.BigEndian.AppendUint16(h, uint16(len(client)))
	h = append(h, client...)
	if flexible {
		h = append(h, 0)
	}
	binary.BigEndian.PutUint32(h, uint32(len(h)-4+body))
	return h
}

// ask sends a body and returns the answer's, without its header, or one of the outcomes above.
func (w *wire) ask(key, version int16, flexible bool, body []byte, silent bool) (answer []byte, outcome string, err error) {
	if w.conn == nil {
		if w.conn, err = net.DialTimeout("tcp", w.addr, busyLimit); err != nil {
			return nil, "", err
		}
	}
	if err := w.conn.SetDeadline(time.Now().Add(cmp.Or(w.limit, answerLimit))); err != nil {
		return nil, "", err
	}
	w.corr++
	want := w.corr
	out := append(header(key, version, want, flexible, len(body)), body...)
	if silent {
		// Whether it is answered shows in what comes first: its answer, or that of a request behind it.
		w.corr++
		out = append(out, header(int16(kmsg.ApiVersions), 0, w.corr, false, 0)...)
	}
	if _, err := w.conn.Write(out); err != nil {
		w.close()
		return nil, closed, nil //nolint:nilerr // that is the outcome
	}
	answer, corr, err := w.receive()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.close()
		return nil, overtime, nil
	case err != nil:
		w.close()
		return nil, closed, nil //nolint:nilerr // that is the outcome
	case silent && corr == w.corr:
		return nil, unasked, nil
	case corr != want:
		return nil, "", fmt.Errorf("answer to request %d came for %d", corr, want)
	}
	if silent { // and now the other
		if _, _, err := w.receive(); err != nil {
			w.close()
		}
	}
	// ApiVersions is answered with the oldest header, so that every client can read it.
	if flexible && key != int16(kmsg.ApiVersions) {
		if len(answer) == 0 || answer[0] != 0 {
			return nil, fmt.Sprintf("tags in the header: %x", answer[:min(8, len(answer))]), nil
		}
		answer = answer[1:]
	}
	return answer, "", nil
}

func (w *wire) receive() (body []byte, corr int32, err error) {
	var size [4]byte
	if _, err := io.ReadFull(w.conn, size[:]); err != nil {
		return nil, 0, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 100<<20 {
		return nil, 0, fmt.Errorf("an answer of %d bytes", n)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(w.conn, body); err != nil {
		return nil, 0, err
	}
	return body[4:], int32(binary.BigEndian.Uint32(body)), nil
}

// decode reads an answer. Its bytes have to be what its contents encode to: nothing more behind them, no other form.
func decode(req kmsg.Request, version int16, body []byte) (kmsg.Response, string) {
	resp := req.ResponseKind()
	resp.SetVersion(version)
	if _, ok := resp.(*kmsg.ApiVersionsResponse); ok && len(body) >= 2 && binary.BigEndian.Uint16(body) == 35 {
		resp.SetVersion(0) // UNSUPPORTED_VERSION comes in the oldest form
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, "not readable: " + err.Error()
	}
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		return resp, fmt.Sprintf("%d bytes, its contents take %d", len(body), len(again))
	}
	return resp, ""
}
