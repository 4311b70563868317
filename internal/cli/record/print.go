package record

import (
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/when"
)

// Fields are the parts of a record that can be printed, in their usual order.
var Fields = []string{"topic", "partition", "offset", "timestamp", "key", "headers", "value"}

// Printer writes records as text.
type Printer struct {
	Fields     []string
	Separator  string // between fields
	Delimiter  string // after each record
	Key, Value Encoding
	NullMarker string
	JSON       bool
}

// ParseFields checks a list of fields given to a flag.
func ParseFields(flag, s string) ([]string, error) {
	var out []string
	for f := range strings.SplitSeq(s, ",") {
		f = strings.TrimSpace(f)
		if f == "all" {
			out = append(out, Fields...)
			continue
		}
		known := false
		for _, k := range Fields {
			known = known || k == f
		}
		if !known {
			return nil, fault.Usage("%s: %q is not a part of a record", flag, f).
				WithHint("%s", fault.DidYouMean(f, Fields, "the parts are "+strings.Join(Fields, ", ")+", or all"))
		}
		out = append(out, f)
	}
	return out, nil
}

// Append writes one record.
func (p *Printer) Append(dst []byte, r *kgo.Record) []byte {
	if p.JSON {
		return append(AppendJSON(dst, r, p.Key, p.Value), '\n')
	}
	for i, f := range p.Fields {
		if i > 0 {
			dst = append(dst, p.Separator...)
		}
		switch f {
		case "topic":
			dst = append(dst, r.Topic...)
		case "partition":
			dst = strconv.AppendInt(dst, int64(r.Partition), 10)
		case "offset":
			dst = strconv.AppendInt(dst, r.Offset, 10)
		case "timestamp":
			dst = append(dst, when.Format(r.Timestamp.UnixMilli())...)
		case "key":
			dst = p.bytes(dst, r.Key, p.Key)
		case "value":
			dst = p.bytes(dst, r.Value, p.Value)
		case "headers":
			for j, h := range r.Headers {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = append(dst, h.Key...)
				dst = append(dst, '=')
				dst = p.bytes(dst, h.Value, Text)
			}
		}
	}
	return append(dst, p.Delimiter...)
}

func (p *Printer) bytes(dst, v []byte, e Encoding) []byte {
	if v == nil {
		return append(dst, p.NullMarker...)
	}
	return e.Append(dst, v)
}
