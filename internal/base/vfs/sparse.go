package vfs

// pageBytes is what a sparse content is allocated in. A log's index files are
// preallocated at 10 MiB each: holes must cost nothing.
const pageBytes = 16 << 10

// sparse is the content of a file; nil pages are zeros. What lies in a page
// beyond the size is zero too.
type sparse struct {
	size  int64
	pages []*[pageBytes]byte
}

// readAt fills as much of b as there is.
func (s *sparse) readAt(b []byte, off int64) int {
	if off >= s.size {
		return 0
	}
	b = b[:min(int64(len(b)), s.size-off)]
	for done := 0; done < len(b); {
		page, at := (off+int64(done))/pageBytes, (off+int64(done))%pageBytes
		part := b[done:min(len(b), done+int(pageBytes-at))]
		if p := s.pages[page]; p != nil {
			copy(part, p[at:])
		} else {
			clear(part)
		}
		done += len(part)
	}
	return len(b)
}

// writeAt writes b, growing the content if need be.
func (s *sparse) writeAt(b []byte, off int64) {
	if end := off + int64(len(b)); end > s.size {
		s.truncate(end)
	}
	for len(b) > 0 {
		page, at := off/pageBytes, off%pageBytes
		if s.pages[page] == nil {
			s.pages[page] = new([pageBytes]byte)
		}
		n := copy(s.pages[page][at:], b)
		b, off = b[n:], off+int64(n)
	}
}

// truncate sets the size; growing adds a hole.
func (s *sparse) truncate(size int64) {
	count := int((size + pageBytes - 1) / pageBytes)
	if size < s.size {
		clear(s.pages[count:])
		s.pages = s.pages[:count]
		if at := size % pageBytes; at != 0 && s.pages[count-1] != nil {
			clear(s.pages[count-1][at:])
		}
	}
	for len(s.pages) < count {
		s.pages = append(s.pages, nil)
	}
	s.size = size
}

func (s *sparse) clone() sparse {
	out := sparse{size: s.size, pages: make([]*[pageBytes]byte, len(s.pages))}
	for i, p := range s.pages {
		if p != nil {
			copied := *p
			out.pages[i] = &copied
		}
	}
	return out
}
