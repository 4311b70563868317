package store

// DeleteVersion gives the records that delete one version: softly, or for good once it was deleted softly.
func (s *State) DeleteVersion(subject, version string, permanent bool) (int, []Record, *Error) {
	subject = normalSubject(subject)
	number, err := parseVersion(version)
	if err != nil {
		return 0, nil, err
	}
	if err := s.mayWrite(subject); err != nil {
		return 0, nil, err
	}
	if len(s.live(subject)) == 0 && (!permanent || len(s.versions(subject)) == 0) {
		return 0, nil, subjectNotFound(subject)
	}
	d := LiveOnly
	if permanent {
		d = WithDeleted
	}
	v := s.find(subject, number, d)
	switch {
	case v == nil && !permanent && s.find(subject, number, DeletedOnly) != nil:
		return 0, nil, refuse(CodeVersionSoftDeleted, "Subject '%s' Version %d was soft deleted.Set permanent=true to delete permanently", subject, number)
	case v == nil:
		return 0, nil, versionNotFound(number)
	case permanent && !v.Deleted:
		return 0, nil, refuse(CodeVersionNotSoftDeleted, "Subject '%s' Version %s was not deleted first before being permanently deleted", subject, version)
	case len(s.referrers(v)) > 0:
		return 0, nil, referenced(v)
	}
	if permanent {
		return v.Version, append([]Record{v.tombstone()}, s.forget(subject, len(s.versions(subject)) == 1)...), nil
	}
	deleted := *v
	deleted.Deleted = true
	return v.Version, []Record{deleted.record()}, nil
}

func referenced(v *Version) *Error {
	return refuse(CodeReferenceExists, "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}.", v.Subject, v.Version)
}

// forget are the records that clear the settings of a subject whose last version goes.
func (s *State) forget(subject string, last bool) []Record {
	var records []Record
	if !last {
		return nil
	}
	if s.configs[subject] != nil {
		records = append(records, Record{scopeKey(keyConfig, subject), nil})
	}
	if _, ok := s.modes[subject]; ok {
		records = append(records, Record{scopeKey(keyMode, subject), nil})
	}
	return records
}

// DeleteSubject gives the records that delete all versions of a subject, and their numbers.
func (s *State) DeleteSubject(subject string, permanent bool) ([]int, []Record, *Error) {
	subject = normalSubject(subject)
	all, live := s.versions(subject), s.live(subject)
	switch {
	case len(all) == 0:
		return nil, nil, subjectNotFound(subject)
	case !permanent && len(live) == 0:
		return nil, nil, refuse(CodeSubjectSoftDeleted, "Subject '%s' was soft deleted.Set permanent=true to delete permanently", subject)
	case permanent && len(live) > 0:
		return nil, nil, refuse(CodeSubjectNotSoftDeleted, "Subject '%s' was not deleted first before being permanently deleted", subject)
	}
	if err := s.mayWrite(subject); err != nil {
		return nil, nil, err
	}
	gone := live
	if permanent {
		gone = all
	}
	var numbers []int
	var records []Record
	for _, v := range gone {
		for _, o := range s.referrers(v) {
			if o.Subject != subject {
				return nil, nil, referenced(v)
			}
		}
		numbers = append(numbers, v.Version)
		records = append(records, v.tombstone())
	}
	if permanent {
		return numbers, append(records, s.forget(subject, true)...), nil
	}
	last := numbers[len(numbers)-1]
	return numbers, []Record{{Encode(key{Type: keyDeleteSubject, Subject: &subject}), Encode(subjectValue{subject, last})}}, nil
}
