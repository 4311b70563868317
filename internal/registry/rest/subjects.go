package rest

import (
	"errors"
	"net/http"
	"strconv"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/store"
)

type methods = map[string]func(*request) (any, error)

// table lists all paths.
func (h *Handler) table() []route {
	root := func(*request) (any, error) { return struct{}{}, nil }
	get, post, put, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return []route{
		{nil, methods{get: root, post: root}},
		{[]string{"subjects"}, methods{get: h.listSubjects}},
		{[]string{"subjects", ":subject"}, methods{post: h.lookup, del: h.deleteSubject}},
		{[]string{"subjects", ":subject", "metadata"}, methods{get: h.byMetadata}},
		{[]string{"subjects", ":subject", "versions"}, methods{get: h.listVersions, post: h.register}},
		{[]string{"subjects", ":subject", "versions", ":version"}, methods{get: h.version, del: h.deleteVersion}},
		{[]string{"subjects", ":subject", "versions", ":version", "schema"}, methods{get: h.versionText}},
		{[]string{"subjects", ":subject", "versions", ":version", "referencedby"}, methods{get: h.referencedBy}},
		{[]string{"schemas"}, methods{get: h.listSchemas}},
		{[]string{"schemas", "types"}, methods{get: func(*request) (any, error) { return schema.Types(), nil }}},
		{[]string{"schemas", "ids", ":id"}, methods{get: h.byID}},
		{[]string{"schemas", "ids", ":id", "schema"}, methods{get: h.textByID}},
		{[]string{"schemas", "ids", ":id", "subjects"}, methods{get: h.subjectsByID}},
		{[]string{"schemas", "ids", ":id", "versions"}, methods{get: h.versionsByID}},
		{[]string{"schemas", "guids", ":guid"}, methods{get: h.byGUID}},
		{[]string{"schemas", "guids", ":guid", "ids"}, methods{get: h.idsByGUID}},
		{[]string{"compatibility", "subjects", ":subject", "versions"}, methods{post: h.checkAll}},
		{[]string{"compatibility", "subjects", ":subject", "versions", ":version"}, methods{post: h.checkOne}},
		{[]string{"config"}, methods{get: h.config, put: h.setConfig, del: h.deleteConfig}},
		{[]string{"config", ":subject"}, methods{get: h.config, put: h.setConfig, del: h.deleteConfig}},
		{[]string{"mode"}, methods{get: h.mode, put: h.setMode}},
		{[]string{"mode", ":subject"}, methods{get: h.mode, put: h.setMode, del: h.deleteMode}},
		{[]string{"contexts"}, methods{get: h.listContexts}},
		{[]string{"contexts", ":context"}, methods{del: h.deleteContext}},
		{[]string{"v1", "metadata", "id"}, methods{get: h.clusterID}},
		{[]string{"v1", "metadata", "version"}, methods{get: h.programVersion}},
	}
}

// mayTouch refuses what the caller has no role for, as if it were not there.
func (h *Handler) mayTouch(q *request, subject string, write bool) error {
	if h.o.Allow == nil || h.o.Allow(q.Request, subject, write) {
		return nil
	}
	return &textError{http.StatusForbidden, "User is denied operation on Subject '" + subject + "'"}
}

// look runs a read that may be refused.
func (h *Handler) look(f func(*store.State) *store.Error) error {
	var refused *store.Error
	h.o.Backend.Read(func(s *store.State) { refused = f(s) })
	if refused != nil {
		return refused
	}
	return nil
}

// change runs a write that may be refused.
func (h *Handler) change(q *request, f func(*store.State) ([]store.Record, *store.Error)) error {
	return h.o.Backend.Write(q.Context(), func(s *store.State) ([]store.Record, error) {
		records, refused := f(s)
		if refused != nil {
			return nil, refused
		}
		return records, nil
	})
}

// formatted is the text of a version in the format that the query asks for.
func formatted(q *request, s *store.State, v *store.Version) string {
	name := q.query.Get("format")
	if name == "" {
		return v.Source.Text
	}
	parsed, err := s.Parsed(v)
	if err != nil {
		return v.Source.Text
	}
	text, err := parsed.Format(name)
	if err != nil {
		return v.Source.Text
	}
	return text
}

// aliased follows a subject's alias, once.
func aliased(s *store.State, subject string) string {
	if c := s.ConfigAt(subject); subject != "" && c != nil && c.Alias != nil && *c.Alias != "" {
		return *c.Alias
	}
	return subject
}

func (h *Handler) visible(q *request, names []string) []string {
	if h.o.Allow == nil {
		return names
	}
	out := []string{}
	for _, n := range names {
		if h.o.Allow(q.Request, n, false) {
			out = append(out, n)
		}
	}
	return out
}

func (h *Handler) listSubjects(q *request) (any, error) {
	prefix := ":*:"
	if q.context != "" {
		prefix = store.Qualify(q.context, "")
	}
	if q.query.Has("subjectPrefix") {
		prefix = q.qualify(q.query.Get("subjectPrefix"))
	}
	var names []string
	h.o.Backend.Read(func(s *store.State) { names = s.Subjects(prefix, q.deletion()) })
	return page(q, h.visible(q, names), 0)
}

