package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/store"
)

// scope is the subject whose settings a path is about; the top level of a context is the context's own.
func (q *request) scope() string {
	if name, ok := q.parts["subject"]; ok {
		return q.qualify(name)
	}
	return q.qualify("")
}

// isTop reports whether a scope answers with defaults where nothing is set.
func isTop(scope string) bool { return scope == "" || scope == store.GlobalSubject }

func (h *Handler) config(q *request) (any, error) {
	scope := q.scope()
	if err := h.mayTouch(q, scope, false); err != nil {
		return nil, err
	}
	var c store.Config
	err := h.look(func(s *store.State) *store.Error {
		own := s.ConfigAt(scope)
		switch {
		case q.flag("defaultToGlobal") && scope != "":
			c = s.ConfigFor(scope)
		case own == nil && isTop(scope):
			level := store.DefaultLevel
			c = store.Config{Level: &level}
		case own == nil:
			return &store.Error{Code: store.CodeNoSubjectConfig, Message: "Subject '" + scope + "' does not have subject-level compatibility configured"}
		default:
			c = *own
			level := store.DefaultLevel
			if c.Level == nil {
				c.Level = &level
			}
		}
		return nil
	})
	return c, err
}

// merge is a config with what a body says: absent fields stay, null ones are cleared.
func merge(old *store.Config, body []byte) (store.Config, error) {
	var fields map[string]json.RawMessage
	if err := decode(body, &fields); err != nil {
		return store.Config{}, err
	}
	var c store.Config
	if old != nil {
		c = *old
	}
	level := c.Level
	if raw, ok := fields["compatibility"]; ok {
		var said *text
		if err := json.Unmarshal(raw, &said); err != nil {
			return c, &textError{http.StatusBadRequest, "compatibility is no text: " + err.Error()}
		}
		level = nil
		if said != nil {
			parsed, err := schema.ParseLevel(string(*said))
			if err != nil {
				return c, &store.Error{Code: store.CodeInvalidLevel, Message: err.Error()}
			}
			level = &parsed
		}
	}
	for _, name := range []string{"normalize", "validateFields", "validateNewSchemas", "validateRules", "aliasForDeks"} {
		switch strings.ToLower(string(fields[name])) {
		case `"true"`, `"false"`:
			fields[name] = fields[name][1 : len(fields[name])-1]
		}
	}
	rest, err := json.Marshal(fields)
	if err == nil {
		err = decode(rest, &c) // null clears a pointer
	}
	c.Level, c.Subject = level, nil
	return c, err
}

type configAnswer struct {
	Level *schema.Level `json:"compatibility,omitempty"`
	store.Config
}

func (h *Handler) setConfig(q *request) (any, error) {
	scope := q.scope()
	if err := h.mayTouch(q, scope, true); err != nil {
		return nil, err
	}
	if body := bytes.TrimSpace(q.body); len(body) == 0 || string(body) == "null" {
		return nil, &textError{http.StatusUnprocessableEntity, "updateSubjectLevelConfig.arg2 must not be null (was null)"}
	}
	var c store.Config
	err := h.o.Backend.Write(q.Context(), func(s *store.State) (records []store.Record, err error) {
		if c, err = merge(s.ConfigAt(scope), q.body); err != nil {
			return nil, err
		}
		records, refused := s.SetConfig(scope, c)
		if refused != nil {
			return nil, refused
		}
		return records, nil
	})
	if err != nil {
		return nil, err
	}
	answer := configAnswer{Level: c.Level, Config: c}
	answer.Config.Level = nil
	return answer, nil
}

func (h *Handler) deleteConfig(q *request) (any, error) {
	scope := q.scope()
	if err := h.mayTouch(q, scope, true); err != nil {
		return nil, err
	}
	var before store.Config
	err := h.change(q, func(s *store.State) ([]store.Record, *store.Error) {
		if own := s.ConfigAt(scope); own != nil {
			before = *own
		}
		return s.DeleteConfig(scope)
	})
	if before.Level == nil {
		level := store.DefaultLevel
		before.Level = &level
	}
	return before, err
}

func showMode(m store.Mode) modeBody {
	t := text(m)
	return modeBody{&t}
}

func (h *Handler) mode(q *request) (any, error) {
	scope := q.scope()
	if err := h.mayTouch(q, scope, false); err != nil {
		return nil, err
	}
	var m store.Mode
	err := h.look(func(s *store.State) *store.Error {
		own, ok := s.ModeAt(scope)
		switch {
		case ok:
			m = own
		case q.flag("defaultToGlobal") || isTop(scope):
			m = s.ModeFor(scope)
		default:
			return &store.Error{Code: store.CodeNoSubjectMode, Message: "Subject '" + scope + "' does not have subject-level mode configured"}
		}
		return nil
	})
	return showMode(m), err
}

func (h *Handler) setMode(q *request) (any, error) {
	scope := q.scope()
	if err := h.mayTouch(q, scope, true); err != nil {
		return nil, err
	}
	var b modeBody
	if err := read(q, &b, "updateMode.arg2"); err != nil {
		return nil, err
	}
	if b.Mode == nil { // null clears
		err := h.change(q, func(s *store.State) ([]store.Record, *store.Error) {
			if _, set := s.ModeAt(scope); !set {
				return nil, nil
			}
			return s.DeleteMode(scope, false)
		})
		return b, err
	}
	m := store.Mode(strings.ToUpper(string(*b.Mode)))
	switch m {
	case store.ReadWrite, store.ReadOnly, store.ReadOnlyOverride, store.Import, store.Forward:
	default:
		return nil, &store.Error{Code: store.CodeInvalidMode, Message: "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD."}
	}
	err := h.change(q, func(s *store.State) ([]store.Record, *store.Error) { return s.SetMode(scope, m, q.flag("force")) })
	return b, err
}

func (h *Handler) deleteMode(q *request) (any, error) {
	scope := q.scope()
	if err := h.mayTouch(q, scope, true); err != nil {
		return nil, err
	}
	before := store.DefaultMode
	err := h.change(q, func(s *store.State) ([]store.Record, *store.Error) {
		if own, ok := s.ModeAt(scope); ok {
			before = own
		}
		return s.DeleteMode(scope, q.flag("recursive"))
	})
	return showMode(before), err
}

func (h *Handler) listContexts(q *request) (any, error) {
	var names []string
	h.o.Backend.Read(func(s *store.State) { names = s.Contexts() })
	prefix := q.query.Get("contextPrefix")
	out := []string{}
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			out = append(out, n)
		}
	}
	return page(q, out, 0)
}

func (h *Handler) deleteContext(q *request) (any, error) {
	name := contextName(q.parts["context"])
	if err := h.mayTouch(q, store.Qualify(name, ""), true); err != nil {
		return nil, err
	}
	err := h.change(q, func(s *store.State) ([]store.Record, *store.Error) { return s.DeleteContext(name) })
	return noContent{}, err
}

func (h *Handler) clusterID(*request) (any, error) {
	kafka, group := h.o.Backend.ClusterIDs()
	return map[string]any{"scope": map[string]any{"path": []string{}, "clusters": map[string]string{"kafka-cluster": kafka, "schema-registry-cluster": group}}}, nil
}

func (h *Handler) programVersion(*request) (any, error) {
	return map[string]string{"version": h.o.Version, "commitId": h.o.Commit}, nil
}
