// Package topic holds the commands under "leat topic". They are thin: parse flags, ask the cluster through the
// admin client, write a table or JSON.
package topic

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("topic", "Create, list, describe, alter and delete topics", "",
		newCreate(env), newList(env), newDescribe(env), newAlter(env), newDelete(env), newTrim(env))
}

// outcome is what became of one topic of a command that may name several.
type outcome struct {
	Name              string        `json:"name"`
	ID                string        `json:"id,omitempty"`
	Partitions        int32         `json:"partitions,omitempty"`
	ReplicationFactor int16         `json:"replication_factor,omitempty"`
	Failure           *fault.Object `json:"failure,omitempty"`

	done string
	err  error
}

// report writes the outcomes. A single failure is returned as the command's error; among several topics each
// failure is written where its topic stands.
func report(env *command.Env, outcomes []outcome) error {
	failed := 0
	for i := range outcomes {
		if outcomes[i].err != nil {
			failed++
			o := fault.ToObject(outcomes[i].err)
			outcomes[i].Failure = &o
		}
	}
	if failed == 1 && len(outcomes) == 1 {
		return outcomes[0].err
	}
	err := env.Emit(outcomes, func() error {
		for _, o := range outcomes {
			if o.err != nil {
				env.Notef("%s", strings.TrimSuffix(fault.Text(o.err), "\n"))
				continue
			}
			if err := env.Printf("%s\n", o.done); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && failed > 0 {
		return fault.ErrReported
	}
	return err
}

// idText writes a topic id as Kafka does: base64 without padding, empty for none.
func idText(id kadm.TopicID) string {
	if id == (kadm.TopicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func ids(list []int32) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, ",")
}

// first returns the first error there is; a topic that the answer left out counts as an error too.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return errors.New("no answer for the topic")
}