func (h *Handler) register(q *request) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, true); err != nil {
		return nil, err
	}
	in, err := q.registration(subject, "register.arg5")
	if err != nil {
		return nil, err
	}
	var v *store.Version
	shown, held := "", false
	err = h.change(q, func(s *store.State) ([]store.Record, *store.Error) {
		in.Subject = aliased(s, subject)
		found, same, records, refused := s.Register(in)
		v, held = found, refused == nil && !same
		return records, refused
	})
	if err != nil {
		return nil, err
	}
	h.o.Backend.Read(func(s *store.State) {
		shown = v.Source.Text
		if stored, refused := s.Version(v.Subject, strconv.Itoa(v.Version), store.LiveOnly); refused == nil {
			shown = formatted(q, s, stored)
		}
	})
	e := content(v, shown)
	e.ID, e.Version = &v.ID, &v.Version
	if held { // found by what it says, not by its text: the answer has all of it
		e.Timestamp, e.Deleted = &v.Timestamp, &v.Deleted
	}
	return e, nil
}

func (h *Handler) lookup(q *request) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, false); err != nil {
		return nil, err
	}
	in, err := q.registration(subject, "lookUpSchemaUnderSubject.arg5")
	if err != nil {
		return nil, err
	}
	var e entity
	err = h.look(func(s *store.State) *store.Error {
		in.Subject = aliased(s, subject)
		v, same, refused := s.Lookup(in, q.deletion())
		switch {
		case refused != nil:
		case same:
			e = named(v, formatted(q, s, v))
		default:
			e = whole(v, formatted(q, s, v))
		}
		return refused
	})
	return e, err
}

func (h *Handler) deleteSubject(q *request) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, true); err != nil {
		return nil, err
	}
	var numbers []int
	err := h.change(q, func(s *store.State) (records []store.Record, refused *store.Error) {
		numbers, records, refused = s.DeleteSubject(aliased(s, subject), q.flag("permanent"))
		return records, refused
	})
	return numbers, err
}

func (h *Handler) listVersions(q *request) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, false); err != nil {
		return nil, err
	}
	d := q.deletion()
	var numbers []int
	err := h.look(func(s *store.State) *store.Error {
		list, refused := s.Versions(aliased(s, subject), d)
		for _, v := range list {
			n := v.Version
			if v.Deleted && q.flag("deletedAsNegative") {
				n = -n
			}
			numbers = append(numbers, n)
		}
		return refused
	})
	if err != nil {
		return nil, err
	}
	return page(q, numbers, 0)
}

// one finds the version that the path names.
func (h *Handler) one(q *request, use func(*store.State, *store.Version)) error {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, false); err != nil {
		return err
	}
	return h.look(func(s *store.State) *store.Error {
		v, refused := s.Version(aliased(s, subject), q.parts["version"], q.deletion())
		if refused == nil {
			use(s, v)
		}
		return refused
	})
}

func (h *Handler) version(q *request) (any, error) {
	var e entity
	err := h.one(q, func(s *store.State, v *store.Version) { e = whole(v, formatted(q, s, v)) })
	return e, err
}

func (h *Handler) versionText(q *request) (any, error) {
	var t rawText
	err := h.one(q, func(s *store.State, v *store.Version) { t = rawText(formatted(q, s, v)) })
	return t, err
}

func (h *Handler) referencedBy(q *request) (any, error) {
	var ids []int
	err := h.one(q, func(s *store.State, v *store.Version) { ids = s.ReferencedBy(v) })
	if err != nil {
		return nil, err
	}
	return page(q, ids, 0)
}

func (h *Handler) deleteVersion(q *request) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, true); err != nil {
		return nil, err
	}
	number := 0
	err := h.change(q, func(s *store.State) (records []store.Record, refused *store.Error) {
		number, records, refused = s.DeleteVersion(aliased(s, subject), q.parts["version"], q.flag("permanent"))
		return records, refused
	})
	return number, err
}

// byMetadata finds the newest version whose metadata has the asked properties.
func (h *Handler) byMetadata(q *request) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, false); err != nil {
		return nil, err
	}
	keys, values := q.query["key"], q.query["value"]
	var e *entity
	err := h.look(func(s *store.State) *store.Error {
		list, refused := s.Versions(aliased(s, subject), q.deletion())
		for _, v := range list {
			if hasProperties(v.Source.Metadata, keys, values) {
				found := whole(v, formatted(q, s, v))
				e = &found
			}
		}
		return refused
	})
	if err == nil && e == nil {
		err = &store.Error{Code: store.CodeSchemaNotFound, Message: "Schema not found"}
	}
	return e, err
}

func hasProperties(m *schema.Metadata, keys, values []string) bool {
	for i, k := range keys {
		if m == nil || i >= len(values) || m.Properties[k] != values[i] {
			return false
		}
	}
	return true
}

func (h *Handler) checkAll(q *request) (any, error) {
	return h.check(q, "", "testCompatibilityForSubject.arg3")
}

func (h *Handler) checkOne(q *request) (any, error) {
	return h.check(q, q.parts["version"], "testCompatibilityBySubjectName.arg4")
}

type compatibility struct {
	Compatible bool      `json:"is_compatible"`
	Messages   *[]string `json:"messages,omitempty"`
}

func (h *Handler) check(q *request, version, operation string) (any, error) {
	subject := q.subject("subject")
	if err := h.mayTouch(q, subject, false); err != nil {
		return nil, err
	}
	in, err := q.registration(subject, operation)
	if err != nil {
		return nil, err
	}
	messages := []string{}
	err = h.look(func(s *store.State) *store.Error {
		in.Subject = aliased(s, subject)
		found, refused := s.Compatibility(in, version)
		messages = append(messages, found...)
		return refused
	})
	if err != nil && store.IsInvalid(err) && q.flag("verbose") {
		var refused *store.Error
		errors.As(err, &refused)
		messages, err = []string{refused.Message}, nil
	}
	if err != nil {
		return nil, err
	}
	out := compatibility{Compatible: len(messages) == 0}
	if q.flag("verbose") {
		out.Messages = &messages
	}
	return out, nil
}
