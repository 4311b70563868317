// Package topic holds the commands under "leat topic". They are thin: parse flags, ask the cluster through the
// admin client, write a table or JSON.
package topic

import (
	"encoding/base64"
	"errors"

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
	errs := make([]error, len(outcomes))
	for i := range outcomes {
		if errs[i] = outcomes[i].err; errs[i] != nil {
			outcomes[i].Failure = new(fault.ToObject(errs[i]))
		}
	}
	return env.EmitEach(errs, outcomes, func() error {
		for _, o := range outcomes {
			if o.err != nil {
				env.NoteError(o.err)
				continue
			}
			if err := env.Printf("%s\n", o.done); err != nil {
				return err
			}
		}
		return nil
	})
}

// idText writes a topic id as Kafka does: base64 without padding, empty for none.
func idText(id kadm.TopicID) string {
	if id == (kadm.TopicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// errNoAnswer is the error of a topic that the answer left out.
var errNoAnswer = errors.New("no answer for the topic")
