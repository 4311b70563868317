package schema

import (
	"encoding/json"
	"strconv"
	"strings"
)

// A Reference names a version of a subject whose schema another one builds on.
//
// A field that was absent or null in JSON is told from an empty one, because the registry takes an empty name
// and refuses a missing one; written again, an empty text is left out.
type Reference struct {
	Name    string `json:"name,omitempty"`    // what the referring schema calls it: Avro full name, `$ref`, import path
	Subject string `json:"subject,omitempty"` // unqualified ones belong to the context of the referring subject
	Version int    `json:"version"`           // 1..2^31-1, or -1 for the latest

	noName, noSubject, noVersion bool
}

// UnmarshalJSON reads one element of `references` and remembers which fields were absent or null.
func (r *Reference) UnmarshalJSON(data []byte) error {
	var fields struct {
		Name    *string `json:"name"`
		Subject *string `json:"subject"`
		Version *number `json:"version"`
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	*r = Reference{noName: fields.Name == nil, noSubject: fields.Subject == nil, noVersion: fields.Version == nil}
	if fields.Name != nil {
		r.Name = *fields.Name
	}
	if fields.Subject != nil {
		r.Subject = *fields.Subject
	}
	if fields.Version != nil {
		r.Version = int(*fields.Version)
	}
	return nil
}

// number is a JSON number, or the same in a string.
type number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 32)
	*n = number(v)
	return err
}

// Complete reports whether name, subject and version were all given, be it as empty texts.
func (r Reference) Complete() bool { return !r.noName && !r.noSubject && !r.noVersion }

// String gives the reference as error messages show it, absent fields as null.
func (r Reference) String() string {
	name, subject, version := "null", "null", "null"
	if !r.noName {
		name = r.Name
	}
	if !r.noSubject {
		subject = r.Subject
	}
	if !r.noVersion {
		version = strconv.Itoa(r.Version)
	}
	return "{name='" + name + "', subject='" + subject + "', version=" + version + "}"
}
