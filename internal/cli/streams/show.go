package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/when"
)

// show describes a running application.
func show(ctx context.Context, env *command.Env, name string) error {
	c, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	a, err := find(ctx, c, name)
	if f, ok := errors.AsType[*fault.Error](err); ok && errors.Is(err, kerr.GroupIDNotFound) {
		f.Detail += "; there is no such file either"
	}
	if err != nil {
		return err
	}
	return env.Emit(a, func() error { return a.write(env, time.Now()) })
}

func (a *application) write(env *command.Env, now time.Time) error {
	line := fmt.Sprintf("%s: %s, %s, %s, coordinator %d", a.Application, a.Kind, strings.ToLower(a.State), screen.Plural(len(a.Members), "member"), a.Coordinator)
	if a.Topology != "" {
		line += ", topology " + a.Topology
	}
	if err := env.Printf("%s\n", line); err != nil {
		return err
	}
	if len(a.Members) > 0 {
		if err := a.writeMembers(env); err != nil {
			return err
		}
	}
	if len(a.Subtopology) > 0 {
		t := screen.NewTable("SUBTOPOLOGY", "READS", "CHANGELOGS")
		for _, s := range a.Subtopology {
			t.Row(s.ID, strings.Join(s.Reads, " "), strings.Join(s.Changelogs, " "))
		}
		if err := section(env, t); err != nil {
			return err
		}
	}
	if len(a.Internal) > 0 {
		t := screen.NewTable("INTERNAL TOPIC", "PARTITIONS>")
		for _, i := range a.Internal {
			t.Row(i.Topic, i.Partitions)
		}
		if err := section(env, t); err != nil {
			return err
		}
	}
	a.notes(env, now)
	return nil
}

func section(env *command.Env, t *screen.Table) error {
	if err := env.Printf("\n"); err != nil {
		return err
	}
	return t.Write(env.Screen)
}

func (a *application) writeMembers(env *command.Env) error {
	t := screen.NewTable("MEMBER", "CLIENT", "HOST", "PROCESS", "WORKERS>", "ENDPOINT", "ACTIVE", "STANDBY", "WARMUP")
	for _, m := range a.Members {
		workers := any(m.Workers)
		if m.Workers == 0 {
			workers = ""
		}
		name := m.Member
		if m.Instance != "" {
			name = m.Instance
		}
		active := compact(m.Active)
		if active == "" && len(m.Partitions) > 0 { // it was told its partitions only
			active = partitionsText(m.Partitions)
		}
		t.Row(name, m.ClientID, m.Host, m.Process, workers, m.Endpoint, active, compact(m.Standby), compact(m.Warmup))
	}
	return section(env, t)
}

func partitionsText(parts map[string][]int32) string {
	var out []string
	for _, topic := range slices.Sorted(maps.Keys(parts)) {
		out = append(out, topic+":"+screen.Numbers(parts[topic]))
	}
	return strings.Join(out, " ")
}

// compact writes tasks by sub-topology: 0_0,1,2 1_0.
func compact(ids []string) string {
	var b strings.Builder
	last := ""
	for _, id := range ids {
		i := strings.LastIndexByte(id, '_')
		switch sub := id[:max(i, 0)]; {
		case b.Len() > 0 && sub == last:
			b.WriteString("," + id[i+1:])
			continue
		case b.Len() > 0:
			b.WriteByte(' ')
			last = sub
		default:
			last = sub
		}
		b.WriteString(id)
	}
	return b.String()
}

// notes says what is remarkable.
func (a *application) notes(env *command.Env, now time.Time) {
	if a.Topology == "several" {
		env.Notef("members run different topologies: run the same program everywhere")
	}
	for _, m := range a.Members {
		switch {
		case m.Unreadable != "":
			env.Notef("member %s: its user data cannot be read: %s", m.Member, m.Unreadable)
		case m.Stopping:
			env.Notef("member %s asked that the whole application stops", m.Member)
		case m.Error != "":
			env.Notef("member %s was told: %s", m.Member, m.Error)
		}
		if m.ProbeAt > now.UnixMilli() {
			env.Notef("member %s looks at %s whether tasks can move to it", m.Member, when.Format(m.ProbeAt))
		}
	}
	if a.Kind == kindIdle {
		env.Notef("nobody is a member now; a group without members does not tell what it was")
	}
}
