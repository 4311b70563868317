package streams

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/when"
)

// resetter moves offsets as Kafka's reset tool does.
type resetter struct {
	client *command.Client
	o      *resetOptions
	group  string
	at     time.Time // of --to-datetime and --by-duration
	wanted map[position.Partition]int64
}

// isoDuration is ISO 8601's PnDTnHnMn.nS, as the tool takes it.
var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?$`)

// time is the point that is asked for, zero for none.
func (o *resetOptions) time(now time.Time) (time.Time, error) {
	switch {
	case o.datetime != "":
		// The tool's own form, YYYY-MM-DDTHH:mm:SS.sss, is in UTC there; where a zone is given it counts.
		for _, layout := range []string{"2006-01-02T15:04:05.000", "2006-01-02T15:04:05"} {
			if at, err := time.ParseInLocation(layout, o.datetime, time.UTC); err == nil {
				return at, nil
			}
		}
		return when.Parse("--to-datetime", o.datetime, now)
	case o.by != "":
		span, err := parseDuration(o.by)
		return now.Add(-span), err
	}
	return time.Time{}, nil
}

func parseDuration(s string) (time.Duration, error) {
	m := isoDuration.FindStringSubmatch(strings.ToUpper(s))
	if m == nil || s == "P" || strings.HasSuffix(strings.ToUpper(s), "T") {
		return when.Span("--by-duration", s)
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil || n > int64(1<<62/unit) {
			return 0, fault.Usage("--by-duration %q is too long", s)
		}
		d += time.Duration(n) * unit
	}
	if m[5] != "" {
		n, _ := strconv.Atoi((m[5] + "000000000")[:9]) // digits
		d += time.Duration(n)
	}
	return d, nil
}

// wanted reads the file of --from-file.
func (o *resetOptions) wanted(env *command.Env) (map[position.Partition]int64, error) {
	if o.file == "" {
		return nil, nil
	}
	return position.Read(env, o.file)
}

// move finds the new offsets of all partitions of the topics, and commits them unless it is a dry run.
func (r *resetter) move(ctx context.Context, topics []string, all kadm.TopicDetails) ([]position.Move, error) {
	held, err := position.Look(ctx, r.client, r.at, topics...)
	if err != nil {
		return nil, err
	}
	committed, err := r.client.Admin.FetchOffsets(ctx, r.group)
	if err != nil {
		return nil, r.client.Explain(fmt.Sprintf("read the offsets of group %q", r.group), err)
	}
	for tp := range r.wanted {
		if !slices.Contains(topics, tp.Topic) || tp.Partition >= int32(len(all[tp.Topic].Partitions)) { //nolint:gosec // partitions are int32
			return nil, fault.Usage("%s names partition %d of topic %q, which is no partition of an input topic", r.o.file, tp.Partition, tp.Topic).
				WithHint("name its topic with --input-topics")
		}
	}
	out := []position.Move{}
	for _, topic := range topics {
		for _, partition := range slices.Sorted(maps.Keys(all[topic].Partitions)) {
			tp := position.Partition{Topic: topic, Partition: partition}
			start, end, err := held.Bounds(tp)
			if err != nil {
				return nil, err
			}
			m := position.Start(tp, committed)
			if to, ok := r.target(tp, m.From, start, end, held); ok {
				m.MoveTo(to, start, end)
				out = append(out, m)
			}
		}
	}
	if r.o.dryRun || len(out) == 0 {
		return out, nil
	}
	return out, position.Commit(ctx, r.client, r.group, fmt.Sprintf("commit the offsets of application %q", r.group), out)
}

// target says where a partition's offset moves to; false if it stays.
func (r *resetter) target(tp position.Partition, from *int64, start, end int64, held *position.Held) (to int64, ok bool) {
	switch o := r.o; {
	case o.latest:
		return end, true
	case o.hasOffset:
		return o.offset, true
	case o.shifts:
		if from == nil {
			from = &end // where a group without offsets begins, by auto.offset.reset
		}
		return *from + o.shift, true
	case o.file != "":
		to, ok = r.wanted[tp]
		return to, ok
	}
	if at, ok := held.AtTime(tp, end); ok {
		return at, true
	}
	return start, true
}

// leave removes the members of a classic group, static ones by their instance ids (KIP-345).
func leave(ctx context.Context, c *command.Client, a *application) error {
	what := fmt.Sprintf("remove the members of application %q", a.Application)
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = a.Application
	for _, m := range a.Members {
		one := kmsg.NewLeaveGroupRequestMember()
		one.Reason = kmsg.StringPtr("leat streams reset --force")
		if m.Instance != "" {
			one.InstanceID = kmsg.StringPtr(m.Instance)
		} else {
			one.MemberID = m.Member
		}
		req.Members = append(req.Members, one)
	}
	resp, err := req.RequestWith(ctx, c.Client)
	if err != nil {
		return c.Explain(what, err)
	}
	if err := c.Refused(what, resp.ErrorCode, nil); err != nil {
		return err
	}
	for _, m := range resp.Members {
		if err := c.Refused(what, m.ErrorCode, nil); err != nil {
			return err
		}
	}
	return nil
}
