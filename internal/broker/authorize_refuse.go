package broker

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Refusals are rare and have to have the shape of each API's response: one error where the response has one place for
// it, else one for each thing that the request names. Both kinds of message have the same names for the same things,
// so the response is built by walking the request.

// refused is a response that refuses all that the request asks for.
func refused(req kmsg.Request, code *kerr.Error) kmsg.Response {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	mirror(reflect.ValueOf(req).Elem(), reflect.ValueOf(resp).Elem(), code)
	return resp
}

// addRefused adds to a list of a response one element for each that was taken out of a list of the request.
func addRefused[E, A any](answers *[]A, denied []E, code *kerr.Error) {
	for i := range denied {
		var a A
		answer(reflect.ValueOf(&denied[i]).Elem(), reflect.ValueOf(&a).Elem(), code)
		*answers = append(*answers, a)
	}
}

// denialMessage is what Kafka says with each error.
func denialMessage(code *kerr.Error) string {
	switch code {
	case kerr.TopicAuthorizationFailed:
		return "Topic authorization failed."
	case kerr.GroupAuthorizationFailed:
		return "Group authorization failed."
	case kerr.ClusterAuthorizationFailed:
		return "Cluster authorization failed."
	case kerr.TransactionalIDAuthorizationFailed:
		return "Transactional Id authorization failed."
	}
	return code.Description
}

// names are the fields that say what an element of a request or a response is about. Others mean different things in
// the two.
var names = map[string]bool{
	"Topic": true, "TopicID": true, "Partition": true, "Group": true, "GroupID": true, "ResourceType": true,
	"ResourceName": true, "TransactionalID": true, "ProducerID": true, "Entity": true,
}

// mirror fills a response, or an element of one, from its request. It tells whether an error found its place.
func mirror(req, resp reflect.Value, code *kerr.Error) (placed bool) {
	if d, ok := resp.Addr().Interface().(interface{ Default() }); ok {
		version := resp.FieldByName("Version")
		d.Default()
		if version.IsValid() {
			resp.FieldByName("Version").Set(version)
		}
	}
	for i := range req.NumField() {
		name := req.Type().Field(i).Name
		from, to := req.Field(i), resp.FieldByName(name)
		switch {
		case !to.IsValid():
		case names[name] && from.Type() == to.Type():
			to.Set(from)
		case from.Kind() == reflect.Slice && to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Struct:
			for j := range from.Len() {
				e := reflect.New(to.Type().Elem()).Elem()
				placed = answer(from.Index(j), e, code) || placed
				to.Set(reflect.Append(to, e))
			}
		}
	}
	return place(resp, code, placed)
}

// answer fills an element of a response from one of a request, which may be just a name or a number.
func answer(req, resp reflect.Value, code *kerr.Error) (placed bool) {
	if req.Kind() == reflect.Struct {
		return mirror(req, resp, code)
	}
	if d, ok := resp.Addr().Interface().(interface{ Default() }); ok {
		d.Default()
	}
	for i := range resp.NumField() {
		if f := resp.Field(i); f.Type() == req.Type() && resp.Type().Field(i).Name != "ErrorMessage" {
			f.Set(req)
			break
		}
	}
	return place(resp, code, false)
}

// place sets the error, unless it already stands at what the element consists of.
func place(resp reflect.Value, code *kerr.Error, placed bool) bool {
	f := resp.FieldByName("ErrorCode")
	if placed || !f.IsValid() || f.Kind() != reflect.Int16 {
		return placed
	}
	f.SetInt(int64(code.Code))
	if m := resp.FieldByName("ErrorMessage"); m.IsValid() && m.Type() == reflect.TypeFor[*string]() {
		m.Set(reflect.ValueOf(new(denialMessage(code))))
	}
	return true
}
