package rest

import (
	"slices"
	"strconv"

	"leat.dev/internal/registry/store"
)

// maxSchemas is the most versions that one answer of /schemas lists.
const maxSchemas = 1000

func (h *Handler) listSchemas(q *request) (any, error) {
	prefix := q.qualify(q.query.Get("subjectPrefix"))
	var list []entity
	h.o.Backend.Read(func(s *store.State) {
		for _, v := range s.All(prefix, q.deletion(), q.flag("latestOnly")) {
			if h.o.Allow != nil && !h.o.Allow(q.Request, v.Subject, false) {
				continue
			}
			list = append(list, named(v, formatted(q, s, v)))
		}
	})
	return page(q, list, maxSchemas)
}

// atID finds a version with the id of the path.
func (h *Handler) atID(q *request, use func(*store.State, *store.Version)) error {
	id, err := strconv.Atoi(q.parts["id"])
	if err != nil {
		return err
	}
	subject := q.qualify(q.query.Get("subject"))
	return h.look(func(s *store.State) *store.Error {
		v, refused := s.ByID(id, aliased(s, subject))
		if refused == nil {
			use(s, v)
		}
		return refused
	})
}

func (h *Handler) byID(q *request) (any, error) {
	var e entity
	err := h.atID(q, func(s *store.State, v *store.Version) {
		e = whole(v, formatted(q, s, v))
		e.ID = nil
		if q.flag("fetchMaxId") {
			highest := s.HighestID(v.Subject)
			e.MaxID = &highest
		}
	})
	if err == nil {
		err = h.mayTouch(q, e.Subject, false)
	}
	return e, err
}

func (h *Handler) textByID(q *request) (any, error) {
	var t rawText
	subject := ""
	err := h.atID(q, func(s *store.State, v *store.Version) { t, subject = rawText(formatted(q, s, v)), v.Subject })
	if err == nil {
		err = h.mayTouch(q, subject, false)
	}
	return t, err
}

// withID lists the versions with the id of the path.
func (h *Handler) withID(q *request) ([]*store.Version, error) {
	id, err := strconv.Atoi(q.parts["id"])
	if err != nil {
		return nil, err
	}
	subject := q.qualify(q.query.Get("subject"))
	var list []*store.Version
	err = h.look(func(s *store.State) (refused *store.Error) {
		list, refused = s.WithID(id, aliased(s, subject), q.deletion())
		return refused
	})
	if h.o.Allow != nil {
		list = slices.DeleteFunc(list, func(v *store.Version) bool { return !h.o.Allow(q.Request, v.Subject, false) })
	}
	return list, err
}

func (h *Handler) subjectsByID(q *request) (any, error) {
	list, err := h.withID(q)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range list {
		names = append(names, v.Subject)
	}
	return page(q, slices.Compact(names), 0)
}

type subjectVersion struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func (h *Handler) versionsByID(q *request) (any, error) {
	list, err := h.withID(q)
	if err != nil {
		return nil, err
	}
	var out []subjectVersion
	for _, v := range list {
		out = append(out, subjectVersion{v.Subject, v.Version})
	}
	return page(q, out, 0)
}

func (h *Handler) byGUID(q *request) (any, error) {
	guid := q.parts["guid"]
	var e entity
	err := h.look(func(s *store.State) *store.Error {
		v, _ := s.ByGUID(guid)
		if v == nil {
			return &store.Error{Code: store.CodeSchemaNotFound, Message: "Schema " + guid + " not found"}
		}
		e = content(v, formatted(q, s, v))
		e.Timestamp, e.Deleted = &v.Timestamp, &v.Deleted
		return nil
	})
	return e, err
}

type contextID struct {
	Context string `json:"context"`
	ID      int    `json:"id"`
}

func (h *Handler) idsByGUID(q *request) (any, error) {
	out := []contextID{}
	h.o.Backend.Read(func(s *store.State) {
		_, ids := s.ByGUID(q.parts["guid"])
		for _, name := range s.Contexts() {
			if id, ok := ids[name]; ok {
				out = append(out, contextID{name, id})
			}
		}
	})
	return out, nil
}
