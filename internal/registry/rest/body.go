package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/store"
)

// schemaRequest is the body of a registration, a lookup or a compatibility check.
type schemaRequest struct {
	Version    *number            `json:"version"`
	ID         *number            `json:"id"`
	Type       *text              `json:"schemaType"`
	References []schema.Reference `json:"references"`
	Metadata   *schema.Metadata   `json:"metadata"`
	Rules      *schema.RuleSet    `json:"ruleSet"`
	Schema     *text              `json:"schema"`
}

// text is a JSON string, or a number or boolean in its place: those are taken as they are written.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] != '"' && data[0] != '{' && data[0] != '[' {
		*t = text(data)
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*t = text(s)
	return nil
}

// read takes a body apart. Operation and argument name the place for the message about a missing one.
func read(q *request, into any, operation string) error {
	body := bytes.TrimSpace(q.body)
	if len(body) == 0 || string(body) == "null" {
		return &textError{http.StatusUnprocessableEntity, operation + " must not be null (was null)"}
	}
	return decode(body, into)
}

// decode reads an object whose names are spelled exactly: encoding/json alone would take any case.
func decode(body []byte, into any) error {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(body, &fields)
	if err == nil {
		maps.DeleteFunc(fields, func(name string, _ json.RawMessage) bool { return !spelled(name) })
		var exact []byte
		if exact, err = json.Marshal(fields); err == nil {
			err = json.Unmarshal(exact, into)
		}
	}
	if err != nil {
		return &textError{http.StatusBadRequest, "the body is not the JSON object that is expected here: " + err.Error()}
	}
	return nil
}

// spelled reports whether a name is one of the API's.
func spelled(name string) bool { return slices.Contains(bodyNames, name) }

// bodyNames are the names of all fields that bodies have.
var bodyNames = []string{
	"version", "id", "schemaType", "references", "metadata", "ruleSet", "schema", "mode",
	"compatibility", "alias", "aliasForDeks", "normalize", "validateFields", "validateNewSchemas", "validateRules",
	"compatibilityPolicy", "compatibilityGroup", "defaultMetadata", "overrideMetadata", "defaultRuleSet", "overrideRuleSet",
}

// number is a JSON number whose fraction is cut, or the same in a string.
type number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	if err != nil || f > math.MaxInt32 || f < math.MinInt32 {
		return fmt.Errorf("%s is no whole number of 32 bits", data)
	}
	*n = number(f)
	return nil
}

// registration makes what the store works with of a body.
func (q *request) registration(subject, operation string) (store.Registration, error) {
	var b schemaRequest
	if err := read(q, &b, operation); err != nil {
		return store.Registration{}, err
	}
	out := store.Registration{Subject: subject, ID: store.NoID, Normalize: q.flag("normalize"), Force: q.flag("force")}
	if b.ID != nil {
		out.ID = int(*b.ID)
	}
	if b.Version != nil {
		if out.Version = int(*b.Version); out.Version == store.NoVersion {
			out.Version = store.LatestVersion // 0 asks for the next one, as -1 does
		}
	}
	out.Source = schema.Source{References: b.References, Metadata: b.Metadata, Rules: b.Rules}
	if b.Type != nil {
		out.Source.Type = schema.Type(*b.Type)
	}
	if b.Schema != nil {
		out.Source.Text = string(*b.Schema)
	}
	return out, nil
}

// flag is a query parameter that is "true", in any case.
func (q *request) flag(name string) bool { return strings.EqualFold(q.query.Get(name), "true") }

// subject is the one that a part of the path names, in the context of the base path.
func (q *request) subject(name string) string {
	return q.qualify(q.parts[name])
}

func (q *request) qualify(subject string) string {
	if q.context == "" {
		return subject
	}
	if c, _ := store.Split(subject); c != store.DefaultContext {
		return subject
	}
	return store.Qualify(q.context, subject)
}

func (q *request) deletion() store.Deletion {
	switch {
	case q.flag("deletedOnly"):
		return store.DeletedOnly
	case q.flag("deleted"):
		return store.WithDeleted
	}
	return store.LiveOnly
}

// page cuts a list by offset and limit; most is the default and highest limit, 0 for none.
func page[T any](q *request, list []T, most int) ([]T, error) {
	offset, limit := 0, 0
	for name, into := range map[string]*int{"offset": &offset, "limit": &limit} {
		if v := q.query.Get(name); v != "" {
			n, err := strconv.ParseInt(v, 10, 32)
			if err != nil {
				return nil, &httpError{http.StatusNotFound}
			}
			*into = int(n)
		}
	}
	list = list[min(max(offset, 0), len(list)):]
	if most > 0 && (limit <= 0 || limit > most) {
		limit = most
	}
	if limit > 0 && limit < len(list) {
		list = list[:limit]
	}
	if list == nil {
		list = []T{}
	}
	return list, nil
}
